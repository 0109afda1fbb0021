"""What must not help does not help, and what leaks is seen."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support.member import Linear, Memory
from support.store import fake_store

from lsdc.ensemble.fitting import fit
from lsdc.ensemble.leak_warnings import fold_leak_warnings
from lsdc.ensemble.predictions import Predictions
from lsdc.ensemble.stacking_data import StackingData
from lsdc.features.store import FeatureStore
from lsdc.metrics.official import official_score
from lsdc.metrics.prediction_tables import grades_of, to_cube
from lsdc.models.crossfit import cross_fit
from lsdc.models.examples import Examples
from lsdc.models.registry import MEMBERS


@pytest.fixture(autouse=True)
def members(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MEMBERS, "linear", Linear)
    monkeypatch.setitem(MEMBERS, "memory", Memory)


def who_and_where(grades: NDArray[np.int8], studies: NDArray[np.int_]) -> NDArray[np.float64]:
    """An embedding that says which study and which target a row is, and nothing else."""
    rng = np.random.default_rng(0)
    study, target = rng.normal(size=(len(studies), 24)), rng.normal(size=(25, 8))
    return np.concatenate([np.repeat(study, 25, axis=0), np.tile(target, (len(studies), 1))], axis=1)


def the_grade_itself(grades: NDArray[np.int8], studies: NDArray[np.int_]) -> NDArray[np.float64]:
    rng = np.random.default_rng(0)
    return 12 * np.eye(3)[grades.ravel()] + rng.normal(size=(grades.size, 3))


def test_memorizing_studies_helps_only_on_those_memorized(tmp_path: Path) -> None:
    store = fake_store(tmp_path / "store", 40, embedding=who_and_where, folds=3)
    examples = Examples.from_store(FeatureStore.open(store.path))
    studies, grades = store.train.index.tolist(), grades_of(store.train)
    memory = Memory().fit(examples, examples)
    in_sample = official_score(grades, memory.predict_proba(examples).reshape(-1, 5, 5, 3)).total
    out_of_fold = to_cube(cross_fit(Memory, examples, tmp_path / "members"), studies)
    prior = fit(store.path, tmp_path / "model", ["linear", "memory"], trials=10).report.prior.total
    assert in_sample < 0.15 * prior
    assert official_score(grades, out_of_fold).total > prior


def test_a_stack_of_memorizers_does_not_beat_the_prior(tmp_path: Path) -> None:
    store = fake_store(tmp_path / "store", 40, embedding=who_and_where)
    found = fit(store.path, tmp_path / "model", ["lightgbm", "memory"], trials=10).report
    assert found.nested.total > 0.99 * found.prior.total


@pytest.mark.parametrize("unlabeled", [None, 0])
def test_a_leak_in_one_fold_is_named_also_where_another_has_no_labels(unlabeled: int | None) -> None:
    rng, n = np.random.default_rng(0), 60
    grades, folds = rng.integers(0, 3, (n, 5, 5)).astype(np.int8), np.arange(n) % 4
    if unlabeled is not None:
        grades[folds == unlabeled, 0] = -1  # the canal
    cubes = {name: rng.dirichlet([2.0, 2.0, 2.0], (n, 5, 5)) for name in ("sound", "other", "leaking")}
    known = np.eye(3)[np.maximum(grades, 0)]
    cubes["leaking"][folds == 3] = 0.001 + 0.997 * known[folds == 3]
    studies = tuple(str(k) for k in range(n))
    data = StackingData(Predictions(tuple(cubes), studies, np.stack(list(cubes.values()))), grades, folds)
    found = fold_leak_warnings(cubes, data)
    assert len(found) == 3 and all(
        one.startswith("member leaking: ") and " in fold 3 is " in one for one in found
    )


def test_a_planted_leak_is_caught(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = fake_store(tmp_path / "store", 30, embedding=the_grade_itself, folds=3)
    found = fit(store.path, tmp_path / "model", ["linear"], trials=2).report
    assert len(found.warnings) == 3
    assert any("member linear: spinal loss" in record.message for record in caplog.records)
