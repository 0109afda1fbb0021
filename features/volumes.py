"""Small volumes of fixed size per study and view, and the chosen slices for the preview."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.cropping import Cutter
from lsdc.cohort.study import Study
from lsdc.cohort.vocabulary import Family, Level, Side, Target, View
from lsdc.features.projections import Projection
from lsdc.features.store import PREVIEWS

if TYPE_CHECKING:
    from lsdc.cohort.location import Location

FIELD_MM: dict[View, float] = {View.SAGITTAL_T1: 200.0, View.SAGITTAL_T2: 200.0, View.AXIAL_T2: 144.0}
"""Side of the square that volumes and previews show, around the spine, mm."""

AXIAL_MARGIN_MM = 15.0
"""How far above the highest and below the lowest located point the axial volume reaches."""

Points = NDArray[np.float32]


@dataclass(frozen=True)
class Spine:
    """Where the five levels lie: the mean of each level's located points.

    Parameters
    ----------
    points : (m, 3) float
        mm in patient space, from foot to head; m may be 0.
    """

    points: NDArray[np.float64]

    @classmethod
    def of(cls, locations: Sequence[Location]) -> Spine:
        """Take the mean per level over the targets whose place is known."""
        means = []
        for level in Level:
            places = np.array([item.patient for item in locations if item.target.level is level], float)
            places = places[np.isfinite(places).all(axis=1)]
            if len(places):
                means.append(places.mean(axis=0))
        points = np.array(means, float).reshape(-1, 3)
        return cls(points[np.argsort(points[:, 2])])

    def at(self, head_mm: float) -> NDArray[np.float64]:
        """The point of the spine at a height (m > 0)."""
        columns = [np.interp(head_mm, self.points[:, 2], self.points[:, axis]) for axis in range(2)]
        return np.array([*columns, head_mm])


def cut_volume(
    study: Study,
    view: View,
    locations: Sequence[Location],
    projections: Sequence[Mapping[View, Projection]],
    cutters: Mapping[int, Cutter],
    slices: int,
    px: int,
) -> tuple[NDArray[np.uint8] | None, Points]:
    """Cut the small volume of one view.

    Parameters
    ----------
    study : Study
        All series.
    view : View
        Which view.
    locations : sequence of Location
        One per target.
    projections : sequence of dict of View to Projection
        Where each target is seen.
    cutters : mapping of int to Cutter
        By index of the series.
    slices, px : int
        Size of the volume.

    Returns
    -------
    volume : (slices, px, px) uint8 or None
        Slices spread evenly over the view (sagittal: the series that holds most targets, patient's right to
        left; axial: all series, foot to head, around the located levels), repeated where there are fewer.
        None when the view is absent.
    points : (targets, 3) float32
        Slice, column and row in the volume of each target whose own view this is; NaN otherwise.
    """
    points = np.full((len(locations), 3), np.nan, np.float32)
    spine = Spine.of(locations)
    candidates = _candidates(study, view, projections, spine)
    if not candidates:
        return None, points
    chosen = [candidates[k] for k in np.linspace(0, len(candidates) - 1, slices).round().astype(int)]
    mm = FIELD_MM[view]
    centers = [_center(study, series, index, spine) for series, index in chosen]
    volume = np.stack(
        [cutters[series].cut(index, center, mm, px) for (series, index), center in zip(chosen, centers)]
    )
    planes = [study.series[series].slices[index].plane for series, index in chosen]
    for row, (location, seen) in enumerate(zip(locations, projections)):
        if location.view is view and view in seen:
            place = _patient(study, seen[view])
            where = int(np.argmin([abs(plane.distance(place)[0]) for plane in planes]))
            series, index = chosen[where]
            column_row = planes[where].to_pixel(place)[0]
            points[row] = where, *cutters[series].place(index, centers[where], tuple(column_row), mm, px)
    return volume, points


def cut_previews(
    study: Study,
    locations: Sequence[Location],
    projections: Sequence[Mapping[View, Projection]],
    cutters: Mapping[int, Cutter],
    px: int,
) -> tuple[NDArray[np.uint8], Points]:
    """Cut the slices that most targets were located on: canal, left and right foramina, five axial levels.

    Returns
    -------
    previews : (8, px, px) uint8
        Zeros where nothing was located.
    points : (targets, 3) float32
        Picture, column and row of each target; NaN where it was not located in its own view.
    """
    previews = np.zeros((PREVIEWS, px, px), np.uint8)
    points = np.full((len(locations), 3), np.nan, np.float32)
    slots = [preview_slot(location.target) for location in locations]
    for slot in range(PREVIEWS):
        rows = [
            row
            for row, location in enumerate(locations)
            if slots[row] == slot and location.view in projections[row] and location.series is not None
        ]
        if not rows:
            continue
        own = {row: projections[row][locations[row].view] for row in rows}
        (series, index), _ = Counter(
            (projection.series, projection.slice) for projection in own.values()
        ).most_common(1)[0]
        plane, mm = study.series[series].slices[index].plane, FIELD_MM[locations[rows[0]].view]
        places = {row: plane.to_pixel(_patient(study, projection))[0] for row, projection in own.items()}
        column, row_px = np.mean(list(places.values()), axis=0)
        center = (float(column), float(row_px))
        previews[slot] = cutters[series].cut(index, center, mm, px)
        for row, place in places.items():
            points[row] = slot, *cutters[series].place(index, center, tuple(place), mm, px)
    return previews, points


def preview_slot(target: Target) -> int:
    """Which of the 8 preview pictures shows a target.

    >>> from lsdc.cohort.vocabulary import TARGETS
    >>> [preview_slot(target) for target in TARGETS[::5]]
    [0, 1, 2, 3, 3]
    """
    if target.condition.family is Family.SPINAL:
        return 0
    if target.condition.family is Family.FORAMINAL:
        return 1 if target.condition.side is Side.LEFT else 2
    return 3 + list(Level).index(target.level)


def _candidates(
    study: Study, view: View, projections: Sequence[Mapping[View, Projection]], spine: Spine
) -> list[tuple[int, int]]:
    """(series, slice) of the slices that a volume may show, in anatomical order."""
    of_view = [k for k, series in enumerate(study.series) if series.view is view and series.slices]
    if not of_view:
        return []
    if view is not View.AXIAL_T2:
        votes = Counter(seen[view].series for seen in projections if view in seen)
        series = max(of_view, key=lambda k: (votes[k], len(study.series[k].slices)))
        return [(series, index) for index in range(len(study.series[series].slices))]
    heights = {
        (k, index): _center_height(study, k, index)
        for k in of_view
        for index in range(len(study.series[k].slices))
    }
    if len(spine.points):
        low, high = spine.points[0, 2] - AXIAL_MARGIN_MM, spine.points[-1, 2] + AXIAL_MARGIN_MM
        heights = {key: value for key, value in heights.items() if low <= value <= high} or heights
    return sorted(heights, key=lambda key: heights[key])


def _center_height(study: Study, series: int, index: int) -> float:
    item = study.series[series].slices[index]
    return float(item.plane.to_patient(_middle(item.pixels.shape))[0, 2])


def _center(study: Study, series: int, index: int, spine: Spine) -> tuple[float, float]:
    """The pixel of a slice around which volumes are cut: the spine, or the image's middle."""
    item = study.series[series].slices[index]
    if not len(spine.points):
        return _middle(item.pixels.shape)
    if item.plane.normal[2] ** 2 > 0.5:
        place = spine.at(_center_height(study, series, index))
    else:
        place = spine.points.mean(axis=0)
    column, row = item.plane.to_pixel(place)[0]
    rows, columns = item.pixels.shape
    inside = 0 <= column < columns and 0 <= row < rows
    return (float(column), float(row)) if inside else _middle(item.pixels.shape)


def _middle(shape: tuple[int, ...]) -> tuple[float, float]:
    return (shape[1] - 1) / 2, (shape[0] - 1) / 2


def _patient(study: Study, projection: Projection) -> NDArray[np.floating]:
    return study.series[projection.series].slices[projection.slice].plane.to_patient(projection.point)[0]
