"""Whether a stack is exhausted: what is planted is found, and what is simulated is what it should be."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import Family
from lsdc.ensemble.exhaustion import measure_exhaustion
from lsdc.ensemble.exhaustion_report import EXHAUSTION_FIELDS, Exhaustion
from lsdc.ensemble.likeness import FamilyErrors
from lsdc.ensemble.predictions import Predictions
from lsdc.ensemble.stacking_data import StackingData
from lsdc.metrics.bootstrap import Interval
from lsdc.metrics.official import CONDITIONS_OF, study_losses
from lsdc.testing.planted_predictions import make_grades, make_probabilities

N = 90


@pytest.fixture(scope="module")
def data() -> StackingData:
    """Two members that nearly say the same, and one that errs by itself."""
    rng = np.random.default_rng(0)
    grades = make_grades(rng, N, 0.05)
    first, other = (make_probabilities(rng, N, grades, 0.4) for _ in range(2))
    twin = first * rng.uniform(0.9, 1.1, first.shape)
    cubes = np.stack([first, twin / twin.sum(axis=-1, keepdims=True), other])
    predictions = Predictions(("first", "twin", "other"), tuple(map(str, range(N))), cubes)
    return StackingData(predictions, grades, np.arange(N) % 3)


@pytest.fixture(scope="module")
def found(data: StackingData) -> Exhaustion:
    return measure_exhaustion(data, data.predictions.cubes[0], [0.5, 0.4, 0.41, 0.39, 0.39, 0.38])


def test_what_errs_by_itself_adds_most_and_a_twin_nothing(found: Exhaustion) -> None:
    assert found.added["other"].low > max(found.added["first"].high, found.added["twin"].high)
    assert abs(found.added["twin"].value) < 0.2 * found.added["other"].value


def test_twins_err_alike(found: Exhaustion) -> None:
    for pairs in found.alike.values():
        assert pairs["first / twin"] > 0.95 and abs(pairs["first / other"]) < 0.2
    mean, lowest = found.mean_likeness()
    assert lowest < mean < 1


def test_the_less_alike_a_newcomer_the_more_it_brings(found: Exhaustion) -> None:
    mean, lowest, own = (found.newcomer[name].value for name in ("mean", "lowest", "own"))
    assert 0 < mean < own and lowest <= own * 1.05


@pytest.mark.parametrize("likeness", [0.0, 0.3, 0.6])
def test_a_newcomer_is_as_good_as_the_best_and_as_alike_as_asked(data: StackingData, likeness: float) -> None:
    errors = FamilyErrors.of(data, Family.FORAMINAL)
    conditions = CONDITIONS_OF[Family.FORAMINAL]
    cube: NDArray[np.float64] = data.predictions.cubes[errors.best()].copy()
    best = study_losses(data.grades, cube).parts()[1]
    made = errors.newcomer(likeness, np.random.default_rng(0))
    cube[:, conditions] = np.where(np.isfinite(made), made, cube[:, conditions])
    assert study_losses(data.grades, cube).parts()[1] == pytest.approx(best, rel=0.02)
    more = Predictions(
        (*data.predictions.members, "new"),
        data.predictions.studies,
        np.vstack([data.predictions.cubes, cube[None]]),
    )
    again = FamilyErrors.of(StackingData(more, data.grades, data.folds), Family.FORAMINAL).correlations()
    assert np.mean(again[-1, :-1]) == pytest.approx(likeness, abs=0.05)


def test_a_temperature_helps_where_predictions_are_too_flat(data: StackingData, found: Exhaustion) -> None:
    assert found.temperature.low > 0
    scaled = data.predictions.cubes[0] ** 3
    sure = scaled / scaled.sum(axis=-1, keepdims=True)
    best = min(
        (measured(data, sure**power) for power in (0.5, 0.7, 1.0)), key=lambda one: one.temperature.value
    )
    assert best.temperature.value < found.temperature.value


def measured(data: StackingData, cube: NDArray[np.float64]) -> Exhaustion:
    """Measure a stack of one member, which is quick."""
    alone = StackingData(data.predictions.of(["first"]), data.grades, data.folds)
    return measure_exhaustion(alone, cube / cube.sum(axis=-1, keepdims=True))


def test_a_single_member_has_a_temperature_alone(data: StackingData) -> None:
    alone = measured(data, data.predictions.cubes[0])
    assert not alone.added and not alone.newcomer and alone.trials == 0
    assert len(alone.sentences()) == 1 and "temperature" in alone.sentences()[0]


def test_the_last_third_of_the_trials(found: Exhaustion) -> None:
    assert found.last_third == pytest.approx(0.01) and found.trials == 6
    assert any("the last third of 6 trials improved the best by 0.0100" in one for one in found.sentences())


def test_what_neither_calibration_nor_trials_help_is_exhausted(found: Exhaustion) -> None:
    assert not found.exhausted and not any("exhausted" in one for one in found.sentences())
    calm = replace(found, temperature=Interval(-0.001, -0.002, 0.0), last_third=0.0005)
    assert calm.exhausted and calm.sentences()[0] == (
        "the stack is exhausted: neither calibration nor more trials would get more out of these members"
    )
    assert (
        not replace(calm, last_third=0.002).exhausted and not replace(calm, last_third=float("nan")).exhausted
    )


def test_a_record_is_read_as_it_was_written(found: Exhaustion) -> None:
    record = asdict(found)
    EXHAUSTION_FIELDS(record, "")
    assert Exhaustion.from_dict(record) == found


def test_without_labels_of_a_family_the_others_are_measured(data: StackingData) -> None:
    canal = np.where(np.arange(5)[:, None] == 0, data.grades, np.int8(-1)).astype(np.int8)
    found = measure_exhaustion(StackingData(data.predictions, canal, data.folds), data.predictions.cubes[0])
    assert found.added["other"].value > 0 and np.isfinite(found.temperature.value)
