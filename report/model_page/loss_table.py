"""Official losses with intervals over studies, compared and written out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import Family, Level
from lsdc.metrics.bootstrap import Counts, Interval, bootstrap_interval, study_counts
from lsdc.metrics.official import FAMILIES, PARTS, Grades, Probabilities, StudyLosses, study_losses

_RESAMPLES = 1000


@dataclass(frozen=True)
class LossTable:
    """The official losses of one set of predictions.

    Parameters
    ----------
    total : Interval
        The competition's score; NaN unless all families are labeled.
    parts : dict of str to Interval
        By part of the score, such as `any_severe`.
    by_level : dict of (Family, Level) to Interval
        Weighted log loss of a family at a level.
    """

    total: Interval
    parts: dict[str, Interval]
    by_level: dict[tuple[Family, Level], Interval]

    @classmethod
    def of(cls, grades: Grades, probabilities: Probabilities, seed: int = 0) -> LossTable:
        """Score predictions with intervals from resampled studies.

        Parameters
        ----------
        grades : (n, 5, 5) int8
            -1 where unlabeled.
        probabilities : (n, 5, 5, 3) float
            Rows that sum to 1.
        seed : int
            The same draws the same resamples.

        Returns
        -------
        LossTable
            95 % intervals from 1000 resamples.
        """
        counts = study_counts(len(grades), _RESAMPLES, seed)
        whole = study_losses(grades, probabilities)
        by_level: dict[tuple[Family, Level], Interval] = {}
        for number, level in enumerate(Level):
            only = np.where(np.arange(len(Level)) == number, grades, np.int8(-1))
            here = _intervals(study_losses(only, probabilities), counts)
            by_level |= {(family, level): here[str(family)] for family in FAMILIES}
        total = Interval.of_resamples(float(whole.totals()), whole.totals(counts))
        return cls(total, _intervals(whole, counts), by_level)


def _intervals(losses: StudyLosses, counts: Counts) -> dict[str, Interval]:
    """Give each part of the score its interval over resamples."""
    value, resampled = losses.parts(), losses.parts(counts)
    return {str(part): Interval.of_resamples(value[k], resampled[:, k]) for k, part in enumerate(PARTS)}


def difference(one: StudyLosses, other: StudyLosses, seed: int = 0) -> Interval:
    """Compare the official scores of two sets of predictions, paired by study.

    Parameters
    ----------
    one, other : StudyLosses
        Of the same n studies.
    seed : int
        The same draws the same resamples.

    Returns
    -------
    Interval
        The first score minus the second.
    """

    def minus(counts: Counts) -> NDArray[np.float64]:
        return one.totals(counts) - other.totals(counts)

    return bootstrap_interval(minus, len(one.loss), seed, _RESAMPLES)


def spelled(interval: Interval) -> str:
    """Write a loss with its interval.

    Parameters
    ----------
    interval : Interval
        The loss.

    Returns
    -------
    str
        `0.524 (0.437 to 0.612)`; a dash where nothing was labeled.
    """
    if not np.isfinite(interval.value):
        return "-"
    return f"{interval.value:.3f} ({interval.low:.3f} to {interval.high:.3f})"


def signed(interval: Interval) -> str:
    """Write a difference with its interval.

    Parameters
    ----------
    interval : Interval
        The difference.

    Returns
    -------
    str
        `-0.018 (-0.038 to +0.002)`; a dash where nothing was labeled.
    """
    if not np.isfinite(interval.value):
        return "-"
    return f"{interval.value:+.3f} ({interval.low:+.3f} to {interval.high:+.3f})"
