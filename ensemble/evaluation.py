"""Evaluate prediction tables, and the members and the stack of models, against labels."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from lsdc.ensemble.model import Model
from lsdc.metrics.evaluation import Evaluation, evaluate_predictions
from lsdc.metrics.graded import GradedPredictions, match_labels
from lsdc.metrics.prediction_tables import read_predictions, read_truth
from lsdc.metrics.target_groups import ALL
from lsdc.runtime import TableError
from lsdc.runtime.artifact import MANIFEST, check_output_file
from lsdc.runtime.console import say, table
from lsdc.runtime.paths import PathLike

SHOWN: tuple[str, ...] = (
    "official",
    "auc",
    "auc_severe",
    "kappa",
    "sensitivity_severe",
    "specificity_severe",
    "calibration_error",
    "f1",
)
"""Columns of the table on screen; the CSV has all."""


def evaluate(
    labels: PathLike,
    predictions: PathLike | Sequence[PathLike],
    *,
    out: PathLike | None = None,
    resamples: int = 200,
    seed: int = 0,
) -> Evaluation:
    """Evaluate prediction tables, and the members and the stack of models, against labels.

    A model's members are measured by their out-of-fold predictions, its stack by its nested ones: none was fitted
    on the studies that it is measured on. The pooled measures are printed on stderr.

    Parameters
    ----------
    labels : path
        A train.csv, or a solution table with one-hot grades.
    predictions : path or sequence of path
        CSV or Parquet tables with row_id, normal_mild, moderate, severe, or model directories.
    out : path, optional
        CSV to write; confusion matrices go beside it. Default: nothing is written.
    resamples : int
        Number of bootstrap resamples over studies; 0 leaves the intervals out.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    Evaluation
        Measures with intervals, and confusion matrices, by condition and level.

    Raises
    ------
    TableError
        When a table is malformed or does not fit the labels, or two predictions have the same name.
    ArtifactError
        When a model directory is damaged.
    ConfigError
        When there are no predictions, or `resamples` is negative.

    Examples
    --------
    >>> evaluation = evaluate("train.csv", ["model", "other.csv"])  # doctest: +SKIP
    >>> evaluation.pooled().loc["other", "auc_severe"]  # doctest: +SKIP
    0.912
    """
    if out is not None:
        out = check_output_file(out)
    paths = [predictions] if isinstance(predictions, str | os.PathLike) else predictions
    truth = read_truth(Path(labels))
    graded = [one for path in paths for one in _graded(Path(path), truth)]
    evaluation = evaluate_predictions(graded, resamples=resamples, seed=seed)
    if out is not None:
        counts = evaluation.write(out)
        say(
            f"{out}: {len(evaluation.measures)} measures; "
            f"{counts}: {len(evaluation.confusion)} confusion matrices"
        )
    show(evaluation)
    return evaluation


def _graded(path: Path, truth: pd.DataFrame) -> Iterator[GradedPredictions]:
    """Read a table, or the tables of a model, and put the grades beside them."""
    if path.is_dir():
        yield from _graded_model(path, truth)
    else:
        yield _matched(path.stem, path, read_predictions(path), truth)


def _graded_model(path: Path, truth: pd.DataFrame) -> Iterator[GradedPredictions]:
    """Take the stack's nested and the members' out-of-fold predictions of a model."""
    if not (path / MANIFEST).is_file():
        raise TableError(f"{path}: neither a table nor a finished model; give what `lsdc-ensemble fit` made")
    model = Model.open(path)
    if not set(model.studies) & set(truth.index):
        raise TableError(f"{path}: was fitted on none of the {len(truth)} labeled studies")
    yield _matched(f"{path.name}: stack", path, model.nested, truth)
    for name in model.members:
        rows = model.out_of_fold.query("member == @name")
        yield _matched(f"{path.name}: {name}", path, rows, truth)


def _matched(name: str, path: Path, rows: pd.DataFrame, truth: pd.DataFrame) -> GradedPredictions:
    """Match rows with labels; errors name the file."""
    matched = match_labels(str(path), rows, truth)
    return GradedPredictions(name, matched.grades, matched.probabilities)


def show(evaluation: Evaluation) -> None:
    """Print the pooled measures of all predictions, and those of the first one by condition and by level, on stderr.

    Parameters
    ----------
    evaluation : Evaluation
        What to print.
    """
    measures = evaluation.measures
    pooled = measures[(measures["condition"] == ALL) & (measures["level"] == ALL)]
    title = "all targets (95 % intervals over studies)"
    table(title, ["predictions", *SHOWN], _lines(pooled, ["predictions"]))
    first = measures["predictions"].iloc[0]
    rows = measures[measures["predictions"] == first]
    parts = rows[(rows["condition"] == ALL) != (rows["level"] == ALL)]
    title = f"{first}, by condition and by level"
    table(title, ["part", *SHOWN], _lines(parts, ["condition", "level"]))


def _lines(rows: pd.DataFrame, by: Sequence[str]) -> Iterator[list[str]]:
    """Make a line of the table on screen for each group of rows."""
    for key, part in rows.groupby(list(by), sort=False):
        cells = part.set_index("measure")[["value", "low", "high"]]
        name = " ".join(str(word) for word in key if word != ALL)
        yield [name, *(_cell(*cells.loc[measure].to_numpy(float)) for measure in SHOWN)]


def _cell(value: float, low: float, high: float) -> str:
    if not np.isfinite(value):
        return "-"
    return f"{value:.3f}" if not np.isfinite(low) else f"{value:.3f} ({low:.2f}-{high:.2f})"
