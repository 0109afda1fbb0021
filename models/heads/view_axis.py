"""One axis of severity in the embedding of a view, and what it does to the prior of the level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import Grade, Level
from lsdc.metrics.official import GRADE_WEIGHTS

if TYPE_CHECKING:
    from sklearn.linear_model import Ridge

_STRENGTH_PER_ROW = 10.0
_INNER_FOLDS = 5
_STEEPEST = 8.0
_LEAST_SPREAD = 1e-6

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ViewAxis:
    """What one view says about one family: a number z, how much more severe than usual for its level a target looks.

    The probability of grade k is the level's prior times exp(slope_k z + offset_k), divided by the sum over the
    grades. All of it is one linear map of embedding and level to the logarithms.

    Parameters
    ----------
    matrix : (d + 5, 3) float64
        Of the d numbers of the embedding, then of the level as ones and zeros.
    constant : (3,) float64
        What is added.
    """

    matrix: Floats
    constant: Floats

    @classmethod
    def of(
        cls,
        X: Floats,
        level: NDArray[np.intp],
        grades: NDArray[np.int64],
        study: NDArray[np.intp],
        prior: Floats,
    ) -> Self:
        """Find the axis by ridge regression, and the slopes on studies held out of it.

        Parameters
        ----------
        X : (n, d) float64
            Embeddings, finite.
        level : (n,) int
            Level of each row, 0 to 4.
        grades : (n,) int64
            Grades 0, 1, 2.
        study : (n,) int
            Number of each row's study.
        prior : (5, 3) float64
            Weighted fractions of the grades by level, all above 0.

        Returns
        -------
        ViewAxis
            With slope 0, the prior, where severity does not show.
        """
        usual = np.array(
            [grades[level == k].mean() if (level == k).any() else 0.0 for k in range(len(Level))]
        )
        mean, spread = X.mean(axis=0), np.maximum(X.std(axis=0), _LEAST_SPREAD)
        columns, wanted = (X - mean) / spread, grades - usual[level]
        held_out = _held_out(columns, wanted, grades, study)
        middle, size = held_out.mean(), float(held_out.std())
        slopes, offsets = np.zeros(len(Grade)), np.zeros(len(Grade))
        if size >= _LEAST_SPREAD:
            slopes, offsets = _slopes((held_out - middle) / size, grades, np.log(prior)[level])
            slopes /= size
        axis = _ridge(columns, wanted, grades)
        direction = (axis.coef_ / spread)[:, None] * slopes
        # What predicts now is what is read again from a file of half the size.
        matrix = np.vstack([direction, np.log(prior)]).astype(np.float32).astype(float)
        return cls(matrix, offsets + (axis.intercept_ - middle) * slopes - mean @ matrix[: len(direction)])

    def logarithms(self, X: Floats, level: NDArray[np.intp]) -> Floats:
        """Compute the logarithms of the probabilities.

        Parameters
        ----------
        X : (n, d) float64
            Embeddings, finite.
        level : (n,) int
            Level of each row.

        Returns
        -------
        (n, 3) float64
            Their exponentials sum to 1 in each row.
        """
        found = np.hstack([X, np.eye(len(Level))[level]]) @ self.matrix + self.constant
        return found - np.logaddexp.reduce(found, axis=1, keepdims=True)


def _ridge(columns: Floats, wanted: Floats, grades: NDArray[np.int64]) -> Ridge:
    """Regress how much more severe than usual rows are on standardized columns."""
    from sklearn.linear_model import Ridge

    return Ridge(_STRENGTH_PER_ROW * len(columns)).fit(columns, wanted, sample_weight=GRADE_WEIGHTS[grades])


def _held_out(columns: Floats, wanted: Floats, grades: NDArray[np.int64], study: NDArray[np.intp]) -> Floats:
    """Predict the axis (n,) of each row by a regression without the row's study."""
    # Studies are counted anew: any choice of them makes folds of equal size.
    found, fold = np.zeros(len(columns)), np.unique(study, return_inverse=True)[1] % _INNER_FOLDS
    for k in np.unique(fold):
        others = fold != k
        if others.any():
            found[~others] = _ridge(columns[others], wanted[others], grades[others]).predict(columns[~others])
    return found


def _slopes(axis: Floats, grades: NDArray[np.int64], log_prior: Floats) -> tuple[Floats, Floats]:
    """Find slopes and offsets (3,) of the grades along the axis by the weighted log loss; those of normal are 0."""
    weight, place, others = GRADE_WEIGHTS[grades], np.arange(len(grades)), len(Grade) - 1

    def loss(values: Floats) -> float:
        slopes, offsets = np.append(0.0, values[:others]), np.append(0.0, values[others:])
        found = log_prior + axis[:, None] * slopes + offsets
        found -= np.logaddexp.reduce(found, axis=1, keepdims=True)
        return float(-np.average(found[place, grades], weights=weight))

    bounds = [(0.0, _STEEPEST)] * others + [(-_STEEPEST, _STEEPEST)] * others
    from scipy.optimize import minimize

    best = minimize(loss, np.repeat([1.0, 0.0], others), method="L-BFGS-B", bounds=bounds)
    return np.append(0.0, best.x[:others]), np.append(0.0, best.x[others:])
