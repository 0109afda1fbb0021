"""Crops around each target in every view that shows it, with right-sided targets mirrored as if left."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import Condition, Family, Side, View
from lsdc.features.located_study import LocatedStudy
from lsdc.features.projections import Projection, neighbors
from lsdc.features.store import NEIGHBORS, VIEWS

CROP_MM: dict[Family, dict[View, float]] = {
    Family.SPINAL: {View.SAGITTAL_T1: 64.0, View.SAGITTAL_T2: 64.0, View.AXIAL_T2: 64.0},
    Family.FORAMINAL: {View.SAGITTAL_T1: 52.0, View.SAGITTAL_T2: 52.0, View.AXIAL_T2: 72.0},
    Family.SUBARTICULAR: {View.SAGITTAL_T1: 52.0, View.SAGITTAL_T2: 52.0, View.AXIAL_T2: 52.0},
}
"""Side of the square around a target in each view, mm."""


def cut_crops(located: LocatedStudy, px: int) -> NDArray[np.uint8]:
    """Cut the squares around all targets of a study, `CROP_MM` wide, in every view that shows them.

    Parameters
    ----------
    located : LocatedStudy
        The study with n located targets.
    px : int
        Side of a crop, px.

    Returns
    -------
    (n, 3 views, 3 neighbors, px, px) uint8
        Views in the order of the View enum; neighbors from the patient's right to left (sagittal) or foot to
        head (axial). Crops of right-sided targets are mirrored: axial columns flipped, sagittal neighbors
        reversed. A view that does not show the target is zero.
    """
    crops = np.zeros((len(located.locations), len(VIEWS), NEIGHBORS, px, px), np.uint8)
    for location, crop, projections in zip(located.locations, crops, located.projections):
        for view, projection in projections.items():
            crop[VIEWS.index(view)] = _cut_neighbors(located, location.target.condition, projection, px)
    return crops


def _cut_neighbors(
    located: LocatedStudy, condition: Condition, projection: Projection, px: int
) -> NDArray[np.uint8]:
    """Cut (3, px, px) around the same point of the patient on a slice and its neighbors."""
    series, cutter = located.study.series[projection.series], located.cutters[projection.series]
    mirrored = condition.side is Side.RIGHT
    patient = projection.patient(located.study)
    mm = CROP_MM[condition.family][cutter.view]
    order = neighbors(series, projection.slice)
    images: dict[int, NDArray[np.uint8]] = {}
    for index in set(order):
        column, row = series.slices[index].plane.to_pixel(patient)[0]
        images[index] = cutter.cut(index, (column, row), mm, px, mirrored)
    if mirrored and cutter.view is not View.AXIAL_T2:
        order = order[::-1]
    return np.stack([images[index] for index in order])
