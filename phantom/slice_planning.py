"""Where the slices of a series lie in a patient: sagittal stacks, and axial ones along the discs.

Counts of slices, matrices and the number of axial series follow the 1,975 labeled studies of the competition.
"""

from __future__ import annotations

import numpy as np

from lsdc.cohort.geometry import Array, SlicePlane
from lsdc.cohort.vocabulary import View
from lsdc.phantom.series_plan import Contrast, SeriesPlan
from lsdc.phantom.spine import FIRST_LUMBAR_DISC, Spine

_QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
_SLICES = {
    View.SAGITTAL_T1: (10, 12, 15, 17, 19, 21, 38),
    View.SAGITTAL_T2: (8, 12, 15, 17, 19, 22, 29),
    View.AXIAL_T2: (15, 17, 24, 29, 44, 55, 70),
}
_SAGITTAL_MATRIX = (224, 320, 384, 448, 512, 704, 1024)
_NON_SQUARE = 0.136
"""Fraction of sagittal series whose matrix is not square."""
_SEVERAL_AXIAL = (0.830, 0.155, 0.014, 0.001)
"""Fractions of studies with one, two, three and four axial series."""
_STACKED = 0.64
"""Fraction of axial series that consist of a small stack along each disc; the others are one block of slices."""


def sagittal_matrix(rng: np.random.Generator) -> tuple[int, int]:
    """Draw the reconstructed matrix that the sagittal series of a study share.

    Parameters
    ----------
    rng : numpy Generator
        Source of randomness.

    Returns
    -------
    (int, int)
        Rows and columns, px; multiples of 16, most often equal.
    """
    rows = int(round(_quantile(rng, _SAGITTAL_MATRIX) / 16) * 16)
    if rng.random() >= _NON_SQUARE:
        return rows, rows
    return rows, int(round(rows * rng.choice([0.75, 0.88, 1.15, 1.3]) / 16) * 16)


def sagittal_plan(
    rng: np.random.Generator,
    spine: Spine,
    view: View,
    name: str,
    contrast: Contrast,
    shape: tuple[int, int],
    left_first: bool,
) -> SeriesPlan:
    """Draw the slices of a sagittal series.

    Parameters
    ----------
    rng : numpy Generator
        Source of randomness.
    spine : Spine
        The stack is centered near its lumbar part, with the errors of a technician.
    view : View
        `SAGITTAL_T1` or `SAGITTAL_T2`; decides how many slices there are.
    name : str
        The series' description.
    contrast : Contrast
        Timing and field.
    shape : (int, int)
        Reconstructed rows and columns, px.
    left_first : bool
        Whether instance numbers run from the patient's left.

    Returns
    -------
    SeriesPlan
        Slices that run head to foot in rows and front to back in columns.
    """
    n = round(_quantile(rng, _SLICES[view]))
    step = float(np.clip(74 * rng.normal(1, 0.07) / n, 2.2, 6.5))
    thickness = float(min(step, rng.choice([3.0, 3.5, 4.0, 4.5, 5.0])))
    pixel = float(np.clip(rng.normal(300, 24), 240, 380)) / max(shape)
    tilt = np.deg2rad(rng.normal(0, [2.5, 1.5, 0.0]))
    axes = np.array([[0, 1, 0], [0, 0, -1], [-1, 0, 0]]) @ _rotation(*tilt).T
    middle = spine.to_patient(np.array(0.0), np.array(5.0), np.array(-18.0))
    center = middle + np.array([rng.normal(0, 2.0), rng.normal(-12, 10), rng.normal(10, 12)])
    offsets = (np.arange(n) - (n - 1) / 2) * step
    planes = _stack(center, axes, offsets if left_first else -offsets, shape, pixel)
    if left_first:
        planes = planes[::-1] if axes[2, 0] > 0 else planes
    return SeriesPlan(
        view, name, contrast, tuple(planes), shape,
        acquired=_acquired(rng, (0.62, 0.95), (0.72, 1.0), 380, shape),
        thickness=thickness, gap=step - thickness,
        phase_axis=int(rng.random() < 0.25), saturated=bool(rng.random() < 0.6),
    )  # fmt: skip


