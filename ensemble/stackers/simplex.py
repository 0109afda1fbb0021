"""Weights tuned by Optuna against the official metric."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np

from lsdc.cohort.vocabulary import Family
from lsdc.ensemble.objective import FamilyLoss, Weights
from lsdc.ensemble.stackers.fixed import BestSingle, PlainMean
from lsdc.ensemble.stackers.greedy import Greedy
from lsdc.ensemble.stackers.weighted import WeightedStacker
from lsdc.ensemble.tune import Search, minimize


class Simplex(WeightedStacker):
    """Weights per family that Optuna finds, from the plain mean, the best single and the greedy choice on.

    Parameters
    ----------
    trials : int
        Points to try per family.
    seed : int
        For the sampler.
    journal : Path, optional
        Optuna journal file that keeps the trials; in memory by default.
    """

    name: ClassVar[str] = "simplex"

    def __init__(self, trials: int = 60, seed: int = 0, journal: Path | None = None) -> None:
        self.trials = trials
        self.seed = seed
        self.journal = journal

    def choose(self, loss: FamilyLoss) -> Weights:
        """The best weights found."""
        if len(loss.members) == 1:
            return np.ones(1)

        def weights_at(point: Mapping[str, float]) -> Weights:
            return np.array([point[name] for name in loss.members])

        starts = [stacker.choose(loss) for stacker in (PlainMean(), BestSingle(), Greedy())]
        search = Search(
            study=loss.family.value,
            metric="spinal + any_severe" if loss.family is Family.SPINAL else loss.family.value,
            parameters=loss.members,
            starts=[dict(zip(loss.members, (start / start.max()).tolist())) for start in starts],
            trials=self.trials,
            seed=self.seed,
        )
        best = weights_at(minimize(search, lambda point: loss(weights_at(point)), self.journal))
        return best if best.any() else np.ones(len(best))
