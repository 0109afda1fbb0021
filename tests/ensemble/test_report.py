import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from typing import Self

import numpy as np
import pytest

from lsdc.ensemble.nested_report import NestedReport
from lsdc.ensemble.nested_scoring import cross_fit_stacker, score_nested
from lsdc.ensemble.predictions import Predictions
from lsdc.ensemble.stackers.contract import Stacker
from lsdc.ensemble.stackers.default import DefaultStacker
from lsdc.ensemble.stackers.fixed import BestSingle, PlainMean
from lsdc.ensemble.stackers.pool import LogLinearPool
from lsdc.ensemble.stackers.prior import WeightedPrior
from lsdc.ensemble.stackers.simplex import Simplex
from lsdc.ensemble.stacking_data import StackingData
from lsdc.metrics.official import Grades, Probabilities, official_score
from lsdc.testing.planted_predictions import make_predictions

pytestmark = pytest.mark.usefixtures("brief_learners")

N = 60


def made(skills: Sequence[float], seed: int = 0, n: int = N, folds: int = 5) -> StackingData:
    predictions, grades = make_predictions(seed, n, skills, blank=0.05)
    return StackingData(predictions, grades, np.arange(n) % folds)


def noise(n_members: int, n: int = N, spread: float = 0.15) -> StackingData:
    """Members that know the fractions of the grades, and nothing of the studies."""
    rng = np.random.default_rng(4)
    data = made([0.0], n=n)
    prior = cross_fit_stacker(WeightedPrior, data)
    cubes = prior * np.exp(spread * rng.standard_normal((n_members, *prior.shape)))
    cubes /= cubes.sum(axis=-1, keepdims=True)
    names = tuple(f"noise{k}" for k in range(n_members))
    return StackingData(Predictions(names, data.predictions.studies, cubes), data.grades, data.folds)


def report_of(make: Callable[[], Stacker], data: StackingData, seed: int = 0) -> NestedReport:
    found, _ = score_nested(make, make().fit(data.predictions, data.grades), data, seed)
    return found


@pytest.mark.processes
def test_other_processes_predict_the_same_to_the_last_bit() -> None:
    data = made([0.5, 0.4])
    one, two = (cross_fit_stacker(LogLinearPool, data, "folds", workers=workers) for workers in (1, 2))
    np.testing.assert_array_equal(one, two)


def test_no_stacker_sees_a_study_it_predicts() -> None:
    data = made([0.5, 0.2])
    seen: list[str] = []

    class Spy(PlainMean):
        def fit(self, predictions: Predictions, grades: Grades) -> Self:
            self.fitted = set(predictions.studies)
            return super().fit(predictions, grades)

        def predict(self, predictions: Predictions) -> Probabilities:
            assert not self.fitted & set(predictions.studies)
            seen.extend(predictions.studies)
            return super().predict(predictions)

    cross_fit_stacker(Spy, data)
    assert sorted(seen) == sorted(data.predictions.studies)


def test_grades_of_the_scored_fold_do_not_matter() -> None:
    data = made([0.5, 0.4], folds=3)
    folds = data.folds
    make = partial(DefaultStacker, trials=8)
    before = cross_fit_stacker(make, data)
    changed = data.grades.copy()
    changed[folds == 2] = (changed[folds == 2] + 1) % 3
    after = cross_fit_stacker(make, StackingData(data.predictions, changed, folds))
    np.testing.assert_array_equal(before[folds == 2], after[folds == 2])
    assert (before != after).any()


def test_pure_noise_does_not_beat_the_prior_while_tuning_in_sample_seems_to() -> None:
    found = report_of(Simplex, noise(12, spread=0.5))
    assert found.in_sample.total < found.nested.total
    assert found.in_sample.total < found.prior.total
    assert found.nested.total > found.prior.total


def test_skill_beats_the_prior_and_the_interval_says_so() -> None:
    found = report_of(Simplex, made([0.6, 0.3, 0.0]))
    assert found.nested.total < found.mean.total < found.prior.total
    assert found.versus_mean.high < 0
    assert found.versus_mean.value == pytest.approx(found.nested.total - found.mean.total)
    assert found.interval.low < found.interval.value < found.interval.high
    assert found.interval.value == pytest.approx(found.nested.total)
    assert found.warnings == ()


def test_a_leak_is_reported() -> None:
    found = report_of(PlainMean, made([0.3, 0.97]))
    assert len(found.warnings) == 3
    assert all("member m1" in line and "has not seen" in line for line in found.warnings)


def test_a_leak_in_one_fold_is_reported() -> None:
    data = made([0.3, 0.35, 0.3], n=100)
    leaky = made([0.97], n=100).predictions.cubes[0]
    data.predictions.cubes[1, data.folds == 3] = leaky[data.folds == 3]
    found = report_of(PlainMean, data)
    assert len(found.warnings) == 3
    assert all("member m1" in line and "in fold 3" in line for line in found.warnings)


def test_rows_that_members_lack_are_counted() -> None:
    data = made([0.3, 0.35])
    data.predictions.cubes[0, :7, 0, 2] = np.nan
    data.predictions.cubes[1, :, 1:3] = np.nan
    found = report_of(PlainMean, data)
    assert found.missing == {"m0": int((data.grades[:7, 0, 2] >= 0).sum()), "m1": 0}


def test_differences_are_given_for_each_part_and_level() -> None:
    found = report_of(Simplex, made([0.6, 0.3, 0.0]))
    parts = found.versus_mean_by_part
    assert len(parts) == 4 + 15 and parts.keys() == found.versus_best_single_by_part.keys()
    assert parts["foraminal"].value == pytest.approx(found.nested.foraminal - found.mean.foraminal)
    assert parts["spinal l4_l5"].low <= parts["spinal l4_l5"].value <= parts["spinal l4_l5"].high


def test_best_single_is_chosen_inside() -> None:
    data = made([0.3, 0.3])
    expected = official_score(data.grades, cross_fit_stacker(BestSingle, data))
    assert report_of(PlainMean, data).best_single == expected


def test_same_seed_same_report() -> None:
    data = made([0.4, 0.3], folds=2)
    one, two = (report_of(lambda: DefaultStacker(trials=8), data, seed=3) for _ in range(2))
    assert one == two


def test_a_report_survives_json() -> None:
    found = report_of(PlainMean, made([0.4, 0.3]))
    assert NestedReport.from_dict(json.loads(json.dumps(asdict(found)))) == found
    table = found.table()
    assert table.index.tolist() == [
        "stack, nested",
        "plain mean",
        "best single",
        "m0",
        "m1",
        "weighted prior",
    ]
    assert table.loc["m1", "total"] == found.singles["m1"].total
