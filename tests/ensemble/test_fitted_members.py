"""Members of fitted models beside others' tables: evaluated, blended and applied."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.store import FakeStore, fake_store

from lsdc.commands.ensemble import main
from lsdc.ensemble.applying import apply_blend
from lsdc.ensemble.evaluation import evaluate
from lsdc.ensemble.external import blend
from lsdc.ensemble.fitting import fit
from lsdc.ensemble.member_tables import read_members, read_stacking_data
from lsdc.ensemble.model import Model
from lsdc.ensemble.prediction import predict
from lsdc.metrics.prediction_tables import read_predictions
from lsdc.runtime import TableError

pytestmark = pytest.mark.usefixtures("brief_learners", "tiny_members")

NAMES = ["linear", "timid"]


@pytest.fixture(scope="module")
def made(tiny_members: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[FakeStore, Path, Path]:
    """A store, labels of its training studies, and a model fitted on it."""
    folder = tmp_path_factory.mktemp("made")
    store = fake_store(folder / "store", 30, n_test=5, folds=2)
    fit(store.path, folder / "model", NAMES, trials=3)
    labels = store.write_labels(folder / "train.csv", store.train)
    return store, labels, folder / "model"


def others(model: Path, labels: Path, path: Path) -> Path:
    """Write the table of a network of others: the first member's predictions, a little flattened."""
    rows = Model.open(model).out_of_fold_of(pd.read_csv(labels, dtype=str)["study_id"].tolist())
    rows = rows[rows["member"] == "linear"].drop(columns=["member", "fold"])
    grades = ["normal_mild", "moderate", "severe"]
    rows[grades] = 0.9 * rows[grades] + 0.1 / 3
    path.parent.mkdir()
    rows.to_csv(path, index=False)
    return path


def test_a_model_gives_members_and_folds(made: tuple[FakeStore, Path, Path], tmp_path: Path) -> None:
    _, labels, model = made
    network = others(model, labels, tmp_path / "oof/network.csv")
    data = read_stacking_data(labels, [model, network.parent])
    assert data.predictions.members == (*NAMES, "network")
    assert data.predictions.present[:2].all() and data.predictions.studies == tuple(
        pd.read_csv(labels, dtype=str)["study_id"]
    )
    rows = Model.open(model).out_of_fold_of(data.predictions.studies)
    fold_of = dict(zip(rows["row_id"].str.split("_").str[0], rows["fold"]))
    assert data.folds.tolist() == [fold_of[study] for study in data.predictions.studies]
    same = read_stacking_data(labels, model / "oof.parquet")
    np.testing.assert_array_equal(same.predictions.cubes, data.predictions.cubes[:2])


def test_a_model_without_folds_of_all_studies_is_refused(
    made: tuple[FakeStore, Path, Path], tmp_path: Path
) -> None:
    _, labels, model = made
    more = pd.read_csv(labels, dtype=str)
    more.loc[len(more)] = ["777", *more.iloc[0, 1:]]
    more.to_csv(tmp_path / "more.csv", index=False)
    with pytest.raises(TableError, match=r"lack study '777' \(1 such studies\); give folds"):
        read_stacking_data(tmp_path / "more.csv", model)
    more.iloc[-1:].to_csv(tmp_path / "none.csv", index=False)
    for read in (read_stacking_data, evaluate):
        with pytest.raises(TableError, match="was fitted on none of the 1 labeled studies"):
            read(tmp_path / "none.csv", model)  # type: ignore[operator]
    with pytest.raises(TableError, match="predictions are of the studies it was fitted on; give the tables"):
        read_members(model)


def test_blend_and_apply_with_a_model_and_others_tables(
    made: tuple[FakeStore, Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, labels, model = made
    network = others(model, labels, tmp_path / "oof/network.csv")
    out = tmp_path / "blend"
    words = [
        "blend",
        "--labels",
        str(labels),
        "--members",
        str(model),
        str(network.parent),
        "--out",
        str(out),
    ]
    assert main([*words, "--trials", "2"]) == 0
    assert "network" in capsys.readouterr().err
    predict(model, store.path, tmp_path / "model.csv", baselines=tmp_path / "tables")
    theirs = tmp_path / "network.csv"
    (tmp_path / "tables/linear.csv").rename(theirs)
    applied = apply_blend(out, [tmp_path / "tables", theirs], tmp_path / "submission.csv")
    assert applied.rows == 125 and applied.prior_rows == 0
    assert len(read_predictions(tmp_path / "submission.csv")) == 125


def test_a_blend_of_two_models_takes_what_each_predicts_beside_its_baselines(
    made: tuple[FakeStore, Path, Path], tmp_path: Path
) -> None:
    """Both models write tables of the same baselines, which are no members of the blend."""
    store, labels, model = made
    blend(labels, [f"A={model}", f"B={model}"], tmp_path / "blend", trials=2)
    places = []
    for name in ("A", "B"):
        predict(model, store.path, tmp_path / f"{name}.csv", baselines=tmp_path / name)
        assert (tmp_path / name / "best_single.csv").is_file()
        places.append(f"{name}={tmp_path / name}")
    assert apply_blend(tmp_path / "blend", places, tmp_path / "submission.csv").rows == 125
    with pytest.raises(TableError, match=r"'linear' is no member of .*blend, which has A\.linear, A\.timid"):
        apply_blend(tmp_path / "blend", tmp_path / "A", tmp_path / "submission.csv")


def test_the_stack_and_the_members_of_a_model_are_evaluated(made: tuple[FakeStore, Path, Path]) -> None:
    _, labels, model = made
    found = evaluate(labels, model, resamples=0).pooled()
    assert found.index.tolist() == ["model: stack", "model: linear", "model: timid"]
    report = Model.open(model).outcome.report
    assert found.loc["model: stack", "official"] == pytest.approx(report.nested.total)
    assert found.loc["model: linear", "official"] == pytest.approx(report.singles["linear"].total)
