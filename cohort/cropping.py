"""Square pictures cut in millimeters from slices: gray values windowed, turned upright."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lsdc.cohort.geometry import SlicePlane
from lsdc.cohort.study import Series, Slice
from lsdc.cohort.vocabulary import View

Picture = NDArray[np.uint8]

# Directions (LPS) in which columns and rows of a picture run: sagittal anterior at the left, head up;
# axial as radiologists look at it, the patient's left at the right and anterior up.
_AXES = {
    View.SAGITTAL_T1: ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0)),
    View.SAGITTAL_T2: ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0)),
    View.AXIAL_T2: ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
}


class Pose(NamedTuple):
    """How the pixels of a slice must be turned to stand upright; whole quarter turns and flips only."""

    transpose: bool
    flip_columns: bool
    flip_rows: bool

    def image(self, pixels: Picture) -> Picture:
        """Turn a picture."""
        if self.transpose:
            pixels = pixels.T
        return pixels[:: -1 if self.flip_rows else 1, :: -1 if self.flip_columns else 1]

    def offset(self, columns: float, rows: float) -> tuple[float, float]:
        """Turn a displacement, given along columns and rows of the slice."""
        if self.transpose:
            columns, rows = rows, columns
        return (-columns if self.flip_columns else columns), (-rows if self.flip_rows else rows)

    def inverse(self, across: float, down: float) -> tuple[float, float]:
        """Turn a displacement in the upright picture back to columns and rows of the slice."""
        columns, rows = (-across if self.flip_columns else across), (-down if self.flip_rows else down)
        return (rows, columns) if self.transpose else (columns, rows)


def pose_of(plane: SlicePlane, view: View, mirrored: bool = False) -> Pose:
    """Tell from the plane's directions how to turn its pixels upright.

    Parameters
    ----------
    plane : SlicePlane
        The slice's plane.
    view : View
        Decides what upright is.
    mirrored : bool
        Axial only: put the patient's right where the left would be.

    >>> upright = SlicePlane((0., 0., 0.), (0., 1., 0.), (0., 0., -1.), (1., 1.))
    >>> pose_of(upright, View.SAGITTAL_T2)
    Pose(transpose=False, flip_columns=False, flip_rows=False)
    """
    across, down = (np.asarray(axis) for axis in _AXES[view])
    if mirrored and view is View.AXIAL_T2:
        across = -across
    row, column = np.asarray(plane.row_direction), np.asarray(plane.column_direction)
    transpose = bool(abs(column @ across) + abs(row @ down) > abs(row @ across) + abs(column @ down))
    if transpose:
        row, column = column, row
    return Pose(transpose, bool(row @ across < 0), bool(column @ down < 0))


def window_of(series: Series, most: int = 24) -> tuple[float, float]:
    """The 1st and 99th percentile of a series, from every fourth pixel of at most `most` slices."""
    chosen = np.unique(
        np.linspace(0, len(series.slices) - 1, min(most, len(series.slices))).round().astype(int)
    )
    sample = np.concatenate([series.slices[index].pixels[::4, ::4].ravel() for index in chosen])
    low, high = np.percentile(sample, (1, 99))
    return float(low), float(high) if high > low else float(low) + 1.0


@dataclass
class Cutter:
    """Cuts square pictures from the slices of one series.

    Parameters
    ----------
    series : Series
        Where from.
    view : View
        How pictures are turned.
    """

    series: Series
    view: View
    _window: tuple[float, float] = field(init=False)

    def __post_init__(self) -> None:
        """Find the gray window of the series."""
        self._window = window_of(self.series)

    def cut(
        self, index: int, point: tuple[float, float], mm: float, px: int, mirrored: bool = False
    ) -> Picture:
        """Cut a square around a point.

        Parameters
        ----------
        index : int
            Slice of the series.
        point : (column, row)
            Center, px of that slice; may lie outside.
        mm : float
            Side of the square in the patient.
        px : int
            Side of the picture.
        mirrored : bool
            Axial only: put the patient's right where the left would be.

        Returns
        -------
        (px, px) uint8
            Turned upright; 0 outside the slice.
        """
        item = self.series.slices[index]
        patch, box = _patch(item, point, mm)
        low, high = self._window
        gray = ((patch - low) * (255.0 / (high - low))).clip(0, 255).astype(np.uint8)
        picture = Image.fromarray(gray).resize((px, px), Image.Resampling.BILINEAR, box=box)
        return pose_of(item.plane, self.view, mirrored).image(np.asarray(picture))

    def place(
        self, index: int, center: tuple[float, float], point: tuple[float, float], mm: float, px: int
    ) -> tuple[float, float]:
        """Map a point of a slice into the picture that `cut` makes around `center`: column and row, px."""
        plane = self.series.slices[index].plane
        columns = (point[0] - center[0]) * plane.spacing[1]
        rows = (point[1] - center[1]) * plane.spacing[0]
        across, down = pose_of(plane, self.view).offset(columns, rows)
        return across * px / mm + (px - 1) / 2, down * px / mm + (px - 1) / 2

    def unplace(
        self, index: int, center: tuple[float, float], place: tuple[float, float], mm: float, px: int
    ) -> tuple[float, float]:
        """Map a pixel of that picture back to the slice; the inverse of `place`."""
        plane = self.series.slices[index].plane
        columns, rows = pose_of(plane, self.view).inverse(
            *((item - (px - 1) / 2) * mm / px for item in place)
        )
        return center[0] + columns / plane.spacing[1], center[1] + rows / plane.spacing[0]


def _patch(
    item: Slice, point: tuple[float, float], mm: float
) -> tuple[NDArray, tuple[float, float, float, float]]:
    """The pixels around a point, zero-padded, and the square's edges in them as Pillow counts them."""
    rows, columns = item.pixels.shape
    half = (mm / item.plane.spacing[1] / 2, mm / item.plane.spacing[0] / 2)
    edges = [(point[k] + 0.5 - half[k], point[k] + 0.5 + half[k]) for k in range(2)]
    starts = [int(np.floor(low)) - 2 for low, _ in edges]
    stops = [int(np.ceil(high)) + 2 for _, high in edges]
    patch = np.full((stops[1] - starts[1], stops[0] - starts[0]), -np.inf, np.float32)
    x0, x1 = max(starts[0], 0), min(stops[0], columns)
    y0, y1 = max(starts[1], 0), min(stops[1], rows)
    if x0 < x1 and y0 < y1:
        patch[y0 - starts[1] : y1 - starts[1], x0 - starts[0] : x1 - starts[0]] = item.pixels[y0:y1, x0:x1]
    (left, right), (top, bottom) = edges
    return patch, (left - starts[0], top - starts[1], right - starts[0], bottom - starts[1])
