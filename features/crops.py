"""Crops around each target in every view that shows it, with right-sided targets mirrored as if left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.cropping import Cutter
from lsdc.cohort.study import Study
from lsdc.cohort.vocabulary import Condition, Family, Side, View
from lsdc.features.projections import Projection, find_projections, neighbors
from lsdc.features.store import NEIGHBORS, VIEWS

if TYPE_CHECKING:
    from lsdc.cohort.location import Location

CROP_MM: dict[Family, dict[View, float]] = {
    Family.SPINAL: {View.SAGITTAL_T1: 64.0, View.SAGITTAL_T2: 64.0, View.AXIAL_T2: 64.0},
    Family.FORAMINAL: {View.SAGITTAL_T1: 52.0, View.SAGITTAL_T2: 52.0, View.AXIAL_T2: 72.0},
    Family.SUBARTICULAR: {View.SAGITTAL_T1: 52.0, View.SAGITTAL_T2: 52.0, View.AXIAL_T2: 52.0},
}
"""Side of the square around a target in each view, mm."""


def cutters_of(study: Study) -> dict[int, Cutter]:
    """A cutter for every series of a known view, by its index in the study."""
    return {
        index: Cutter(series, series.view)
        for index, series in enumerate(study.series)
        if series.view is not None and series.slices
    }


def cut_crops(
    study: Study,
    locations: Sequence[Location],
    px: int,
    cutters: dict[int, Cutter] | None = None,
    field: float = 1.0,
) -> tuple[NDArray[np.uint8], list[dict[View, Projection]]]:
    """Cut the crops of all targets of a study.

    Parameters
    ----------
    study : Study
        All series.
    locations : sequence of Location
        One per target.
    px : int
        Side of a crop.
    cutters : dict of int to Cutter, optional
        From `cutters_of`, to share them.
    field : float
        How much more to show than CROP_MM says.

    Returns
    -------
    crops : (targets, 3 views, 3 neighbors, px, px) uint8
        Views in the order of the View enum; neighbors from the patient's right to left (sagittal) or foot to
        head (axial). Right-sided targets are mirrored: axial columns flipped, sagittal neighbors reversed.
        Zeros where a view does not show the target.
    projections : list of dict of View to Projection
        Where each crop was cut; absent views are left out.
    """
    cutters = cutters_of(study) if cutters is None else cutters
    crops = np.zeros((len(locations), len(VIEWS), NEIGHBORS, px, px), np.uint8)
    projections = [find_projections(study, location) for location in locations]
    for location, crop, found in zip(locations, crops, projections):
        for view, projection in found.items():
            crop[VIEWS.index(view)] = _stack(study, location.target.condition, projection, px, cutters, field)
    return crops, projections


def _stack(
    study: Study,
    condition: Condition,
    projection: Projection,
    px: int,
    cutters: dict[int, Cutter],
    field: float,
) -> NDArray[np.uint8]:
    series, view = study.series[projection.series], cutters[projection.series].view
    mirrored = condition.side is Side.RIGHT
    patient = series.slices[projection.slice].plane.to_patient(projection.point)[0]
    mm = CROP_MM[condition.family][view] * field
    pictures: dict[int, NDArray[np.uint8]] = {}
    around = neighbors(series, projection.slice)
    for index in set(around):
        column, row = series.slices[index].plane.to_pixel(patient)[0]
        pictures[index] = cutters[projection.series].cut(index, (column, row), mm, px, mirrored)
    order = around[::-1] if mirrored and view is not View.AXIAL_T2 else around
    return np.stack([pictures[index] for index in order])
