"""The official metric: equal to a plain implementation, and fast."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from support.scoring import make_grades, make_probabilities, plain_score

from lsdc.cohort.vocabulary import TARGETS
from lsdc.metrics.official import PARTS, Scores, official_score, study_losses
from lsdc.metrics.prediction_tables import row_ids

SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.integers(1, 12)


def as_array(scores: Scores) -> NDArray[np.float64]:
    return np.array([scores.spinal, scores.foraminal, scores.subarticular, scores.any_severe, scores.total])


@settings(deadline=None, max_examples=60)
@given(SEEDS, SIZES, st.sampled_from([0.0, 0.3, 0.9]), st.sampled_from([0.5, 1.0]))
def test_agrees_with_a_plain_implementation(seed: int, n: int, blank: float, scalar: float) -> None:
    rng = np.random.default_rng(seed)
    grades, probabilities = make_grades(rng, n, blank), make_probabilities(rng, n)
    expected = plain_score(row_ids([f"s{k}" for k in range(n)]), grades, probabilities, scalar)
    assert_allclose(
        as_array(official_score(grades, probabilities, scalar)), expected, rtol=1e-12, equal_nan=True
    )


@settings(deadline=None)
@given(SEEDS, SIZES)
def test_order_of_studies_levels_and_sides_does_not_matter(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    grades, probabilities = make_grades(rng, n, 0.2), make_probabilities(rng, n)
    expected = as_array(official_score(grades, probabilities))
    studies, levels = rng.permutation(n), rng.permutation(5)
    conditions = [0, 2, 1, 4, 3]
    moved = official_score(
        grades[studies][:, conditions][:, :, levels], probabilities[studies][:, conditions][:, :, levels]
    )
    assert_allclose(as_array(moved), expected, rtol=1e-12, equal_nan=True)


@settings(deadline=None)
@given(SEEDS, SIZES)
def test_the_truth_scores_zero_and_nothing_scores_less(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    grades, probabilities = make_grades(rng, n), make_probabilities(rng, n)
    truth = np.eye(3)[grades]
    assert official_score(grades, truth).total == pytest.approx(0, abs=1e-14)
    assert (as_array(official_score(grades, probabilities)) >= 0).all()
    better = 0.9 * probabilities + 0.1 * truth
    assert (study_losses(grades, better).loss[:, :3] <= study_losses(grades, probabilities).loss[:, :3]).all()


@settings(deadline=None)
@given(SEEDS, SIZES)
def test_unlabeled_rows_do_not_matter(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    grades, probabilities = make_grades(rng, n, 0.4), make_probabilities(rng, n)
    other = np.where((grades >= 0)[..., None], probabilities, np.nan)
    assert official_score(grades, other) == official_score(grades, probabilities) or np.isnan(
        official_score(grades, probabilities).total
    )


def test_drawing_studies_is_weighting_their_sums() -> None:
    rng = np.random.default_rng(0)
    grades, probabilities = make_grades(rng, 20), make_probabilities(rng, 20)
    drawn = rng.integers(0, 20, (3, 20))
    counts = np.stack([np.bincount(one, minlength=20) for one in drawn]).astype(float)
    parts = study_losses(grades, probabilities).parts(counts)
    for one, got in zip(drawn, parts):
        assert_allclose(got, as_array(official_score(grades[one], probabilities[one]))[:4], rtol=1e-12)
    assert PARTS == ("spinal", "foraminal", "subarticular", "any_severe")


def test_certain_and_wrong_is_clipped() -> None:
    grades = np.zeros((1, 5, 5), np.int8)
    wrong = np.broadcast_to(np.eye(3)[2], (1, 5, 5, 3))
    score = official_score(grades, wrong)
    assert score.foraminal == pytest.approx(-np.log(np.finfo(float).eps))


def test_a_moderate_canal_is_a_negative_of_weight_two() -> None:
    grades = np.zeros((2, 5, 5), np.int8)
    grades[0, 0, 3] = 1
    probabilities = np.tile([0.7, 0.2, 0.1], (2, 5, 5, 1))
    probabilities[0, 0, 2] = [0.2, 0.2, 0.6]
    expected = (2 * -np.log(0.4) + 1 * -np.log(0.9)) / 3
    assert official_score(grades, probabilities).any_severe == pytest.approx(expected)


def test_nothing_labeled_is_nan() -> None:
    score = official_score(np.full((1, 5, 5), -1, np.int8), np.full((1, 5, 5, 3), 1 / 3))
    assert np.isnan(as_array(score)).all()


def test_shapes_must_fit() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        official_score(np.zeros((2, 5, 5), np.int8), np.zeros((1, 5, 5, 3)))


def test_whole_competition_takes_milliseconds() -> None:
    rng = np.random.default_rng(0)
    grades, probabilities = make_grades(rng, 1975), make_probabilities(rng, 1975)
    times = []
    for _ in range(20):
        begun = time.perf_counter()
        official_score(grades, probabilities)
        times.append(time.perf_counter() - begun)
    assert min(times) < 0.006


def test_scores_hold_plain_floats() -> None:
    score = official_score(np.zeros((1, 5, 5), np.int8), np.full((1, 5, 5, 3), 1 / 3))
    assert isinstance(score, Scores) and isinstance(score.total, float)
    assert repr(score).endswith("any_severe=0.4055, total=0.9253)")
    assert pd.Series(row_ids(["a"])).str.startswith("a_").all() and len(row_ids(["a"])) == len(TARGETS)
