"""Percentiles are those of NumPy."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from lsdc.runtime.percentiles import percentiles

_VALUES = arrays(
    st.sampled_from([np.float32, np.float64]),
    st.tuples(st.integers(1, 40), st.integers(1, 9)),
    elements=st.floats(-(2**20), 2**20, width=32),
)


@given(_VALUES, st.lists(st.floats(0, 100), min_size=1, max_size=5))
def test_percentiles_are_those_of_numpy(values: NDArray[np.floating], percents: list[float]) -> None:
    before = values.copy()
    expected = np.percentile(values.astype(np.float64), percents)
    assert_allclose(percentiles(values, percents), expected, rtol=1e-12, atol=1e-6)
    np.testing.assert_array_equal(values, before)
