"""The log-linear pool: its gradient, what it learns, and what context it sees."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.optimize import approx_fprime
from scipy.special import softmax

from lsdc.cohort.vocabulary import Family
from lsdc.ensemble.predictions import Predictions
from lsdc.ensemble.stackers.evidence import FLOOR, centered_logs, gather
from lsdc.ensemble.stackers.fixed import PlainMean
from lsdc.ensemble.stackers.pool import ContextPool, LogLinearPool
from lsdc.ensemble.stackers.pool_part import FamilyLogitLoss, Shrinkage
from lsdc.ensemble.stackers.prior import WeightedPrior
from lsdc.metrics.official import CONDITIONS_OF, FAMILIES, official_score
from lsdc.testing.planted_predictions import make_grades, make_predictions, make_probabilities


@pytest.mark.parametrize("family", FAMILIES)
def test_loss_is_the_official_one_and_its_gradient_is_right(family: Family) -> None:
    rng = np.random.default_rng(1)
    grades = make_grades(rng, 6, 0.2)
    conditions = CONDITIONS_OF[family]
    logits = rng.normal(size=(3, 6, len(conditions), 5))
    loss = FamilyLogitLoss(family, grades)
    value, slope = loss(logits)
    cube = np.full((6, 5, 5, 3), 1 / 3)
    cube[:, conditions] = np.moveaxis(softmax(logits, axis=0), 0, -1)
    scores = official_score(grades, cube)
    expected = getattr(scores, family) + (scores.any_severe if family == "spinal" else 0)
    assert value == pytest.approx(expected)
    numeric = approx_fprime(logits.ravel(), lambda flat: loss(flat.reshape(logits.shape))[0], 1e-7)
    assert_allclose(slope.ravel(), numeric, atol=1e-5)


def test_shrunk_to_the_end_it_is_the_geometric_mean() -> None:
    predictions, grades = make_predictions(n=40, skills=(0.4, 0.3))
    pool = LogLinearPool(Shrinkage(weights=1e9, bias=1e9)).fit(predictions, grades)
    mean = softmax(np.log(np.clip(predictions.cubes, FLOOR, 1)).mean(axis=0), axis=-1)
    assert_allclose(pool.predict(predictions), mean, atol=1e-4)


def test_a_member_that_is_too_sure_is_cooled() -> None:
    predictions, grades = make_predictions(n=300, skills=(0.3,))
    sure = softmax(4 * np.log(predictions.cubes), axis=-1)
    given_sure = Predictions(predictions.members, predictions.studies, sure)
    pool = LogLinearPool(Shrinkage(weights=1.0)).fit(given_sure, grades)
    assert all(part.weights[0] < 0.7 for part in pool.parts_.values())
    ours, theirs = (
        official_score(grades, p.predict(given_sure)).total
        for p in (pool, PlainMean().fit(given_sure, grades))
    )
    assert ours < theirs


def test_context_helps_where_sides_agree() -> None:
    rng = np.random.default_rng(0)
    grades = make_grades(rng, 300, 0.0)
    grades[:, 2], grades[:, 4] = grades[:, 1], grades[:, 3]
    cubes = make_probabilities(rng, 300, grades, 0.25)[None]
    predictions = Predictions(("m",), tuple(map(str, range(300))), cubes)
    seen, other = np.arange(300) < 200, np.arange(300) >= 200
    totals = [
        official_score(
            grades[other], pool().fit(predictions.where(seen), grades[seen]).predict(predictions.where(other))
        ).foraminal
        for pool in (LogLinearPool, ContextPool)
    ]
    assert totals[1] < 0.97 * totals[0]


def test_evidence_of_members_and_context() -> None:
    predictions, grades = make_predictions(n=40, skills=(0.4, 0.3))
    predictions.cubes[0, 3, 1, 2] = np.nan
    predictions.cubes[:, 4, 1, 2] = np.nan
    prior = WeightedPrior().fit(predictions, grades).fractions_
    found = gather(predictions, prior, FAMILIES[1], ("m0", "m1"), context=True)
    assert found.names[:2] == ("m0", "m1") and found.members == 2
    assert found.names[2:] == (
        "level above", "level below", "other side", "spinal", "subarticular, same side", "subarticular, other side",
    )  # fmt: skip
    assert_allclose(found.values[0, 3, 0, 2], centered_logs(predictions.cubes[1, 3, 1, 2]))
    assert_allclose(found.values[:2, 4, 0, 2], np.stack([centered_logs(prior[1, 2])] * 2))
    above, side = found.values[2], found.values[4]
    assert_allclose(above[:, :, 0], 0)
    assert_allclose(side[:, 0], side[:, ::-1][:, 1])
    departure = centered_logs(predictions.cubes[:, 0, 2, 3]).mean(axis=0) - centered_logs(prior[2, 3])
    assert_allclose(side[0, 0, 3], departure)
    assert_allclose(above[0, 1, 4], departure)


@given(st.lists(st.floats(0, 1), min_size=3, max_size=3).filter(lambda p: sum(p) > 0))
def test_centered_logs_are_finite_and_sum_to_zero(p: list[float]) -> None:
    logs = centered_logs(np.array(p) / sum(p))
    assert np.isfinite(logs).all() and logs.sum() == pytest.approx(0, abs=1e-12)
