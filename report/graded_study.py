"""A graded study: what its page, its reports for other systems and its rows in a table are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from lsdc.cohort.location import Location, Status
from lsdc.cohort.vocabulary import GRADES, Condition, Grade, Level, Target
from lsdc.ensemble.weighting import Weighting
from lsdc.features.located_study import LocatedStudy
from lsdc.features.series_table import simulated_studies


@dataclass(frozen=True)
class GradedTarget:
    """What is said of one target.

    Parameters
    ----------
    location : Location
        The target, where it was located, how sure its place is, its status and the reason for it.
    probabilities : (float, float, float)
        Of normal/mild, moderate and severe; they sum to 1. Of a target that was not seen, what is known without
        looking.
    truth : Grade or None
        The reader's grade, where the study has labels.
    refused : bool
        Whether the caller refused such rows; the probabilities are then the prior, and no grade is given.
    worst : Grade or None
        The worst grade that the model's thresholds do not exclude; None where nobody asked, and for probabilities
        that are made for the competition's score.
    """

    location: Location
    probabilities: tuple[float, float, float]
    truth: Grade | None = None
    refused: bool = False
    worst: Grade | None = None

    @property
    def target(self) -> Target:
        """Condition and level."""
        return self.location.target

    @property
    def grade(self) -> Grade | None:
        """The most probable grade; None where none is given: the target was not seen, or is refused.

        The probabilities then tell what is known without looking, which is no grade.
        """
        seen = self.location.status is not Status.NOT_SEEN and not self.refused
        if not seen or not np.isfinite(self.probabilities).all():
            return None
        return Grade(GRADES[int(np.argmax(self.probabilities))])

    @property
    def not_excluded(self) -> Grade | None:
        """The worst grade that is not excluded, never a better one than the grade; None where no grade is given."""
        if self.grade is None or self.worst is None:
            return None
        return max(self.grade, self.worst, key=list(Grade).index)


@dataclass(frozen=True)
class GradedStudy:
    """A study with its images, located targets and grades.

    Parameters
    ----------
    located : LocatedStudy
        The study with its pixels, the 25 locations, and where each view shows them.
    targets : tuple of GradedTarget
        The 25 targets, in the order of TARGETS and of the locations.
    series : DataFrame
        Its rows of the store's `series.csv`: what was chosen and passed over, and why.
    model : str
        Name of the model; `bundled` for the one that is shipped.
    statement : tuple of str
        What must be said wherever its grades are shown: the model's card, and what the probabilities are.
    weighting : `competition` or `none`
        What the probabilities are; see `lsdc.ensemble.weighting`.
    summary : tuple of str
        What was not seen and what is unsure, in sentences.
    files : mapping of str to Path
        The study's files by their names in it, which are no paths where they are of an archive; empty by default.
    """

    located: LocatedStudy
    targets: tuple[GradedTarget, ...]
    series: pd.DataFrame
    model: str
    statement: tuple[str, ...] = ()
    weighting: Weighting = "none"
    summary: tuple[str, ...] = ()
    files: Mapping[str, Path] = field(default_factory=dict)

    @property
    def study_id(self) -> str:
        """The study's id."""
        return self.located.study.study_id

    @property
    def is_simulated(self) -> bool:
        """Whether its images are of a simulated patient."""
        return bool(simulated_studies(self.series))

    @cached_property
    def by_target(self) -> dict[Target, GradedTarget]:
        """The targets by condition and level."""
        return {item.target: item for item in self.targets}

    def of(self, condition: Condition, level: Level) -> GradedTarget:
        """Find a target.

        Parameters
        ----------
        condition : Condition
            The condition.
        level : Level
            The level.

        Returns
        -------
        GradedTarget
            What is said of it.
        """
        return self.by_target[Target(condition, level)]
