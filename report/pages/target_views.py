"""What a study's page says of each target, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lsdc.cohort.location import Location, Status
from lsdc.cohort.vocabulary import GRADES, Condition
from lsdc.report.graded_study import GradedStudy, GradedTarget
from lsdc.report.pages.crop_views import CropView, cut_views
from lsdc.runtime.safe_text import printable
from lsdc.slice_selector.status import SURE

SHORT = {
    Condition.SPINAL_CANAL_STENOSIS: ("Canal", ""),
    Condition.LEFT_NEURAL_FORAMINAL_NARROWING: ("Foramen", "left"),
    Condition.RIGHT_NEURAL_FORAMINAL_NARROWING: ("Foramen", "right"),
    Condition.LEFT_SUBARTICULAR_STENOSIS: ("Recess", "left"),
    Condition.RIGHT_SUBARTICULAR_STENOSIS: ("Recess", "right"),
}
"""Where each condition is, and its side, for narrow columns."""
_SURE = 0.8
"""Confidence from which a place is called sure, above `SURE`, from which it is fair."""


@dataclass(frozen=True)
class TargetView:
    """What is said of one target; build it with `view_target`.

    Parameters
    ----------
    slug : str
        Condition and level, as train.csv names its columns.
    condition, level : str
        In words: `Spinal Canal Stenosis`, `L4/L5`.
    grade : int or None
        0 to 2; None where none is given: what was not seen, refused rows, and probabilities that are not numbers.
    probabilities : (float, float, float) or None
        None in the same cases.
    known : (float, float, float) or None
        What is known of a target that was not seen; None for others.
    ungraded : str
        Why no grade is given; empty where one is.
    status, reason : str
        As the location has them.
    place : str
        How sure the place is, in a word: `sure`, `fair`, `doubtful`, or `not seen`.
    worse : int or None
        A worse grade than the most probable one that is not excluded, 1 or 2; None where there is none.
    truth : int or None
        The reader's grade.
    crops : tuple of CropView
        The view in which it is graded first; empty where it was not seen.
    """

    slug: str
    condition: str
    level: str
    grade: int | None
    probabilities: tuple[float, float, float] | None
    known: tuple[float, float, float] | None
    ungraded: str
    status: str
    reason: str
    place: str
    worse: int | None
    truth: int | None
    crops: tuple[CropView, ...]

    @property
    def agrees(self) -> bool | None:
        """Whether the most probable grade is the reader's; None where one of the two is missing."""
        return None if self.grade is None or self.truth is None else self.grade == self.truth


def view_target(graded: GradedStudy, row: int, names: Sequence[str]) -> TargetView:
    """Put one target into words and pictures.

    Parameters
    ----------
    graded : GradedStudy
        The study.
    row : int
        Index into its targets.
    names : sequence of str
        What its series are called; see `series_names`.

    Returns
    -------
    TargetView
        What its page says of it.
    """
    item = graded.targets[row]
    grade, ungraded = _grade_of(item)
    location = item.location
    return TargetView(
        slug=item.target.slug,
        condition=item.target.condition.title,
        level=item.target.level.title,
        grade=grade,
        probabilities=None if grade is None else item.probabilities,
        known=item.probabilities if _is_known_unseen(item) else None,
        ungraded=ungraded,
        status=location.status.value,
        reason=printable(location.reason),
        place=place_in_words(location),
        worse=None if item.not_excluded in (None, item.grade) else GRADES.index(item.not_excluded),
        truth=None if item.truth is None else GRADES.index(item.truth),
        crops=cut_views(graded, row, names),
    )


def place_in_words(location: Location) -> str:
    """Say how sure a place is.

    Parameters
    ----------
    location : Location
        The place.

    Returns
    -------
    str
        `sure`, `fair`, `doubtful` or `not seen`.
    """
    if location.status is Status.NOT_SEEN:
        return "not seen"
    if not location.confidence >= SURE[location.view.plane]:
        return "doubtful"
    return "sure" if location.confidence >= _SURE else "fair"


def _is_known_unseen(item: GradedTarget) -> bool:
    """Tell whether something is known of a target that was not seen."""
    unseen = item.location.status is Status.NOT_SEEN and not item.refused
    return bool(unseen and np.isfinite(item.probabilities).all())


def _grade_of(item: GradedTarget) -> tuple[int | None, str]:
    """Give the grade, or why there is none."""
    if item.refused:
        return None, "refused: no grade is given for a target that was not seen well enough"
    if item.location.status is Status.NOT_SEEN:
        return None, "it was not seen"
    if item.grade is None:
        return None, "the model gave no probabilities"
    return GRADES.index(item.grade), ""
