"""Stackers that search nothing: the plain mean, and one member alone."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from lsdc.ensemble.stackers.weighted import WeightedStacker
from lsdc.ensemble.tuning.objective import FamilyLoss, Weights


class PlainMean(WeightedStacker):
    """The mean of the members present in each row; all count alike. The baseline that a stack must beat."""

    name: ClassVar[str] = "plain_mean"

    def choose(self, loss: FamilyLoss) -> Weights:
        """Give every member the same weight.

        Parameters
        ----------
        loss : FamilyLoss
            Loss of the family as a function of weights; only its members matter here.

        Returns
        -------
        (m,) float
            Ones.
        """
        return np.ones(len(loss.members))


class BestSingle(WeightedStacker):
    """The member with the lowest loss, chosen per family."""

    name: ClassVar[str] = "best_single"

    def choose(self, loss: FamilyLoss) -> Weights:
        """Put all weight on the member with the lowest loss.

        Parameters
        ----------
        loss : FamilyLoss
            Loss of the family as a function of weights.

        Returns
        -------
        (m,) float
            1 for the best member, the first of equals; 0 for the others.
        """
        singles = np.eye(len(loss.members))
        return singles[int(np.argmin([loss(single) for single in singles]))]