def axial_plans(rng: np.random.Generator, spine: Spine, contrast: Contrast) -> list[SeriesPlan]:
    """Draw the slices of the axial series of a study.

    Parameters
    ----------
    rng : numpy Generator
        Source of randomness.
    spine : Spine
        Slices cover its five lumbar discs.
    contrast : Contrast
        Timing and field of all of them.

    Returns
    -------
    list of SeriesPlan
        One to four series. Either stacks that are tilted along each disc, or one block of parallel slices, cut in two
        where there are several series.
    """
    n = round(_quantile(rng, _SLICES[View.AXIAL_T2]))
    thickness = float(rng.choice([3.0, 3.5, 4.0, 4.5], p=[0.2, 0.2, 0.45, 0.15]))
    step = thickness * rng.uniform(1.0, 1.2)
    size = int(rng.choice([256, 320, 384, 448, 512, 640], p=[0.15, 0.25, 0.25, 0.1, 0.2, 0.05]))
    shape = (size, size) if rng.random() > 0.08 else (size, int(size * 0.875) // 16 * 16)
    pixel = float(np.clip(rng.normal(190, 18), 150, 240)) / max(shape)
    twist = np.deg2rad(rng.normal(0, 1.5, 2))
    forward = rng.normal(-4, 6)
    discs = spine.disc_center[FIRST_LUMBAR_DISC : FIRST_LUMBAR_DISC + 5]
    stacks: list[list[SlicePlane]] = []
    if rng.random() < _STACKED:
        each = max(3, round(n / 5))
        for s in discs:
            offsets = ((each - 1) / 2 - np.arange(each)) * step + rng.normal(0, 1.2)
            tilt = float(spine.tilt(s)) + np.deg2rad(rng.normal(0, 3))
            center = spine.to_patient(np.array(0.0), np.array(forward), s)
            stacks.append(_stack(center, _axial_axes(tilt, twist), offsets, shape, pixel))
    else:
        top, bottom = (
            spine.to_patient(np.array(0.0), np.array(5.0), s) for s in (discs[0] + 12, discs[-1] - 8)
        )
        length = float(np.linalg.norm(top - bottom))
        n, tilt = max(n, round(length / 6.5)), np.deg2rad(rng.normal(6, 4))
        normal = _axial_axes(tilt, twist)[2]
        reach = float((top - bottom) @ normal)
        offsets = np.linspace(reach / 2, -reach / 2, n)
        step = reach / (n - 1)
        thickness = min(thickness, step)
        center = (top + bottom) / 2 + np.array([0, forward - 2, 0])
        stacks.append(_stack(center, _axial_axes(tilt, twist), offsets, shape, pixel))
    upwards = rng.random() < 0.15
    series = _split_into_series(rng, stacks)
    acquired = _acquired(rng, (0.6, 0.9), (0.65, 0.95), 320, shape)
    return [
        SeriesPlan(
            View.AXIAL_T2, "AX T2 TSE", contrast, tuple(planes[::-1] if upwards else planes), shape, acquired,
            thickness=thickness, gap=max(step - thickness, 0.0),
            phase_axis=int(rng.random() < 0.5), saturated=bool(rng.random() < 0.3),
        )
        for planes in series
    ]  # fmt: skip


def _split_into_series(rng: np.random.Generator, stacks: list[list[SlicePlane]]) -> list[list[SlicePlane]]:
    """Distribute stacks over one to four series; a single block is cut in two where there are several."""
    series = min(1 + int(rng.choice(4, p=_SEVERAL_AXIAL)), max(len(stacks), 2))
    if len(stacks) == 1 and series > 1:
        cut = len(stacks[0]) // 2
        stacks = [stacks[0][:cut], stacks[0][cut:]]
    groups = np.array_split(np.arange(len(stacks)), series)
    return [[plane for k in group for plane in stacks[k]] for group in groups]


def _acquired(
    rng: np.random.Generator,
    rows: tuple[float, float],
    columns: tuple[float, float],
    most: int,
    shape: tuple[int, int],
) -> tuple[float, float]:
    """Draw the acquired fractions of the matrix; large matrices are interpolated from at most `most` samples."""
    drawn = float(rng.uniform(*rows)), float(rng.uniform(*columns))
    limit = min(1.0, most / max(shape))
    return drawn[0] * limit, drawn[1] * limit


def _quantile(rng: np.random.Generator, values: tuple[int, ...]) -> float:
    """Draw from a distribution that is given by its values at `_QUANTILES`."""
    return float(np.interp(rng.random(), _QUANTILES, values))


def _rotation(z: float, y: float, x: float) -> Array:
    """Rotation matrix (3, 3) about x, then y, then z; radians."""
    cz, sz, cy, sy, cx, sx = np.cos(z), np.sin(z), np.cos(y), np.sin(y), np.cos(x), np.sin(x)
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    return about_z @ about_y @ about_x


def _stack(
    center: Array, axes: Array, offsets: Array, shape: tuple[int, int], pixel: float
) -> list[SlicePlane]:
    """Planes through `center + offset * normal`; axes are row direction, column direction, normal."""
    row, column, normal = axes
    corner = row * pixel * (shape[1] - 1) / 2 + column * pixel * (shape[0] - 1) / 2
    return [
        SlicePlane(tuple(center + offset * normal - corner), tuple(row), tuple(column), (pixel, pixel))
        for offset in offsets
    ]


def _axial_axes(tilt: float, twist: Array) -> Array:
    """Row direction, column direction and normal (3, 3) of axial slices with a disc's tilt; radians."""
    return (
        np.array([[1, 0, 0], [0, np.cos(tilt), np.sin(tilt)], [0, -np.sin(tilt), np.cos(tilt)]])
        @ _rotation(twist[0], twist[1], 0.0).T
    )
