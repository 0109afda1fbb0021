"""The bootstrap over studies: the same seed gives the same interval, and intervals cover what they should."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from support.scoring import make_grades, make_probabilities

from lsdc.metrics.bootstrap import Counts, Interval, bootstrap_interval, study_counts
from lsdc.metrics.official import official_score, study_losses


def test_counts_are_resamples_of_the_studies() -> None:
    counts = study_counts(7, 500, seed=3)
    assert counts.shape == (500, 7)
    assert (counts.sum(axis=1) == 7).all()
    assert_allclose(counts.mean(axis=0), 1, atol=0.2)
    assert (counts == study_counts(7, 500, seed=3)).all()
    assert (counts != study_counts(7, 500, seed=4)).any()


def test_an_interval_of_the_official_score_holds_it() -> None:
    rng = np.random.default_rng(0)
    grades, probabilities = make_grades(rng, 30), make_probabilities(rng, 30)
    interval = bootstrap_interval(study_losses(grades, probabilities).totals, 30)
    assert interval.value == pytest.approx(official_score(grades, probabilities).total)
    assert interval.low < interval.value < interval.high


def test_the_interval_of_a_mean_is_that_of_the_central_limit() -> None:
    values = np.random.default_rng(1).normal(2, 3, 400)

    def mean(counts: Counts) -> Counts:
        return counts @ values / counts.sum(axis=1)

    interval = bootstrap_interval(mean, len(values), resamples=4000)
    error = values.std() / np.sqrt(len(values))
    assert interval.low == pytest.approx(values.mean() - 1.96 * error, abs=0.1 * error)
    assert interval.high == pytest.approx(values.mean() + 1.96 * error, abs=0.1 * error)


def test_differences_are_paired_by_study() -> None:
    values = np.random.default_rng(2).normal(0, 5, 50)

    def difference(counts: Counts) -> Counts:
        return counts @ (values + 1) / 50 - counts @ values / 50

    interval = bootstrap_interval(difference, 50)
    assert_allclose([interval.low, interval.value, interval.high], 1)


def test_resamples_without_the_statistic_are_left_out() -> None:
    assert Interval.of_resamples(1.0, [np.nan, 1.0, np.nan]) == Interval(1.0, 1.0, 1.0)
    nowhere = Interval.of_resamples(1.0, [np.nan])
    assert np.isnan([nowhere.low, nowhere.high]).all()
    assert np.isnan(Interval.of_resamples(1.0, []).low)
