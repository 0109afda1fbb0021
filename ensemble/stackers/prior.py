"""The weighted prior: the best prediction without an image."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np

from lsdc.cohort.vocabulary import Grade
from lsdc.ensemble.predictions import Predictions
from lsdc.metrics.official import CONDITIONS_OF, GRADE_WEIGHTS, Grades, Probabilities
from lsdc.metrics.prediction_tables import SHAPE


class WeightedPrior:
    """Fractions of the grades per family and level, weighted 1/2/4 as the metric does; left and right count together.

    Among constants these fractions minimize the official log loss. A few rows' worth of the family's fractions are
    added, so that a grade not seen at some level keeps a positive probability.

    Parameters
    ----------
    strength : float
        Weight of the family's fractions, in rows of grade normal/mild; 0 leaves them out.

    Attributes
    ----------
    fractions_ : (5, 5, 3) float
        Weighted fraction of each grade by condition and level; rows sum to 1.
    """

    name: ClassVar[str] = "weighted_prior"

    def __init__(self, strength: float = 2.0) -> None:
        self.strength = strength

    def fit(self, predictions: Predictions, grades: Grades) -> Self:
        """Count the grades.

        Parameters
        ----------
        predictions : Predictions
            Not used; it is here because every stacker takes it.
        grades : (n, 5, 5) int8
            Grades by study, condition and level; -1 where unlabeled.

        Returns
        -------
        WeightedPrior
            Itself.
        """
        counts = np.stack([(grades == k).sum(axis=0) for k in range(len(Grade))], axis=-1)
        weighted = counts * GRADE_WEIGHTS[: len(Grade)]
        fractions = np.empty((*SHAPE, len(Grade)))
        for conditions in CONDITIONS_OF.values():
            family = weighted[conditions].sum(axis=(0, 1)) + 1.0
            smooth = weighted[conditions].sum(axis=0) + self.strength * family / family.sum()
            fractions[conditions] = smooth / smooth.sum(axis=-1, keepdims=True)
        self.fractions_ = fractions
        return self

    def predict(self, predictions: Predictions) -> Probabilities:
        """Predict the same for every study.

        Parameters
        ----------
        predictions : Predictions
            Only its number n of studies matters.

        Returns
        -------
        (n, 5, 5, 3) float
            `fractions_` for each study.
        """
        return np.broadcast_to(self.fractions_, (len(predictions.studies), *self.fractions_.shape)).copy()

    def state(self) -> dict[str, Any]:
        """Give what was fitted.

        Returns
        -------
        dict
            `strength` and, as `shares`, the fractions.
        """
        return {"strength": self.strength, "shares": self.fractions_.tolist()}

    @classmethod
    def restore(cls, state: dict[str, Any]) -> Self:
        """Make a fitted prior from its state.

        Parameters
        ----------
        state : dict
            What `state` returned.

        Returns
        -------
        WeightedPrior
            Predicts the same.
        """
        prior = cls(float(state["strength"]))
        prior.fractions_ = np.array(state["shares"], float).reshape(*SHAPE, len(Grade))
        return prior
