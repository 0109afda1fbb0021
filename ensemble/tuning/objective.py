"""The official loss of one family as a function of the members' weights, fast enough to search."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import Family
from lsdc.ensemble.predictions import Predictions, has_rows
from lsdc.metrics.official import (
    CONDITIONS_OF,
    EPS,
    GRADE_WEIGHTS,
    SEVERE,
    Grades,
    Probabilities,
    any_severe_losses,
)

Weights = NDArray[np.float64]


def blend(cubes: NDArray[np.float64], weights: Weights, prior: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weighted mean over the members present in each row.

    Parameters
    ----------
    cubes : (m, ..., 3) float
        NaN where a member has no row.
    weights : (m,) float
        Not negative. Where those of the members present are all zero, these members count alike.
    prior : broadcastable to (..., 3) float
        Stands where no member is present.

    Returns
    -------
    (..., 3) float
    """
    present = has_rows(cubes)
    mixed = _mix(np.where(present[..., None], cubes, 0.0), present[..., None], weights)
    return np.where(np.any(present, axis=0)[..., None], mixed, prior)


def _mix(values: NDArray[np.float64], present: NDArray[np.bool_], weights: Weights) -> NDArray[np.float64]:
    if present.all():
        total = weights.sum()
        return np.tensordot(
            weights / total if total > 0 else np.full(len(weights), 1 / len(weights)), values, 1
        )
    by_row = weights.reshape(-1, *[1] * (present.ndim - 1)) * present
    total = by_row.sum(axis=0)
    by_row = np.where(total > 0, by_row, present)
    return (by_row * values).sum(axis=0) / np.maximum(by_row.sum(axis=0), EPS)


class FamilyLoss:
    """What a family adds to the score: its log loss, and for the canal the any-severe loss as well.

    Calling it with weights gives what the official metric gives for their `blend`.

    Parameters
    ----------
    predictions : Predictions
        Of all members.
    grades : (n, 5, 5) int8
        -1 where unlabeled.
    family : Family
        Which.
    prior : (5, 5, 3) float
        Stands where no member is present.

    Attributes
    ----------
    members : tuple of str
        Those that have any row of the family; weights are in this order.
    """

    def __init__(
        self, predictions: Predictions, grades: Grades, family: Family, prior: Probabilities
    ) -> None:
        conditions = CONDITIONS_OF[family]
        cubes, grades = predictions.cubes[:, :, conditions], grades[:, conditions]
        rows_of = has_rows(cubes)
        covers = [bool(rows.any()) for rows in rows_of]
        self.family = family
        self.members = tuple(name for name, some in zip(predictions.members, covers) if some)
        # The prior is one more member, present where no other is.
        absent = ~np.any(rows_of, axis=0)
        fallback = np.where(absent[..., None], prior[conditions], np.nan)
        self._cubes = np.concatenate([cubes[covers], fallback[None]])
        rows = grades >= 0
        true = np.take_along_axis(self._cubes, np.maximum(grades, 0)[None, ..., None], axis=-1)[..., 0]
        self._true = _Known(true[:, rows])
        self._row_weights = GRADE_WEIGHTS[grades[rows]] / max(GRADE_WEIGHTS[grades[rows]].sum(), EPS)
        self._canal = grades[:, 0] if family is Family.SPINAL else None
        self._severe = _Known(self._cubes[:, :, 0, :, SEVERE])

    def __call__(self, weights: Weights) -> float:
        """The loss of these weights; lower is better."""
        full = np.append(weights, 0.0)
        chance = np.clip(self._true.mix(full), EPS, 1 - EPS)
        loss = -float(self._row_weights @ np.log(chance))
        if self._canal is None:
            return loss
        losses, study_weights = any_severe_losses(self._canal, self._severe.mix(full))
        return loss + float(losses.sum() / max(study_weights.sum(), EPS))


class _Known:
    """Members' values with what is known about where they are present."""

    def __init__(self, values: NDArray[np.float64]) -> None:
        self._present = np.isfinite(values)
        # Most often every member has every row, and only the prior at the end has none.
        self._whole = bool(self._present[:-1].all()) and len(values) > 1
        self._values = np.where(self._present, values, 0.0)

    def mix(self, weights: Weights) -> NDArray[np.float64]:
        if self._whole:
            return _mix(self._values[:-1], self._present[:-1], weights[:-1])
        return _mix(self._values, self._present, weights)
