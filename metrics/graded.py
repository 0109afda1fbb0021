"""Predictions beside the readers' grades, and the rows of them that the measures of a group of targets take."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import GRADES
from lsdc.metrics.bootstrap import Counts, Interval
from lsdc.metrics.measures import NAMES, agreement, confusion
from lsdc.metrics.official import Grades, Probabilities, StudyLosses, study_losses
from lsdc.metrics.prediction_tables import grades_of, labeled_row_ids, row_ids, to_cube
from lsdc.metrics.target_groups import TargetGroup
from lsdc.runtime import TableError

MEASURES: tuple[str, ...] = ("official", *NAMES)
"""All measures: the official score, and those of `lsdc.metrics.measures`."""


@dataclass(frozen=True)
class GradedPredictions:
    """Predictions beside the readers' grades of the same n studies.

    Parameters
    ----------
    name : str
        Name of the predictions in tables.
    grades : (n, 5, 5) int8
        Grades by study, condition and level; -1 where unlabeled.
    probabilities : (n, 5, 5, 3) float
        Predicted probabilities; rows sum to 1 wherever there is a label.
    """

    name: str
    grades: Grades
    probabilities: Probabilities


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
        Of the labeled studies that have a row in `predictions`.

    Raises
    ------
    TableError
        When the table holds none of the labeled studies, or lacks a labeled row of a study that it holds.
    """
    ids = np.array(row_ids(labels.index)).reshape(len(labels), -1)
    there = np.isin(ids, predictions["row_id"]).any(axis=1)
    studies = labels.index.to_numpy()[there].tolist()
    if not studies:
        raise TableError(f"{name}: holds none of the labeled studies")
    grades = grades_of(labels.loc[studies])
    lacking = set(labeled_row_ids(studies, grades)) - set(predictions["row_id"])
    if lacking:
        raise TableError(f"{name}: {len(lacking)} labeled rows are missing, the first is {min(lacking)}")
    here = predictions[predictions["row_id"].isin(ids[there].ravel())]
    return GradedPredictions(name, grades, to_cube(here, studies))


@dataclass(frozen=True)
class GroupRows:
    """The r labeled rows of a group of targets, in the form in which measures take them.

    Parameters
    ----------
    group : TargetGroup
        The group.
    study : (r,) int
        Number of each row's study, from 0 to n - 1.
    truth : (r,) int
        Grade that readers gave, 0 to 2.
    probabilities : (r, 3) float
        Predicted probabilities.
    losses : StudyLosses
        Official losses of the n studies over the group.
    """

    group: TargetGroup
    study: NDArray[np.int_]
    truth: NDArray[np.int_]
    probabilities: NDArray[np.float64]
    losses: StudyLosses

    @classmethod
    def of(cls, predictions: GradedPredictions, group: TargetGroup) -> GroupRows:
        """Take the labeled rows of a group.

        Parameters
        ----------
        predictions : GradedPredictions
            Of n studies.
        group : TargetGroup
            The targets to take.

        Returns
        -------
        GroupRows
            Without any row where no target of the group has a label.
        """
        only = np.where(group.mask, predictions.grades, np.int8(-1))
        labeled = only >= 0
        return cls(
            group,
            np.nonzero(labeled)[0],
            only[labeled].astype(int),
            predictions.probabilities[labeled],
            study_losses(only, predictions.probabilities),
        )

    def measures(self, counts: NDArray[np.float64]) -> dict[str, float]:
        """Compute all measures of a resample of the studies.

        Parameters
        ----------
        counts : (n,) float
            How often each study counts.

        Returns
        -------
        dict of str to float
            By name in `MEASURES`. The official score of all targets is the competition's; of a smaller group it is
            the mean of the log losses of its families, without any-severe.
        """
        parts = self.losses.parts(counts)
        official = parts.mean() if self.group.whole else np.nanmean(parts[:3])
        return {
            "official": float(official),
            **agreement(self.truth, self.probabilities, counts[self.study]),
        }

    def intervals(self, counts: Counts) -> dict[str, Interval]:
        """Compute all measures with their bootstrap intervals.

        Parameters
        ----------
        counts : (resamples, n) float
            How often each resample draws each study.

        Returns
        -------
        dict of str to Interval
            By name in `MEASURES`; single targets get no interval, for those of all groups would take minutes.
        """
        value = self.measures(np.ones(counts.shape[1]))
        resampled = [self.measures(row) for row in counts] if self.group.pooled else []
        return {
            name: Interval.of_resamples(value[name], [one[name] for one in resampled]) for name in MEASURES
        }

    def confusion_counts(self) -> dict[str, int]:
        """Count each pair of grades.

        Returns
        -------
        dict of str to int
            `severe_called_moderate`: rows that readers graded severe and whose most probable grade is moderate.
        """
        matrix = confusion(self.truth, self.probabilities.argmax(axis=1), np.ones(len(self.truth)))
        names = [f"{read}_called_{called}" for read in GRADES for called in GRADES]
        return dict(zip(names, matrix.astype(int).ravel().tolist()))
