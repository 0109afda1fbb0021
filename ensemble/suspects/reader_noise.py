"""How a reader errs: the probability of each label given the true grade, estimated beside out-of-fold predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from lsdc.cohort.vocabulary import Grade
from lsdc.metrics.official import GRADE_WEIGHTS
from lsdc.runtime import ConfigError

_N = len(Grade)
_WEIGHTS = GRADE_WEIGHTS[:_N]
_LEAST = 1e-6
_SHARPEST = 3.0
_BELIEF = 100.0 * np.array([[0.97, 0.025, 0.005], [0.015, 0.97, 0.015], [0.005, 0.025, 0.97]])
"""Of every true grade a hundred rows are believed to have been read before: 2 or 3 in the grade beside it, hardly any
in the one beyond. Where a cohort is small this decides, in a large one its own rows do."""


@dataclass(frozen=True)
class ReaderNoise:
    """A reader who confuses grades, beside a model that predicts out of fold; use `ReaderNoise.fit`.

    The true grade k has the probability c_k that the model's prediction says once it is sharpened and shifted; the
    reader writes grade i with probability T_ki. What stays wrong however sure the model is becomes the reader's error.

    Parameters
    ----------
    sharpness : float
        Exponent of the model's probabilities; above 1 where the model is too modest about the true grade.
    shift : tuple of float
        What is added to the logarithm of each grade's probability, 3 numbers; the first is 0.
    confusion : (3, 3) float64
        Row k: probability of each label where the true grade is k; rows sum to 1.

    References
    ----------
    Raykar et al., Learning from crowds, Journal of Machine Learning Research 11, 2010, section 2, with a single
    reader and a classifier of two kinds of parameters; the reader's matrix is that of Dawid and Skene, Applied
    Statistics 28, 1979.

    Examples
    --------
    >>> noise = ReaderNoise(1.0, (0.0, 0.0, 0.0), np.array([[0.9, 0.1, 0.0], [0.1, 0.8, 0.1], [0.0, 0.1, 0.9]]))
    >>> sure_of_mild = np.array([[0.98, 0.01, 0.01]])
    >>> noise.posterior(sure_of_mild, np.array([1])).round(2).tolist()
    [[0.96, 0.04, 0.0]]
    """

    sharpness: float
    shift: tuple[float, ...]
    confusion: NDArray[np.float64]

    @classmethod
    def fit(cls, probabilities: NDArray[np.float64], grades: NDArray[np.integer[Any]]) -> Self:
        """Estimate a reader from predictions of labeled rows, none of them by a model that saw the row's label.

        Parameters
        ----------
        probabilities : (n, 3) float64
            Predictions for the official metric, whose rows weigh 1, 2, 4 by grade; the weights are taken out here.
        grades : (n,) int
            Labels 0, 1, 2.

        Returns
        -------
        ReaderNoise
            The parameters of the largest posterior probability.

        Raises
        ------
        ConfigError
            When the lengths differ, or there is no row.
        """
        if len(grades) == 0 or probabilities.shape != (len(grades), _N):
            raise ConfigError(f"probabilities {probabilities.shape} and grades {grades.shape} do not fit")
        logs, labels = _without_weights(probabilities), np.asarray(grades, int)

        def cost(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            return _cost_and_slope(values, logs, labels)

        start = np.concatenate([[1.0, 0.0, 0.0], np.log(_BELIEF / 100).ravel()])
        bounds = [(1.0, _SHARPEST), (-3.0, 3.0), (-3.0, 3.0), *[(-12.0, 3.0)] * _N**2]
        found = minimize(cost, start, jac=True, method="L-BFGS-B", bounds=bounds).x
        sharpness, first, second = (float(value) for value in found[:3])
        return cls(sharpness, (0.0, first, second), softmax(found[3:].reshape(_N, _N), axis=1))

    def true_grades(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """Tell the probability of each true grade before the label is known.

        Parameters
        ----------
        probabilities : (n, 3) float64
            Predictions for the official metric.

        Returns
        -------
        (n, 3) float64
            Rows sum to 1.
        """
        logs = _without_weights(probabilities)
        return np.asarray(softmax(self.sharpness * logs + np.array(self.shift), axis=1))

    def posterior(
        self, probabilities: NDArray[np.float64], grades: NDArray[np.integer[Any]]
    ) -> NDArray[np.float64]:
        """Tell the probability of each true grade given the prediction and the label.

        Parameters
        ----------
        probabilities : (n, 3) float64
            Predictions for the official metric.
        grades : (n,) int
            Labels 0, 1, 2.

        Returns
        -------
        (n, 3) float64
            Rows sum to 1; 1 minus the probability of the label's grade is that of an error.
        """
        joint = self.true_grades(probabilities) * self.confusion[:, np.asarray(grades, int)].T
        return np.asarray(joint / joint.sum(axis=1, keepdims=True))


def _without_weights(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the log-probabilities of a model whose rows had all weighed the same, (n, 3)."""
    return np.asarray(np.log(np.maximum(probabilities, _LEAST) / _WEIGHTS))


def _cost_and_slope(
    values: NDArray[np.float64], logs: NDArray[np.float64], labels: NDArray[np.int_]
) -> tuple[float, NDArray[np.float64]]:
    """Return the negative log posterior of sharpness, two shifts and nine logits of the confusion, and its gradient.

    With the responsibilities r of the true grades (the expectation step of EM) the gradient is c - r by the logits of
    the classifier, and expected minus counted labels by those of the confusion.
    """
    shift = np.array([0.0, values[1], values[2]])
    log_true = log_softmax(values[0] * logs + shift, axis=1)
    log_confusion = log_softmax(values[3:].reshape(_N, _N), axis=1)
    joint = log_true + log_confusion[:, labels].T
    most = joint.max(axis=1, keepdims=True)
    total = most[:, 0] + np.log(np.exp(joint - most).sum(axis=1))
    cost = -total.sum() - (_BELIEF * log_confusion).sum()
    responsible = np.exp(joint - total[:, None])
    slope = np.exp(log_true) - responsible
    counts = responsible.T @ np.eye(_N)[labels] + _BELIEF
    by_confusion = counts.sum(axis=1, keepdims=True) * np.exp(log_confusion) - counts
    gradient = [(slope * logs).sum(), slope[:, 1].sum(), slope[:, 2].sum(), *by_confusion.ravel()]
    return float(cost), np.array(gradient)
