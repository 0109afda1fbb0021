"""Log-linear pools: weighted products of the members' probabilities, fitted on the official metric itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import softmax

from lsdc.cohort.vocabulary import Family, Grade, Level
from lsdc.ensemble.predictions import Predictions, labeled
from lsdc.ensemble.stackers.evidence import Evidence, gather, members_of
from lsdc.ensemble.stackers.prior import WeightedPrior
from lsdc.metrics.official import (
    CONDITIONS_OF,
    EPS,
    FAMILIES,
    GRADE_WEIGHTS,
    SEVERE,
    Grades,
    Probabilities,
)

_BIAS_SHAPE = (len(Level), len(Grade))


@dataclass(frozen=True)
class Shrinkage:
    """How strongly a pool is pulled towards the members' geometric mean; the more studies, the less it counts.

    Parameters
    ----------
    weights : float
        On the squared distance of the members' weights from equal ones.
    bias : float
        On the squared biases per level and grade.
    context : float
        On the squared weights of the context.
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
        Of the evidence: members, then context.
    bias : (5, 3) float
        Per level and grade.
    """

    members: tuple[str, ...]
    weights: NDArray[np.float64]
    bias: NDArray[np.float64]


class LogLinearPool:
    """Softmax of a weighted sum of log probabilities and a bias per level and grade.

    Genest and Zidek, Combining probability distributions, Statistical Science 1986. Weights, per family, minimize
    the family's official loss (for the canal with any_severe) plus a penalty that draws them to the equal ones.

    Parameters
    ----------
    shrinkage : Shrinkage
        Strength of the penalties.
    """

    name: ClassVar[str] = "log_pool"
    context: ClassVar[bool] = False

    def __init__(self, shrinkage: Shrinkage | None = None) -> None:
        self.shrinkage = shrinkage or Shrinkage()

    def fit(self, predictions: Predictions, grades: Grades) -> Self:
        """Fit weights and biases per family."""
        predictions, grades = labeled(predictions, grades)
        self.prior_ = WeightedPrior().fit(predictions, grades)
        self.members_ = predictions.members
        self.parts_ = {}
        for family in FAMILIES:
            members = members_of(predictions, family)
            evidence = gather(predictions, self.prior_.shares_, family, members, self.context)
            self.parts_[family] = fit_part(evidence, members, grades, self.shrinkage)
        return self

    def predict(self, predictions: Predictions) -> Probabilities:
        """Pool the members present."""
        given, prior = predictions.of(self.members_), self.prior_.shares_
        out = np.empty(given.cubes.shape[1:])
        for family, part in self.parts_.items():
            evidence = gather(given, prior, family, part.members, self.context)
            out[:, CONDITIONS_OF[family]] = apply_part(part, evidence)
        return given.or_prior(out, prior)

    def state(self) -> dict[str, Any]:
        """Weights, biases and prior."""
        parts = {
            family.value: {
                "members": list(part.members),
                "weights": part.weights.tolist(),
                "bias": part.bias.tolist(),
            }
            for family, part in self.parts_.items()
        }
        return {"members": list(self.members_), "parts": parts, "prior": self.prior_.state()}

    @classmethod
    def restore(cls, state: dict[str, Any]) -> Self:
        """From `state`; it predicts, and is not meant to be fitted again."""
        pool = cls()
        pool.members_ = tuple(state["members"])
        pool.prior_ = WeightedPrior.restore(state["prior"])
        pool.parts_ = {
            Family(family): PoolPart(
                tuple(part["members"]),
                np.array(part["weights"], float),
                np.array(part["bias"], float).reshape(_BIAS_SHAPE),
            )
            for family, part in state["parts"].items()
        }
        return pool


class ContextPool(LogLinearPool):
    """A log-linear pool that also weighs neighboring levels, the other side and the other conditions."""

    name: ClassVar[str] = "context_pool"
    context: ClassVar[bool] = True


def apply_part(part: PoolPart, evidence: Evidence) -> NDArray[np.float64]:
    """Probabilities (n, c, 5, 3) of a family's rows."""
    return np.asarray(softmax(np.tensordot(part.weights, evidence.values, 1) + part.bias, axis=-1))


