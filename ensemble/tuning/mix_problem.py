"""The search for a mix: its starting points, the official losses of a point, and what is made of the best one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import Family
from lsdc.ensemble.predictions import Predictions
from lsdc.ensemble.stackers.fixed import BestSingle
from lsdc.ensemble.stackers.greedy import Greedy
from lsdc.ensemble.stackers.pool_part import PoolPart
from lsdc.ensemble.stackers.simplex import Simplex
from lsdc.ensemble.tuning.inner_stackers import InnerStackers
from lsdc.ensemble.tuning.mix_space import FamilySpace
from lsdc.ensemble.tuning.mixing import POOLS, STACKED, mix_family
from lsdc.ensemble.tuning.objective import FamilyLoss
from lsdc.ensemble.tuning.search import Point, ReportStep, Search
from lsdc.metrics.bootstrap import Counts, study_counts
from lsdc.metrics.official import (
    CONDITIONS_OF,
    FAMILIES,
    PARTS,
    Grades,
    Probabilities,
    StudyLosses,
    study_losses,
)

OPTUNA_STUDY = "stack"
"""Name of the Optuna study that holds the trials of a mix."""
_SURE = 0.8
"""Fraction of bootstrap resamples in which a family's mix must beat the plain mean, or the mean is kept."""
_RESAMPLES = 500
_NOTE = """Weights of members and of stackers that learn from them, the shrinkage of the log-linear pools, and a
temperature, per family of conditions. The objective is the official score (mean of four weighted log losses,
lower is better) of studies held out inside; each trial's user attributes hold its parts. The first trials are the
plain mean, the best single member, greedy selection, the two pools, and the best mix at the usual shrinkage; then
one family at a time is searched while the others stay at the best."""


