"""Square crops cut in millimeters from slices: gray values windowed, turned upright."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lsdc.cohort.geometry import CANONICAL_AXES, SlicePlane, Vector
from lsdc.cohort.study import Series, Slice
from lsdc.cohort.vocabulary import View

Crop = NDArray[np.uint8]
"""A gray image (rows, columns) of 0 to 255."""
_MOST_PX = 4096


class Reorientation(NamedTuple):
    """How the pixels of a slice must be turned to stand upright; whole quarter turns and flips only.

    Parameters
    ----------
    transpose : bool
        Whether rows and columns are exchanged; done first.
    flip_columns : bool
        Whether the order of columns is then reversed.
    flip_rows : bool
        Whether the order of rows is then reversed.
    """

    transpose: bool
    flip_columns: bool
    flip_rows: bool

    def image(self, pixels: Crop) -> Crop:
        """Turn an image upright.

        Parameters
        ----------
        pixels : (rows, columns) uint8
            Pixels as they lie in the slice.

        Returns
        -------
        (rows, columns) uint8
            A view of the same pixels, rows and columns exchanged where `transpose` is set.
        """
        if self.transpose:
            pixels = pixels.T
        return pixels[:: -1 if self.flip_rows else 1, :: -1 if self.flip_columns else 1]

    def offset(self, columns: float, rows: float) -> tuple[float, float]:
        """Turn a displacement in the slice into one in the upright image.

        Parameters
        ----------
        columns, rows : float
            Along columns and rows of the slice, in any unit.

        Returns
        -------
        (float, float)
            To the right and down in the upright image, in the same unit.
        """
        if self.transpose:
            columns, rows = rows, columns
        return (-columns if self.flip_columns else columns), (-rows if self.flip_rows else rows)

    def inverse(self, across: float, down: float) -> tuple[float, float]:
        """Turn a displacement in the upright image back into one in the slice; the inverse of `offset`.

        Parameters
        ----------
        across, down : float
            To the right and down in the upright image, in any unit.

        Returns
        -------
        (float, float)
            Along columns and rows of the slice, in the same unit.
        """
        columns, rows = (-across if self.flip_columns else across), (-down if self.flip_rows else down)
        return (rows, columns) if self.transpose else (columns, rows)


def reorientation_of(plane: SlicePlane, view: View, mirrored: bool = False) -> Reorientation:
    """Decide by the plane's directions how to turn its pixels upright.

    Parameters
    ----------
    plane : SlicePlane
        The slice's plane.
    view : View
        Decides what upright is: `CANONICAL_AXES` of its plane.
    mirrored : bool, default False
        Axial only: put the patient's right where the left would be.

    Returns
    -------
    Reorientation
        The turn whose result is closest to upright; a tilt of less than 45 degrees remains.

    Examples
    --------
    >>> upright = SlicePlane((0., 0., 0.), (0., 1., 0.), (0., 0., -1.), (1., 1.))
    >>> reorientation_of(upright, View.SAGITTAL_T2)
    Reorientation(transpose=False, flip_columns=False, flip_rows=False)
    """
    mirrored = mirrored and view is View.AXIAL_T2
    row, column = tuple(plane.row_direction), tuple(plane.column_direction)
    return _turn(row, column, view.plane, mirrored)


@lru_cache(maxsize=256)
def _turn(row: Vector, column: Vector, plane: str, mirrored: bool) -> Reorientation:
    """Turn the directions of a slice's rows and columns; all slices of a series have the same, and many crops."""
    across, down = (np.asarray(axis) for axis in CANONICAL_AXES[plane])
    if mirrored:
        across = -across
    along_row, along_column = np.asarray(row), np.asarray(column)
    transpose = bool(
        abs(along_column @ across) + abs(along_row @ down)
        > abs(along_row @ across) + abs(along_column @ down)
    )
    if transpose:
        along_row, along_column = along_column, along_row
    return Reorientation(transpose, bool(along_row @ across < 0), bool(along_column @ down < 0))


