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
from lsdc.runtime.paths import PathLike


def score(labels: PathLike, submission: PathLike) -> Scores:
    """Score a submission with the official metric, aligned by row id.

    Parameters
    ----------
    labels : path
        train.csv, or a solution table with one-hot grades.
    submission : path
        CSV or Parquet with row_id, normal_mild, moderate, severe. It must hold every labeled row; rows of the same
        studies without a label are not scored.

    Returns
    -------
    Scores
        The four losses and the total; lower is better.

    Raises
    ------
    TableError
        When a file is absent or malformed, or the two do not fit each other.

    Examples
    --------
    >>> from lsdc.metrics import score
    >>> total = score("train.csv", "submission.csv").total  # doctest: +SKIP
    """
    truth = read_truth(labels)
    studies = truth.index.tolist()
    grades = grades_of(truth)
    predictions = read_predictions(
        submission, required=labeled_row_ids(studies, grades), known=row_ids(studies)
    )
    return official_score(grades, to_cube(predictions, studies))
