"""Signal of every voxel under a contrast, and its mean over the thickness of a slice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from lsdc.cohort.geometry import Array, SlicePlane
from lsdc.phantom.brush import OUTSIDE, Anatomy
from lsdc.phantom.scene import BODY_GRID, Scene, Volume
from lsdc.phantom.series_plan import Contrast
from lsdc.phantom.tissues import N_LABELS, Tissue, spin_echo

_SUBSAMPLES = 3
"""Planes across a slice's thickness whose signal is averaged."""
_MARGIN_MM = 4
"""How far inside the spine's fine grid a pixel must lie to be sampled from it, mm."""


@dataclass(frozen=True)
class Signals:
    """Signal of every voxel of a scene under one contrast, relative to fully relaxed water.

    Parameters
    ----------
    spine : (nx, nz, ny) float32
        On the grid of `anatomy`; where the anatomy is `OUTSIDE`, the body's signal fills it in.
    body : (nx, nz, ny) float32
        On `BODY_GRID`.
    anatomy : Anatomy
        Grid of `spine`.
    """

    spine: Volume
    body: Volume
    anatomy: Anatomy


def signals(scene: Scene, contrast: Contrast) -> Signals:
    """Compute the signal of every voxel of a scene under a contrast.

    Parameters
    ----------
    scene : Scene
        Tissues, their texture, and the patient's relaxation times.
    contrast : Contrast
        Timing and field; see `spin_echo` for the equation.

    Returns
    -------
    Signals
        Of spine and body, before any partial volume, coil or noise.
    """
    anatomy = scene.patient.anatomy
    values = np.zeros(256, np.float32)
    values[:N_LABELS] = spin_echo(
        scene.patient.tissues, contrast.tr, contrast.te, contrast.ti, contrast.field
    )
    body = values[scene.body] * (1 + scene.body_texture)
    body += scene.streaks * (values[Tissue.STREAK] - values[Tissue.MUSCLE])
    body = gaussian_filter(body, (0.7, 0.4, 0.7), output=np.float32)
    spine = values[anatomy.labels] * (1 + scene.spine_texture)
    around = body
    for axis, (grid, coarse) in enumerate(zip((anatomy.x, anatomy.z, anatomy.y), BODY_GRID)):
        around = _resample_axis(around, axis, grid, coarse)
    np.copyto(spine, around, where=anatomy.labels == OUTSIDE)
    return Signals(spine, body, anatomy)


def _resample_axis(volume: Volume, axis: int, grid: Array, coarse: Array) -> Volume:
    """Interpolate a volume linearly along one axis from the positions `coarse` to the positions `grid`, mm."""
    place = np.interp(grid, coarse, np.arange(len(coarse)))
    low = np.minimum(place.astype(int), len(coarse) - 2)
    shape = [1, 1, 1]
    shape[axis] = -1
    fraction = (place - low).astype(np.float32).reshape(shape)
    below = np.take(volume, low, axis=axis)
    return below + fraction * (np.take(volume, low + 1, axis=axis) - below)


def _sample(volume: Volume, axes: tuple[Array, ...], points: Volume) -> Volume:
    """Interpolate a volume on a regular (x, z, y) grid linearly at points (3, rows, columns): x, y, z in mm."""
    index = [(points[k] - grid[0]) / (grid[1] - grid[0]) for k, grid in zip((0, 2, 1), axes)]
    return map_coordinates(volume, index, order=1, mode="constant", prefilter=False, output=np.float32)


def slice_signal(signal: Signals, plane: SlicePlane, shape: tuple[int, int], thickness: float) -> Volume:
    """Average the signal over a slice's thickness at every pixel.

    Far from the spine, where the body is known coarsely, only the middle of the slice is sampled.

    Parameters
    ----------
    signal : Signals
        Of the scene under the series' contrast.
    plane : SlicePlane
        Position of the slice; patient space, mm.
    shape : (int, int)
        Rows and columns of the result.
    thickness : float
        Of the slice, mm.

    Returns
    -------
    (rows, columns) float32
        Relative to fully relaxed water; 0 outside the body's grid.
    """
    anatomy, points = signal.anatomy, _slice_points(plane, shape)
    spine_axes = (anatomy.x, anatomy.z, anatomy.y)
    middle = points(0.0, slice(None), slice(None))
    result = _sample(signal.body, BODY_GRID, middle)
    inside = np.ones(shape, bool)
    for k, grid in zip((0, 2, 1), spine_axes):
        inside &= (middle[k] > grid[0] + _MARGIN_MM) & (middle[k] < grid[-1] - _MARGIN_MM)
    rows, columns = np.nonzero(inside.any(axis=1))[0], np.nonzero(inside.any(axis=0))[0]
    if not len(rows):
        return result
    box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    total = np.zeros(result[box].shape, np.float32)
    for depth in (np.arange(_SUBSAMPLES) - (_SUBSAMPLES - 1) / 2) * thickness / _SUBSAMPLES:
        total += _sample(signal.spine, spine_axes, points(depth, *box))
    result[box] = np.where(inside[box], total / _SUBSAMPLES, result[box])
    return result


def _slice_points(plane: SlicePlane, shape: tuple[int, int]) -> Callable[[float, slice, slice], Volume]:
    """Return a function of depth (mm along the normal), rows and columns that gives those pixels' positions.

    The positions are in patient space, mm: (3, rows, columns) float32.
    """
    corner = np.asarray(plane.origin)
    row, column, normal = np.asarray(plane.row_direction), np.asarray(plane.column_direction), plane.normal
    down = np.arange(shape[0]) * plane.spacing[0]
    right = np.arange(shape[1]) * plane.spacing[1]

    def points(depth: float, rows: slice, columns: slice) -> Volume:
        start = corner + depth * normal
        grid = (
            start[:, None, None]
            + column[:, None, None] * down[rows][None, :, None]
            + row[:, None, None] * right[columns][None, None, :]
        )
        return grid.astype(np.float32)

    return points
