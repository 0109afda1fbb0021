"""Learning curves of the heads: which member is strong on how many studies, beside the prior that needs no image.

    python benchmarks/heads.py --store store                                # 45, 100, 400 and all labeled studies
    python benchmarks/heads.py --store store --sizes 45,all --members forest,lightgbm --draws 8

Studies are drawn from the store's folds alike; every member is cross-fitted on the drawn ones as `lsdc-ensemble fit`
does it, in memory, and scored on its out-of-fold predictions. Small sizes are the mean over several draws. Beside each
loss as fitted stands the one without shrinkage and refit, with `--plain`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import TARGETS, Family
from lsdc.ensemble.training_data import training_rows
from lsdc.features.store import FeatureStore
from lsdc.models.default_members import auto_members
from lsdc.models.examples import Examples
from lsdc.models.fold_model import make_splits, predict_fold_by_fold
from lsdc.models.heads.prepare import families
from lsdc.models.options import Options
from lsdc.models.registry import MEMBERS
from lsdc.models.shrinkage import target_fractions
from lsdc.runtime.commands import Reporting, run_program
from lsdc.runtime.console import say, table
from lsdc.testing.losses import weighted_loss

Probabilities = NDArray[np.float64]
_STUDIES_PER_SIZE = 300


@dataclass(frozen=True)
class Heads:
    """Learning curves of members on a store."""

    store: Path
    """a finished feature store with labels"""
    members: str = "forest,logistic,lightgbm,xgboost,mlp"
    """names, separated by commas"""
    sizes: str = "45,100,400,all"
    """numbers of studies, separated by commas"""
    draws: int = 0
    """draws of each size; 0 takes as many as make 300 studies, at most 6"""
    plain: bool = False
    """also without shrinkage and without the refit on all studies"""
    seed: int = 0
    """of the draws and the members"""
    reporting: Reporting = Reporting()

    def run(self) -> dict[str, Any]:
        """Cross-fit every member at every size."""
        store = FeatureStore.open(self.store)
        examples = Examples.from_store(store).where(training_rows(store))
        count = len(examples) // len(TARGETS)
        sizes = [count if word == "all" else int(word) for word in self.sizes.split(",")]
        result: dict[str, Any] = {}
        for size in (size for size in dict.fromkeys(sizes) if size <= count):
            draws = self.draws or int(np.clip(_STUDIES_PER_SIZE // size, 1, 6))
            scores: dict[str, list[list[float]]] = {}
            seconds: dict[str, float] = {}
            for number in range(1 if size == count else draws):
                for name, found, took in self._fitted(draw(examples, size, self.seed + number)):
                    scores.setdefault(name, []).append(found)
                    seconds[name] = seconds.get(name, 0.0) + took
            result[str(size)] = {
                name: dict(zip((*(f.value for f in Family), "mean"), np.mean(found, axis=0).tolist()))
                | {"seconds": seconds[name] / len(found)}
                for name, found in scores.items()
            }
            show(size, len(next(iter(scores.values()))), result[str(size)])
        return result

    def _fitted(self, examples: Examples) -> Iterator[tuple[str, list[float], float]]:
        """Yield the losses and seconds of the prior, of each member, and of means of members."""
        yield "weighted prior", losses(examples, prior(examples)), 0.0
        found: dict[str, Probabilities] = {}
        for name in self.members.split(","):
            begun = time.perf_counter()
            make = partial(MEMBERS[name], self.seed, Options())
            if self.plain:
                yield f"{name}, plain", losses(examples, plain(make, examples)), time.perf_counter() - begun
                begun = time.perf_counter()
            found[name] = np.empty((len(examples), 3))
            for rows, probabilities in predict_fold_by_fold(make, examples):
                found[name][rows] = probabilities
            yield name, losses(examples, found[name]), time.perf_counter() - begun
        chosen = auto_members(len(examples) // len(TARGETS))
        for label, names in (("mean of auto", chosen), ("mean of all", [*found])):
            if set(names) <= set(found):
                yield label, losses(examples, np.mean([found[name] for name in names], axis=0)), 0.0


def draw(examples: Examples, size: int, seed: int) -> Examples:
    """Draw studies, of every fold alike."""
    fold = examples.rows["fold"].to_numpy()[:: len(TARGETS)]
    order = np.random.default_rng(seed).permutation(len(fold))
    rank = np.empty(len(fold), int)  # of each study in its fold
    for value in np.unique(fold):
        mine = order[fold[order] == value]
        rank[mine] = np.arange(len(mine))
    chosen = np.lexsort((order, rank))[:size]
    return examples.where(np.repeat(np.isin(np.arange(len(fold)), chosen), len(TARGETS)))


def plain(make: Any, examples: Examples) -> Probabilities:
    """Cross-fit without shrinkage and without the refit."""
    found, fold = np.empty((len(examples), 3)), examples.rows["fold"].to_numpy()
    for split in make_splits(examples):
        held_out = split.held_out(examples, 0)
        learned = examples.where((fold != split.fold) & ~held_out)
        member = make().fit(learned, examples.where(held_out))
        found[fold == split.fold] = member.predict_proba(examples.where(fold == split.fold))
    return found


def prior(examples: Examples) -> Probabilities:
    """The weighted fractions of the grades, counted without each fold."""
    found, fold = np.empty((len(examples), 3)), examples.rows["fold"].to_numpy()
    for value in np.unique(fold):
        others = examples.where(fold != value).grades.reshape(-1, len(TARGETS))
        mine = fold == value
        found[mine] = np.tile(target_fractions(others), (mine.sum() // len(TARGETS), 1))
    return found


def losses(examples: Examples, probabilities: Probabilities) -> list[float]:
    """Weighted log losses of the families, NaN for one without labels, and their mean."""
    family, known = families(examples.rows), examples.grades >= 0
    parts = []
    for number in range(len(Family)):
        rows = known & (family == number)
        parts.append(weighted_loss(examples.grades[rows], probabilities[rows]) if rows.any() else np.nan)
    return [*parts, float(np.nanmean(parts))]


def show(size: int, draws: int, rows: dict[str, dict[str, float]]) -> None:
    """Print the table of one size, best first."""
    order = sorted(rows.items(), key=lambda item: item[1]["mean"])
    cells = []
    for name, row in order:
        *found, took = row.values()
        cells.append((name, *("-" if np.isnan(loss) else f"{loss:.3f}" for loss in found), f"{took:.1f}"))
    title = f"{size} studies, mean of {draws} draws: weighted log loss, out of fold"
    table(title, ["member", *(family.value for family in Family), "mean", "seconds"], cells)
    worse = [name for name, row in order if row["mean"] > 1.01 * rows["weighted prior"]["mean"]]
    say("worse than the prior: " + (", ".join(worse) or "none"))


if __name__ == "__main__":
    sys.exit(run_program(Heads, "heads.py"))
