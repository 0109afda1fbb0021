"""Stacking tables that others wrote: alignment, gaps, refusals, applying, and what is reported."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from support.scoring import write_labels

from lsdc.cohort.folds import read_folds
from lsdc.commands.ensemble import main
from lsdc.ensemble import nested
from lsdc.ensemble.applying import apply_blend
from lsdc.ensemble.blend_model import BlendModel
from lsdc.ensemble.evaluation import evaluate
from lsdc.ensemble.external import Blended, blend, tune
from lsdc.ensemble.member_tables import read_members, read_stacking_data
from lsdc.ensemble.predictions import Predictions
from lsdc.ensemble.stack_progress import StackProgress
from lsdc.ensemble.stackers.default import DefaultStacker
from lsdc.ensemble.stackers.fixed import PlainMean
from lsdc.ensemble.stackers.registry import load_stacker, save_stacker
from lsdc.ensemble.stacking_data import StackingData
from lsdc.metrics.prediction_tables import read_predictions, row_ids, table_of
from lsdc.runtime import ArtifactError, ConfigError, TableError
from lsdc.runtime.artifact import read_json, write_json
from lsdc.runtime.plain import plain
from lsdc.testing.damage import relist
from lsdc.testing.planted_predictions import make_grades, make_probabilities

pytestmark = pytest.mark.usefixtures("brief_learners")

N = 60
STUDIES = [str(1000 + k) for k in range(N)]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("blend")
    rng = np.random.default_rng(0)
    grades = make_grades(rng, N, 0.05)
    write_labels(folder / "train.csv", grades, STUDIES)
    pd.DataFrame({"study_id": STUDIES, "fold": np.arange(N) % 2}).to_csv(folder / "folds.csv", index=False)
    (folder / "oof").mkdir()
    for name, skill in (("whole", 0.45), ("canal", 0.5), ("half", 0.4)):
        table = table_of(row_ids(STUDIES), make_probabilities(rng, N, grades, skill).reshape(-1, 3))
        table = table.sample(frac=1, random_state=1)
        if name == "canal":
            table = table[table["row_id"].str.contains("spinal")]
        if name == "half":
            table[table["row_id"].str.split("_").str[0].astype(int) < 1030].to_parquet(
                folder / "oof/half.parquet"
            )
        else:
            table.to_csv(folder / f"oof/{name}.csv", index=False)
    return folder


def arguments(data: Path, out: Path, **changed: Any) -> list[str]:
    options = {"labels": data / "train.csv", "folds": data / "folds.csv", "members": data / "oof", "out": out}
    return [str(part) for name, value in (options | changed).items() for part in (f"--{name}", value)]


@pytest.fixture(scope="module")
def model(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("model") / "m"
    assert main(["blend", *arguments(data, out, trials=8)]) == 0
    return out


def test_the_report_says_what_was_chosen_and_what_is_missing(model: Path) -> None:
    report = json.loads((model / "report.json").read_text())
    assert set(report["nested"]) == {"spinal", "foraminal", "subarticular", "any_severe", "total"}
    assert set(report["mean"]) == set(report["nested"])
    assert report["chosen"] in {"tuned", "plain_mean"}
    assert report["missing"]["whole"] == 0 == report["missing"]["canal"]
    assert report["missing"]["half"] > 600


def test_json_on_stdout_words_on_stderr_and_the_same_stack_again(
    data: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["blend", *arguments(data, tmp_path / "m", trials=8), "--json"]) == 0
    printed = capsys.readouterr()
    found = json.loads(printed.out)
    assert {"nested", "mean", "chosen", "warnings"} <= found.keys()
    assert "labeled rows that members lack: half" in printed.err
    # The same seed gives the same stack.
    assert (tmp_path / "m/stack.json").read_text() == (model / "stack.json").read_text()


def test_applying_gives_25_rows_per_study_in_whatever_order_rows_come(
    data: Path, model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "submission.csv"
    assert main(["blend", "--out", str(model), "--apply", str(data / "oof"), "--submission", str(out)]) == 0
    whole = read_predictions(out, required=row_ids(STUDIES))
    (tmp_path / "some").mkdir()
    few = pd.read_csv(data / "oof/whole.csv").head(1)
    few.to_csv(tmp_path / "some/whole.csv", index=False)
    assert (
        main(["blend", "--out", str(model), "--apply", str(tmp_path / "some"), "--submission", str(out)]) == 0
    )
    one = read_predictions(out)
    assert len(one) == 25 and len(whole) == 25 * N
    np.testing.assert_allclose(one.iloc[:, 1:].sum(axis=1), 1)


def test_the_functions_return_what_they_wrote(data: Path, tmp_path: Path) -> None:
    made = blend(
        str(data / "train.csv"), str(data / "oof"), str(tmp_path / "m"), folds=data / "folds.csv", trials=2
    )
    assert isinstance(made, Blended) and made.studies == N and made.model == tmp_path / "m"
    saved = read_json(tmp_path / "m" / "report.json")
    assert plain({"model": str(made.model), **saved}) == plain(made.to_dict())
    assert "60 studies" in repr(made) and "<table" in made._repr_html_()
    opened = BlendModel.open(str(tmp_path / "m"))
    assert opened.members == ["canal", "half", "whole"]
    assert plain(opened.outcome.to_dict()) == plain(made.to_dict())
    assert repr(opened).endswith("members=['canal', 'half', 'whole'])") and "<table" in opened._repr_html_()
    applied = apply_blend(made.model, data / "oof", tmp_path / "s.csv")
    assert (applied.rows, applied.prior_rows) == (25 * N, 0)
    with pytest.raises(ConfigError, match="trials must be at least 1, not 0"):
        blend(data / "train.csv", data / "oof", tmp_path / "n", trials=0)
    with pytest.raises(ConfigError, match="trials must be at least 1, not 0"):
        tune(data / "train.csv", data / "oof", "sqlite:///none", trials=0)


def test_damaged_blends_are_refused(data: Path, model: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no such blend directory"):
        apply_blend(tmp_path / "no", data / "oof", tmp_path / "s.csv")
    copy = tmp_path / "copy"
    shutil.copytree(model, copy)
    write_json(copy / "report.json", {"nested": {}})
    relist(copy)
    assert "report.json: damaged" in BlendModel.open(copy)._repr_html_()
    (copy / "stack.json").unlink()
    with pytest.raises(ArtifactError, match=r"damaged blend, stack\.json is missing"):
        BlendModel.open(copy)


class KilledError(Exception):
    """Stands for a process that is killed."""


def listed(folder: Path) -> dict[str, bytes]:
    """Contents of all files but the journal, in which times are."""
    names = [path for path in folder.rglob("*") if path.is_file() and "journal" not in path.name]
    return {str(path.relative_to(folder)): path.read_bytes() for path in names}


@pytest.mark.parametrize("finished", [2, 3])
def test_a_killed_blend_fits_what_is_missing_and_ends_the_same(
    data: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, finished: int
) -> None:
    fitted: list[int] = []
    fit, most = DefaultStacker.fit, finished

    def counted(self: DefaultStacker, predictions: Predictions, grades: NDArray[np.int8]) -> DefaultStacker:
        if len(fitted) == most:
            raise KilledError
        fitted.append(len(grades))
        return fit(self, predictions, grades)

    def killed(*args: object) -> None:
        raise KilledError

    record = nested.record
    paths = (data / "train.csv", data / "oof", tmp_path / "m")
    with monkeypatch.context() as patch:
        patch.setattr(DefaultStacker, "fit", counted)
        patch.setattr(nested, "record", killed)
        with pytest.raises(KilledError):
            blend(*paths, folds=data / "folds.csv", trials=8)
        assert fitted == [60, 30, 30][:finished]  # on all studies, then without each fold
        with pytest.raises(ArtifactError, match=r"begun with another configuration \(trials differ\)"):
            blend(*paths, folds=data / "folds.csv", trials=9)
        fitted.clear()
        most = 9
        patch.setattr(nested, "record", record)
        blend(*paths, folds=data / "folds.csv", trials=8)
    assert len(fitted) == 3 - finished
    assert listed(tmp_path / "m") == listed(model)


def test_damaged_parts_of_a_stack_are_refused(data: Path, tmp_path: Path) -> None:
    stacking = read_stacking_data(data / "train.csv", data / "oof", data / "folds.csv")
    progress = StackProgress.begin(tmp_path / "work", stacking, 8, 0)
    assert progress.find(0, stacking) is None
    halves = np.full((30, 5, 5, 3), 0.5)
    progress.keep(0, halves)
    np.testing.assert_array_equal(progress.find(0, stacking), halves)
    progress.keep(0, halves[:3])
    with pytest.raises(ArtifactError, match=r"fold_0\.npy: damaged .* delete it"):
        progress.find(0, stacking)
    progress.keep(1, np.nan * halves)
    with pytest.raises(ArtifactError, match=r"damaged \(values that are no probabilities"):
        progress.find(1, stacking)
    save_stacker(tmp_path / "work/tuned.json", PlainMean().fit(stacking.predictions, stacking.grades))
    with pytest.raises(ArtifactError, match="damaged, it holds plain_mean"):
        progress.tuned(DefaultStacker)
    with pytest.raises(ArtifactError, match=r"begun with another configuration \(problem, seed differ\)"):
        other = StackingData(stacking.predictions, stacking.grades, 1 - stacking.folds)
        StackProgress.begin(tmp_path / "work", other, 8, 1)


@pytest.mark.parametrize("stopped_at", [1, 2, 3])
def test_parts_whose_removal_was_interrupted_are_taken_up(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped_at: int
) -> None:
    stacking = read_stacking_data(data / "train.csv", data / "oof", data / "folds.csv")
    progress, removed = StackProgress.begin(tmp_path / "work", stacking, 8, 0), []
    for fold in (0, 1):
        progress.keep(fold, np.full((30, 5, 5, 3), 0.5))

    def unlink(path: Path, missing_ok: bool = False, real: Any = Path.unlink) -> None:
        removed.append(path.name)
        if len(removed) == stopped_at:
            raise KeyboardInterrupt
        real(path, missing_ok)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "unlink", unlink)
        progress.end()
    again = StackProgress.begin(tmp_path / "work", stacking, 8, 0)
    again.end()
    assert not (tmp_path / "work").exists()


def test_a_table_that_is_read_under_a_name_is_not_replaced(data: Path, model: Path, tmp_path: Path) -> None:
    table = shutil.copy(sorted((data / "oof").glob("*.csv"))[0], tmp_path / "m.csv")
    before = Path(table).read_bytes()
    with pytest.raises(ConfigError, match=r"m\.csv: is one of the files that are read"):
        apply_blend(model, [f"a={table}"], table)
    assert Path(table).read_bytes() == before


def test_other_data_is_not_stacked_in_the_same_folder(
    data: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["blend", *arguments(data, model, trials=9)]) == 2
    assert "begun with another configuration (trials differ)" in capsys.readouterr().err


def test_members_that_say_the_same_leave_the_mean(data: Path, tmp_path: Path) -> None:
    (tmp_path / "oof").mkdir()
    table = pd.read_csv(data / "oof/whole.csv")
    uniform = table.assign(normal_mild=1, moderate=1, severe=1)
    for name in ("a", "b"):
        uniform.to_csv(tmp_path / f"oof/{name}.csv", index=False)
    rng = np.random.default_rng(5)
    write_labels(tmp_path / "train.csv", rng.integers(0, 3, (N, 5, 5)).astype(np.int8), STUDIES)
    assert main(["blend", *arguments(data, tmp_path / "m", trials=8, members=tmp_path / "oof",
                                     labels=tmp_path / "train.csv")]) == 0  # fmt: skip
    report = json.loads((tmp_path / "m/report.json").read_text())
    weights = set().union(*report["weights"].values())
    assert report["chosen"] == load_stacker(tmp_path / "m/stack.json").name
    assert report["chosen"] == "plain_mean" or report["nested"]["total"] < report["mean"]["total"] + 0.02
    assert weights


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: pd.concat([t, t.head(1)]), r"row 1502: row_id .* was already in row 2"),
        (
            lambda t: t.assign(severe=["x", *t["severe"][1:]]),
            r"row 2: 'x' in column 'severe' is not a finite",
        ),
        (
            lambda t: t.assign(severe=[-1, *t["severe"][1:]]),
            r"row 2: '-1\.?0?' in column 'severe' is negative",
        ),
        (lambda t: t.assign(severe=[np.nan, *t["severe"][1:]]), r"row 2: .* is not a finite number"),
        (
            lambda t: t.assign(row_id=["9_spinal_canal_stenosis_l1_l2", *t["row_id"][1:]]),
            "row 2: unknown row_id",
        ),
        (lambda t: t.assign(row_id=["canal", *t["row_id"][1:]]), r"row 2: column 'row_id'"),
        (lambda t: t.drop(columns="moderate"), "no column 'moderate'"),
        (lambda t: t.head(0), "holds no row"),
    ],
)
def test_bad_tables_are_refused_with_file_and_row(
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[pd.DataFrame], pd.DataFrame],
    words: str,
) -> None:
    (tmp_path / "oof").mkdir()
    change(pd.read_csv(data / "oof/whole.csv", dtype={"severe": object})).to_csv(
        tmp_path / "oof/bad.csv", index=False
    )
    assert main(["blend", *arguments(data, tmp_path / "m", members=tmp_path / "oof")]) == 2
    with pytest.raises(TableError, match=r"bad\.csv: " + words):
        read_stacking_data(data / "train.csv", tmp_path / "oof")
    assert "bad.csv" in capsys.readouterr().err
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("study_id,fold\n1000,0\n", "no fold for study '1001' \\(59 such studies\\)"),
        ("study_id,fold\n1000,0\n1000,1\n", "row 3: study '1000' is in folds 0 and 1; it belongs in one"),
        ("study_id,fold\n1000,first\n", "row 2: 'first' in column 'fold' is not a finite number"),
        ("study_id,fold\n1000,0.5\n", "row 2: '0.5' in column 'fold' is not a whole number"),
        ("study_id,fold\n1000,20240101\n", "row 2: fold 20240101 is not a whole number from 0 to 32767"),
        ("study_id,fold\n1000,-1\n", "row 2: fold -1 is not a whole number from 0 to 32767"),
        ("study_id\n1000\n", "no column 'fold'"),
    ],
)
def test_bad_folds_are_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "folds.csv").write_text(text)
    with pytest.raises(TableError, match=words):
        read_folds(tmp_path / "folds.csv", STUDIES)


def test_folders_without_tables_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="no such folder of prediction tables"):
        read_members(tmp_path / "absent")
    with pytest.raises(TableError, match=r"holds no \.csv, \.parquet, \.tsv, \.xlsx table"):
        read_members(tmp_path)
    for name in ("a.csv", "a.parquet"):
        (tmp_path / name).write_text("x")
    with pytest.raises(TableError, match="two tables of member 'a'"):
        read_members(tmp_path)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--apply", "x"], "--apply and --submission belong together"),
        (["--labels", "x"], "--labels and --members belong together"),
        ([], "nothing to do"),
    ],
)
def test_options_that_belong_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    assert main(["blend", "--out", str(tmp_path), *options]) == 2
    assert words in capsys.readouterr().err


def test_a_strange_member_is_not_applied(
    data: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "stranger.csv").write_bytes((data / "oof/whole.csv").read_bytes())
    out = tmp_path / "out" / "s.csv"
    assert main(["blend", "--out", str(model), "--apply", str(tmp_path), "--submission", str(out)]) == 2
    assert "'stranger' is no member" in capsys.readouterr().err


def test_workers_tune_one_study_in_a_database(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path / 'optuna.db'}"
    both = [
        "--labels",
        str(data / "train.csv"),
        "--members",
        str(data / "oof"),
        "--storage",
        url,
        "--trials",
        "8",
    ]
    for _ in range(2):
        assert main(["tune", *both]) == 0
    out = tmp_path / "m"
    assert main(["blend", *arguments(data, out, trials=8, storage=url)]) == 0
    assert not (out / "optuna.journal").exists()
    import optuna

    study = optuna.load_study(study_name="stack", storage=url)
    assert len(study.trials) == 8


def long_table(data: Path, path: Path, folds: bool = True) -> Path:
    """Write the tables of two members as one, as a fit writes its out-of-fold predictions."""
    parts = [pd.read_csv(data / f"oof/{name}.csv").assign(member=name) for name in ("whole", "canal")]
    table = pd.concat(parts, ignore_index=True)
    if folds:
        table["fold"] = (table["row_id"].str.split("_").str[0].astype(int) - 1000) % 2
    table.to_parquet(path) if path.suffix == ".parquet" else table.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_long_table_holds_members_and_folds(data: Path, tmp_path: Path, kind: str) -> None:
    path = long_table(data, tmp_path / f"all.{kind}")
    found = read_stacking_data(data / "train.csv", [path, data / "oof/half.parquet"])
    wanted = read_stacking_data(data / "train.csv", data / "oof", data / "folds.csv")
    assert found.predictions.members == ("whole", "canal", "half")
    np.testing.assert_array_equal(found.folds, wanted.folds)
    np.testing.assert_allclose(
        found.predictions.of(wanted.predictions.members).cubes, wanted.predictions.cubes
    )


def test_one_labeled_study_is_too_few_to_stack(data: Path, tmp_path: Path) -> None:
    labels = pd.read_csv(data / "train.csv", dtype=str)
    labels.iloc[1:, 1:] = None
    labels.to_csv(tmp_path / "train.csv", index=False)
    with pytest.raises(TableError, match=r"train\.csv: 1 labeled studies; a stack needs at least 2"):
        read_stacking_data(tmp_path / "train.csv", data / "oof")


def test_options_of_a_stack_are_refused_where_none_is_made(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["blend", "--out", str(model), "--apply", str(data / "oof")]
    for more in (["--seed", "3"], ["--trials", "5"], ["--folds", str(data / "folds.csv")]):
        assert main([*words, "--submission", str(tmp_path / "s.csv"), *more]) == 2
        assert "--trials and --seed belong to --labels" in capsys.readouterr().err


def test_folds_of_members_must_cover_the_studies_and_agree(data: Path, tmp_path: Path) -> None:
    path = long_table(data, tmp_path / "all.csv")
    table = pd.read_csv(path)
    study = table["row_id"].str.split("_").str[0].astype(int)
    table[study < 1050].to_csv(tmp_path / "few.csv", index=False)
    with pytest.raises(TableError, match=r"lack study '1050' \(10 such studies\); give folds"):
        read_stacking_data(data / "train.csv", tmp_path / "few.csv")
    table.assign(fold=study % 3, member="other").to_csv(tmp_path / "other.csv", index=False)
    with pytest.raises(
        TableError, match=r"other.csv: .*row_id .* was already in row|other.csv: study '1\d+' is in "
    ):
        read_stacking_data(data / "train.csv", [path, tmp_path / "other.csv"])
    table.assign(fold=range(len(table))).to_csv(tmp_path / "odd.csv", index=False)
    with pytest.raises(TableError, match=r"odd.csv: study '1\d+' is in folds 0 and 1; it belongs in one"):
        read_stacking_data(data / "train.csv", tmp_path / "odd.csv")


def test_members_of_one_name_are_told_apart_by_the_name_of_their_place(data: Path, tmp_path: Path) -> None:
    path = long_table(data, tmp_path / "all.csv", folds=False)
    with pytest.raises(TableError, match=r"two tables of member 'canal'; .*NAME=PATH"):
        read_stacking_data(data / "train.csv", [path, data / "oof"])
    found = read_stacking_data(data / "train.csv", [f"other={path}", data / "oof"])
    assert found.predictions.members == ("other.whole", "other.canal", "canal", "half", "whole")


def test_partial_members_are_scored_on_their_rows(model: Path, data: Path) -> None:
    report = BlendModel.open(model).outcome.report
    labels = pd.read_csv(data / "train.csv", dtype=str)
    labeled = int(labels.iloc[:, 1:].notna().sum().sum())
    canal = int(labels.filter(like="spinal").notna().sum().sum())
    assert report.labeled == labeled == report.rows["whole"] and report.rows["canal"] == canal
    assert set(report.partial) == {"canal", "half"}
    assert np.isnan(report.singles["canal"].foraminal) and report.singles["canal"].spinal > 0
    assert f"canal ({canal} of {labeled} rows)" in report.table().index


def test_a_blend_says_whether_it_is_exhausted(model: Path, data: Path) -> None:
    outcome = BlendModel.open(model).outcome
    found = outcome.exhaustion
    assert found is not None and set(found.added) == {"canal", "half", "whole"}
    assert found.newcomer["own"].value > 0 and found.trials > 0
    assert any("more trials" in sentence for sentence in found.sentences())
    assert plain(outcome.to_dict())["exhaustion"]["added"]["whole"].keys() == {"value", "low", "high"}


def test_a_blend_can_be_evaluated(model: Path, data: Path) -> None:
    found = evaluate(data / "train.csv", [model, data / "oof/whole.csv"], resamples=20)
    assert found.pooled().index.tolist() == [f"{model.name}: stack", "whole"]
    wanted = BlendModel.open(model).outcome.report.nested.total
    assert found.pooled().loc[f"{model.name}: stack", "official"] == pytest.approx(wanted)


def test_baselines_beside_the_members_tables_are_left_out(data: Path, model: Path, tmp_path: Path) -> None:
    shutil.copytree(data / "oof", tmp_path / "tables")
    for name in ("plain_mean", "weighted_prior", "best_single"):
        shutil.copy(data / "oof/whole.csv", tmp_path / f"tables/{name}.csv")
    apply_blend(model, data / "oof", tmp_path / "a.csv")
    apply_blend(model, [tmp_path / "tables"], tmp_path / "b.csv")
    assert (tmp_path / "a.csv").read_text() == (tmp_path / "b.csv").read_text()
    (tmp_path / "only").mkdir()
    shutil.copy(data / "oof/whole.csv", tmp_path / "only/plain_mean.csv")
    with pytest.raises(TableError, match="no table is of a member"):
        apply_blend(model, tmp_path / "only", tmp_path / "c.csv")
