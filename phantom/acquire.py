"""From tissues to pictures: signal, partial volume, coil, k-space, noise, artefacts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import gaussian_filter, map_coordinates

from lsdc.cohort.geometry import Array, SlicePlane
from lsdc.phantom.body import label_body
from lsdc.phantom.brush import OUTSIDE, Anatomy
from lsdc.phantom.patient import Patient
from lsdc.phantom.protocol import Contrast, SeriesPlan, Vendor
from lsdc.phantom.tissues import N_LABELS, Tissue, spin_echo

Volume = NDArray[np.float32]
_BODY = (np.arange(-205, 205.1, 2.0), np.arange(-170, 170.1, 4.0), np.arange(-160, 150.1, 2.0))
_SUBSAMPLES = 3
_TILE = 96
# Standard deviation of the texture of each tissue, as a share of its signal.
_TEXTURE = {
    Tissue.FAT: 0.08,
    Tissue.MUSCLE: 0.14,
    Tissue.MARROW: 0.15,
    Tissue.CSF: 0.05,
    Tissue.BOWEL: 0.2,
    Tissue.KIDNEY: 0.08,
    Tissue.LIVER: 0.08,
    Tissue.EPIDURAL_FAT: 0.06,
    Tissue.DISC_MATERIAL: 0.1,
    Tissue.INTERSPINOUS: 0.3,
}


@dataclass(frozen=True)
class Scene:
    """Tissue labels and texture of one patient: the spine finely, the body coarsely; grids are (x, z, y).

    Parameters
    ----------
    patient : Patient
        Its anatomy and relaxation times.
    body : uint8 array
        Labels of the body on its coarse grid.
    spine_texture, body_texture : float32 array
        Relative deviation of the signal, zero mean, per voxel.
    streaks : float32 array
        Share of fat in each coarse voxel of muscle, 0 to 1.
    skin : float
        y of the skin of the back, mm.
    """

    patient: Patient
    body: NDArray[np.uint8]
    spine_texture: Volume
    body_texture: Volume
    streaks: Volume
    skin: float


def build_scene(patient: Patient, rng: np.random.Generator) -> Scene:
    """Label the body around the spine and draw the texture of all tissues."""
    body = label_body(patient.spine, patient.habitus, *_BODY, seed=int(rng.integers(2**31)))
    tile = rng.standard_normal((_TILE,) * 3).astype(np.float32)
    fine = gaussian_filter(tile, 1.2, mode="wrap") + 0.7 * gaussian_filter(tile, 5, mode="wrap") * 8
    fine /= fine.std()
    long = gaussian_filter(np.roll(tile, 17, axis=0), (0.9, 3.0, 0.8), mode="wrap")
    long /= long.std()
    amount = np.clip(0.35 + 0.012 * (patient.age - 40), 0.15, 1.0) * rng.uniform(0.5, 1.5)
    streaks = np.clip((_tiled(long, body.shape) - 1.7 + 1.2 * amount) * 0.7, 0, 0.9)
    levels = np.zeros(256, np.float32)
    for tissue, value in _TEXTURE.items():
        levels[tissue] = value
    levels[20:N_LABELS] = 0.08
    depth = np.nonzero((body > 0).any(axis=(0, 1)))[0][-1]
    return Scene(
        patient,
        body,
        _tiled(fine, patient.anatomy.labels.shape) * levels[patient.anatomy.labels],
        _tiled(fine, body.shape) * levels[body],
        np.where(body == Tissue.MUSCLE, streaks, 0).astype(np.float32),
        float(_BODY[2][depth]),
    )


def _tiled(tile: Volume, shape: tuple[int, ...]) -> Volume:
    repeats = [-(-n // _TILE) for n in shape]
    return np.tile(tile, repeats)[tuple(slice(n) for n in shape)]


@dataclass(frozen=True)
class Signals:
    """Signal of every voxel for one contrast: of the spine (body filled in) and of the body."""

    spine: Volume
    body: Volume
    anatomy: Anatomy


def signals(scene: Scene, contrast: Contrast) -> Signals:
    """Signal of the scene under a contrast."""
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
    for axis, (grid, coarse) in enumerate(zip((anatomy.x, anatomy.z, anatomy.y), _BODY)):
        around = _resample_axis(around, axis, grid, coarse)
    np.copyto(spine, around, where=anatomy.labels == OUTSIDE)
    return Signals(spine, body, anatomy)


def _resample_axis(volume: Volume, axis: int, grid: Array, coarse: Array) -> Volume:
    place = np.interp(grid, coarse, np.arange(len(coarse)))
    low = np.minimum(place.astype(int), len(coarse) - 2)
    shape = [1, 1, 1]
    shape[axis] = -1
    share = (place - low).astype(np.float32).reshape(shape)
    below = np.take(volume, low, axis=axis)
    return below + share * (np.take(volume, low + 1, axis=axis) - below)


def _sample(volume: Volume, starts: tuple[float, ...], steps: tuple[float, ...], points: Volume) -> Volume:
    index = [(points[k] - start) / step for k, start, step in zip((0, 2, 1), starts, steps)]
    return map_coordinates(volume, index, order=1, mode="constant", prefilter=False, output=np.float32)


def slice_signal(signal: Signals, plane: SlicePlane, shape: tuple[int, int], thickness: float) -> Volume:
    """Mean signal over the slice's thickness at the pixels of the plane; `shape` is (rows, columns)."""
    a = signal.anatomy
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

    whole = points(0.0, slice(None), slice(None))
    result = _sample(signal.body, tuple(g[0] for g in _BODY), tuple(g[1] - g[0] for g in _BODY), whole)
    inside = np.ones(shape, bool)
    for k, grid in ((0, a.x), (2, a.z), (1, a.y)):
        inside &= (whole[k] > grid[0] + 4) & (whole[k] < grid[-1] - 4)
    rows, columns = np.nonzero(inside.any(axis=1))[0], np.nonzero(inside.any(axis=0))[0]
    if len(rows):
        box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        total = np.zeros((rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1), np.float32)
        starts, steps = tuple(g[0] for g in (a.x, a.z, a.y)), tuple(g[1] - g[0] for g in (a.x, a.z, a.y))
        for depth in (np.arange(_SUBSAMPLES) - (_SUBSAMPLES - 1) / 2) * thickness / _SUBSAMPLES:
            total += _sample(signal.spine, starts, steps, points(depth, *box))
        result[box] = np.where(inside[box], total / _SUBSAMPLES, result[box])
    return result


