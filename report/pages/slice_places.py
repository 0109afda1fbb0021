"""Where a slice lies, in a reader's words: beside the canal, or at a level."""

from __future__ import annotations

import numpy as np

from lsdc.cohort.geometry import Floats
from lsdc.cohort.location import Status
from lsdc.cohort.study import Series, Slice
from lsdc.cohort.vocabulary import Level, Side
from lsdc.features.located_study import LocatedStudy

_THROUGH_MM = 1.0
_AT_MM = 8.0
"""How far from the middle of a disc a slice may lie and still be called its level's; discs are about as high."""


class SlicePlaces:
    """The located places that the slices of one series compare with.

    Parameters
    ----------
    located : LocatedStudy
        The study with its located targets; those that were not seen, and those of series with another frame of
        reference, tell nothing.
    series : Series
        The series whose slices are asked for.

    Examples
    --------
    >>> places = SlicePlaces(located, series)  # doctest: +SKIP
    >>> places.of(series.slices[7], "axial")  # doctest: +SKIP
    'at L4/L5'
    """

    def __init__(self, located: LocatedStudy, series: Series) -> None:
        self.series = series
        levels: dict[Level, list[Floats]] = {}
        sides: dict[Side | None, list[Floats]] = {}
        for item in located.locations:
            own = None if item.series is None else located.study.series[item.series]
            frames = {series.frame_of_reference, own.frame_of_reference if own else ""} - {""}
            patient = np.asarray(item.patient, float)
            if item.status is not Status.NOT_SEEN and len(frames) < 2 and np.isfinite(patient).all():
                levels.setdefault(item.target.level, []).append(patient)
                sides.setdefault(item.target.condition.side, []).append(patient)
        self._levels = {level: np.median(levels[level], axis=0) for level in Level if level in levels}
        self._middle = _middle(sides)

    def of(self, item: Slice, plane: str) -> str:
        """Say where a slice lies.

        Parameters
        ----------
        item : Slice
            One of the series.
        plane : `sagittal` or `axial`
            Of its view.

        Returns
        -------
        str
            Such as `8 mm left of the canal`, `at L4/L5`, `between L3/L4 and L4/L5`; empty where nothing tells.
        """
        if not self.series.placed:
            return ""
        return self._beside(item) if plane == "sagittal" else self._at(item)

    def _beside(self, item: Slice) -> str:
        """Say how far a sagittal slice lies from the canal."""
        if self._middle is None:
            return ""
        left = -float(item.plane.distance(self._middle)[0]) * (1.0 if item.plane.normal[0] > 0 else -1.0)
        if abs(left) < _THROUGH_MM:
            return "through the canal"
        return f"{abs(left):.0f} mm {'left' if left > 0 else 'right'} of the canal"

    def _at(self, item: Slice) -> str:
        """Say at which level an axial slice lies, or between which."""
        up = 1.0 if item.plane.normal[2] > 0 else -1.0
        above = {
            level: up * float(item.plane.distance(place)[0]) for level, place in self._levels.items()
        }  # how far each level lies above the slice, mm
        if not above:
            return ""
        nearest = min(above, key=lambda level: abs(above[level]))
        if abs(above[nearest]) <= _AT_MM:
            return f"at {nearest.title}"
        higher = [level for level in above if above[level] > 0]
        lower = [level for level in above if above[level] <= 0]
        if higher and lower:
            return f"between {higher[-1].title} and {lower[0].title}"
        return f"below {higher[-1].title}" if higher else f"above {lower[0].title}"


def _middle(sides: dict[Side | None, list[Floats]]) -> Floats | None:
    """Find the middle of the canal: its own places, or halfway between those at the left and at the right."""
    if None in sides:
        return np.asarray(np.median(sides[None], axis=0))
    if Side.LEFT in sides and Side.RIGHT in sides:
        return np.asarray(sum(np.median(sides[side], axis=0) for side in (Side.LEFT, Side.RIGHT))) / 2
    return None
