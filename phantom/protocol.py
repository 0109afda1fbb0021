"""How a study is acquired: which series, with which slices, matrix, contrast and habits of the vendor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lsdc.cohort.geometry import Array, SlicePlane
from lsdc.cohort.vocabulary import View
from lsdc.phantom.spine import FIRST_LUMBAR_DISC, Spine

# Quantiles (0, 5, 25, 50, 75, 95, 100 %) of the 1,975 labeled competition studies.
_QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
_SLICES = {
    View.SAGITTAL_T1: (10, 12, 15, 17, 19, 21, 38),
    View.SAGITTAL_T2: (8, 12, 15, 17, 19, 22, 29),
    View.AXIAL_T2: (15, 17, 24, 29, 44, 55, 70),
}
_SAGITTAL_MATRIX = (224, 320, 384, 448, 512, 704, 1024)
NON_SQUARE = 0.136
LEFT_FIRST = 0.3557
"""Share of sagittal T1 series whose instance numbers run from the patient's left."""
MISSING_SERIES = 0.01
"""Share of studies without a given view: more than the real 0.1 %, so that a small cohort has some."""
_SEVERAL_AXIAL = (0.830, 0.155, 0.014, 0.001)


@dataclass(frozen=True)
class Vendor:
    """Habits of a manufacturer: pixel type, intensity scale, rescale tags."""

    name: str
    peak: float
    signed: bool
    rescale: bool
    uniform: bool
    """whether coil shading is corrected"""


VENDORS = (
    Vendor("SIEMENS", 900.0, False, False, False),
    Vendor("GE MEDICAL SYSTEMS", 3200.0, True, False, True),
    Vendor("Philips", 1800.0, False, True, True),
    Vendor("TOSHIBA", 9000.0, False, False, False),
)


@dataclass(frozen=True)
class Contrast:
    """Sequence timing (ms), field (T), echo train."""

    tr: float
    te: float
    ti: float | None
    field: float
    echo_train: int


@dataclass(frozen=True)
class SeriesPlan:
    """One series to acquire.

    Parameters
    ----------
    view : View
        As the competition's table describes it.
    name : str
        The scanner's own series description.
    contrast : Contrast
        Timing.
    planes : tuple of SlicePlane
        In the order of the instance numbers; spacing of the reconstructed pixels, mm.
    shape : (int, int)
        Reconstructed rows and columns.
    acquired : (float, float)
        Acquired share of the reconstructed matrix along rows and columns.
    thickness, gap : float
        mm.
    phase_axis : int
        Image axis of the phase encoding: 0 rows, 1 columns.
    saturated : bool
        Whether a band in front of the spine is saturated.
    """

    view: View
    name: str
    contrast: Contrast
    planes: tuple[SlicePlane, ...]
    shape: tuple[int, int]
    acquired: tuple[float, float]
    thickness: float
    gap: float
    phase_axis: int
    saturated: bool


def _quantile(rng: np.random.Generator, values: tuple[int, ...]) -> float:
    return float(np.interp(rng.random(), _QUANTILES, values))


def draw_protocol(rng: np.random.Generator, spine: Spine) -> tuple[Vendor, list[SeriesPlan]]:
    """Draw the series of one study for a patient with this spine."""
    vendor = VENDORS[int(rng.choice(len(VENDORS), p=[0.4, 0.3, 0.22, 0.08]))]
    field = float(rng.choice([1.0, 1.5, 3.0], p=[0.05, 0.6, 0.35]))
    present = rng.random(3) >= MISSING_SERIES
    plans: list[SeriesPlan] = []
    square = _matrix(rng)
    if present[0]:
        contrast = Contrast(rng.uniform(430, 750), rng.uniform(7.5, 14), None, field, int(rng.integers(2, 5)))
        plans.append(
            _sagittal(rng, spine, View.SAGITTAL_T1, "SAG T1 TSE", contrast, square, rng.random() < LEFT_FIRST)
        )
    if present[1]:
        stir = rng.random() < 0.15
        te = rng.uniform(45, 75) if stir else rng.uniform(85, 120)
        ti = (150.0 if field < 2 else 200.0) if stir else None
        contrast = Contrast(rng.uniform(2600, 4800), te, ti, field, int(rng.integers(12, 24)))
        name = "SAG STIR" if stir else "SAG T2 TSE"
        plans.append(_sagittal(rng, spine, View.SAGITTAL_T2, name, contrast, square, rng.random() < 0.25))
    if present[2] or not plans:
        contrast = Contrast(
            rng.uniform(3000, 6000), rng.uniform(88, 125), None, field, int(rng.integers(12, 24))
        )
        plans.extend(_axial(rng, spine, contrast))
    return vendor, plans


def _matrix(rng: np.random.Generator) -> tuple[int, int]:
    rows = int(round(_quantile(rng, _SAGITTAL_MATRIX) / 16) * 16)
    if rng.random() >= NON_SQUARE:
        return rows, rows
    return rows, int(round(rows * rng.choice([0.75, 0.88, 1.15, 1.3]) / 16) * 16)


def _rotation(z: float, y: float, x: float) -> Array:
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


def _sagittal(
    rng: np.random.Generator,
    spine: Spine,
    view: View,
    name: str,
    contrast: Contrast,
    shape: tuple[int, int],
    left_first: bool,
) -> SeriesPlan:
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
    acquired = (float(rng.uniform(0.62, 0.95)), float(rng.uniform(0.72, 1.0)))
    limit = min(1.0, 380 / max(shape))
    acquired = (acquired[0] * limit, acquired[1] * limit)
    return SeriesPlan(
        view,
        name,
        contrast,
        tuple(planes),
        shape,
        acquired,
        thickness,
        step - thickness,
        int(rng.random() < 0.25),
        bool(rng.random() < 0.6),
    )


def _axial(rng: np.random.Generator, spine: Spine, contrast: Contrast) -> list[SeriesPlan]:
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
    if rng.random() < 0.64:
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
    parts = min(1 + int(rng.choice(4, p=_SEVERAL_AXIAL)), max(len(stacks), 2))
    if len(stacks) == 1 and parts > 1:
        cut = len(stacks[0]) // 2
        stacks = [stacks[0][:cut], stacks[0][cut:]]
    groups = np.array_split(np.arange(len(stacks)), parts)
    acquired = (float(rng.uniform(0.6, 0.9)), float(rng.uniform(0.65, 0.95)))
    limit = min(1.0, 320 / max(shape))
    acquired = (acquired[0] * limit, acquired[1] * limit)
    plans = []
    for group in groups:
        planes = [plane for k in group for plane in stacks[k]]
        planes = planes[::-1] if upwards else planes
        plans.append(
            SeriesPlan(
                View.AXIAL_T2,
                "AX T2 TSE",
                contrast,
                tuple(planes),
                shape,
                acquired,
                thickness,
                max(step - thickness, 0.0),
                int(rng.random() < 0.5),
                bool(rng.random() < 0.3),
            )
        )
    return plans


def _axial_axes(tilt: float, twist: Array) -> Array:
    return (
        np.array([[1, 0, 0], [0, np.cos(tilt), np.sin(tilt)], [0, -np.sin(tilt), np.cos(tilt)]])
        @ _rotation(twist[0], twist[1], 0.0).T
    )
