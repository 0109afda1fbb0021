"""What is said of studies that a model was fitted on comes from parts that had not seen them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.store import FakeStore, fake_store

from lsdc.ensemble.fitting import fit
from lsdc.ensemble.model import Model
from lsdc.ensemble.prediction import predict
from lsdc.ensemble.predictions import Predictions
from lsdc.ensemble.stacked import Stacked
from lsdc.ensemble.stackers.prior import WeightedPrior
from lsdc.features.store import FeatureStore
from lsdc.metrics.official import official_score
from lsdc.metrics.prediction_tables import grades_of, read_predictions, row_ids, to_cube
from lsdc.runtime import ConfigError

pytestmark = pytest.mark.usefixtures("brief_learners", "tiny_members")

TINY = ["linear", "timid"]
Fitted = tuple[FakeStore, Path]


@pytest.fixture(scope="module")
def fitted(tiny_members: None, tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    """A store of training studies alone, and a model fitted on it; not to be changed."""
    folder = tmp_path_factory.mktemp("held_out")
    store = fake_store(folder / "store", 20, folds=3)
    fit(store.path, folder / "model", TINY, trials=6)
    return store, folder / "model"


def test_the_data_of_a_stack_are_found_again(fitted: Fitted) -> None:
    store, model = fitted
    opened, studies = Model.open(model), store.train.index.tolist()
    data = opened.fitted_data
    assert list(data.predictions.studies) == [opened.pseudonyms.of(study) for study in studies]
    np.testing.assert_array_equal(data.grades, grades_of(store.train))
    rows = FeatureStore.open(store.path).rows
    np.testing.assert_array_equal(data.folds, rows["fold"].to_numpy()[::25])
    for name, cube in zip(data.predictions.members, data.predictions.cubes):
        rows = opened.out_of_fold_of(studies)
        np.testing.assert_allclose(cube, to_cube(rows[rows["member"] == name], studies))


def test_training_studies_get_out_of_fold_predictions(
    fitted: Fitted, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store, model = fitted
    caplog.set_level("INFO", "lsdc")
    done = predict(model, store.path, tmp_path / "s.csv")
    assert done.out_of_fold == done.studies == 20
    words = caplog.text
    assert "no test or new studies; all of its studies are predicted" in words
    assert "20 studies are those the model was fitted on" in words
    opened, studies = Model.open(model), store.train.index.tolist()
    cube = to_cube(read_predictions(tmp_path / "s.csv"), studies)
    # The stack has learned from their grades, so theirs are what stacks of the other folds said.
    np.testing.assert_allclose(cube, to_cube(opened.nested_of(studies), studies), atol=1e-9)
    tables = {name: opened.out_of_fold_of(studies).query("member == @name") for name in TINY}
    learned = opened.stacker.predict(Predictions.from_tables(tables, studies))
    assert np.abs(cube - learned).max() > 1e-4
    scored = official_score(grades_of(store.train), cube).total
    assert scored == pytest.approx(Stacked.read(model).report.nested.total, abs=1e-9)


def test_baselines_of_training_studies_had_not_counted_their_grades(fitted: Fitted, tmp_path: Path) -> None:
    """Of the reported scores they are the same rows; what a fit on all studies says is no honest baseline."""
    store, model = fitted
    done = predict(model, store.path, tmp_path / "s.csv", baselines=tmp_path / "base")
    opened, studies = Model.open(model), store.train.index.tolist()
    grades, report = grades_of(store.train), Stacked.read(model).report
    for name, reported in (("weighted_prior", report.prior), ("best_single", report.best_single)):
        cube = to_cube(read_predictions(tmp_path / "base" / f"{name}.csv"), studies)
        assert official_score(grades, cube).total == pytest.approx(reported.total, abs=1e-9)
    fold_of = opened.out_of_fold_of(studies).drop_duplicates("row_id").set_index("row_id")["fold"]
    folds = fold_of[row_ids(studies)].to_numpy()[::25]
    table = read_predictions(tmp_path / "base" / "weighted_prior.csv")
    for k, study in enumerate(studies):
        others = WeightedPrior().fit(Predictions.from_tables({}, []), grades[folds != folds[k]])
        np.testing.assert_allclose(to_cube(table, [study])[0], others.fractions_, atol=1e-9)
    assert {path.stem for path in done.baselines} == {"weighted_prior", "plain_mean", "best_single", *TINY}


def test_refused_rows_of_training_studies_have_a_prior_that_had_not_counted_them(
    fitted: Fitted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, model = fitted
    rows = FeatureStore.open(store.path).rows.copy()
    rows["status"], rows["reason"] = "unsure", "its place is uncertain"
    monkeypatch.setattr(FeatureStore, "rows", rows)
    predict(model, store.path, tmp_path / "s.csv", refuse="unsure")
    scored = official_score(
        grades_of(store.train), to_cube(read_predictions(tmp_path / "s.csv"), store.train.index.tolist())
    )
    assert scored.total == pytest.approx(Stacked.read(model).report.prior.total, abs=1e-9)


def test_same_id_with_other_features_is_a_new_study(
    fitted: Fitted, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = fake_store(tmp_path / "other", 10, seed=9)
    caplog.set_level("INFO", "lsdc")
    done = predict(fitted[1], other.path, tmp_path / "s.csv")
    assert done.out_of_fold == 0 and done.studies == 10
    assert "10 studies have the id of a study the model was fitted on" in caplog.text


def test_a_sample_of_training_studies_is_answered_out_of_fold(tmp_path: Path) -> None:
    """Also where the store has test studies, which are what is predicted without a sample."""
    store = fake_store(tmp_path / "store", 20, n_test=4, folds=3)
    fit(store.path, tmp_path / "model", TINY, trials=2)
    model, studies = Model.open(tmp_path / "model"), store.train.index.tolist()[:3]
    asked = [*studies, str(store.test.index[0]), "elsewhere"]
    pd.DataFrame({"row_id": row_ids(asked)}).to_csv(tmp_path / "sample.csv", index=False)
    done = predict(model.path, store.path, tmp_path / "s.csv", sample=tmp_path / "sample.csv")
    assert (done.studies, done.out_of_fold, done.without_features) == (5, 3, 1)
    table = read_predictions(tmp_path / "s.csv")
    np.testing.assert_allclose(to_cube(table, studies), to_cube(model.nested_of(studies), studies), atol=1e-9)
    assert done.status["not seen"] == 25


def test_a_known_study_without_features_has_a_prior_that_had_not_counted_it(
    fitted: Fitted, tmp_path: Path
) -> None:
    store, model = fitted
    study = store.train.index[10]
    other = fake_store(tmp_path / "other", 2, n_test=2, seed=9)
    pd.DataFrame({"row_id": row_ids([str(other.test.index[0]), study])}).to_csv(
        tmp_path / "sample.csv", index=False
    )
    assert study not in set(FeatureStore.open(other.path).rows["study_id"])
    predict(model, other.path, tmp_path / "s.csv", sample=tmp_path / "sample.csv")
    grades, opened = grades_of(store.train), Model.open(model)
    data = opened.fitted_data
    others = WeightedPrior().fit(data.predictions, grades[data.folds != data.folds[10]])
    found = to_cube(read_predictions(tmp_path / "s.csv"), [study])
    np.testing.assert_allclose(found[0], others.fractions_, atol=1e-9)


@pytest.mark.parametrize("name", ["s.parquet", "s.CSV.gz", "s.xlsx"])
def test_submissions_are_named_as_what_they_are(fitted: Fitted, tmp_path: Path, name: str) -> None:
    store, model = fitted
    with pytest.raises(ConfigError, match=r"submissions are written as CSV; give a name that ends in \.csv"):
        predict(model, store.path, tmp_path / name)
    with pytest.raises(ConfigError, match="a table of the baselines gets this name"):
        predict(model, store.path, tmp_path / "base" / "timid.csv", baselines=tmp_path / "base")
    assert not list(tmp_path.rglob("*.csv"))
