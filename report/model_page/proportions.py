"""Proportions with Wilson's interval, and what a cut-off makes of probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from lsdc.metrics.wilson import wilson_interval


@dataclass(frozen=True)
class Proportion:
    """A fraction of cases with its 95 % interval.

    Parameters
    ----------
    hits, cases : float
        How many of how many; sums of weights where rows are weighted.
    value : float
        Their ratio; NaN without cases.
    low, high : float
        Wilson's interval, which takes rows for independent; 0 and 1 without cases.
    """

    hits: float
    cases: float
    value: float
    low: float
    high: float

    @classmethod
    def of(cls, hits: NDArray[np.bool_], weight: NDArray[np.float64] | None = None) -> Self:
        """Count cases.

        Parameters
        ----------
        hits : (n,) bool
            Which cases count.
        weight : (n,) float, optional
            Of each case; the interval is then that of as many equal cases as carry the same information (Kish's
            effective number). By default all weigh 1.

        Returns
        -------
        Proportion
            With the interval of Wilson.

        Examples
        --------
        >>> found = Proportion.of(np.array([True] * 8 + [False] * 2))
        >>> round(found.value, 2), round(found.low, 2), round(found.high, 2)
        (0.8, 0.49, 0.94)
        """
        weight = np.ones(len(hits)) if weight is None else weight
        total, hit = float(weight.sum()), float(weight[hits].sum())
        if total <= 0:
            return cls(0.0, 0.0, np.nan, 0.0, 1.0)
        fraction, effective = hit / total, total**2 / float((weight**2).sum())
        return cls(hit, total, fraction, *wilson_interval(fraction * effective, effective))

    @property
    def words(self) -> str:
        """Percent with the interval, such as `80 % (49 to 94)`."""
        if not np.isfinite(self.value):
            return "no cases"
        return f"{100 * self.value:.0f} % ({100 * self.low:.0f} to {100 * self.high:.0f})"


@dataclass(frozen=True)
class Decision:
    """What calling positive from some probability on would do.

    Parameters
    ----------
    cutoff : float
        Rows with at least this probability are called positive.
    called : int
        How many are.
    sensitivity, specificity : Proportion
        Of the positive rows, those called; of the negative ones, those not called.
    positive_value, negative_value : Proportion
        Of the rows called, those that are positive; of the others, those that are negative.
    """

    cutoff: float
    called: int
    sensitivity: Proportion
    specificity: Proportion
    positive_value: Proportion
    negative_value: Proportion


def decide(positive: NDArray[np.bool_], probability: NDArray[np.float64], cutoff: float) -> Decision:
    """Compare what is called positive with what is.

    Parameters
    ----------
    positive : (n,) bool
        Which rows are positive.
    probability : (n,) float
        Predicted for that.
    cutoff : float
        From which on a row is called positive.

    Returns
    -------
    Decision
        Counts and proportions.

    Examples
    --------
    >>> found = decide(np.array([True, True, False]), np.array([0.9, 0.2, 0.4]), 0.3)
    >>> found.called, found.sensitivity.value, found.specificity.value, found.positive_value.value
    (2, 0.5, 0.0, 0.5)
    """
    called = probability >= cutoff
    return Decision(
        cutoff,
        int(called.sum()),
        Proportion.of(called[positive]),
        Proportion.of(~called[~positive]),
        Proportion.of(positive[called]),
        Proportion.of(~positive[~called]),
    )
