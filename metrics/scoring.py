"""Score one file against another."""

from __future__ import annotations

from lsdc.metrics.official import Scores, official_score
from lsdc.metrics.prediction_tables import (
    grades_of,
    labeled_row_ids,
    read_predictions,
    read_truth,
    row_ids,
    to_cube,
)
from lsdc.runtime.errors import TableError
from lsdc.runtime.paths import PathLike


def score(
    labels: PathLike, submission: PathLike, *, grades: str | None = None, decimal_comma: bool = False
) -> Scores:
    """Score a submission with the official metric, aligned by row id.

    Parameters
    ----------
    labels : path
        train.csv, a reader's table as `lsdc.cohort.read_labels` takes it, or a solution table with one-hot grades.
    submission : path
        Table as `read_predictions` takes it. It must hold every labeled row; rows of the same studies without a label
        are not scored.
    grades : str, optional
        What codes of grades in `labels` mean, such as `1=normal_mild,2=moderate,3=severe`.
    decimal_comma : bool
        Whether commas in numbers are decimal marks also where probabilities do not add up to 1.

    Returns
    -------
    Scores
        The four losses and the total; lower is better.

    Raises
    ------
    TableError
        When a file is absent or malformed, or the two do not fit each other.
    ConfigError
        When `grades` cannot be understood.

    Examples
    --------
    >>> from lsdc.metrics import score
    >>> total = score("train.csv", "submission.csv").total  # doctest: +SKIP
    """
    truth = read_truth(labels, grades)
    studies = truth.index.tolist()
    given = grades_of(truth)
    if not (given >= 0).any():
        raise TableError(f"{labels}: holds no grade, so there is nothing to score against")
    predictions = read_predictions(
        submission,
        required=labeled_row_ids(studies, given),
        known=row_ids(studies),
        decimal_comma=decimal_comma,
    )
    return official_score(given, to_cube(predictions, studies))
