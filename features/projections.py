"""Where a location appears in each of the three views."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lsdc.cohort.study import Series, Study
from lsdc.cohort.vocabulary import View

if TYPE_CHECKING:
    from lsdc.cohort.location import Location

REACH_MM = 6.0
"""How far outside a stack of slices a point may lie and still be shown by the nearest slice."""


class Projection(NamedTuple):
    """A place in one slice of a study.

    >>> Projection(series=0, slice=7, point=(120.0, 88.5), distance_mm=1.5).slice
    7
    """

    series: int
    slice: int
    point: tuple[float, float]
    """column and row, px"""
    distance_mm: float
    """how far the slice lies from the location"""


def find_projections(study: Study, location: Location) -> dict[View, Projection]:
    """Find a location in every view that shows it.

    In the target's own view this is where the selector put it; in the others, the slice of any series of that
    view that is nearest to the location's place in the patient. Views that do not show it are left out.

    Parameters
    ----------
    study : Study
        All series.
    location : Location
        One target's slice and point.

    Returns
    -------
    dict of View to Projection
        At most three.
    """
    projections: dict[View, Projection] = {}
    placed = bool(np.isfinite(location.patient).all())
    if location.series is not None and location.slice is not None and np.isfinite(location.point).all():
        column, row = location.point
        projections[location.view] = Projection(
            location.series, location.slice, (float(column), float(row)), 0.0
        )
        placed = placed and study.series[location.series].placed
    if placed:
        patient = np.asarray(location.patient, float)
        for view in View:
            if view not in projections and (projection := _nearest(study, view, patient)) is not None:
                projections[view] = projection
    return projections


def _nearest(study: Study, view: View, patient: np.ndarray) -> Projection | None:
    found: list[Projection] = []
    for index, series in enumerate(study.series):
        if series.view is view and series.placed:
            where = series.nearest(patient)
            item = series.slices[where]
            column, row = (float(value) for value in item.plane.to_pixel(patient)[0])
            rows, columns = item.pixels.shape
            distance = abs(float(item.plane.distance(patient)[0]))
            inside = -0.5 <= column <= columns - 0.5 and -0.5 <= row <= rows - 0.5
            if inside and distance <= REACH_MM:
                found.append(Projection(index, where, (column, row), distance))
    return min(found, key=lambda projection: projection.distance_mm, default=None)


def neighbors(series: Series, center: int) -> tuple[int, int, int]:
    """The slice before, the slice itself and the slice after, in anatomical order.

    At the end of a stack, and where the next slice belongs to another block (more than twice the usual step
    away), the slice itself stands in.

    Parameters
    ----------
    series : Series
        Its slices are in anatomical order.
    center : int
        Index of a slice.

    Returns
    -------
    tuple of int
        Three indices.
    """
    positions = series.positions
    steps = np.abs(np.diff(positions))
    usual = float(np.median(steps)) if len(steps) else 0.0

    def near(index: int) -> int:
        if not 0 <= index < len(positions):
            return center
        return index if abs(positions[index] - positions[center]) <= 2 * usual + 1e-3 else center

    return near(center - 1), center, near(center + 1)
