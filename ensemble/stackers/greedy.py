"""Greedy selection with replacement."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from lsdc.ensemble.stackers.weighted import WeightedStacker
from lsdc.ensemble.tuning.objective import FamilyLoss, Weights


class Greedy(WeightedStacker):
    """Caruana's ensemble selection: add the member that helps most, again and again, with replacement.

    Caruana, Niculescu-Mizil, Crew and Ksikes, Ensemble selection from libraries of models, ICML 2004.

    Parameters
    ----------
    steps : int
        Members to add; the best prefix counts.
    """

    name: ClassVar[str] = "greedy"

    def __init__(self, steps: int = 25) -> None:
        self.steps = steps

    def choose(self, loss: FamilyLoss) -> Weights:
        """How often each member was chosen in the best prefix."""
        counts = best = np.zeros(len(loss.members))
        lowest = np.inf
        for _ in range(self.steps):
            bags = counts + np.eye(len(counts))
            losses = [loss(bag) for bag in bags]
            counts = bags[int(np.argmin(losses))]
            if min(losses) < lowest:
                lowest, best = min(losses), counts
        return best
