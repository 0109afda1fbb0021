"""What the search for a mix asks: the official losses of a point on studies held out inside."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import Family
from lsdc.ensemble.predictions import Predictions, inner_folds
from lsdc.ensemble.stackers.evidence import gather, members_of
from lsdc.ensemble.stackers.fixed import BestSingle
from lsdc.ensemble.stackers.greedy import Greedy
from lsdc.ensemble.stackers.pool import PoolPart, Shrinkage, apply_part, fit_part
from lsdc.ensemble.stackers.prior import WeightedPrior
from lsdc.ensemble.stackers.rows import Boosted, Neural, RowStacker
from lsdc.ensemble.stackers.simplex import Simplex
from lsdc.ensemble.tuning.objective import FamilyLoss, blend
from lsdc.ensemble.tuning.search import Range, Report, Search
from lsdc.metrics.official import (
    CONDITIONS_OF,
    EPS,
    FAMILIES,
    PARTS,
    Grades,
    Probabilities,
    StudyLosses,
    study_losses,
)

POOLS = {"log_pool": False, "context_pool": True}
LEARNERS: dict[str, type[RowStacker]] = {learner.name: learner for learner in (Boosted, Neural)}
STACKED = (*POOLS, *LEARNERS)
_STRENGTHS = {"weights": Range(1, 1e4, log=True), "bias": Range(1, 1e3, log=True),
              "context": Range(3, 3e3, log=True)}  # fmt: skip
_TEMPERATURE = Range(0.8, 1.25, log=True)
_SURE = 0.8
"""Share of bootstrap samples in which a family's stack must beat the plain mean, or the mean is kept."""
STUDY = "stack"
"""Name of the Optuna study."""


_NOTE = """Weights of members and of stackers that learn from them, the shrinkage of the log-linear pools, and a
temperature, per family of conditions. The objective is the official score (mean of four weighted log losses,
lower is better) of studies held out inside; each trial's user attributes hold its parts. The first trials are the
plain mean, the best single member, greedy selection, the two pools, and the best mix at the usual shrinkage; then
one family at a time is searched while the others stay at the best."""


def mix(
    given: Predictions,
    family: Family,
    stacked: Mapping[str, NDArray[np.float64]],
    weights: Mapping[str, float],
    temperature: float,
    prior: Probabilities,
) -> NDArray[np.float64]:
    """Weighted mean of the members present and of stackers, cooled by a temperature; (n, c, 5, 3)."""
    conditions = CONDITIONS_OF[family]
    members = members_of(given, family)
    cubes = [*given.of(members).cubes[:, :, conditions]] if members else []
    cubes += stacked.values()
    if not cubes:
        return np.broadcast_to(prior[conditions], (len(given.studies), *prior[conditions].shape)).copy()
    by_name = np.array([weights.get(name, 0.0) for name in (*members, *stacked)])
    mixed = blend(np.stack(cubes), by_name, prior[conditions])
    if temperature != 1:
        cooled = np.maximum(mixed, EPS) ** (1 / temperature)
        mixed = cooled / cooled.sum(axis=-1, keepdims=True)
    alone = ~np.any(given.present[:, :, conditions], axis=0)[..., None]
    return np.asarray(np.where(alone, prior[conditions], mixed))


