"""All stackers on out-of-fold predictions: nested scores, paired intervals, times; and how fast tuning is.

    python benchmarks/stacking.py --data ../shared/real-oof
    python benchmarks/stacking.py --data my_oof --trials 200

DATA holds train.csv, folds.csv and members/, one prediction table for each member.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import log_loss
from threadpoolctl import threadpool_limits

from lsdc.cohort.vocabulary import GRADES, Family, parse_row_id
from lsdc.ensemble.member_tables import read_stacking_data
from lsdc.ensemble.nested_scoring import cross_fit_stacker
from lsdc.ensemble.stackers.contract import Stacker
from lsdc.ensemble.stackers.convex_mix import ConvexMix
from lsdc.ensemble.stackers.default import DefaultStacker
from lsdc.ensemble.stackers.fixed import BestSingle, PlainMean
from lsdc.ensemble.stackers.greedy import Greedy
from lsdc.ensemble.stackers.pool import ContextPool, LogLinearPool
from lsdc.ensemble.stackers.prior import WeightedPrior
from lsdc.ensemble.stackers.rows import Boosted, Neural
from lsdc.ensemble.stackers.simplex import Simplex
from lsdc.ensemble.stacking_data import StackingData
from lsdc.metrics.bootstrap import bootstrap_interval
from lsdc.metrics.official import PARTS, Grades, Probabilities, StudyLosses, official_score, study_losses
from lsdc.metrics.prediction_tables import row_ids, table_of
from lsdc.runtime.commands import Reporting, run_program
from lsdc.runtime.console import say, table, track


@dataclass(frozen=True)
class Stacking:
    """Compare all stackers by nested cross-validation."""

    data: Path
    """folder with train.csv, folds.csv and members/"""
    trials: int = 60
    """of the tuned stack"""
    reporting: Reporting = Reporting()

    def run(self) -> dict[str, Any]:
        """Print the tables."""
        data = read_stacking_data(self.data / "train.csv", self.data / "members", self.data / "folds.csv")
        with threadpool_limits(1):
            result = {"stackers": compare(data, self.trials), "speed": speed(data)}
        show(result)
        return result


def compare(data: StackingData, trials: int) -> dict[str, dict[str, Any]]:
    """Nested score of each stacker, its total minus the plain mean's with a 95 % interval, and seconds."""
    makers: list[Callable[[], Stacker]] = [
        WeightedPrior, BestSingle, PlainMean, Greedy, Simplex, LogLinearPool, ContextPool, Boosted, Neural,
        ConvexMix, partial(DefaultStacker, trials),
    ]  # fmt: skip
    grades, n = data.grades, len(data.grades)
    mean = study_losses(grades, cross_fit_stacker(PlainMean, data))
    result = {}
    for make in track(makers, "stackers", len(makers)):
        begun = time.perf_counter()
        own = study_losses(grades, cross_fit_stacker(make, data))
        seconds = time.perf_counter() - begun
        apart = bootstrap_interval(partial(_difference, own, mean), n, 0)
        scores = dict(zip((*PARTS, "total"), [*own.parts().tolist(), float(own.totals())]))
        result[make().name] = {
            **scores,
            "minus_mean": [apart.value, apart.low, apart.high],
            "seconds": seconds,
        }
    return result


def speed(data: StackingData) -> dict[str, float]:
    """Seconds of 200 trials, and of the metric beside a plain implementation of it with pandas."""
    begun = time.perf_counter()
    DefaultStacker(trials=200).fit(data.predictions, data.grades)
    tuning = time.perf_counter() - begun
    repeats = -(-1975 // len(data.grades))
    grades = np.tile(data.grades, (repeats, 1, 1))[:1975]
    cube = PlainMean().fit(data.predictions, data.grades).predict(data.predictions)
    cube = np.tile(cube, (repeats, 1, 1, 1))[:1975]
    ours = min(timed(official_score, grades, cube) for _ in range(20))
    truth, guess = as_tables(grades, cube)
    theirs = min(timed(with_pandas, truth, guess) for _ in range(3))
    assert abs(with_pandas(truth, guess) - official_score(grades, cube).total) < 1e-9
    return {"200_trials": tuning, "metric": ours, "metric_with_pandas": theirs}


def timed(function: Callable[..., Any], *arguments: Any) -> float:
    """Seconds of one call."""
    begun = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - begun


def as_tables(grades: Grades, cube: Probabilities) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Labeled rows as the competition's metric gets them: a solution and a submission."""
    ids = row_ids(str(k) for k in range(len(grades)))
    guess = table_of(ids, cube.reshape(-1, len(GRADES)))
    known = grades.ravel() >= 0
    truth = table_of(ids, np.eye(len(GRADES))[np.maximum(grades.ravel(), 0)])
    truth["sample_weight"] = 2.0 ** grades.ravel()
    return truth[known].reset_index(drop=True), guess[known].reset_index(drop=True)


def with_pandas(truth: pd.DataFrame, guess: pd.DataFrame) -> float:
    """The official score computed as its description reads, with pandas and scikit-learn."""
    names = list(GRADES)
    parsed = [parse_row_id(row_id) for row_id in truth["row_id"]]
    both = truth.assign(
        study=[study for study, _ in parsed],
        family=[target.condition.family for _, target in parsed],
        guess=guess["severe"],
    )
    losses = []
    for family in Family:
        rows = both.index[both["family"] == family]
        losses.append(
            log_loss(
                truth.loc[rows, names],
                guess.loc[rows, names],
                sample_weight=truth.loc[rows, "sample_weight"],
            )
        )
    worst = both[both["family"] == Family.SPINAL].groupby("study")[["severe", "sample_weight", "guess"]].max()
    losses.append(
        log_loss(worst["severe"], worst["guess"], labels=[0, 1], sample_weight=worst["sample_weight"])
    )
    return float(np.mean(losses))


def show(result: dict[str, Any]) -> None:
    """Print the tables for people."""
    table(
        "nested official score (lower is better)",
        ["stacker", "total", *PARTS, "minus mean", "95 % interval", "seconds"],
        [
            (
                name,
                *(row[part] for part in ("total", *PARTS)),
                f"{row['minus_mean'][0]:+.4f}",
                "{1:+.4f} to {2:+.4f}".format(*row["minus_mean"]),
                f"{row['seconds']:.1f}",
            )
            for name, row in sorted(result["stackers"].items(), key=lambda item: item[1]["total"])
        ],
    )
    speed = result["speed"]
    say(f"200 trials: {speed['200_trials']:.1f} s")
    say(
        f"official metric on 1,975 studies: {1000 * speed['metric']:.2f} ms; "
        f"with pandas and scikit-learn: {1000 * speed['metric_with_pandas']:.0f} ms"
    )


def _difference(one: StudyLosses, other: StudyLosses, counts: NDArray[np.float64]) -> NDArray[np.float64]:
    return one.totals(counts) - other.totals(counts)


if __name__ == "__main__":
    sys.exit(run_program(Stacking, "stacking.py"))
