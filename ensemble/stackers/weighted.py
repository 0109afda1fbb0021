"""What stackers share that weight the members, once per family of conditions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

import numpy as np

from lsdc.cohort.vocabulary import Family
from lsdc.ensemble.predictions import Predictions
from lsdc.ensemble.stackers.prior import WeightedPrior
from lsdc.ensemble.tuning.objective import FamilyLoss, Weights, weighted_mean
from lsdc.metrics.official import CONDITIONS_OF, FAMILIES, Grades, Probabilities


class WeightedStacker(ABC):
    """A weighted mean of the members, with weights per family; a subclass says how to `choose` them.

    Left and right are one family, so that mirrored studies get mirrored predictions.

    Attributes
    ----------
    members_ : tuple of str
        All members seen in `fit`.
    weights_ : dict of Family to dict of str to float
        Weights of the members that have rows of the family; they sum to 1.
    prior_ : WeightedPrior
        Fitted on the same grades, for rows that no member has.
    """

    name: ClassVar[str]

    @abstractmethod
    def choose(self, loss: FamilyLoss) -> Weights:
        """Choose the weights of one family.

        Parameters
        ----------
        loss : FamilyLoss
            Loss of the family as a function of weights of its m members, at least one.

        Returns
        -------
        (m,) float
            In the order of `loss.members`, not negative; at least one is positive.
        """

    def fit(self, predictions: Predictions, grades: Grades) -> Self:
        """Choose weights per family.

        Parameters
        ----------
        predictions : Predictions
            The members' out-of-fold predictions of n studies.
        grades : (n, 5, 5) int8
            Grades of the same studies; -1 where unlabeled.

        Returns
        -------
        WeightedStacker
            Itself.
        """
        self.members_ = predictions.members
        self.prior_ = WeightedPrior().fit(predictions, grades)
        self.weights_: dict[Family, dict[str, float]] = {}
        for family in FAMILIES:
            loss = FamilyLoss(predictions, grades, family, self.prior_.fractions_)
            weights = np.asarray(self.choose(loss), float) if loss.members else np.zeros(0)
            self.weights_[family] = dict(zip(loss.members, (weights / weights.sum()).tolist()))
        return self

    def predict(self, predictions: Predictions) -> Probabilities:
        """Average the members by their weights.

        Parameters
        ----------
        predictions : Predictions
            Of any n studies, by any of the members.

        Returns
        -------
        (n, 5, 5, 3) float
            Probabilities. Where all members with a weight are absent, the others count alike; where all members
            are, the prior stands.
        """
        cubes = predictions.of(self.members_).cubes
        out = np.empty(cubes.shape[1:])
        prior = self.prior_.fractions_
        for family, conditions in CONDITIONS_OF.items():
            weights = np.array([self.weights_[family].get(name, 0.0) for name in self.members_])
            out[:, conditions] = weighted_mean(cubes[:, :, conditions], weights, prior[conditions])
        return out

    def state(self) -> dict[str, Any]:
        """Give what was fitted.

        Returns
        -------
        dict
            `members`, `weights` by family, and the state of the `prior`.
        """
        weights = {family.value: weights for family, weights in self.weights_.items()}
        return {"members": list(self.members_), "weights": weights, "prior": self.prior_.state()}

    @classmethod
    def restore(cls, state: dict[str, Any]) -> Self:
        """Make a fitted stacker from its state; it predicts, and is not meant to be fitted again.

        Parameters
        ----------
        state : dict
            What `state` returned.

        Returns
        -------
        WeightedStacker
            Of the class that was asked.
        """
        stacker = cls.__new__(cls)
        stacker.members_ = tuple(state["members"])
        stacker.weights_ = {Family(family): dict(weights) for family, weights in state["weights"].items()}
        stacker.prior_ = WeightedPrior.restore(state["prior"])
        return stacker
