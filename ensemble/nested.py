"""Stack members' out-of-fold predictions, score the stack honestly, and leave a record."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lsdc.ensemble.nested_report import Report, report
from lsdc.ensemble.predictions import Predictions
from lsdc.ensemble.stackers.contract import Stacker
from lsdc.ensemble.stackers.default import Tuned
from lsdc.ensemble.stackers.fixed import BestSingle, PlainMean
from lsdc.ensemble.stackers.prior import WeightedPrior
from lsdc.ensemble.stackers.registry import save_stacker
from lsdc.ensemble.tuning.search import JOURNAL
from lsdc.metrics.official import Grades, Probabilities
from lsdc.metrics.prediction_tables import row_ids, table_of
from lsdc.runtime.artefact import atomic, write_json
from lsdc.runtime.console import say, table

NESTED = "nested.parquet"
PARTS = ["total", "spinal", "foraminal", "subarticular", "any_severe"]


def stack(
    predictions: Predictions,
    grades: Grades,
    folds: NDArray[np.int_],
    out: Path,
    trials: int,
    seed: int,
    storage: str | None = None,
) -> dict[str, Any]:
    """Tune a stack on all studies, score the same procedure by nested cross-validation, and write both.

    Parameters
    ----------
    predictions : Predictions
        Out-of-fold predictions of n studies.
    grades : (n, 5, 5) int8
        -1 where unlabeled.
    folds : (n,) int
        Fold of each study.
    out : Path
        Gets stack.json, baselines/, nested.parquet, report.json and, without `storage`, the journal.
    trials : int
        Of the search.
    seed : int
        For the search and the bootstrap.
    storage : str, optional
        URL of a database that workers share.

    Returns
    -------
    dict
        What report.json holds.
    """
    out.mkdir(parents=True, exist_ok=True)
    stacker = Tuned(trials, seed, storage or out / JOURNAL).fit(predictions, grades)
    # The nested search leaves no trace in the storage: it answers another question.
    found, nested = report(lambda: Tuned(trials, seed), stacker, predictions, grades, folds, seed)
    chosen: Stacker = stacker
    if stacker.is_plain_mean:
        chosen = PlainMean().fit(predictions, grades)
    save_stacker(out / "stack.json", chosen)
    for baseline in (WeightedPrior(), PlainMean(), BestSingle()):
        save_stacker(out / "baselines" / f"{baseline.name}.json", baseline.fit(predictions, grades))
    _write_nested(out / NESTED, predictions, grades, nested)
    weights = {family.value: own for family, own in stacker.weights_.items()}
    result = {"model": str(out), "studies": len(grades), "chosen": chosen.name, "weights": weights}
    result |= asdict(found)
    write_json(out / "report.json", result)
    show(found, weights, chosen.name)
    return result


def _write_nested(path: Path, predictions: Predictions, grades: Grades, nested: Probabilities) -> None:
    ids = row_ids(predictions.studies)
    with atomic(path) as temporary:
        table_of(ids, nested.reshape(len(ids), -1)).assign(grade=grades.ravel()).to_parquet(
            temporary, index=False
        )


def show(found: Report, weights: dict[str, dict[str, float]], chosen: str) -> None:
    """Print the scores and the weights for people."""
    scores = {"stack, nested": found.nested, "plain mean": found.mean, "best single": found.best_single}
    scores |= {**found.singles, "weighted prior": found.prior}
    lines = [(name, *(getattr(one, part) for part in PARTS)) for name, one in scores.items()]
    table("official score on studies not fitted on (lower is better)", ["predictions", *PARTS], lines)
    names = dict.fromkeys(name for own in weights.values() for name in own)
    families = list(weights)
    table(
        "weights",
        ["member or stacker", *families],
        [(name, *(weights[family].get(name, 0.0) for family in families)) for name in names],
    )
    for words, interval in (
        ("total", found.interval),
        ("stack minus plain mean", found.versus_mean),
        ("stack minus best single", found.versus_best_single),
    ):
        say(f"{words}: {interval.value:.4f} (95 % interval {interval.low:.4f} to {interval.high:.4f})")
    lacking = {name: count for name, count in found.missing.items() if count}
    if lacking:
        say("labeled rows that members lack: " + ", ".join(f"{k} {v}" for k, v in lacking.items()))
    if chosen == "plain_mean":
        say("nothing surely beats the plain mean of the members; the plain mean is kept")
    for warning in found.warnings:
        say(f"warning: {warning}")
