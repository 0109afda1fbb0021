"""The bootstrap over studies: how much a score would change had other studies of the same kind been collected.

Studies are drawn, never rows: the 25 targets of one study resemble each other, so rows are no independent sample.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

Counts = NDArray[np.float64]
"""How often each resample draws each study, (resamples, studies); rows sum to the number of studies."""

RESAMPLES = 2000


@dataclass(frozen=True)
class Interval:
    """A statistic of all studies with its 95 % bootstrap interval.

    Parameters
    ----------
    value : float
        The statistic of the studies as they are.
    low, high : float
        Where 2.5 % of the resamples fall below and above; NaN where no resample has the statistic.
    """

    value: float
    low: float
    high: float

    @classmethod
    def of_resamples(cls, value: float, resampled: ArrayLike) -> Self:
        """Take the percentile interval of a statistic that was computed on every resample.

        Parameters
        ----------
        value : float
            The statistic of the studies as they are.
        resampled : (resamples,) float
            The statistic of each resample. NaN, a resample without a study that counts, is left out.

        Returns
        -------
        Interval
            `low` and `high` are the 2.5 % and 97.5 % quantiles, NaN when no resample is finite.

        Examples
        --------
        >>> Interval.of_resamples(2.0, np.linspace(0, 4, 401))
        Interval(value=2.0, low=0.1, high=3.9)
        """
        values = np.asarray(resampled, float)
        low, high = np.nan, np.nan
        if np.isfinite(values).any():
            low, high = np.nanquantile(values, [0.025, 0.975])
        return cls(float(value), float(low), float(high))


def study_counts(studies: int, resamples: int, seed: int = 0) -> Counts:
    """Draw resamples of the studies, with replacement, as how often each study is in them.

    Parameters
    ----------
    studies : int
        Number of studies; every resample has as many.
    resamples : int
        Number of resamples; 0 gives an empty array, as does a single study.
    seed : int
        The same seed draws the same resamples, so that differences between predictions are paired by study.

    Returns
    -------
    (resamples, studies) float64
        Whole numbers; each row sums to `studies`. Read-only, since all callers share it.

    Examples
    --------
    >>> counts = study_counts(4, 1000, seed=0)
    >>> counts.shape, set(counts.sum(axis=1).tolist())
    ((1000, 4), {4.0})
    """
    if studies < 2:
        return np.empty((0, studies))  # one study does not tell how studies differ
    return _drawn(studies, resamples, seed)


@lru_cache(maxsize=2)
def _drawn(studies: int, resamples: int, seed: int) -> Counts:
    """Draw resamples once for all intervals of the same studies: a report has dozens of them."""
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(studies, np.full(studies, 1 / studies), size=resamples).astype(float)
    counts.flags.writeable = False
    return counts


def bootstrap_interval(
    statistic: Callable[[Counts], NDArray[np.float64]],
    studies: int,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Interval:
    """Compute a statistic of all studies and the interval in which it falls for 95 % of the resamples.

    Parameters
    ----------
    statistic : callable
        From (b, studies) counts, how often each study counts, to the (b,) values of the statistic; for example
        `StudyLosses.totals`. For a difference between two predictions, subtract inside: both see the same resamples.
    studies : int
        Number of studies, at least 1.
    seed : int
        The same seed draws the same resamples.
    resamples : int
        Number of resamples; more of them steady the limits of the interval.

    Returns
    -------
    Interval
        The statistic with every study counted once, and the 2.5 % and 97.5 % quantiles over the resamples.

    References
    ----------
    Efron, Tibshirani: An Introduction to the Bootstrap, 1993, chapter 13 (percentile intervals).

    Examples
    --------
    The mean loss of four studies:

    >>> losses = np.array([0.2, 0.4, 0.4, 0.6])
    >>> interval = bootstrap_interval(lambda counts: counts @ losses / counts.sum(axis=1), len(losses))
    >>> interval.value, interval.low < 0.4 < interval.high
    (0.4, True)
    """
    once = np.ones((1, studies))
    return Interval.of_resamples(float(statistic(once)[0]), statistic(study_counts(studies, resamples, seed)))
