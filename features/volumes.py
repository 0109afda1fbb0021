"""Small volumes of fixed size per study and view, around the spine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.geometry import plane_of
from lsdc.cohort.study import Study
from lsdc.cohort.vocabulary import Level, View
from lsdc.features.located_study import LocatedStudy

if TYPE_CHECKING:
    from lsdc.cohort.location import Location

FIELD_MM: dict[View, float] = {View.SAGITTAL_T1: 200.0, View.SAGITTAL_T2: 200.0, View.AXIAL_T2: 144.0}
"""Side of the square that volumes and previews show, around the spine, mm."""

AXIAL_MARGIN_MM = 15.0
"""How far above the highest and below the lowest located point the axial volume reaches."""


@dataclass(frozen=True)
class SpineLine:
    """The line through the levels of a spine: the mean of each level's located points.

    Parameters
    ----------
    points : (m, 3) float64
        mm towards the patient's left, posterior and head, from foot to head; m is 0 to 5, the number of levels
        with a located target.
    """

    points: NDArray[np.float64]

    @classmethod
    def through(cls, locations: Sequence[Location]) -> Self:
        """Average, per level, over the targets whose place in the patient is known.

        Parameters
        ----------
        locations : sequence of Location
            Of one study, in any order.

        Returns
        -------
        SpineLine
            Without a point where nothing is known.
        """
        means = []
        for level in Level:
            patients = np.array([item.patient for item in locations if item.target.level is level], float)
            patients = patients[np.isfinite(patients).all(axis=1)]
            if len(patients):
                means.append(patients.mean(axis=0))
        points = np.array(means, float).reshape(-1, 3)
        return cls(points[np.argsort(points[:, 2])])

    def reaches(self, head_mm: float) -> bool:
        """Tell whether a height is between the levels, or at most `AXIAL_MARGIN_MM` beyond.

        Parameters
        ----------
        head_mm : float
            Height in the patient, mm towards the head.

        Returns
        -------
        bool
            True everywhere where no level is known.
        """
        if not len(self.points):
            return True
        low, high = self.points[0, 2] - AXIAL_MARGIN_MM, self.points[-1, 2] + AXIAL_MARGIN_MM
        return bool(low <= head_mm <= high)

    def at(self, head_mm: float) -> NDArray[np.float64]:
        """Interpolate the line at a height; at least one level must be known.

        Parameters
        ----------
        head_mm : float
            Height in the patient, mm towards the head; beyond the ends, the end's position is taken.

        Returns
        -------
        (3,) float64
            mm towards the patient's left, posterior and head.
        """
        columns = [np.interp(head_mm, self.points[:, 2], self.points[:, axis]) for axis in range(2)]
        return np.array([*columns, head_mm])


def cut_volume(
    located: LocatedStudy, view: View, slices: int, px: int
) -> tuple[NDArray[np.uint8] | None, NDArray[np.float32]]:
    """Cut the small volume of one view, `FIELD_MM` wide around the spine.

    Parameters
    ----------
    located : LocatedStudy
        The study with n located targets.
    view : View
        The view to cut.
    slices, px : int
        Number of slices, and the side of each, px.

    Returns
    -------
    volume : (slices, px, px) uint8 or None
        Slices spread evenly over the view (sagittal: the series that holds most targets, patient's right to
        left; axial: all series, foot to head, around the located levels), repeated where there are fewer.
        None when the view is absent.
    points : (n, 3) float32
        Slice, column and row in the volume of each target that is graded in this view; NaN for the others.
    """
    points = np.full((len(located.locations), 3), np.nan, np.float32)
    study, mm = located.study, FIELD_MM[view]
    of_view = [k for k, series in enumerate(study.series) if series.view is view and series.slices]
    spines = _spines(located, of_view)
    candidates = _candidates(located, view, spines)
    if not candidates:
        return None, points
    chosen = [candidates[k] for k in np.linspace(0, len(candidates) - 1, slices).round().astype(int)]
    centers = [_center(study, series, index, spines[series]) for series, index in chosen]
    volume = np.stack(
        [
            located.cutters[series].cut(index, center, mm, px)
            for (series, index), center in zip(chosen, centers)
        ]
    )
    planes = [study.series[series].slices[index].plane for series, index in chosen]
    for row, location in enumerate(located.locations):
        projection = located.graded(row)
        if location.view is view and projection is not None:
            patient = projection.patient(study)
            nearest = int(np.argmin([abs(plane.distance(patient)[0]) for plane in planes]))
            series, index = chosen[nearest]
            column, line = planes[nearest].to_pixel(patient)[0]
            cutter = located.cutters[series]
            points[row] = nearest, *cutter.place(index, centers[nearest], (column, line), mm, px)
    return volume, points


def _spines(located: LocatedStudy, of_view: Sequence[int]) -> dict[int, SpineLine]:
    """Draw the spine's line in the coordinates of series: in those that are not placed, through their own targets."""
    placed = [series.placed for series in located.study.series]
    comparable = [item for item in located.locations if item.series is None or placed[item.series]]
    shared = SpineLine.through(comparable)
    return {
        k: shared
        if placed[k]
        else SpineLine.through([item for item in located.locations if item.series == k])
        for k in of_view
    }


def _candidates(located: LocatedStudy, view: View, spines: Mapping[int, SpineLine]) -> list[tuple[int, int]]:
    """List (series, slice) of the slices of a view's series that a volume may show, in anatomical order."""
    study = located.study
    if not spines:
        return []
    if view is not View.AXIAL_T2:
        votes = Counter(seen[view].series for seen in located.projections if view in seen)
        series = max(spines, key=lambda k: (votes[k], len(study.series[k].slices)))
        return [(series, index) for index in range(len(study.series[series].slices))]
    heights = {
        (k, index): _center_height(study, k, index)
        for k in spines
        for index in range(len(study.series[k].slices))
    }
    near = {(k, index): height for (k, index), height in heights.items() if spines[k].reaches(height)}
    return sorted(near or heights, key=lambda key: heights[key])


def _center_height(study: Study, series: int, index: int) -> float:
    """Measure the height in the patient of the middle of an image, mm towards the head."""
    item = study.series[series].slices[index]
    return float(item.plane.to_patient(_middle(item.pixels.shape))[0, 2])


def _center(study: Study, series: int, index: int, spine: SpineLine) -> tuple[float, float]:
    """Find the pixel of a slice around which volumes are cut: the spine, or the image's middle."""
    item = study.series[series].slices[index]
    if not len(spine.points):
        return _middle(item.pixels.shape)
    if plane_of(item.plane.normal) == "axial":
        patient = spine.at(_center_height(study, series, index))
    else:
        patient = spine.points.mean(axis=0)
    column, row = item.plane.to_pixel(patient)[0]
    rows, columns = item.pixels.shape
    inside = 0 <= column < columns and 0 <= row < rows
    return (float(column), float(row)) if inside else _middle(item.pixels.shape)


def _middle(shape: tuple[int, ...]) -> tuple[float, float]:
    """Give column and row of the middle of an image of (rows, columns)."""
    return (shape[1] - 1) / 2, (shape[0] - 1) / 2
