import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import pytest
from foraminal_grades import grades_summary
from real_foramina import nested_of
from support.member import Timid
from support.store import FakeStore, fake_store

from lsdc.cohort.vocabulary import GRADES
from lsdc.commands.ensemble import main
from lsdc.ensemble import fitting as fit_module
from lsdc.ensemble import nested as stacking_module
from lsdc.ensemble.fitting import Fitted, fit
from lsdc.ensemble.grading import member_tables
from lsdc.ensemble.model import Model
from lsdc.ensemble.prediction import level_doubts, predict
from lsdc.ensemble.stackers.prior import WeightedPrior
from lsdc.features.store import FeatureStore
from lsdc.metrics.official import official_score
from lsdc.metrics.prediction_tables import grades_of, read_predictions, row_ids, to_cube
from lsdc.metrics.scoring import score
from lsdc.models.examples import Examples
from lsdc.models.registry import MEMBERS
from lsdc.runtime import ArtifactError, ConfigError, LsdcError, TableError
from lsdc.runtime.artifact import read_json, write_json

pytestmark = pytest.mark.usefixtures("brief_learners", "tiny_members")

TINY = ["linear", "timid"]
Made = tuple[FakeStore, Path, Fitted]


@pytest.fixture(scope="module")
def made(tiny_members: None, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A store with test studies and a model fitted on it; not to be changed."""
    folder = tmp_path_factory.mktemp("made")
    store = fake_store(folder / "store", 40, n_test=60)
    result = fit(store.path, folder / "model", TINY, trials=12)
    return store, folder / "model", result


def files(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_scores_on_test_studies_are_about_what_was_promised(made: Made, tmp_path: Path) -> None:
    store, model, result = made
    done = predict(model, store.path, tmp_path / "s.csv", baselines=tmp_path / "base")
    assert (done.studies, done.rows, done.out_of_fold) == (60, 1500, 0)
    labels = store.write_labels(tmp_path / "test.csv", store.test)
    total = {path.stem: score(labels, path).total for path in done.baselines}
    assert set(total) == {"weighted_prior", "plain_mean", "best_single", *TINY}
    mine = score(labels, done.submission).total
    assert mine < 0.75 * total["weighted_prior"] and mine < total["timid"]
    assert mine == pytest.approx(result.report.nested.total, abs=0.12)


def test_submission_has_every_row_and_sums_to_one(made: Made, tmp_path: Path) -> None:
    store, model, _ = made
    predict(model, store.path, tmp_path / "s.csv")
    table = pd.read_csv(tmp_path / "s.csv", dtype={"row_id": str}, keep_default_na=False)
    assert table.row_id.tolist() == row_ids(store.test.index)
    assert list(table.columns) == ["row_id", *GRADES, "status", "reason"]
    assert np.allclose(table[list(GRADES)].sum(axis=1), 1) and (table[list(GRADES)] > 0).all(axis=None)
    assert set(table.status) == {"seen"} and set(table.reason) == {""}


@pytest.fixture
def unseen(made: Made, monkeypatch: pytest.MonkeyPatch) -> str:
    """The first test study, of which no axial series was seen and whose canal at L5/S1 is unsure."""
    rows = FeatureStore.open(made[0].path).rows.copy()
    study = str(rows.loc[rows["split"] == "test", "study_id"].iloc[0])
    mine = rows["study_id"] == study
    recesses = mine & rows["condition"].str.contains("subarticular")
    rows.loc[recesses, ["status", "reason"]] = "not seen", "no axial T2 series"
    low = mine & (rows["row_id"] == f"{study}_spinal_canal_stenosis_l5_s1")
    rows.loc[low, ["status", "reason"]] = "unsure", "its place is uncertain"
    monkeypatch.setattr(FeatureStore, "rows", rows)
    return study


def test_what_was_not_seen_is_said_and_predicted_without_sight(
    made: Made, unseen: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, model, _ = made
    done = predict(model, store.path, tmp_path / "s.csv")
    assert done.status == {"seen": 1489, "unsure": 1, "not seen": 10}
    assert done.summary[0] == "not seen, 10 rows: 1 of 60 studies: no axial T2 series"
    assert done.summary[0] in caplog.text and read_json(done.about)["status"] == done.status
    table = pd.read_csv(done.submission, dtype={"row_id": str}, keep_default_na=False).set_index("row_id")
    hidden = table[table["status"] == "not seen"]
    assert len(hidden) == 10 and set(hidden["reason"]) == {"no axial T2 series"}
    assert all(name.startswith(unseen) for name in hidden.index)
    assert hidden["normal_mild"].max() < 0.9
    monkeypatch.undo()
    predict(model, store.path, tmp_path / "all_seen.csv")
    as_seen = pd.read_csv(tmp_path / "all_seen.csv", dtype={"row_id": str}).set_index("row_id")
    same = np.asarray(np.isclose(table[list(GRADES)], as_seen[list(GRADES)]).all(axis=1))
    assert same.sum() == 1490 and not same[table["status"] == "not seen"].any()


@pytest.mark.parametrize(("refuse", "refused"), [("none", 0), ("not-seen", 10), ("unsure", 11)])
def test_refused_rows_have_the_prior_or_are_left_out(
    made: Made, unseen: str, tmp_path: Path, refuse: Any, refused: int
) -> None:
    store, model, _ = made
    done = predict(model, store.path, tmp_path / "s.csv", baselines=tmp_path / "base", refuse=refuse)
    assert done.refused == refused and done.rows == 1500
    table = read_predictions(done.submission).set_index("row_id")
    prior = read_predictions(tmp_path / "base" / "weighted_prior.csv").set_index("row_id")
    at_prior = np.asarray(np.isclose(table, prior.loc[table.index], atol=1e-12).all(axis=1))
    mine = [name.startswith(f"{unseen}_") for name in table.index]
    assert at_prior[mine].sum() == refused
    if refused:
        short = predict(model, store.path, tmp_path / "short.csv", refuse=refuse, leave_out=True)
        assert short.rows == 1500 - refused


def test_rows_that_a_sample_asks_for_are_not_left_out(made: Made, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="leave_out and sample exclude each other"):
        predict(made[1], made[0].path, tmp_path / "s.csv", sample=tmp_path / "x.csv", leave_out=True)
    with pytest.raises(ConfigError, match="refuse `not-seen` or `unsure` as well"):
        predict(made[1], made[0].path, tmp_path / "s.csv", leave_out=True)


def test_studies_with_doubtful_levels_are_named(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store, model, _ = made
    rows = FeatureStore.open(store.path).rows
    doubted = str(rows.loc[rows["split"] == "test", "study_id"].iloc[0])
    doubt = np.where(rows["study_id"] == doubted, 0.45, 0.02)
    monkeypatch.setattr(FeatureStore, "rows", rows.assign(level_doubt=doubt))
    done = predict(model, store.path, tmp_path / "sub.csv")
    assert done.level_doubt == {doubted: 0.45}
    assert read_json(done.about)["level_doubt"] == {doubted: 0.45}
    assert f"1 of {done.studies} studies may have all levels one too high" in caplog.text
    assert level_doubts(rows.drop(columns="level_doubt", errors="ignore")) == {}


def test_report_is_saved_and_complete(made: Made) -> None:
    _, model, result = made
    saved = read_json(model / "report.json")
    assert {"model": str(model), **saved} == json.loads(json.dumps(result.to_dict()))
    assert {"nested", "mean", "best_single", "prior", "singles", "interval", "weights", "chosen"} <= set(
        saved
    )
    assert set(saved["nested"]) == {"spinal", "foraminal", "subarticular", "any_severe", "total"}
    assert saved["nested"]["total"] < saved["mean"]["total"] < saved["prior"]["total"]
    assert saved["weights"]["foraminal"]["linear"] > 0.6
    assert saved["warnings"] == []
    opened = Model.open(str(model))
    assert opened.outcome.to_dict() == result.to_dict()
    assert opened.origins["linear"] == "support.member:Linear"
    assert repr(opened).endswith("members=['linear', 'timid'])") and "<table" in opened._repr_html_()
    assert "40 studies" in repr(result) and f"{result.report.nested.total:.4f}" in result._repr_html_()


def test_out_of_fold_predictions_are_scored_as_reported(made: Made) -> None:
    store, model, result = made
    table = Model.open(model).out_of_fold_of(store.train.index.tolist()).query("member == 'linear'")
    cube = to_cube(table, store.train.index.tolist())
    assert official_score(grades_of(store.train), cube).total == pytest.approx(
        result.report.singles["linear"].total
    )
    assert sorted(table.fold.unique()) == [0, 1, 2, 3, 4]


def test_the_benchmark_of_real_foramina_knows_the_studies_of_a_model(made: Made) -> None:
    store, model, result = made
    studies = store.train.index.tolist()
    nested = nested_of(Model.open(model), studies)
    total = official_score(grades_of(store.train), to_cube(nested, studies)).total
    assert total == pytest.approx(result.report.nested.total)
    assert set(grades_summary(store.train, nested)) >= {"loss", "auc_severe", "auc_moderate"}
    with pytest.raises(LsdcError, match="was not fitted on these studies; remove it"):
        nested_of(Model.open(model), ["another"])


def test_sample_decides_rows_and_order(made: Made, tmp_path: Path) -> None:
    store, model, _ = made
    order = sorted(row_ids([*store.test.index[2:], "elsewhere"]), reverse=True)
    pd.DataFrame({"row_id": order, "normal_mild": 0.3}).to_csv(tmp_path / "sample.csv", index=False)
    done = predict(model, store.path, tmp_path / "s.csv", sample=tmp_path / "sample.csv")
    assert (done.studies, done.rows, done.without_features) == (59, 1475, 1)
    assert pd.read_csv(tmp_path / "s.csv").row_id.tolist() == order
    cube = to_cube(read_predictions(tmp_path / "s.csv"), ["elsewhere"])
    prior = Model.open(model).baselines["weighted_prior"]
    assert isinstance(prior, WeightedPrior)
    np.testing.assert_allclose(cube[0], prior.fractions_)


def test_rows_that_a_sample_does_not_ask_for_are_not_counted(
    made: Made, unseen: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store, model, _ = made
    other = str(store.test.index[-1])
    assert other != unseen
    pd.DataFrame({"row_id": row_ids([other, "elsewhere"])}).to_csv(tmp_path / "sample.csv", index=False)
    done = predict(model, store.path, tmp_path / "s.csv", sample=tmp_path / "sample.csv", refuse="not-seen")
    assert done.status == {"seen": 25, "unsure": 0, "not seen": 25} and done.rows == 50
    assert done.summary == ("not seen, 25 rows: 1 of 2 studies: the study is not in the store",)
    assert done.refused == 25 and read_json(done.about)["refused"] == 25
    assert "no axial T2 series" not in caplog.text


def test_baselines_that_cannot_be_written_are_said_before_the_work(made: Made, tmp_path: Path) -> None:
    (tmp_path / "base").write_text("mine")
    with pytest.raises(LsdcError, match="base: is a file; give the name of a folder"):
        predict(made[1], made[0].path, tmp_path / "s.csv", baselines=tmp_path / "base")
    assert not (tmp_path / "s.csv").exists()


def test_sample_of_other_studies_is_refused(made: Made, tmp_path: Path) -> None:
    store, model, _ = made
    pd.DataFrame({"row_id": row_ids(["9"])}).to_csv(tmp_path / "sample.csv", index=False)
    with pytest.raises(TableError, match=r"sample\.csv: none of its 1 studies is in "):
        predict(model, store.path, tmp_path / "s.csv", sample=tmp_path / "sample.csv")


class KilledError(Exception):
    """Stands for a kill."""


@pytest.fixture(scope="module")
def undisturbed(tiny_members: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[FakeStore, Path]:
    """A small store and what an undisturbed fit on it leaves."""
    folder = tmp_path_factory.mktemp("whole")
    store = fake_store(folder / "store", 20, folds=3)
    fit(store.path, folder / "model", TINY, trials=6)
    return store, folder / "model"


@pytest.mark.parametrize("where", ["members", "report", "end"])
def test_a_killed_fit_resumes_and_ends_the_same(
    undisturbed: tuple[FakeStore, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    store, whole = undisturbed
    expected = files(whole)
    fitted: list[int] = []

    def die(*args: Any, **options: Any) -> None:
        raise KilledError

    class Counted(Timid):
        def fit(self, examples: Examples, stop_on: Examples, work: Path | None = None) -> Self:
            fitted.append(1)
            if where == "members" and len(fitted) == 3:
                raise KilledError
            return super().fit(examples, stop_on)

    Counted.__module__, Counted.__qualname__ = Timid.__module__, Timid.__qualname__  # the same origin
    monkeypatch.setitem(MEMBERS, "timid", Counted)
    names = {"report": (stacking_module, "score_nested"), "end": (fit_module, "write_manifest")}
    with monkeypatch.context() as patch:
        if where in names:
            patch.setattr(*names[where], die)
        with pytest.raises(KilledError):
            fit(store.path, tmp_path / "model", TINY, trials=6)
    fit(store.path, tmp_path / "model", TINY, trials=6)
    assert len(fitted) == (4 if where == "members" else 3)
    assert files(tmp_path / "model").keys() == expected.keys()
    same = ("members", "studies.json", "manifest.json", "config.json")
    for path, content in files(tmp_path / "model").items():
        if path.parts[0] in same:
            assert content == expected[path], path
    one, two = (read_json(path / "report.json") for path in (whole, tmp_path / "model"))
    assert {**two, "model": ""} == {**one, "model": ""}
    trials = [
        (path / "optuna.journal").read_bytes().count(b'"op_code":4') for path in (whole, tmp_path / "model")
    ]
    assert trials[0] == trials[1] > 0


def run(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str]:
    """Exit code and the words on stderr."""
    code = main([str(arg) for arg in args])
    return code, capsys.readouterr().err.strip()


def test_fit_refuses_what_cannot_work(made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store, model, _ = made
    some = ["--members", "linear,timid"]
    unlabeled = fake_store(tmp_path / "unlabeled", 0, n_test=3)
    (tmp_path / "empty").mkdir()
    for args, words in [
        (["fit", tmp_path / "no", "--out", tmp_path / "m"], "no: no such store directory"),
        (["fit", tmp_path / "empty", "--out", tmp_path / "m"], "empty: not a finished store directory"),
        (["fit", model, "--out", tmp_path / "m"], "holds a 'model', not a 'store'"),
        (
            ["fit", store.path, "--out", tmp_path / "m", "--members", "oracle"],
            "members: 'oracle' is unknown; expected some of",
        ),
        (["fit", store.path, "--out", tmp_path / "m", "--members", "linear,linear"], "name each member once"),
        (["fit", store.path, "--out", tmp_path / "m", "--trials", 0], "trials must be at least 1, not 0"),
        (["fit", unlabeled.path, "--out", tmp_path / "m"], "labeled training studies in 0 folds"),
        (["fit", store.path, "--out", store.path, *some], "exists and is not empty; finish it"),
        (["fit", store.path, "--out", model, *some], "begun with another configuration (trials differ)"),
    ]:
        code, said = run(capsys, *args)
        assert code == 2 and words in said and said.count("\n") == 0, said
    assert not (tmp_path / "m").exists()


def test_predict_refuses_what_cannot_work(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, model, _ = made
    other = fake_store(tmp_path / "other", 4, configuration={"backbone": "another"})
    out = ["--out", tmp_path / "s.csv"]
    for args, words in [
        (["predict", tmp_path / "no", store.path, *out], "no: no such model directory"),
        (["predict", store.path, store.path, *out], "holds a 'store', not a 'model'"),
        (["predict", model, tmp_path / "no", *out], "no: no such store directory"),
        (["predict", model, other.path, *out], "extract it again like"),
        (["predict", model, store.path, *out, "--sample", tmp_path / "no.csv"], "no.csv: no such file"),
    ]:
        code, said = run(capsys, *args)
        assert code == 2 and words in said and said.count("\n") == 0, said
    assert not (tmp_path / "s.csv").exists()


def test_newer_unfinished_and_damaged_models_are_refused(tmp_path: Path) -> None:
    store = fake_store(tmp_path / "store", 10, folds=2)
    fit(store.path, tmp_path / "model", ["linear"], trials=1)
    manifest = read_json(tmp_path / "model" / "manifest.json")
    write_json(tmp_path / "model" / "manifest.json", manifest | {"schema": 99})
    with pytest.raises(ArtifactError, match=r"newer than what this version reads"):
        Model.open(tmp_path / "model")
    write_json(tmp_path / "model" / "manifest.json", manifest)
    (tmp_path / "model" / "stack.json").unlink()
    with pytest.raises(ArtifactError, match=r"damaged model, stack\.json is missing"):
        Model.open(tmp_path / "model")
    (tmp_path / "model" / "manifest.json").unlink()
    with pytest.raises(ArtifactError, match=r"not a finished model directory"):
        Model.open(tmp_path / "model")


@pytest.mark.parametrize(
    ("origins", "words"),
    [
        ({}, "member 'oracle' is neither built in nor registered"),
        (
            {"oracle": "not_there:Oracle"},
            "member 'oracle' comes from 'not_there:Oracle', which cannot be imported",
        ),
    ],
)
def test_a_member_that_is_not_installed_is_named(made: Made, origins: dict[str, str], words: str) -> None:
    store, model, _ = made
    opened = Model.open(model)
    foreign = replace(opened, manifest=opened.manifest | {"members": ["oracle"], "origins": origins})
    with pytest.raises(ArtifactError, match=words):
        member_tables(foreign, FeatureStore.open(store.path), np.zeros(0, bool), set())


def test_models_from_before_origins_were_kept_are_opened(made: Made, tmp_path: Path) -> None:
    store, model, _ = made
    predict(model, store.path, tmp_path / "one.csv")
    old = tmp_path / "old"
    shutil.copytree(model, old)
    manifest = read_json(old / "manifest.json")
    del manifest["origins"]
    write_json(old / "manifest.json", manifest)
    predict(old, store.path, tmp_path / "two.csv")
    assert (tmp_path / "one.csv").read_text() == (tmp_path / "two.csv").read_text()


def test_commands_end_to_end_with_real_members(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = fake_store(tmp_path / "store", 24, n_test=6, folds=2)
    path, model = str(store.path), str(tmp_path / "model")
    options = ["--members", "lightgbm,xgboost", "--trials", "5", "--json"]
    assert main(["fit", path, "--out", model, *options]) == 0
    fitted = json.loads(capsys.readouterr().out)
    assert fitted["chosen"] in {"tuned", "plain_mean"} and set(fitted["singles"]) == {"lightgbm", "xgboost"}
    assert main(["predict", model, path, "--out", str(tmp_path / "s.csv"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 150
    labels = store.write_labels(tmp_path / "test.csv", store.test)
    assert main(["score", str(labels), str(tmp_path / "s.csv"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["total"] < 1.1


def test_members_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["members", "--json"]) == 0
    assert {"lightgbm", "xgboost", "mlp"} <= set(json.loads(capsys.readouterr().out))