@dataclass(frozen=True)
class Cutter:
    """Cuts square crops from the slices of one series, in its gray window.

    Parameters
    ----------
    series : Series
        The series.
    view : View
        Decides how crops are turned.
    """

    series: Series
    view: View

    def cut(self, index: int, point: tuple[float, float], mm: float, px: int, mirrored: bool = False) -> Crop:
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
            Side of the crop.
        mirrored : bool, default False
            Axial only: put the patient's right where the left would be.

        Returns
        -------
        (px, px) uint8
            Turned upright; 0 outside the slice.
        """
        item = self.series.slices[index]
        patch, box = _patch(item, self.series.window, point, mm)
        crop = Image.fromarray(patch).resize((px, px), Image.Resampling.BILINEAR, box=box)
        return reorientation_of(item.plane, self.view, mirrored).image(np.asarray(crop))

    def place(
        self, index: int, center: tuple[float, float], point: tuple[float, float], mm: float, px: int
    ) -> tuple[float, float]:
        """Map a point of a slice into the crop that `cut` makes around `center`, not mirrored.

        Parameters
        ----------
        index : int
            Slice of the series.
        center : (column, row)
            Center of the crop, px of that slice.
        point : (column, row)
            The point, px of that slice.
        mm : float
            Side of the crop in the patient.
        px : int
            Side of the crop.

        Returns
        -------
        (float, float)
            Column and row in the crop, px; outside 0 to `px` - 1 where the crop does not reach.
        """
        plane = self.series.slices[index].plane
        columns = (point[0] - center[0]) * plane.spacing[1]
        rows = (point[1] - center[1]) * plane.spacing[0]
        across, down = reorientation_of(plane, self.view).offset(columns, rows)
        return across * px / mm + (px - 1) / 2, down * px / mm + (px - 1) / 2

    def unplace(
        self, index: int, center: tuple[float, float], place: tuple[float, float], mm: float, px: int
    ) -> tuple[float, float]:
        """Map a point of that crop back to the slice; the inverse of `place`.

        Parameters
        ----------
        index : int
            Slice of the series.
        center : (column, row)
            Center of the crop, px of that slice.
        place : (column, row)
            The point, px of the crop.
        mm : float
            Side of the crop in the patient.
        px : int
            Side of the crop.

        Returns
        -------
        (float, float)
            Column and row in the slice, px.
        """
        plane = self.series.slices[index].plane
        columns, rows = reorientation_of(plane, self.view).inverse(
            *((item - (px - 1) / 2) * mm / px for item in place)
        )
        return center[0] + columns / plane.spacing[1], center[1] + rows / plane.spacing[0]


def _patch(
    item: Slice, window: tuple[float, float], point: tuple[float, float], mm: float
) -> tuple[Crop, tuple[float, float, float, float]]:
    """Copy the gray values around a point, 0 outside; give the square's edges in them in Pillow's terms.

    Where a header claims pixels so small that there would be more than `_MOST_PX` along an edge, only each so-manieth
    is copied, so that memory stays bounded.
    """
    rows, columns = item.pixels.shape
    half = (mm / item.plane.spacing[1] / 2, mm / item.plane.spacing[0] / 2)
    edges = [(point[k] + 0.5 - half[k], point[k] + 0.5 + half[k]) for k in range(2)]
    starts = [int(np.floor(low)) - 2 for low, _ in edges]
    stops = [int(np.ceil(high)) + 2 for _, high in edges]
    steps = [max(1, -(-(stop - start) // _MOST_PX)) for start, stop in zip(starts, stops)]
    sizes = [-(-(stop - start) // step) for start, stop, step in zip(starts, stops, steps)]
    inside = [_inside(starts[k], sizes[k], steps[k], (columns, rows)[k]) for k in range(2)]
    (to_x, from_x), (to_y, from_y) = inside
    gray = item.pixels[from_y, from_x] - window[0]
    gray *= 255.0 / (window[1] - window[0])
    patch = np.clip(gray, 0, 255, out=gray).astype(np.uint8)
    if patch.shape != (sizes[1], sizes[0]):
        around = np.zeros((sizes[1], sizes[0]), np.uint8)
        around[to_y, to_x] = patch
        patch = around
    (left, right), (top, bottom) = (
        ((low - start) / step, (high - start) / step)
        for (low, high), start, step in zip(edges, starts, steps)
    )
    return patch, (left, top, right, bottom)


def _inside(start: int, size: int, step: int, length: int) -> tuple[slice, slice]:
    """Say which of the places `start`, `start + step` … lie in 0 to `length`, and which pixels these are."""
    first = max(0, -(start // step)) if start < 0 else 0
    last = min(size, -(-(length - start) // step)) if length > start else 0
    if first >= last:
        return slice(0, 0), slice(0, 0)
    return slice(first, last), slice(start + first * step, start + (last - 1) * step + 1, step)
