"""How many planted errors are found among the most doubtful labels, and what distrust of labels is worth to a member.

    python benchmarks/suspects.py --store STORE --measurements COHORT/measurements.csv   # a simulated cohort
    python benchmarks/suspects.py --store STORE --rates "" --member lightgbm --family foraminal

STORE is any store with labels and folds. Planted errors move a grade by one, up or down, in a random part of the
labeled rows; members are cross-fitted on the labels with the errors, and the mean of their predictions is ranked. The
simulator's own reader errs too: with its measurements, those of the other first rows that are such errors are counted.
The second table cross-fits one member, with its training labels treated for each fold by themselves; losses are
official, on the labels as they are.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lsdc.cohort.tables import UNLABELED
from lsdc.cohort.vocabulary import TARGETS, Condition
from lsdc.ensemble.suspects.inner_suspicion import inner_predictions
from lsdc.ensemble.suspects.learned_labels import LearnedLabels, Noise
from lsdc.ensemble.suspects.ranking import rank_labels
from lsdc.ensemble.training_data import training_rows
from lsdc.features.store import FeatureStore
from lsdc.metrics.bootstrap import bootstrap_interval
from lsdc.metrics.official import GRADE_WEIGHTS, PARTS, StudyLosses, study_losses
from lsdc.metrics.prediction_tables import COLUMNS, SHAPE, to_cube
from lsdc.models.crossfit import Relabel, cross_fit
from lsdc.models.examples import Examples
from lsdc.models.options import Options
from lsdc.models.registry import resolve_members
from lsdc.phantom.measure import cuts
from lsdc.runtime.commands import Reporting, run_program
from lsdc.runtime.console import say, table


@dataclass(frozen=True)
class WithoutSurprising:
    """Leaves out labels that a quick member finds improbable, whatever a reader's errors are: the simplest rule."""

    threshold: float
    seed: int

    def __call__(self, examples: Examples) -> Examples:
        """The same rows without the labels of small probability."""
        given = inner_predictions(examples, self.seed) / GRADE_WEIGHTS[: len(COLUMNS)]
        grades = examples.grades
        of_label = (given / given.sum(axis=1, keepdims=True))[np.arange(len(grades)), np.maximum(grades, 0)]
        kept = np.where(of_label < self.threshold, UNLABELED, grades)
        say(f"labels learned from: {int((kept != grades).sum())} of {int((grades >= 0).sum())} left out")
        return replace(examples, rows=examples.rows.assign(grade=kept))

    def configuration(self) -> dict[str, Any]:
        """Threshold and seed."""
        return asdict(self)


