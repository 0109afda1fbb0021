"""Weights on the simplex that minimize the official metric."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from lsdc.ensemble.stackers.greedy import Greedy
from lsdc.ensemble.stackers.weighted import WeightedStacker
from lsdc.ensemble.tuning.objective import FamilyLoss, Weights


class Simplex(WeightedStacker):
    """Non-negative weights that sum to 1, by sequential quadratic programming from two starts."""

    name: ClassVar[str] = "simplex"

    def choose(self, loss: FamilyLoss) -> Weights:
        """Find the weights with the lowest loss, beginning at equal weights and at the greedy choice.

        Parameters
        ----------
        loss : FamilyLoss
            Loss of the family as a function of weights.

        Returns
        -------
        (m,) float
            Not negative; never worse than either start.
        """
        from scipy.optimize import minimize

        n = len(loss.members)
        greedy = Greedy().choose(loss)
        starts = [np.full(n, 1 / n), greedy / greedy.sum()]
        found = [
            minimize(
                loss,
                start,
                method="SLSQP",
                bounds=[(0.0, 1.0)] * n,
                constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1},
            ).x
            for start in starts
        ]
        candidates = [np.clip(point, 0.0, 1.0) for point in (*found, *starts)]
        return min((point for point in candidates if point.any()), key=loss)
