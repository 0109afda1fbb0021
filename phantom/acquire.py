"""From tissue signals to images: coil, fold-over, ghosts, noise, k-space and reconstruction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from lsdc.cohort.geometry import Array, SlicePlane
from lsdc.phantom.scene import Scene, Volume
from lsdc.phantom.series_plan import SeriesPlan, Vendor
from lsdc.phantom.tissue_signal import Signals, slice_signal


@dataclass(frozen=True)
class Flaws:
    """Imperfections that all slices of a series share.

    Parameters
    ----------
    noise : float
        Standard deviation of the complex noise, relative to fully relaxed water.
    shading : (3,) float
        Smooth bias: its logarithm at the image's edges along rows, columns, and their product.
    ghost, wrap : float
        Strength of motion ghosts and of fold-over along the phase axis, relative to the image; 0 where absent.
    reach : float
        Depth below the skin at which the coil's sensitivity has halved, mm.
    """

    noise: float
    shading: Array
    ghost: float
    wrap: float
    reach: float


def draw_flaws(rng: np.random.Generator, plan: SeriesPlan, vendor: Vendor) -> Flaws:
    """Draw the imperfections of one series.

    Parameters
    ----------
    rng : numpy Generator
        Source of randomness.
    plan : SeriesPlan
        Noise is lower in a stronger field.
    vendor : Vendor
        A vendor that corrects shading has a deeper reach.

    Returns
    -------
    Flaws
        A fifth of the series has ghosts, a twentieth fold-over.
    """
    noise = float(rng.lognormal(np.log(0.018), 0.45)) * (1.5 / plan.contrast.field) ** 0.5
    ghost = float(rng.uniform(0.02, 0.08)) if rng.random() < 0.2 else 0.0
    wrap = float(rng.uniform(0.15, 0.5)) if rng.random() < 0.05 else 0.0
    reach = rng.uniform(220, 500) if vendor.uniform else rng.uniform(80, 180)
    return Flaws(noise, rng.normal(0, 0.12, 3), ghost, wrap, float(reach))


def acquire(
    scene: Scene, signal: Signals, plan: SeriesPlan, plane: SlicePlane, flaws: Flaws, rng: np.random.Generator
) -> Volume:
    """Simulate the acquisition and reconstruction of one slice.

    The slice is sampled with the acquired matrix, disturbed, transformed to k-space, filtered, padded with zeros to
    the reconstructed matrix and transformed back: it blurs and rings as interpolated images do.

    Parameters
    ----------
    scene : Scene
        For the depth of the skin and the curve of the spine.
    signal : Signals
        Of the scene under the plan's contrast.
    plan : SeriesPlan
        Matrix, thickness, phase axis, saturation.
    plane : SlicePlane
        Position of the slice, with the spacing of the reconstructed pixels.
    flaws : Flaws
        Of the series.
    rng : numpy Generator
        Source of randomness.

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
    image = slice_signal(signal, coarse, matrix, plan.thickness)
    image *= _coil(scene, plan, coarse, matrix, flaws)
    if flaws.wrap:
        image = _fold(image, plan.phase_axis, flaws.wrap)
    if flaws.ghost:
        moving = np.roll(image, matrix[plan.phase_axis] // int(rng.integers(3, 7)), axis=plan.phase_axis)
        image = image + flaws.ghost * (1 + rng.normal(0, 0.3)) * moving
    noise = rng.standard_normal((2, *matrix), dtype=np.float32) * np.float32(flaws.noise)
    return _reconstructed(image + noise[0] + 1j * noise[1], plan.shape)


def _reconstructed(image: NDArray[np.complex64], shape: tuple[int, int]) -> Volume:
    """Magnitude of a noisy complex image after apodization and zero filling of its k-space to `shape`."""
    matrix = (image.shape[0], image.shape[1])
    kspace = fft.fftshift(fft.fft2(image, workers=1))
    padded = np.zeros(shape, np.complex64)
    top, left = (shape[0] - matrix[0]) // 2, (shape[1] - matrix[1]) // 2
    padded[top : top + matrix[0], left : left + matrix[1]] = kspace * _window(matrix)
    scale = shape[0] * shape[1] / (matrix[0] * matrix[1])
    return np.abs(fft.ifft2(fft.ifftshift(padded), workers=1)).astype(np.float32) * np.float32(scale)


def _window(matrix: tuple[int, int]) -> Volume:
    """Make a light Tukey apodization of the matrix, as scanners apply it; Gibbs ringing stays visible."""
    edges = [np.clip((1 - np.abs(np.linspace(-1, 1, n))) / 0.25, 0, 1) for n in matrix]
    down, right = (0.5 - 0.5 * np.cos(np.pi * edge) for edge in edges)
    return np.outer(0.35 + 0.65 * down, 0.35 + 0.65 * right).astype(np.float32)


def _coil(scene: Scene, plan: SeriesPlan, plane: SlicePlane, matrix: tuple[int, int], flaws: Flaws) -> Volume:
    """Compute the coil's sensitivity at every pixel: bias, loss with depth and beyond its ends, saturation."""
    down, right = np.linspace(-1, 1, matrix[0])[:, None], np.linspace(-1, 1, matrix[1])[None]
    bias = np.exp(flaws.shading[0] * down + flaws.shading[1] * right + flaws.shading[2] * down * right)
    corner, row, column = (np.asarray(v) for v in (plane.origin, plane.row_direction, plane.column_direction))
    # Posterior and head positions of the pixels, mm.
    y, z = (
        corner[k]
        + column[k] * np.arange(matrix[0])[:, None] * plane.spacing[0]
        + row[k] * np.arange(matrix[1])[None] * plane.spacing[1]
        for k in (1, 2)
    )
    sensitivity = 1.35 / (1 + (np.maximum(scene.skin - y, 0) / flaws.reach) ** 2)
    sensitivity = sensitivity * np.exp(-((np.maximum(np.abs(z) - 90, 0) / 95) ** 2))
    if plan.saturated:
        front = np.interp(z, scene.patient.spine.curve_z, scene.patient.spine.curve_y) - 52
        sensitivity = sensitivity * (0.18 + 0.82 / (1 + np.exp(-(y - front) / 5)))
    return (bias * sensitivity).astype(np.float32)


def _fold(image: Volume, axis: int, strength: float) -> Volume:
    """Add the outer tenth of an image at one end of an axis to the other end, as a too small field of view does."""
    n = image.shape[axis]
    margin = n // 10
    folded = image.copy()
    near, far = [slice(None)] * 2, [slice(None)] * 2
    near[axis], far[axis] = slice(0, margin), slice(n - margin, n)
    folded[tuple(near)] += strength * image[tuple(far)]
    folded[tuple(far)] += strength * image[tuple(near)]
    return folded
