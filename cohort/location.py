"""Where a target is in a study: what the slice selector finds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from lsdc.cohort.vocabulary import Target, View


class Status(StrEnum):
    """Whether a target was looked at, and how much its place can be trusted."""

    SEEN = "seen"
    """Located in the view where it is graded."""
    UNSURE = "unsure"
    """Located there, but something speaks against the place; a reason says what."""
    NOT_SEEN = "not seen"
    """Its view is absent, does not reach it, or shows no lumbar spine."""


@dataclass(frozen=True)
class Location:
    """The location of one target in a study: a slice, and a point in it.

    Parameters
    ----------
    target : Target
        The condition and level that is located.
    view : View
        The view in which the target is graded.
    series, slice : int or None
        Index into `study.series` and into the slices of that series; None where the view is absent or its slices do
        not reach the target.
    point : (float, float)
        Column and row in that slice, px; NaN where there is no slice.
    patient : (float, float, float)
        Position in mm along the patient's left, posterior and head directions; NaN where no view gave the level.
    confidence : float
        How sure the location is, from 0 to 1.
    located_by : str
        `network`, `geometry` (projected from another view), `mean_position`, or `absent`.
    flags : frozenset of str
        `view_absent`, `out_of_stack`; empty by default.
    level_doubt : float
        How much speaks for all levels of the condition being one too high or too low, from 0 (nothing) to 1; one half
        where as much as for the levels given. NaN where nothing tells.
    status : Status
        Whether it was seen; by default that it was.
    reason : str
        Why it is unsure or not seen, in words; empty for what is seen.
    """

    target: Target
    view: View
    series: int | None
    slice: int | None
    point: tuple[float, float]
    patient: tuple[float, float, float]
    confidence: float
    located_by: str
    flags: frozenset[str] = frozenset()
    level_doubt: float = float("nan")
    status: Status = Status.SEEN
    reason: str = ""
