"""Log-linear pools: weighted products of the members' probabilities, fitted on the official metric itself."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np

from lsdc.cohort.vocabulary import Family
from lsdc.ensemble.predictions import Predictions, labeled
from lsdc.ensemble.stackers.evidence import gather, members_of
from lsdc.ensemble.stackers.pool_part import PoolPart, Shrinkage, apply_part, fit_part
from lsdc.ensemble.stackers.prior import WeightedPrior
from lsdc.metrics.official import CONDITIONS_OF, FAMILIES, Grades, Probabilities


class LogLinearPool:
    """Softmax of a weighted sum of log probabilities and a bias per level and grade.

    Weights, per family, minimize the family's official loss (for the canal with any_severe) plus a penalty that
    draws them to the equal ones. Unlike a mean, a pool can make members less sure or surer than they are.

    Parameters
    ----------
    shrinkage : Shrinkage, optional
        Strength of the penalties. Default: `Shrinkage()`.

    Attributes
    ----------
    members_ : tuple of str
        All members seen in `fit`.
    parts_ : dict of Family to PoolPart
        The fitted pool of each family.
    prior_ : WeightedPrior
        Fitted on the same grades, for rows that no member has.

    References
    ----------
    Genest and Zidek: Combining probability distributions, Statistical Science 1(1), 1986.
    """

    name: ClassVar[str] = "log_pool"
    context: ClassVar[bool] = False
    """Whether neighboring targets are weighed as well."""

    def __init__(self, shrinkage: Shrinkage | None = None) -> None:
        self.shrinkage = shrinkage or Shrinkage()

    def fit(self, predictions: Predictions, grades: Grades) -> Self:
        """Fit weights and biases per family.

        Parameters
        ----------
        predictions : Predictions
            The members' out-of-fold predictions of n studies.
        grades : (n, 5, 5) int8
            Grades of the same studies; -1 where unlabeled.

        Returns
        -------
        LogLinearPool
            Itself.
        """
        predictions, grades = labeled(predictions, grades)
        self.prior_ = WeightedPrior().fit(predictions, grades)
        self.members_ = predictions.members
        self.parts_ = {}
        for family in FAMILIES:
            members = members_of(predictions, family)
            evidence = gather(predictions, self.prior_.fractions_, family, members, self.context)
            self.parts_[family] = fit_part(evidence, members, grades, self.shrinkage)
        return self

    def predict(self, predictions: Predictions) -> Probabilities:
        """Pool the members present.

        Parameters
        ----------
        predictions : Predictions
            Of any n studies, by any of the members.

        Returns
        -------
        (n, 5, 5, 3) float
            Probabilities; the prior where no member has the row.
        """
        given, prior = predictions.of(self.members_), self.prior_.fractions_
        out = np.empty(given.cubes.shape[1:])
        for family, part in self.parts_.items():
            evidence = gather(given, prior, family, part.members, self.context)
            out[:, CONDITIONS_OF[family]] = apply_part(part, evidence)
        return given.or_prior(out, prior)

    def state(self) -> dict[str, Any]:
        """Give what was fitted.

        Returns
        -------
        dict
            `members`, the `parts` by family, and the state of the `prior`.
        """
        parts = {family.value: part.state() for family, part in self.parts_.items()}
        return {"members": list(self.members_), "parts": parts, "prior": self.prior_.state()}

    @classmethod
    def restore(cls, state: dict[str, Any]) -> Self:
        """Make a fitted pool from its state; it predicts, and is not meant to be fitted again.

        Parameters
        ----------
        state : dict
            What `state` returned.

        Returns
        -------
        LogLinearPool
            Of the class that was asked.
        """
        pool = cls()
        pool.members_ = tuple(state["members"])
        pool.prior_ = WeightedPrior.restore(state["prior"])
        pool.parts_ = {Family(name): PoolPart.restore(part) for name, part in state["parts"].items()}
        return pool


class ContextPool(LogLinearPool):
    """A log-linear pool that also weighs neighboring levels, the other side and the other conditions.

    Parameters
    ----------
    shrinkage : Shrinkage, optional
        Strength of the penalties. Default: `Shrinkage()`.
    """

    name: ClassVar[str] = "context_pool"
    context: ClassVar[bool] = True
