"""What stackers share that weight the members, once per family of conditions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

import numpy as np

from lsdc.cohort.vocabulary import Family
from lsdc.ensemble.predictions import Predictions
from lsdc.ensemble.stackers.prior import WeightedPrior
from lsdc.ensemble.tuning.objective import FamilyLoss, Weights, blend
from lsdc.metrics.official import CONDITIONS_OF, FAMILIES, Grades, Probabilities


class WeightedStacker(ABC):
    """A weighted mean of the members; left and right share their weights.

    Attributes
    ----------
    members_ : tuple of str
        All members seen in `fit`.
    weights_ : dict of Family to dict of str to float
        Weights of the members that have rows of the family; they sum to 1.
    prior_ : WeightedPrior
        Stands where no member has a row.
    """

    name: ClassVar[str]

    @abstractmethod
    def choose(self, loss: FamilyLoss) -> Weights:
        """Weights of `loss.members`, not negative; at least one is positive."""

    def fit(self, predictions: Predictions, grades: Grades) -> Self:
        """Choose weights per family."""
        self.members_ = predictions.members
        self.prior_ = WeightedPrior().fit(predictions, grades)
        self.weights_: dict[Family, dict[str, float]] = {}
        for family in FAMILIES:
            loss = FamilyLoss(predictions, grades, family, self.prior_.shares_)
            weights = np.asarray(self.choose(loss), float) if loss.members else np.zeros(0)
            self.weights_[family] = dict(zip(loss.members, (weights / weights.sum()).tolist()))
        return self

    def predict(self, predictions: Predictions) -> Probabilities:
        """Blend the members; where all members with a weight are absent, the others count alike."""
        cubes = predictions.of(self.members_).cubes
        out = np.empty(cubes.shape[1:])
        for family, conditions in CONDITIONS_OF.items():
            weights = np.array([self.weights_[family].get(name, 0.0) for name in self.members_])
            out[:, conditions] = blend(cubes[:, :, conditions], weights, self.prior_.shares_[conditions])
        return out

    def state(self) -> dict[str, Any]:
        """Members, weights and prior."""
        weights = {family.value: weights for family, weights in self.weights_.items()}
        return {"members": list(self.members_), "weights": weights, "prior": self.prior_.state()}

    @classmethod
    def restore(cls, state: dict[str, Any]) -> Self:
        """From `state`; it predicts, and is not meant to be fitted again."""
        stacker = cls.__new__(cls)
        stacker.members_ = tuple(state["members"])
        stacker.weights_ = {Family(family): dict(weights) for family, weights in state["weights"].items()}
        stacker.prior_ = WeightedPrior.restore(state["prior"])
        return stacker