class MixProblem:
    """What the search for a mix asks: where to begin, and the official losses of a point on studies held out inside.

    Parameters
    ----------
    predictions : Predictions
        Out-of-fold predictions of n labeled studies.
    grades : (n, 5, 5) int8
        Their grades; -1 where unlabeled.
    seed : int
        Seed of the inner folds and of the stackers that learn.

    Attributes
    ----------
    spaces : dict of Family to FamilySpace
        The parameters of each family.
    """

    def __init__(self, predictions: Predictions, grades: Grades, seed: int) -> None:
        self._predictions, self._grades = predictions, grades
        self._inner = InnerStackers(predictions, grades, seed)
        self.spaces = {family: FamilySpace(family, self._inner.members[family]) for family in FAMILIES}
        # Caches of the instance: `cache` on the methods would keep every instance alive.
        self._family_fold = cache(self._mix_fold)
        self._cached_starts = cache(self._make_starts)

    def search(self, trials: int, seed: int) -> Search:
        """Describe the search for `minimize`.

        Parameters
        ----------
        trials : int
            Number of points to try.
        seed : int
            Seed of the sampler.

        Returns
        -------
        Search
            One block of parameters per family, and the starting points.
        """
        content = hashlib.sha256(self._predictions.cubes.tobytes() + self._grades.tobytes())
        content.update(json.dumps([self._predictions.members, seed]).encode())
        return Search(
            study=OPTUNA_STUDY,
            metric="total",
            blocks=[space.ranges for space in self.spaces.values()],
            starts=list(self.starts().values()),
            trials=trials,
            seed=seed,
            problem=content.hexdigest()[:16],
            note=_NOTE,
        )

    def starts(self) -> dict[str, dict[str, float]]:
        """Make points that are known to be good.

        Returns
        -------
        dict of str to dict of str to float
            By name (`plain_mean`, `best_single`, `greedy`, each pool, `mix`): a value for every parameter.
        """
        return self._cached_starts()

    def losses(self, point: Point, report_step: ReportStep) -> dict[str, float]:
        """Score a point on the inner folds, each predicted without its studies.

        Parameters
        ----------
        point : mapping of str to float
            A value for every parameter.
        report_step : callable
            Gets the number of each inner fold and the loss there.

        Returns
        -------
        dict of str to float
            The four parts of the official score and `total`, their mean; a family without a label counts zero.
        """
        parts = _labeled_parts(study_losses(self._grades, self._mix_all(point, report_step)))
        return {**dict(zip(PARTS, parts.tolist())), "total": float(parts.mean())}

    def settle(self, family: Family, best: Point) -> tuple[Point, float]:
        """Keep the best point for a family only where it surely beats the plain mean.

        Parameters
        ----------
        family : Family
            The family to decide on.
        best : mapping of str to float
            The best point that the search found.

        Returns
        -------
        point : mapping of str to float
            `best`, or the plain mean when `best` wins in less than 80 % of 500 resamples of the studies. They are the
            studies on which it was chosen: the nested score is what tells whether choosing pays.
        gain : float
            Loss of the plain mean minus that of the point, on the inner folds.
        """
        plain = self.starts()["plain_mean"]
        mean, found = (self._family_losses(family, point) for point in (plain, best))
        n = len(self._grades)
        counts = study_counts(n, _RESAMPLES)
        gains = mean(counts) - found(counts)
        gains = gains[np.isfinite(gains)]  # a resample without a label of the family says nothing
        if not len(gains) or np.mean(gains > 0) < _SURE:
            return plain, 0.0
        once = np.ones((1, n))
        return best, float((mean(once) - found(once))[0])

    def fit_pools(self, family: Family, point: Point) -> dict[str, PoolPart]:
        """Fit the pools that have a weight at a point on all studies.

        Parameters
        ----------
        family : Family
            The family that is pooled.
        point : mapping of str to float
            Values of the family's parameters.

        Returns
        -------
        dict of str to PoolPart
            By name of the pool; empty where no pool has a weight.
        """
        space = self.spaces[family]
        weights, shrinkage = space.weights(point), space.shrinkage(point)
        return {
            name: self._inner.fit_pool(family, name, shrinkage, None) for name in POOLS if weights[name] > 0
        }

    def _make_starts(self) -> dict[str, dict[str, float]]:
        starts: dict[str, dict[str, float]] = {}
        for family, space in self.spaces.items():
            for name, weights in self._known_mixes(family).items():
                starts.setdefault(name, {}).update(space.start(weights))
        return starts

    def _known_mixes(self, family: Family) -> dict[str, NDArray[np.float64]]:
        """Weights of a family's columns that are known to be good, by name."""
        members, columns = self.spaces[family].members, self.spaces[family].columns
        mean = np.array([float(name in members) for name in columns])
        mixes = {"plain_mean": mean, "best_single": mean, "greedy": mean}
        if len(members) > 1:
            loss = FamilyLoss(self._predictions, self._grades, family, self._inner.prior)
            for stacker in (BestSingle(), Greedy()):
                mixes[stacker.name] = np.append(stacker.choose(loss), np.zeros(len(STACKED)))
        one_of = dict(zip(columns, np.eye(len(columns))))
        mixes |= {name: one_of[name] for name in POOLS}
        if self._grades[:, CONDITIONS_OF[family]].max() < 0:
            return mixes | {"mix": mean}
        loss = FamilyLoss(self._inner.cross_fitted(family), self._grades, family, self._inner.prior)
        found = dict(zip(loss.members, Simplex().choose(loss)))
        return mixes | {"mix": np.array([found.get(name, 0.0) for name in columns])}

    def _mix_all(self, point: Point, report_step: ReportStep | None = None) -> Probabilities:
        """Predict all studies, each inner fold without its studies."""
        out = np.full(self._predictions.cubes.shape[1:], np.nan)
        folds = self._inner.folds
        for fold in range(len(self._inner.inside)):
            mask = folds == fold
            for family, conditions in CONDITIONS_OF.items():
                values = self.spaces[family].values(point)
                out[np.ix_(mask, conditions)] = self._family_fold(family, fold, values)
            if report_step is not None:
                parts = _labeled_parts(study_losses(self._grades[mask], out[mask]))
                report_step(fold, float(parts.mean()))
        return out

    def _mix_fold(self, family: Family, fold: int, values: tuple[float, ...]) -> NDArray[np.float64]:
        """Mix a family in an inner fold; its own values of a point are all that it depends on."""
        space, inner = self.spaces[family], self._inner
        point = space.point(values)
        weights, shrinkage = space.weights(point), space.shrinkage(point)
        stacked = {
            name: inner.stacked(family, name, fold, shrinkage) for name in STACKED if weights[name] > 0
        }
        return mix_family(
            inner.inside[fold], family, stacked, weights, space.temperature(point), inner.priors[fold]
        )

    def _family_losses(self, family: Family, point: Point) -> Callable[[Counts], NDArray[np.float64]]:
        """Make a function of counts (b, n) of the studies: what a family adds to the score on the inner folds."""
        losses = study_losses(self._grades, self._mix_all(point))
        columns = [PARTS.index(family)] + ([PARTS.index("any_severe")] if family is Family.SPINAL else [])
        return lambda counts: losses.parts(counts)[:, columns].sum(axis=1)


def _labeled_parts(losses: StudyLosses) -> NDArray[np.float64]:
    """Compute the four parts; zero for a family without a label, which no point makes better or worse."""
    return np.nan_to_num(losses.parts(), nan=0.0)
