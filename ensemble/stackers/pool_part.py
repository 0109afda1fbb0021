"""The log-linear pool of one family, fitted on the official metric itself with its gradient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import Family, Grade, Level
from lsdc.ensemble.stackers.evidence import Evidence
from lsdc.metrics.official import CONDITIONS_OF, EPS, GRADE_WEIGHTS, SEVERE, Grades

_BIAS_SHAPE = (len(Level), len(Grade))


@dataclass(frozen=True)
class Shrinkage:
    """How strongly a pool is pulled towards the members' geometric mean; the more studies, the less it counts.

    Parameters
    ----------
    weights : float
        Penalty on the squared distance of the members' weights from equal ones.
    bias : float
        Penalty on the squared biases per level and grade.
    context : float
        Penalty on the squared weights of neighboring targets.
    """

    weights: float = 100.0
    bias: float = 10.0
    context: float = 30.0


@dataclass(frozen=True)
class PoolPart:
    """A fitted pool of one family.

    Parameters
    ----------
    members : tuple of str
        The family's members.
    weights : (f,) float
        Weights of the evidence: members, then context.
    bias : (5, 3) float
        Added to the logits, per level and grade.
    """

    members: tuple[str, ...]
    weights: NDArray[np.float64]
    bias: NDArray[np.float64]

    def state(self) -> dict[str, Any]:
        """Give everything that was fitted.

        Returns
        -------
        dict
            `members`, `weights` and `bias` as JSON holds them.
        """
        return {
            "members": list(self.members),
            "weights": self.weights.tolist(),
            "bias": self.bias.tolist(),
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Self:
        """Make a fitted pool from its state.

        Parameters
        ----------
        state : mapping
            What `state` returned.

        Returns
        -------
        PoolPart
            Predicts the same.
        """
        weights, bias = np.array(state["weights"], float), np.array(state["bias"], float)
        return cls(tuple(state["members"]), weights, bias.reshape(_BIAS_SHAPE))


def apply_part(part: PoolPart, evidence: Evidence) -> NDArray[np.float64]:
    """Predict the rows of a family with its pool.

    Parameters
    ----------
    part : PoolPart
        The fitted pool.
    evidence : Evidence
        Gathered for the same family and members; of any n studies.

    Returns
    -------
    (n, c, 5, 3) float
        Probabilities by study, condition of the family, level and grade; rows sum to 1.
    """
    from scipy.special import softmax

    return np.asarray(softmax(np.tensordot(part.weights, evidence.values, 1) + part.bias, axis=-1))


def fit_part(evidence: Evidence, members: tuple[str, ...], grades: Grades, shrinkage: Shrinkage) -> PoolPart:
    """Minimize the family's official loss plus the penalties over weights and biases.

    Parameters
    ----------
    evidence : Evidence
        Of n studies.
    members : tuple of str
        The family's members.
    grades : (n, 5, 5) int8
        Grades of the studies; -1 where unlabeled.
    shrinkage : Shrinkage
        Strength of the penalties.

    Returns
    -------
    PoolPart
        The best found with L-BFGS-B in at most 100 iterations, beginning at equal weights without bias.
    """
    n_features, n_members = len(evidence.names), evidence.members
    start = np.zeros(n_features + int(np.prod(_BIAS_SHAPE)))
    start[:n_members] = 1 / n_members
    penalty = np.full(len(start), shrinkage.bias)
    penalty[:n_members], penalty[n_members:n_features] = shrinkage.weights, shrinkage.context
    penalty /= max(len(grades), 1)
    loss = FamilyLogitLoss(evidence.family, grades)
    # Grades first: sums over them are then sums of long rows, many times faster.
    by_grade = np.moveaxis(evidence.values, -1, 1)
    flat = by_grade.reshape(n_features, -1)

    def objective(point: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        bias = point[n_features:].reshape(_BIAS_SHAPE)
        logits = (point[:n_features] @ flat).reshape(by_grade.shape[1:]) + bias.T[:, None, None]
        value, slope = loss(logits)
        distance = point - start
        gradient = np.concatenate([flat @ slope.ravel(), slope.sum(axis=(1, 2)).T.ravel()])
        return value + float(penalty @ distance**2), gradient + 2 * penalty * distance

    from scipy.optimize import minimize

    found = minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": 100})
    return PoolPart(members, found.x[:n_features], found.x[n_features:].reshape(_BIAS_SHAPE))


class FamilyLogitLoss:
    """The official loss of a family as a function of logits, with its gradient.

    Parameters
    ----------
    family : Family
        The family, with c conditions; for the canal the any-severe loss is added.
    grades : (n, 5, 5) int8
        Grades of n studies; -1 where unlabeled.
    """

    def __init__(self, family: Family, grades: Grades) -> None:
        known = grades[:, CONDITIONS_OF[family]]
        weight = GRADE_WEIGHTS[known]
        self._weight = weight / max(weight.sum(), EPS)
        self._weighted_truth = self._weight * (
            np.maximum(known, 0) == np.arange(len(Grade))[:, None, None, None]
        )
        self._labeled = known[:, 0] >= 0
        self._spinal = family is Family.SPINAL
        worst = grades[:, CONDITIONS_OF[Family.SPINAL][0]].max(axis=1)
        study_weight = GRADE_WEIGHTS[worst]
        self._study_weight = study_weight / max(study_weight.sum(), EPS)
        self._any_severe = worst == SEVERE

    def __call__(self, logits: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Compute the loss and its gradient.

        Parameters
        ----------
        logits : (3, n, c, 5) float
            By grade, study, condition of the family and level; their softmax over grades is scored.

        Returns
        -------
        loss : float
            Lower is better.
        slope : (3, n, c, 5) float
            Derivative of the loss by each logit.
        """
        logits = logits - logits.max(axis=0)
        probability = np.exp(logits)
        total = probability.sum(axis=0)
        probability /= total
        loss = float((self._weight * np.log(total)).sum() - (self._weighted_truth * logits).sum())
        slope = self._weight * probability - self._weighted_truth
        if self._spinal:
            loss += self._add_any_severe(probability[:, :, 0], slope[:, :, 0])
        return loss, slope

    def _add_any_severe(self, probability: NDArray[np.float64], slope: NDArray[np.float64]) -> float:
        """Return the loss of the highest probability of severe over the levels; its gradient is added to `slope`."""
        rows = np.arange(probability.shape[1])
        severe = np.where(self._labeled, probability[SEVERE], 0.0)
        level = severe.argmax(axis=1)
        highest = np.clip(severe[rows, level], EPS, 1 - EPS)
        by_highest = self._study_weight * np.where(self._any_severe, -1 / highest, 1 / (1 - highest))
        direction = -probability[:, rows, level] * highest
        direction[SEVERE] += highest
        slope[:, rows, level] += by_highest * direction
        return -float(self._study_weight @ np.log(np.where(self._any_severe, highest, 1 - highest)))
