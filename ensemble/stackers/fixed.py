"""Stackers that search nothing: the plain mean, and one member alone."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from lsdc.ensemble.stackers.weighted import WeightedStacker
from lsdc.ensemble.tuning.objective import FamilyLoss, Weights


class PlainMean(WeightedStacker):
    """All members count alike."""

    name: ClassVar[str] = "plain_mean"

    def choose(self, loss: FamilyLoss) -> Weights:
        """Equal weights."""
        return np.ones(len(loss.members))


class BestSingle(WeightedStacker):
    """The member with the lowest loss, chosen per family."""

    name: ClassVar[str] = "best_single"

    def choose(self, loss: FamilyLoss) -> Weights:
        """All weight on the best; the first of equals."""
        singles = np.eye(len(loss.members))
        return singles[int(np.argmin([loss(single) for single in singles]))]