@dataclass(frozen=True)
class Flaws:
    """What a whole series shares of imperfection.

    Parameters
    ----------
    noise : float
        Standard deviation of the complex noise, relative to fat.
    shading : (3,) float
        Smooth bias along image rows, columns and their product.
    ghost, wrap : float
        Strength of motion ghosts and of fold-over, 0 where absent.
    reach : float
        Depth at which the coil's sensitivity has halved, mm.
    """

    noise: float
    shading: Array
    ghost: float
    wrap: float
    reach: float


def draw_flaws(rng: np.random.Generator, plan: SeriesPlan, vendor: Vendor) -> Flaws:
    """Draw the imperfections of one series."""
    noise = float(rng.lognormal(np.log(0.018), 0.45)) * (1.5 / plan.contrast.field) ** 0.5
    ghost = float(rng.uniform(0.02, 0.08)) if rng.random() < 0.2 else 0.0
    wrap = float(rng.uniform(0.15, 0.5)) if rng.random() < 0.05 else 0.0
    reach = rng.uniform(220, 500) if vendor.uniform else rng.uniform(80, 180)
    return Flaws(noise, rng.normal(0, 0.12, 3), ghost, wrap, float(reach))


def acquire(
    scene: Scene, signal: Signals, plan: SeriesPlan, plane: SlicePlane, flaws: Flaws, rng: np.random.Generator
) -> Volume:
    """Take one picture.

    Returns
    -------
    (rows, columns) float32
        Magnitude of the reconstruction, relative to fully relaxed water.
    """
    rows, columns = plan.shape
    matrix = (
        max(64, int(rows * plan.acquired[0])) // 2 * 2,
        max(64, int(columns * plan.acquired[1])) // 2 * 2,
    )
    spacing = (plane.spacing[0] * rows / matrix[0], plane.spacing[1] * columns / matrix[1])
    coarse = SlicePlane(plane.origin, plane.row_direction, plane.column_direction, spacing)
    picture = slice_signal(signal, coarse, matrix, plan.thickness)
    picture *= _coil(scene, plan, coarse, matrix, flaws)
    if flaws.wrap:
        picture = _fold(picture, plan.phase_axis, flaws.wrap)
    if flaws.ghost:
        moving = np.roll(picture, matrix[plan.phase_axis] // int(rng.integers(3, 7)), axis=plan.phase_axis)
        picture = picture + flaws.ghost * (1 + rng.normal(0, 0.3)) * moving
    noise = rng.standard_normal((2, *matrix), dtype=np.float32) * np.float32(flaws.noise)
    kspace = fft.fftshift(fft.fft2(picture + noise[0] + 1j * noise[1], workers=1))
    padded = np.zeros(plan.shape, np.complex64)
    top, left = (rows - matrix[0]) // 2, (columns - matrix[1]) // 2
    padded[top : top + matrix[0], left : left + matrix[1]] = kspace * _window(matrix)
    scale = rows * columns / (matrix[0] * matrix[1])
    return np.abs(fft.ifft2(fft.ifftshift(padded), workers=1)).astype(np.float32) * np.float32(scale)


def _window(matrix: tuple[int, int]) -> Volume:
    """A light Tukey apodisation, as scanners apply it; Gibbs ringing stays visible."""
    edges = [np.clip((1 - np.abs(np.linspace(-1, 1, n))) / 0.25, 0, 1) for n in matrix]
    down, right = (0.5 - 0.5 * np.cos(np.pi * edge) for edge in edges)
    return np.outer(0.35 + 0.65 * down, 0.35 + 0.65 * right).astype(np.float32)


def _coil(scene: Scene, plan: SeriesPlan, plane: SlicePlane, matrix: tuple[int, int], flaws: Flaws) -> Volume:
    down, right = np.linspace(-1, 1, matrix[0])[:, None], np.linspace(-1, 1, matrix[1])[None]
    bias = np.exp(flaws.shading[0] * down + flaws.shading[1] * right + flaws.shading[2] * down * right)
    corner, row, column = (np.asarray(v) for v in (plane.origin, plane.row_direction, plane.column_direction))
    y = (
        corner[1]
        + column[1] * np.arange(matrix[0])[:, None] * plane.spacing[0]
        + row[1] * np.arange(matrix[1])[None] * plane.spacing[1]
    )
    z = (
        corner[2]
        + column[2] * np.arange(matrix[0])[:, None] * plane.spacing[0]
        + row[2] * np.arange(matrix[1])[None] * plane.spacing[1]
    )
    sensitivity = 1.35 / (1 + (np.maximum(scene.skin - y, 0) / flaws.reach) ** 2)
    sensitivity = sensitivity * np.exp(-((np.maximum(np.abs(z) - 90, 0) / 95) ** 2))
    if plan.saturated:
        front = np.interp(z, scene.patient.spine.curve_z, scene.patient.spine.curve_y) - 52
        sensitivity = sensitivity * (0.18 + 0.82 / (1 + np.exp(-(y - front) / 5)))
    return (bias * sensitivity).astype(np.float32)


def _fold(picture: Volume, axis: int, strength: float) -> Volume:
    n = picture.shape[axis]
    margin = n // 10
    folded = picture.copy()
    near, far = [slice(None)] * 2, [slice(None)] * 2
    near[axis], far[axis] = slice(0, margin), slice(n - margin, n)
    folded[tuple(near)] += strength * picture[tuple(far)]
    folded[tuple(far)] += strength * picture[tuple(near)]
    return folded
