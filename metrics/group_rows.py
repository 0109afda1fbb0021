"""The rows of predictions that the measures of a group of targets take, and all measures of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import GRADES
from lsdc.metrics.bootstrap import Counts, Interval
from lsdc.metrics.graded import GradedPredictions
from lsdc.metrics.measures import NAMES, agreement, confusion, places, proportions
from lsdc.metrics.official import StudyLosses, study_losses
from lsdc.metrics.target_groups import TargetGroup
from lsdc.metrics.wilson import wilson_interval

MEASURES: tuple[str, ...] = ("official", "log_loss", *NAMES)
"""All measures: the official score; the mean of the weighted log losses of the families that there are, without
any-severe; and those of `lsdc.metrics.measures`."""


OF_PROBABILITIES: tuple[str, ...] = (
    "official", "log_loss", "auc", *(f"auc_{grade}" for grade in GRADES), "calibration_error",
)  # fmt: skip
"""The measures that a reader, who gives grades without probabilities, does not have."""


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
        """
        if self.group.pooled:
            return {name: Interval.of_resamples(drawn[0, k], drawn[1:, k]) for k, name in enumerate(MEASURES)}
        found = {name: Interval(float(drawn[0, k]), np.nan, np.nan) for k, name in enumerate(MEASURES)}
        for name, (hits, rows) in proportions(self.truth, self.probabilities).items():
            if rows:
                found[name] = Interval(hits / rows, *wilson_interval(hits, rows))
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