@dataclass(frozen=True)
class SuspectsBenchmark:
    """Plant errors and look for them; compare what members do about doubtful labels."""

    store: Path
    """a store with labels"""
    measurements: Path | None = None
    """measurements.csv of a simulated cohort, to tell its reader's own errors"""
    rates: str = "0.02,0.05"
    """fractions of labels that are changed, separated by commas; empty leaves this part out"""
    members: str = "lightgbm,xgboost,mlp"
    """members whose mean ranks the labels"""
    member: str = ""
    """member that is fitted on treated labels; empty leaves this part out"""
    family: Literal["all", "spinal", "foraminal", "subarticular"] = "all"
    """family whose labels are used; the others count as unlabeled"""
    noise: tuple[Noise, ...] = ("drop", "soften")
    """what is done about doubtful labels, beside nothing"""
    surprising: float = 0.0
    """also leave out all labels to which the inner predictions, without weights, give less; 0 leaves this out"""
    seeds: int = 1
    """how often each part is done with other seeds; counts and losses are averaged"""
    seed: int = 0
    """of everything random"""
    reporting: Reporting = Reporting()

    def run(self) -> dict[str, Any]:
        """Measure both."""
        store = FeatureStore.open(self.store)
        training = training_rows(store)
        examples = Examples.from_store(store).where(training)
        if self.family != "all":
            of_family = examples.rows["condition"].map(
                lambda slug: Condition(slug).family.value == self.family
            )
            grades = np.where(of_family, examples.grades, UNLABELED)
            examples = replace(examples, rows=examples.rows.assign(grade=grades))
        right = None if self.measurements is None else _measured_grades(self.measurements, examples)
        result: dict[str, Any] = {"planted": [], "noise": {}}
        for rate in filter(None, self.rates.split(",")):
            seeds = range(self.seed, self.seed + self.seeds)
            found = [self._planted(examples, float(rate), right, seed) for seed in seeds]
            result["planted"].append(pd.DataFrame(found).mean().round(4).to_dict())
        if result["planted"]:
            names = list(result["planted"][0])
            table("planted errors among the first", names, [row.values() for row in result["planted"]])
        if self.member:
            result["noise"] = self._treated(examples)
        return result

    def _planted(
        self, examples: Examples, rate: float, right: NDArray[np.int64] | None, seed: int
    ) -> dict[str, Any]:
        """Plant errors in a part of the labels and count them among the most doubtful."""
        planted = _with_errors(examples.grades, rate, seed)
        changed = planted != examples.grades
        learned = replace(examples, rows=examples.rows.assign(grade=planted))
        found = []
        for name, factory in resolve_members(self.members.split(",")).items():
            with tempfile.TemporaryDirectory() as folder:
                made = cross_fit(partial(factory, seed, Options()), learned, Path(folder) / name)
            found.append(made.set_index("row_id").loc[examples.rows["row_id"], COLUMNS].to_numpy(float))
        given = pd.DataFrame(np.mean(found, axis=0), columns=COLUMNS)
        ranked, _ = rank_labels(given.assign(row_id=examples.rows["row_id"].to_numpy(), grade=planted))
        place = pd.Index(examples.rows["row_id"])
        order = place.get_indexer(pd.Index(ranked["row_id"]))
        least = place.get_indexer(pd.Index(ranked.sort_values("predicted")["row_id"]))
        count = int(changed.sum())
        result = {
            "rate": rate,
            "labels": int((planted >= 0).sum()),
            "planted": count,
            "found": int(changed[order[:count]].sum()),
            "precision": float(changed[order[:count]].mean()),
            "precision of first half": float(changed[order[: max(1, count // 2)]].mean()),
            "recall in first 2 n": float(changed[order[: 2 * count]].sum() / count),
            "by predicted alone": float(changed[least[:count]].mean()),
            "expected wrong": float(ranked["wrong"].sum()),
        }
        if right is not None:
            errs = planted != right
            result["all wrong"] = int(errs[planted >= 0].sum())
            result["wrong among first n"] = float(errs[order[:count]].mean())
        return result

    def _treated(self, examples: Examples) -> dict[str, Any]:
        """Cross-fit one member with each treatment, and compare losses on the raw labels."""
        studies = examples.rows["study_id"].iloc[:: len(TARGETS)].tolist()
        grades = examples.grades.astype(np.int8).reshape(-1, *SHAPE)
        losses: dict[str, StudyLosses] = {}
        treatments: dict[str, Callable[[int], Relabel | None]] = {"none": lambda seed: None}
        treatments |= {word: partial(LearnedLabels, word, None) for word in self.noise}
        if self.surprising > 0:
            treatments[f"below {self.surprising:g}"] = partial(WithoutSurprising, self.surprising)
        for noise, treatment in treatments.items():
            runs = []
            for seed in range(self.seed, self.seed + self.seeds):
                factory = next(iter(resolve_members([self.member]).values()))
                with tempfile.TemporaryDirectory() as folder:
                    made = cross_fit(
                        partial(factory, seed, Options()), examples, Path(folder) / "member",
                        relabel=treatment(seed),
                    )  # fmt: skip
                runs.append(study_losses(grades, to_cube(made, studies)))
            losses[noise] = StudyLosses(np.mean([run.loss for run in runs], axis=0), runs[0].weight)
        parts = [part for part, weight in zip(PARTS, losses["none"].weight.sum(axis=0)) if weight > 0]
        result: dict[str, Any] = {}
        for noise, found in losses.items():
            result[noise] = {}
            for part in parts:
                k = PARTS.index(part)
                difference = bootstrap_interval(partial(_difference, found, losses["none"], k), len(studies))
                result[noise][part] = [
                    float(found.parts()[k]),
                    difference.low,
                    difference.value,
                    difference.high,
                ]
        lines = [
            (noise, part, f"{row[0]:.4f}", f"{row[2]:+.4f} ({row[1]:+.4f} to {row[3]:+.4f})")
            for noise, of in result.items()
            for part, row in of.items()
        ]
        table(
            f"{self.member}, cross-fitted, on the labels as they are",
            ["noise", "part", "loss", "minus none"],
            lines,
        )
        say(f"{len(studies)} studies, {self.seeds} seeds")
        return result


def _difference(
    one: StudyLosses, other: StudyLosses, part: int, counts: NDArray[np.float64]
) -> NDArray[np.float64]:
    """One part of the score minus that of other predictions, by resample."""
    return np.asarray((one.parts(counts) - other.parts(counts))[:, part])


def _with_errors(grades: NDArray[np.int64], rate: float, seed: int) -> NDArray[np.int64]:
    """Grades of which a part of the labeled ones is moved by one; the middle grade goes either way."""
    rng = np.random.default_rng([seed, 7])
    labeled = np.flatnonzero(grades >= 0)
    chosen = rng.permutation(labeled)[: round(rate * len(labeled))]
    step = rng.choice([-1, 1], len(chosen))
    moved = grades.copy()
    moved[chosen] = np.where(grades[chosen] == 1, 1 + step, 1)
    return moved


def _measured_grades(path: Path, examples: Examples) -> NDArray[np.int64]:
    """Grades that the simulator's measures have, which its reader sometimes misjudges."""
    measured = pd.read_csv(path, dtype={"row_id": str}).set_index("row_id")["measured"]
    limits = cuts()[[list(Condition).index(target.condition) for target in TARGETS]]
    by_target = limits[np.arange(len(TARGETS)), np.arange(len(TARGETS)) % SHAPE[1]]
    values = measured.loc[examples.rows["row_id"]].to_numpy().reshape(-1, len(TARGETS))
    return np.asarray((values[..., None] <= by_target).sum(axis=-1).ravel(), np.int64)


if __name__ == "__main__":
    sys.exit(run_program(SuspectsBenchmark, "suspects.py"))
