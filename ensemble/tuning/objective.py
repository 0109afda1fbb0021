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
"""One number for each member, (m,); not negative."""


def weighted_mean(
    cubes: NDArray[np.float64], weights: Weights, prior: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Average the members present in each row by their weights.

    Parameters
    ----------
    cubes : (m, ..., 3) float
        Probabilities of m members; NaN where a member has no row.
    weights : (m,) float
        Not negative, of any sum. Where those of the members present are all zero, these members count alike.
    prior : broadcastable to (..., 3) float
        Probabilities for the rows that no member has.

    Returns
    -------
    (..., 3) float
        Probabilities; rows sum to 1 when those of the members do.

    Examples
    --------
    The second member has no second row, so the first decides it alone:

    >>> cubes = np.array([[[1, 0, 0], [1, 0, 0]], [[0, 0, 1], [np.nan, np.nan, np.nan]]], float)
    >>> weighted_mean(cubes, np.array([1.0, 3.0]), np.full(3, 1 / 3)).tolist()
    [[0.25, 0.0, 0.75], [1.0, 0.0, 0.0]]
    """
    present = has_rows(cubes)
    mixed = _mean_of_present(np.where(present[..., None], cubes, 0.0), present[..., None], weights)
    return np.where(np.any(present, axis=0)[..., None], mixed, prior)


def _mean_of_present(
    values: NDArray[np.float64], present: NDArray[np.bool_], weights: Weights
) -> NDArray[np.float64]:
    """Average values (m, ...), zero where absent, over the members present (m, ...)."""
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

    Calling it with weights gives what the official metric gives for the `weighted_mean` of the members, without
    making that mean: only the probabilities of the true grades and of severe canals are averaged.

    Parameters
    ----------
    predictions : Predictions
        Of all members, for n studies.
    grades : (n, 5, 5) int8
        Grades of the studies; -1 where unlabeled.
    family : Family
        The family whose rows are scored.
    prior : (5, 5, 3) float
        Probabilities for the rows that no member has.

    Attributes
    ----------
    family : Family
        As given.
    members : tuple of str
        The members that have any row of the family; weights are in this order.
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
        self._true = _MemberValues(true[:, rows])
        self._row_weights = GRADE_WEIGHTS[grades[rows]] / max(GRADE_WEIGHTS[grades[rows]].sum(), EPS)
        self._canal = grades[:, 0] if family is Family.SPINAL else None
        self._severe = _MemberValues(self._cubes[:, :, 0, :, SEVERE])

    def __call__(self, weights: Weights) -> float:
        """Compute the loss of a weighted mean of the members.

        Parameters
        ----------
        weights : (m,) float
            Not negative, of any sum, in the order of `members`.

        Returns
        -------
        float
            Weighted log loss of the family; for the canal the any-severe loss is added. Lower is better.
        """
        full = np.append(weights, 0.0)
        probability = np.clip(self._true.mean(full), EPS, 1 - EPS)
        loss = -float(self._row_weights @ np.log(probability))
        if self._canal is None:
            return loss
        losses, study_weights = any_severe_losses(self._canal, self._severe.mean(full))
        return loss + float(losses.sum() / max(study_weights.sum(), EPS))


class _MemberValues:
    """Values (m, ...) of members and, computed once, where they are present; the prior is the last member."""

    def __init__(self, values: NDArray[np.float64]) -> None:
        self._present = np.isfinite(values)
        # Most often every member has every row, and only the prior at the end has none.
        self._whole = bool(self._present[:-1].all()) and len(values) > 1
        self._values = np.where(self._present, values, 0.0)

    def mean(self, weights: Weights) -> NDArray[np.float64]:
        if self._whole:
            return _mean_of_present(self._values[:-1], self._present[:-1], weights[:-1])
        return _mean_of_present(self._values, self._present, weights)
