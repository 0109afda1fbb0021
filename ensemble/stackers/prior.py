"""The weighted prior: what to say without looking."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np

from lsdc.cohort.vocabulary import Grade
from lsdc.ensemble.predictions import Predictions
from lsdc.metrics.official import CONDITIONS_OF, GRADE_WEIGHTS, Grades, Probabilities
from lsdc.metrics.prediction_tables import SHAPE


class WeightedPrior:
    """Shares of the grades per family and level, weighted 1/2/4 as the metric does; left and right count together.

    Among constants these shares minimize the official log loss. A few rows' worth of the family's shares are
    added, so that a grade not seen at some level keeps a chance.

    Parameters
    ----------
    strength : float
        Rows' worth of the family's shares.
    """

    name: ClassVar[str] = "weighted_prior"

    def __init__(self, strength: float = 2.0) -> None:
        self.strength = strength

    def fit(self, predictions: Predictions, grades: Grades) -> Self:
        """Count the grades; the predictions are not looked at."""
        counts = np.stack([(grades == k).sum(axis=0) for k in range(len(Grade))], axis=-1)
        weighted = counts * GRADE_WEIGHTS[: len(Grade)]
        shares = np.empty((*SHAPE, len(Grade)))
        for conditions in CONDITIONS_OF.values():
            family = weighted[conditions].sum(axis=(0, 1)) + 1.0
            smooth = weighted[conditions].sum(axis=0) + self.strength * family / family.sum()
            shares[conditions] = smooth / smooth.sum(axis=-1, keepdims=True)
        self.shares_ = shares
        return self

    def predict(self, predictions: Predictions) -> Probabilities:
        """The same for every study."""
        return np.broadcast_to(self.shares_, (len(predictions.studies), *self.shares_.shape)).copy()

    def state(self) -> dict[str, Any]:
        """The shares."""
        return {"strength": self.strength, "shares": self.shares_.tolist()}

    @classmethod
    def restore(cls, state: dict[str, Any]) -> Self:
        """From `state`."""
        prior = cls(float(state["strength"]))
        prior.shares_ = np.array(state["shares"], float).reshape(*SHAPE, len(Grade))
        return prior
