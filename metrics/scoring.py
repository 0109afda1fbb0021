"""Score one file against another."""

from __future__ import annotations

from pathlib import Path

from lsdc.metrics.official import Scores, official_score
from lsdc.metrics.prediction_tables import (
    grades_of,
    labeled_row_ids,
    read_predictions,
    read_truth,
    row_ids,
    to_cube,
)


def score(labels: Path, submission: Path) -> Scores:
    """Score a submission with the official metric, aligned by row id.

    Parameters
    ----------
    labels : Path
        train.csv, or a solution table with one-hot grades.
    submission : Path
        Must hold every labeled row; rows of the same studies without a label are not scored.

    Raises
    ------
    TableError
        When either is malformed or they do not fit.
    """
    truth = read_truth(labels)
    studies = truth.index.tolist()
    grades = grades_of(truth)
    predictions = read_predictions(
        submission, required=labeled_row_ids(studies, grades), known=row_ids(studies)
    )
    return official_score(grades, to_cube(predictions, studies))
