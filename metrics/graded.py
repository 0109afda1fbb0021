"""Predictions, or a reader's grades, beside the grades that are taken as true."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from lsdc.cohort.vocabulary import GRADES, parse_row_id
from lsdc.metrics.official import Grades, Probabilities
from lsdc.metrics.table_arrays import grades_of, to_cube
from lsdc.runtime import TableError


@dataclass(frozen=True)
class GradedPredictions:
    """Predictions beside the readers' grades of the same n studies.

    Parameters
    ----------
    name : str
        Name of the predictions in tables.
    grades : (n, 5, 5) int8
        Grades by study, condition and level; -1 where unlabeled or not predicted.
    probabilities : (n, 5, 5, 3) float
        Predicted probabilities; rows sum to 1 wherever there is a grade.
    studies : tuple of str
        Ids of the n studies; without them two predictions cannot be compared.
    lacking : int
        Labeled rows of these studies that the predictions do not have; they are not measured.
    absent, unknown : int
        Labeled studies that the predictions do not have, and studies of theirs without a label; neither is measured.
    reader : bool
        Whether these are grades of a reader, written as probabilities of 0 and 1.
    weighted : bool
        Whether it is known that the probabilities are for the official score, which weighs rows by grade.
    """

    name: str
    grades: Grades
    probabilities: Probabilities
    studies: tuple[str, ...] = ()
    lacking: int = 0
    absent: int = 0
    unknown: int = 0
    reader: bool = False
    weighted: bool = False

    def named(self, name: str, weighted: bool = False) -> GradedPredictions:
        """Give them another name.

        Parameters
        ----------
        name : str
            Of the predictions in tables.
        weighted : bool
            Whether it is known that they are for the official score.

        Returns
        -------
        GradedPredictions
            The same predictions.
        """
        return replace(self, name=name, weighted=weighted)

    def among(self, studies: Sequence[str], grades: Grades) -> GradedPredictions:
        """Keep some of the studies and of their grades.

        Parameters
        ----------
        studies : sequence of str
            The k studies wanted, all of them here.
        grades : (k, 5, 5) int8
            Which of their grades count; -1 for those that do not.

        Returns
        -------
        GradedPredictions
            Of the k studies.
        """
        place = {study: k for k, study in enumerate(self.studies)}
        kept = [place[study] for study in studies]
        return replace(self, grades=grades, probabilities=self.probabilities[kept], studies=tuple(studies))


def match_labels(name: str, predictions: pd.DataFrame, labels: pd.DataFrame) -> GradedPredictions:
    """Put a prediction table beside the grades of the studies that it has.

    Parameters
    ----------
    name : str
        Name of the predictions in tables and errors, such as the file.
    predictions : DataFrame
        row_id and the three probabilities, in any order of rows.
    labels : DataFrame
        As `read_truth` returns them.

    Returns
    -------
    GradedPredictions
        Of the labeled studies that have a row in `predictions`; labeled rows that it lacks are counted and left out.

    Raises
    ------
    TableError
        When the table holds none of the labeled rows.
    """
    cube = to_cube(predictions, labels.index.tolist())
    there = np.asarray(np.isfinite(cube).any(axis=(1, 2, 3)))
    studies = labels.index.to_numpy()[there].tolist()
    if not studies:
        raise TableError(f"{name}: holds none of the labeled studies")
    predicted = {parse_row_id(row_id)[0] for row_id in predictions["row_id"]}
    return _matched(name, labels, studies, cube[there], predicted)


def match_reader(name: str, read: pd.DataFrame, labels: pd.DataFrame) -> GradedPredictions:
    """Put the grades of another reader beside the labels of the studies that both have.

    Parameters
    ----------
    name : str
        Name of the reader in tables and errors, such as the file.
    read : DataFrame
        The reader's grades, as `read_truth` returns them.
    labels : DataFrame
        The grades that are taken as true, in the same form.

    Returns
    -------
    GradedPredictions
        With probabilities of 0 and 1, and the mark that they are a reader's.

    Raises
    ------
    TableError
        When the reader has graded none of the labeled rows.
    """
    studies = [study for study in labels.index if study in set(read.index)]
    if not studies:
        raise TableError(f"{name}: holds none of the labeled studies")
    called = grades_of(read.loc[studies])
    cube = np.where((called >= 0)[..., None], np.eye(len(GRADES))[called], np.nan)
    return replace(_matched(name, labels, studies, cube, set(read.index)), reader=True)


def _matched(
    name: str, labels: pd.DataFrame, studies: Sequence[str], cube: Probabilities, predicted: set[str]
) -> GradedPredictions:
    """Leave out what is not labeled and predicted, and count it; `predicted` are all studies of the table."""
    grades = grades_of(labels.loc[list(studies)])
    lacking = (grades >= 0) & ~np.isfinite(cube).all(axis=-1)
    if lacking.sum() == (grades >= 0).sum():
        raise TableError(f"{name}: holds none of the labeled rows")
    others = labels.drop(index=list(studies))
    return GradedPredictions(
        name,
        np.where(lacking, np.int8(-1), grades),
        cube,
        tuple(studies),
        lacking=int(lacking.sum()),
        absent=int((others >= 0).any(axis=1).sum()),
        unknown=len(predicted - set(labels.index)),
    )