class MixProblem:
    """The losses of a point on inner folds; what two points share is computed once."""

    def __init__(self, predictions: Predictions, grades: Grades, seed: int) -> None:
        self.predictions, self.grades, self._seed = predictions, grades, seed
        self.folds = inner_folds(len(grades), seed)
        self.members = {family: members_of(predictions, family) for family in FAMILIES}
        self._inside = [predictions.where(self.folds == k) for k in np.unique(self.folds)]
        self._priors = [
            WeightedPrior().fit(predictions, np.where((self.folds == k)[:, None, None], np.int8(-1), grades))
            for k in np.unique(self.folds)
        ]
        self._prior = WeightedPrior().fit(predictions, grades)
        # Caches of the instance: `cache` on methods would keep every problem alive.
        self._part = cache(self._part)  # type: ignore[method-assign]
        self._evidence = cache(self._evidence)  # type: ignore[method-assign]
        self._learned = cache(self._learned)  # type: ignore[method-assign]
        self.starts = cache(self.starts)  # type: ignore[method-assign]

    def columns(self, family: Family) -> tuple[str, ...]:
        """What a family's mix weighs."""
        return (*self.members[family], *STACKED)

    def search(self, trials: int, seed: int) -> Search:
        """The search space with its starting points."""
        blocks = []
        for family in FAMILIES:
            block = {f"{family}.{name}": Range() for name in self.columns(family)}
            block |= {f"{family}.shrink_{name}": bounds for name, bounds in _STRENGTHS.items()}
            blocks.append(block | {f"{family}.temperature": _TEMPERATURE})
        content = hashlib.sha256(self.predictions.cubes.tobytes() + self.grades.tobytes())
        content.update(json.dumps([self.predictions.members, seed]).encode())
        return Search(
            study=STUDY,
            metric="total",
            blocks=blocks,
            starts=list(self.starts().values()),
            trials=trials,
            seed=seed,
            problem=content.hexdigest()[:16],
            note=_NOTE,
        )

    def starts(self) -> dict[str, dict[str, float]]:
        """Points known to be good, by name."""
        chosen: dict[str, dict[str, float]] = {}
        usual = {f"shrink_{name}": getattr(Shrinkage(), name) for name in _STRENGTHS} | {"temperature": 1.0}
        for family in FAMILIES:
            for name, weights in self._known_mixes(family).items():
                point = chosen.setdefault(name, {})
                values = (weights / weights.max(initial=EPS)).tolist()
                point |= {f"{family}.{c}": v for c, v in zip(self.columns(family), values)}
                point |= {f"{family}.{name}": value for name, value in usual.items()}
        return chosen

    def _known_mixes(self, family: Family) -> dict[str, NDArray[np.float64]]:
        """Weights of the columns, by name."""
        members, columns = self.members[family], self.columns(family)
        one_of = dict(zip(columns, np.eye(len(columns))))
        mean = np.array([float(name in members) for name in columns])
        mixes = {"plain_mean": mean, "best_single": mean, "greedy": mean}
        if len(members) > 1:
            loss = FamilyLoss(self.predictions, self.grades, family, self._prior.shares_)
            for stacker in (BestSingle(), Greedy()):
                mixes[stacker.name] = np.append(stacker.choose(loss), np.zeros(len(STACKED)))
        mixes |= {name: one_of[name] for name in POOLS}
        if self.grades[:, CONDITIONS_OF[family]].max() < 0:
            return mixes | {"mix": mean}
        held_out = self._columns_held_out(family)
        loss = FamilyLoss(held_out, self.grades, family, self._prior.shares_)
        found = dict(zip(loss.members, Simplex().choose(loss)))
        return mixes | {"mix": np.array([found.get(name, 0.0) for name in columns])}

    def _columns_held_out(self, family: Family) -> Predictions:
        """What members and stackers, these cross-fitted at the usual shrinkage, say of a family."""
        cubes = np.full((len(STACKED), *self.predictions.cubes.shape[1:]), np.nan)
        for fold in range(len(self._inside)):
            mask = np.ix_(self.folds == fold, CONDITIONS_OF[family])
            for cube, name in zip(cubes, STACKED):
                cube[mask] = self._stacked(family, name, fold, Shrinkage())
        members = self.predictions.of(self.members[family]).cubes if self.members[family] else cubes[:0]
        return Predictions(self.columns(family), self.predictions.studies, np.concatenate([members, cubes]))

    def weights(self, family: Family, point: Mapping[str, float]) -> dict[str, float]:
        """The mix of a family at a point; below a thousandth is nothing."""
        raw = np.array([point[f"{family}.{name}"] for name in self.columns(family)])
        if not raw.any():
            raw = np.array([float(name not in STACKED) for name in self.columns(family)])
        share = np.where(raw / max(raw.sum(), EPS) < 1e-3, 0.0, raw)
        return dict(zip(self.columns(family), (share / max(share.sum(), EPS)).tolist()))

    def shrinkage(self, family: Family, point: Mapping[str, float]) -> Shrinkage:
        """The pools' shrinkage of a family at a point."""
        return Shrinkage(**{name: point[f"{family}.shrink_{name}"] for name in _STRENGTHS})

    def fit_pool(self, family: Family, name: str, shrinkage: Shrinkage, without: int | None) -> PoolPart:
        """Fit a pool on all studies, or on those outside an inner fold."""
        evidence = self._evidence(family, name, without, None)
        grades = self.grades if without is None else self.grades[self.folds != without]
        return fit_part(evidence, self.members[family], grades, shrinkage)

    def _evidence(self, family: Family, name: str, without: int | None, of: int | None) -> Any:
        prior = (self._prior if without is None else self._priors[without]).shares_
        given = self.predictions
        if of is not None:
            given = self._inside[of]
        elif without is not None:
            given = self.predictions.where(self.folds != without)
        return gather(given, prior, family, self.members[family], POOLS[name])

    def _part(self, family: Family, fold: int, values: tuple[float, ...]) -> NDArray[np.float64]:
        """A family's probabilities in an inner fold at a point, given by the family's values alone."""
        point = dict(zip(self._names(family), values))
        weights, shrinkage = self.weights(family, point), self.shrinkage(family, point)
        stacked = {
            name: self._stacked(family, name, fold, shrinkage) for name in STACKED if weights[name] > 0
        }
        prior = self._priors[fold].shares_
        return mix(self._inside[fold], family, stacked, weights, point[f"{family}.temperature"], prior)

    def _stacked(self, family: Family, name: str, fold: int, shrinkage: Shrinkage) -> NDArray[np.float64]:
        """What a stacker fitted without an inner fold says of a family there."""
        if name in LEARNERS:
            return self._learned(name, fold)[:, CONDITIONS_OF[family]]
        part = self.fit_pool(family, name, shrinkage, fold)
        return apply_part(part, self._evidence(family, name, fold, fold))

    def _learned(self, name: str, fold: int) -> Probabilities:
        seen = self.folds != fold
        learner = LEARNERS[name](self._seed).fit(self.predictions.where(seen), self.grades[seen])
        return learner.predict(self._inside[fold])

    def _names(self, family: Family) -> list[str]:
        own = [f"{family}.{name}" for name in self.columns(family)]
        return [*own, *(f"{family}.shrink_{name}" for name in _STRENGTHS), f"{family}.temperature"]

    def _cube(self, point: Mapping[str, float], report: Report | None = None) -> Probabilities:
        out = np.empty(self.predictions.cubes.shape[1:])
        for fold in range(len(self._inside)):
            mask = self.folds == fold
            for family, conditions in CONDITIONS_OF.items():
                values = tuple(point[name] for name in self._names(family))
                out[np.ix_(mask, conditions)] = self._part(family, fold, values)
            if report is not None:
                report(fold, float(_parts(study_losses(self.grades[mask], out[mask])).mean()))
        return out

    def losses(self, point: Mapping[str, float], report: Report) -> dict[str, float]:
        """The parts of the official score and their mean, on the inner folds."""
        parts = _parts(study_losses(self.grades, self._cube(point, report)))
        return {**dict(zip(PARTS, parts.tolist())), "total": float(parts.mean())}

    def settle(self, family: Family, best: Mapping[str, float]) -> tuple[Mapping[str, float], float]:
        """The point for a family and its gain: the best found where it surely beats the plain mean, or the mean."""
        plain = self.starts()["plain_mean"]
        mean, ours = (self._own_losses(family, point) for point in (plain, best))
        n = len(self.grades)
        counts = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=500).astype(float)
        if np.nanmean(ours(counts) < mean(counts)) < _SURE:
            return plain, 0.0
        once = np.ones((1, n))
        return best, float((mean(once) - ours(once))[0])

    def _own_losses(self, family: Family, point: Mapping[str, float]) -> Any:
        """What a family adds to the score on the inner folds, for counts (b, n) of the studies."""
        losses = study_losses(self.grades, self._cube(point))
        columns = [PARTS.index(family)] + ([PARTS.index("any_severe")] if family is Family.SPINAL else [])
        return lambda counts: losses.parts(counts)[:, columns].sum(axis=1)


def _parts(losses: StudyLosses) -> NDArray[np.float64]:
    """The four parts; nothing for a family without a label, which no point makes better or worse."""
    return np.nan_to_num(losses.parts(), nan=0.0)