def fit_part(evidence: Evidence, members: tuple[str, ...], grades: Grades, shrinkage: Shrinkage) -> PoolPart:
    """Minimize the family's official loss and the penalties.

    Parameters
    ----------
    evidence : Evidence
        Of the n studies.
    members : tuple of str
        The family's members.
    grades : (n, 5, 5) int8
        -1 where unlabeled.
    shrinkage : Shrinkage
        Strength of the penalties.
    """
    n_features, n_members = len(evidence.names), evidence.members
    start = np.zeros(n_features + int(np.prod(_BIAS_SHAPE)))
    start[:n_members] = 1 / n_members
    penalty = np.full(len(start), shrinkage.bias)
    penalty[:n_members], penalty[n_members:n_features] = shrinkage.weights, shrinkage.context
    penalty /= max(len(grades), 1)
    loss = _FamilyLogits(evidence.family, grades)
    # Grades first: sums over them are then sums of long rows, many times faster.
    by_grade = np.moveaxis(evidence.values, -1, 1)
    flat = by_grade.reshape(n_features, -1)

    def objective(point: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        bias = point[n_features:].reshape(_BIAS_SHAPE)
        logits = (point[:n_features] @ flat).reshape(by_grade.shape[1:]) + bias.T[:, None, None]
        value, slope = loss(logits)
        away = point - start
        gradient = np.concatenate([flat @ slope.ravel(), slope.sum(axis=(1, 2)).T.ravel()])
        return value + float(penalty @ away**2), gradient + 2 * penalty * away

    found = minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": 100})
    return PoolPart(members, found.x[:n_features], found.x[n_features:].reshape(_BIAS_SHAPE))


class _FamilyLogits:
    """The official loss of a family as a function of logits (3, n, c, 5), with its gradient."""

    def __init__(self, family: Family, grades: Grades) -> None:
        own = grades[:, CONDITIONS_OF[family]]
        weight = GRADE_WEIGHTS[own]
        self._weight = weight / max(weight.sum(), EPS)
        self._weighted_truth = self._weight * (
            np.maximum(own, 0) == np.arange(len(Grade))[:, None, None, None]
        )
        self._labeled = own[:, 0] >= 0
        self._spinal = family is Family.SPINAL
        worst = grades[:, CONDITIONS_OF[Family.SPINAL][0]].max(axis=1)
        study_weight = GRADE_WEIGHTS[worst]
        self._study_weight = study_weight / max(study_weight.sum(), EPS)
        self._any_severe = worst == SEVERE

    def __call__(self, logits: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logits = logits - logits.max(axis=0)
        chance = np.exp(logits)
        total = chance.sum(axis=0)
        chance /= total
        loss = float((self._weight * np.log(total)).sum() - (self._weighted_truth * logits).sum())
        slope = self._weight * chance - self._weighted_truth
        if self._spinal:
            loss += self._add_any_severe(chance[:, :, 0], slope[:, :, 0])
        return loss, slope

    def _add_any_severe(self, chance: NDArray[np.float64], slope: NDArray[np.float64]) -> float:
        """The loss of the highest probability of severe over the levels; its gradient is added to `slope`."""
        rows = np.arange(chance.shape[1])
        severe = np.where(self._labeled, chance[SEVERE], 0.0)
        level = severe.argmax(axis=1)
        highest = np.clip(severe[rows, level], EPS, 1 - EPS)
        by_chance = self._study_weight * np.where(self._any_severe, -1 / highest, 1 / (1 - highest))
        direction = -chance[:, rows, level] * highest
        direction[SEVERE] += highest
        slope[:, rows, level] += by_chance * direction
        return -float(self._study_weight @ np.log(np.where(self._any_severe, highest, 1 - highest)))
