"""Wilson's interval is scipy's for whole counts, and holds for weighted ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from lsdc.metrics.wilson import wilson_interval


@pytest.mark.parametrize(("hits", "cases"), [(0, 1), (1, 1), (0, 7), (3, 10), (10, 10), (250, 400)])
def test_whole_counts_have_the_interval_of_scipy(hits: int, cases: int) -> None:
    wanted = binomtest(hits, cases).proportion_ci(method="wilson")
    assert wilson_interval(hits, cases) == pytest.approx((wanted.low, wanted.high), abs=1e-12)


@given(st.floats(0, 1), st.floats(1e-3, 1e6))
def test_any_counts_have_an_interval_around_their_fraction(fraction: float, cases: float) -> None:
    low, high = wilson_interval(fraction * cases, cases)
    assert 0 <= low <= fraction + 1e-9 and fraction - 1e-9 <= high <= 1
    few, many = wilson_interval(fraction * cases, cases), wilson_interval(fraction * 4 * cases, 4 * cases)
    assert many[1] - many[0] < few[1] - few[0]


def test_without_cases_nothing_is_known() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)
