"""Stackers fitted without an inner fold, and what they predict there; each is fitted once."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import Family
from lsdc.ensemble.predictions import Predictions, inner_folds
from lsdc.ensemble.stackers.evidence import Evidence, gather, members_of
from lsdc.ensemble.stackers.pool_part import PoolPart, Shrinkage, apply_part, fit_part
from lsdc.ensemble.stackers.prior import WeightedPrior
from lsdc.ensemble.tuning.mixing import LEARNERS, POOLS, STACKED
from lsdc.metrics.official import CONDITIONS_OF, FAMILIES, Grades, Probabilities


class InnerStackers:
    """Pools, learners and priors fitted without each inner fold of the studies.

    What two points of a search share, such as a pool's evidence or a learner, is computed once and kept.

    Parameters
    ----------
    predictions : Predictions
        Out-of-fold predictions of n labeled studies.
    grades : (n, 5, 5) int8
        Their grades; -1 where unlabeled.
    seed : int
        Seed of the inner folds and of the learners.

    Attributes
    ----------
    folds : (n,) int
        Inner fold of each study.
    members : dict of Family to tuple of str
        The members that have any row of the family.
    prior : (5, 5, 3) float
        Weighted prior of all studies.
    priors : list of (5, 5, 3) float
        Weighted prior of the studies outside each inner fold.
    inside : list of Predictions
        Predictions of the studies in each inner fold.
    """

    def __init__(self, predictions: Predictions, grades: Grades, seed: int) -> None:
        self.predictions, self.grades, self.seed = predictions, grades, seed
        self.folds = inner_folds(len(grades), seed)
        self.members = {family: members_of(predictions, family) for family in FAMILIES}
        folds = np.unique(self.folds)
        self.inside = [predictions.where(self.folds == fold) for fold in folds]
        self.prior = WeightedPrior().fit(predictions, grades).fractions_
        outside = [np.where((self.folds == fold)[:, None, None], np.int8(-1), grades) for fold in folds]
        self.priors = [WeightedPrior().fit(predictions, known).fractions_ for known in outside]
        # Caches of the instance: `cache` on the methods would keep every instance alive.
        self._outer_evidence = cache(self._gather_outside)
        self._inner_evidence = cache(self._gather_inside)
        self._learned = cache(self._learn)

    def stacked(self, family: Family, name: str, fold: int, shrinkage: Shrinkage) -> NDArray[np.float64]:
        """Predict an inner fold with a stacker that was fitted without it.

        Parameters
        ----------
        family : Family
            The family, with c conditions, whose rows are wanted.
        name : str
            One of `STACKED`.
        fold : int
            The inner fold, with k studies.
        shrinkage : Shrinkage
            Of the pools; learners have none.

        Returns
        -------
        (k, c, 5, 3) float
            Probabilities.
        """
        if name in LEARNERS:
            return self._learned(name, fold)[:, CONDITIONS_OF[family]]
        part = self.fit_pool(family, name, shrinkage, fold)
        return apply_part(part, self._inner_evidence(family, name, fold))

    def fit_pool(self, family: Family, name: str, shrinkage: Shrinkage, without: int | None) -> PoolPart:
        """Fit a pool on all studies, or on those outside an inner fold.

        Parameters
        ----------
        family : Family
            The family that is pooled.
        name : str
            One of `POOLS`.
        shrinkage : Shrinkage
            Strength of the pool's penalties.
        without : int or None
            The inner fold to leave out; None takes all studies.

        Returns
        -------
        PoolPart
            Weights and biases.
        """
        evidence = self._outer_evidence(family, name, without)
        grades = self.grades if without is None else self.grades[self.folds != without]
        return fit_part(evidence, self.members[family], grades, shrinkage)

    def cross_fitted(self, family: Family) -> Predictions:
        """Collect members and stackers as if all were members, the stackers cross-fitted at the default shrinkage.

        Parameters
        ----------
        family : Family
            The family whose rows are filled for the stackers; their others are NaN.

        Returns
        -------
        Predictions
            Of the family's members and of `STACKED`, for all n studies.
        """
        cubes = np.full((len(STACKED), *self.predictions.cubes.shape[1:]), np.nan)
        for fold in range(len(self.inside)):
            mask = np.ix_(self.folds == fold, CONDITIONS_OF[family])
            for cube, name in zip(cubes, STACKED):
                cube[mask] = self.stacked(family, name, fold, Shrinkage())
        names = self.members[family]
        members = self.predictions.of(names).cubes if names else cubes[:0]
        return Predictions((*names, *STACKED), self.predictions.studies, np.concatenate([members, cubes]))

    def _gather_outside(self, family: Family, name: str, without: int | None) -> Evidence:
        """Evidence of the studies that a pool is fitted on."""
        if without is None:
            given, prior = self.predictions, self.prior
        else:
            given, prior = self.predictions.where(self.folds != without), self.priors[without]
        return gather(given, prior, family, self.members[family], POOLS[name])

    def _gather_inside(self, family: Family, name: str, fold: int) -> Evidence:
        """Evidence of the studies that a pool predicts."""
        return gather(self.inside[fold], self.priors[fold], family, self.members[family], POOLS[name])

    def _learn(self, name: str, fold: int) -> Probabilities:
        """Predict an inner fold with a learner fitted without it."""
        seen = self.folds != fold
        learner = LEARNERS[name](self.seed).fit(self.predictions.where(seen), self.grades[seen])
        return learner.predict(self.inside[fold])
