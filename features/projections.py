"""Where a location appears in each of the three views."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.study import Series, Study
from lsdc.cohort.vocabulary import View

if TYPE_CHECKING:
    from lsdc.cohort.location import Location

REACH_MM = 6.0
"""How far outside a stack of slices a point may lie and still be visible on the nearest slice."""

_LARGEST_GAP = 2.0
"""Steps between slices, in units of the usual step, beyond which another block of slices begins."""


class Projection(NamedTuple):
    """A location as one slice of a study shows it.

    Parameters
    ----------
    series, slice : int
        Index into `study.series`, and into the slices of that series.
    point : (float, float)
        Column and row in that slice, px; (0, 0) is the center of the first pixel.
    distance_mm : float
        Distance of the slice's plane from the location, mm; 0 in the view where the location was found.

    Examples
    --------
    >>> Projection(series=0, slice=7, point=(120.0, 88.5), distance_mm=1.5).slice
    7
    """

    series: int
    slice: int
    point: tuple[float, float]
    distance_mm: float

    def patient(self, study: Study) -> NDArray[np.float64]:
        """Map the projected point to patient space.

        Parameters
        ----------
        study : Study
            The study that the indices refer to.

        Returns
        -------
        (3,) float64
            mm towards the patient's left, posterior and head. The point lies in the slice's plane, so it differs
            from the location by `distance_mm`.
        """
        return study.series[self.series].slices[self.slice].plane.to_patient(self.point)[0]


def find_projections(study: Study, location: Location) -> dict[View, Projection]:
    """Find a location in every view that shows it.

    In the view where the target is graded, the projection is where the selector located it. In the other views it
    is the slice, of any series of that view, that is nearest to the location in the patient.

    Parameters
    ----------
    study : Study
        All series of the study.
    location : Location
        One target's slice and point, as the selector returns it for this study.

    Returns
    -------
    dict of View to Projection
        At most three. A view is left out when no slice of it contains the point within `REACH_MM`, and when the
        place of its series in the patient is unknown.
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


def _nearest(study: Study, view: View, patient: NDArray[np.float64]) -> Projection | None:
    """Project a point (3,) in mm on the nearest slice of a view; None where no slice shows it."""
    found: list[Projection] = []
    for index, series in enumerate(study.series):
        if series.view is view and series.placed:
            nearest = series.nearest(patient)
            item = series.slices[nearest]
            column, row = (float(value) for value in item.plane.to_pixel(patient)[0])
            distance = abs(float(item.plane.distance(patient)[0]))
            if item.contains(column, row) and distance <= REACH_MM:
                found.append(Projection(index, nearest, (column, row), distance))
    return min(found, key=lambda projection: projection.distance_mm, default=None)


def neighbors(series: Series, center: int) -> tuple[int, int, int]:
    """List the slice before, the slice itself and the slice after, in anatomical order.

    At the end of a stack, and where the next slice belongs to another block (more than twice the usual step
    farther), the slice itself stands in.

    Parameters
    ----------
    series : Series
        Its slices are in anatomical order.
    center : int
        Index of a slice of the series.

    Returns
    -------
    tuple of int
        Three indices into `series.slices`.
    """
    positions = series.positions

    def near(index: int) -> int:
        if not 0 <= index < len(positions):
            return center
        gap = abs(positions[index] - positions[center])
        return index if gap <= _LARGEST_GAP * series.step + 1e-3 else center

    return near(center - 1), center, near(center + 1)
