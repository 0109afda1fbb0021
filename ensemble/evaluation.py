"""Evaluate prediction tables, readers, and the members and the stacks of models and blends, against labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from lsdc.ensemble.bundled.place import is_packed_model, model_directory
from lsdc.ensemble.evaluation_tables import show_evaluation
from lsdc.ensemble.member_files import opened_members
from lsdc.ensemble.model import Model
from lsdc.ensemble.opening import open_stack
from lsdc.metrics.evaluation import Evaluation, evaluate_predictions
from lsdc.metrics.graded import GradedPredictions, match_labels, match_reader
from lsdc.metrics.prediction_forms import holds_predictions, open_graded
from lsdc.metrics.prediction_tables import COLUMNS, one_hot_labels, read_truth, truth_of
from lsdc.runtime import TableError
from lsdc.runtime.artifact import MANIFEST, check_output_file
from lsdc.runtime.console import say
from lsdc.runtime.paths import PathLike, one_or_more


def evaluate(
    labels: PathLike,
    predictions: PathLike | Sequence[PathLike],
    *,
    out: PathLike | None = None,
    resamples: int = 200,
    seed: int = 0,
    grades: str | None = None,
    decimal_comma: bool = False,
) -> Evaluation:
    """Evaluate prediction tables, readers, and the members and the stack of models, against labels.

    A model's members are measured by their out-of-fold predictions, its stack by its nested ones: none was fitted
    on the studies that it is measured on. Each two predictions are compared, paired by study. The pooled measures are
    printed on stderr.

    Parameters
    ----------
    labels : path
        A train.csv, a reader's table as `lsdc.cohort.read_labels` takes it, or a solution table with one-hot grades.
    predictions : path or sequence of path
        Tables of probabilities as `lsdc.metrics.read_predictions` takes them; tables of another reader's grades, in
        the forms of `labels`; folders of models and blends.
    out : path, optional
        CSV to write; confusion matrices and comparisons go beside it. Default: nothing is written.
    resamples : int
        Number of bootstrap resamples over studies; 0 leaves the intervals out.
    seed : int
        Seed of the bootstrap.
    grades : str, optional
        What codes of grades mean, in `labels` and in readers' tables, such as `1=normal_mild,2=moderate,3=severe`.
    decimal_comma : bool
        Whether commas in numbers are decimal marks also where probabilities do not add up to 1.

    Returns
    -------
    Evaluation
        Measures with intervals, confusion matrices and comparisons, by condition and level.

    Raises
    ------
    TableError
        When a table is malformed or does not fit the labels, or two predictions have the same name.
    ArtifactError
        When a model directory is damaged.
    ConfigError
        When there are no predictions, `resamples` or `seed` is negative, or `grades` cannot be understood.

    Examples
    --------
    >>> evaluation = evaluate("train.csv", ["model", "other.csv"])  # doctest: +SKIP
    >>> evaluation.pooled().loc["other", "auc_severe"]  # doctest: +SKIP
    0.912
    """
    if out is not None:
        out = check_output_file(out, [labels, *one_or_more(predictions)])
    graded = read_graded(labels, predictions, grades=grades, decimal_comma=decimal_comma)
    evaluation = evaluate_predictions(graded, resamples=resamples, seed=seed)
    if out is not None:
        counts = evaluation.write(out)
        say(
            f"{out}: {len(evaluation.measures)} measures; "
            f"{counts}: {len(evaluation.confusion)} confusion matrices"
        )
    show_evaluation(evaluation)
    return evaluation


def read_graded(
    labels: PathLike,
    predictions: PathLike | Sequence[PathLike],
    *,
    grades: str | None = None,
    decimal_comma: bool = False,
) -> list[GradedPredictions]:
    """Read predictions beside the labels of their studies, for `evaluate` and for plots.

    Parameters
    ----------
    labels : path
        As for `evaluate`.
    predictions : path or sequence of path
        As for `evaluate`.
    grades : str, optional
        What codes of grades mean.
    decimal_comma : bool
        As for `evaluate`.

    Returns
    -------
    list of GradedPredictions
        One for each table and reader; of a model its stack and its members, of a blend its stack.

    Raises
    ------
    TableError, ArtifactError, ConfigError
        As `evaluate` does.
    """
    truth = read_truth(Path(labels), grades)
    return [
        one for path in one_or_more(predictions) for one in _graded(Path(path), truth, grades, decimal_comma)
    ]


def _graded(
    path: Path, truth: pd.DataFrame, grades: str | None, decimal_comma: bool
) -> Iterator[GradedPredictions]:
    """Read a table, or the tables of a model, and put the grades beside them."""
    if path.is_dir() or is_packed_model(path):
        yield from _graded_model(model_directory(path), truth)
        return
    table = open_graded(path)
    if not holds_predictions(table.header):
        yield match_reader(str(path), truth_of(table, grades), truth).named(path.stem)
        return
    for name, rows in opened_members(
        table, path.stem, decimal_comma=decimal_comma, with_folds=False
    ).tables.items():
        values = rows[COLUMNS].to_numpy()
        if np.isin(values, (0, 1)).all():
            read = one_hot_labels(rows["row_id"].tolist(), values.argmax(axis=1).tolist())
            yield match_reader(str(path), read, truth).named(name)
        else:
            yield match_labels(str(path), rows, truth).named(name)


def _graded_model(path: Path, truth: pd.DataFrame) -> Iterator[GradedPredictions]:
    """Take the nested predictions of a stack, and of a model the members' out-of-fold ones."""
    if not (path / MANIFEST).is_file():
        raise TableError(
            f"{path}: neither a table nor a finished model or blend; give what `lsdc-ensemble fit` or `blend` made"
        )
    opened, studies = open_stack(path), truth.index.tolist()
    nested = opened.nested_of(studies)
    if nested.empty:
        raise TableError(f"{path}: was fitted on none of the {len(truth)} labeled studies")
    yield match_labels(str(path), nested, truth).named(f"{path.name}: stack", weighted=True)
    if isinstance(opened, Model):
        rows = opened.out_of_fold_of(studies)
        for name in opened.members:
            of_member = rows[rows["member"] == name]
            yield match_labels(str(path), of_member, truth).named(f"{path.name}: {name}", weighted=True)
