"""Greedy selection with replacement."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from lsdc.ensemble.stackers.weighted import WeightedStacker
from lsdc.ensemble.tuning.objective import FamilyLoss, Weights


class Greedy(WeightedStacker):
    """Caruana's ensemble selection: add the member that helps most, again and again, with replacement.

    Parameters
    ----------
    steps : int
        Number of additions; the best of all intermediate selections counts, so more steps never fit worse.

    References
    ----------
    Caruana, Niculescu-Mizil, Crew and Ksikes: Ensemble selection from libraries of models, ICML 2004.
    """

    name: ClassVar[str] = "greedy"

    def __init__(self, steps: int = 25) -> None:
        self.steps = steps

    def choose(self, loss: FamilyLoss) -> Weights:
        """Count how often each member is in the best selection.

        Parameters
        ----------
        loss : FamilyLoss
            Loss of the family as a function of weights.

        Returns
        -------
        (m,) float
            Whole numbers, at least one of them positive.
        """
        counts = best = np.zeros(len(loss.members))
        lowest = np.inf
        for _ in range(self.steps):
            bags = counts + np.eye(len(counts))
            losses = [loss(bag) for bag in bags]
            counts = bags[int(np.argmin(losses))]
            if min(losses) < lowest:
                lowest, best = min(losses), counts
        return best
