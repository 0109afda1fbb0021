"""Predictions beside the readers' grades, and the rows of them that the measures of a group of targets take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import binomtest

from lsdc.cohort.vocabulary import GRADES
from lsdc.metrics.bootstrap import Counts, Interval
from lsdc.metrics.measures import NAMES, agreement, confusion, places, proportions
from lsdc.metrics.official import Grades, Probabilities, StudyLosses, study_losses
from lsdc.metrics.table_arrays import grades_of, to_cube
from lsdc.metrics.target_groups import TargetGroup
from lsdc.runtime import TableError

MEASURES: tuple[str, ...] = ("official", "log_loss", *NAMES)
"""All measures: the official score; the mean of the weighted log losses of the families that there are, without
any-severe; and those of `lsdc.metrics.measures`."""


OF_PROBABILITIES: tuple[str, ...] = (
    "official", "log_loss", "auc", *(f"auc_{grade}" for grade in GRADES), "calibration_error",
)  # fmt: skip
"""The measures that a reader, who gives grades without probabilities, does not have."""


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
    reader : bool
        Whether these are grades of a reader, written as probabilities of 0 and 1.
    """

    name: str
    grades: Grades
    probabilities: Probabilities
    studies: tuple[str, ...] = ()
    lacking: int = 0
    reader: bool = False

    def named(self, name: str) -> GradedPredictions:
        """Give them another name.

        Parameters
        ----------
        name : str
            Of the predictions in tables.

        Returns
        -------
        GradedPredictions
            The same predictions.
        """
        return replace(self, name=name)

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
    return _matched(name, grades_of(labels.loc[studies]), cube[there], studies)


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
    return replace(_matched(name, grades_of(labels.loc[studies]), cube, studies), reader=True)


def _matched(name: str, grades: Grades, cube: Probabilities, studies: Sequence[str]) -> GradedPredictions:
    """Leave out labeled rows that are not predicted, and count them."""
    absent = (grades >= 0) & ~np.isfinite(cube).all(axis=-1)
    if absent.sum() == (grades >= 0).sum():
        raise TableError(f"{name}: holds none of the labeled rows")
    return GradedPredictions(
        name, np.where(absent, np.int8(-1), grades), cube, tuple(studies), int(absent.sum())
    )


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
    reader : bool
        Whether the probabilities are a reader's grades.
    """

    group: TargetGroup
    study: NDArray[np.int_]
    truth: NDArray[np.int_]
    probabilities: NDArray[np.float64]
    losses: StudyLosses
    reader: bool = False

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
            predictions.reader,
        )

    def resampled(self, counts: Counts) -> NDArray[np.float64]:
        """Compute all measures of all studies, and of resamples of them.

        Parameters
        ----------
        counts : (b, n) float
            How often each resample draws each study; may be empty.

        Returns
        -------
        (1 + b, measures) float
            In the order of `MEASURES`; the first row counts each study once. The official score of all targets is the
            competition's; of a smaller group it is the log loss.
        """
        ranks = [places(column) for column in self.probabilities.T]
        drawn = [np.ones(counts.shape[1]), *counts]
        return np.array([self._measured(row, ranks) for row in drawn])

    def _measured(self, counts: NDArray[np.float64], ranks: Sequence[NDArray[np.int_]]) -> list[float]:
        """Compute the measures of one resample, (n,) counts."""
        parts = self.losses.parts(counts)
        known = parts[:3][np.isfinite(parts[:3])]
        found = agreement(self.truth, self.probabilities, counts[self.study], ranks)
        found["log_loss"] = float(known.mean()) if len(known) else np.nan
        found["official"] = float(parts.mean()) if self.group.whole else found["log_loss"]
        if self.reader:
            found |= dict.fromkeys(OF_PROBABILITIES, np.nan)
        return [found[name] for name in MEASURES]

    def intervals(self, drawn: NDArray[np.float64]) -> dict[str, Interval]:
        """Give all measures their 95 % intervals.

        Parameters
        ----------
        drawn : (1 + b, measures) float
            As `resampled` gives it.

        Returns
        -------
        dict of str to Interval
            By name in `MEASURES`. Of a group of targets: over resamples of the studies. Of a single target, where each
            row is a study: Wilson's, for what is a proportion of rows; others have none.

        References
        ----------
        Wilson: Probable inference, the law of succession, and statistical inference, Journal of the American
        Statistical Association 22, 1927.
        """
        if self.group.pooled:
            return {name: Interval.of_resamples(drawn[0, k], drawn[1:, k]) for k, name in enumerate(MEASURES)}
        found = {name: Interval(float(drawn[0, k]), np.nan, np.nan) for k, name in enumerate(MEASURES)}
        for name, (hits, rows) in proportions(self.truth, self.probabilities).items():
            if rows:
                limits = binomtest(hits, rows).proportion_ci(method="wilson")
                found[name] = Interval(hits / rows, float(limits.low), float(limits.high))
        return found

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
