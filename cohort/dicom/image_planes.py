"""Giving every image of a series a plane; what its header lacks comes from its series, else from fallbacks.

- Orientation: of the nearest image that has one (`mended`); if none has, the canonical axes of the described
  plane, else of the plane across which positions run, else sagittal (`no_orientation`).
- Position: interpolated by instance number between at least two known ones (`mended`); otherwise slices lie
  side by side in the order of SliceLocation or else of instance numbers, SpacingBetweenSlices or else
  SliceThickness or else 4 mm apart, centered on the scanner's isocenter (`no_position`).
- Pixel spacing: of another image of the same size (`mended`); otherwise ReconstructionDiameter, or else 300 mm
  (sagittal) or 200 mm (axial), over the larger side (`no_pixel_spacing`).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.dicom.frames import Frame
from lsdc.cohort.dicom.headers import Header
from lsdc.cohort.geometry import CANONICAL_AXES, Axes, SlicePlane, Vector, anatomical_normal, plane_of
from lsdc.cohort.study import Slice

FALLBACK_STEP_MM = 4.0
"""Distance of slices whose header gives neither spacing nor thickness; usual in lumbar studies."""
FALLBACK_FIELD_MM = {"sagittal": 300.0, "axial": 200.0, "coronal": 300.0}
"""Larger side of an image whose header does not give pixel spacing; usual in lumbar studies."""
SAME_PLACE_MM = 0.05
"""Images closer than this along the normal lie at the same position."""
_SENSIBLE_FIELD_MM = (50.0, 1000.0)

Spacings = dict[tuple[int, int], tuple[float, float]]
"""Pixel spacing (mm between rows, mm between columns) by image shape (rows, columns)."""


@dataclass(frozen=True)
class Oriented:
    """An image whose directions are known; its position perhaps.

    Parameters
    ----------
    frame : Frame
        The image.
    axes : (row direction, column direction)
        Unit vectors, LPS.
    position : (3,) float or None
        Center of the first pixel, mm LPS.
    flags : frozenset of str
        How the axes were found: `mended`, `no_orientation`, or nothing where the header gives them.
    """

    frame: Frame
    axes: Axes
    position: Vector | None
    flags: frozenset[str] = frozenset()

    @property
    def normal(self) -> NDArray[np.float64]:
        """Unit normal (3,), LPS, towards the patient's left (sagittal), head (axial) or back (coronal); read-only."""
        return anatomical_normal(self.axes)


@dataclass(frozen=True)
class Placed:
    """An image with its plane.

    Parameters
    ----------
    slice : Slice
        Pixels and plane.
    header : Header
        What the file says about the image.
    flags : frozenset of str
        How the plane was found; see `Series.flags`.
    """

    slice: Slice
    header: Header
    flags: frozenset[str]


def orient(frames: Sequence[Frame], plane: str | None) -> list[Oriented]:
    """Give every image of a series its directions.

    Parameters
    ----------
    frames : sequence of Frame
        In the order of their instance numbers.
    plane : str or None
        `sagittal` or `axial` where a table describes the series. If no image of it lies in that plane, the
        table is trusted and the headers' orientation is not; nor are positions that run across another plane.

    Returns
    -------
    list of Oriented
        One per frame, in the same order.
    """
    axes = [frame.header.orientation for frame in frames]
    positions = [frame.header.position for frame in frames]
    if plane and not any(item and plane_of(np.cross(*item)) == plane for item in axes):
        if any(axes) and _plane_across(positions) not in (plane, None):
            positions = [None] * len(frames)
        axes = [None] * len(frames)
    known = {k: item for k, item in enumerate(axes) if item is not None}
    if not known:
        canonical = CANONICAL_AXES[plane or _plane_across(positions) or "sagittal"]
        flags = frozenset({"no_orientation"})
        return [Oriented(frame, canonical, position, flags) for frame, position in zip(frames, positions)]
    result = []
    places = sorted(known)
    for k, frame in enumerate(frames):
        after = bisect_left(places, k)
        nearest = known[min(places[max(0, after - 1) : after + 1], key=lambda other: abs(other - k))]
        flags = frozenset() if k in known else frozenset({"mended"})
        result.append(Oriented(frame, nearest, positions[k], flags))
    return result


def place(images: Sequence[Oriented], spacings: Spacings) -> list[Placed]:
    """Give images of one orientation their planes.

    Parameters
    ----------
    images : sequence of Oriented
        In the order of their instance numbers.
    spacings : dict of (int, int) to (float, float)
        Pixel spacing by image shape, for images whose header lacks it; see `known_spacings`.

    Returns
    -------
    list of Placed
        One per image, in the same order.
    """
    known = [k for k, image in enumerate(images) if image.position is not None]
    informative = _are_informative(images, known)
    measured = [_spacing(image, spacings) for image in images]
    if informative:
        origins = _interpolate(images, known)
    else:
        origins = _side_by_side(images, [spacing for spacing, _ in measured])
    result = []
    for k, (image, origin, (spacing, flag)) in enumerate(zip(images, origins, measured)):
        flags = image.flags | flag
        if not informative:
            flags |= {"no_position"}
        elif image.position is None:
            flags |= {"mended"}
        number = image.frame.instance_number
        plane = SlicePlane(origin, *image.axes, spacing)
        item = Slice(image.frame.pixels, plane, k + 1 if number is None else number, image.frame.source)
        result.append(Placed(item, image.frame.header, flags))
    return result


def known_spacings(frames: Sequence[Frame]) -> Spacings:
    """Collect the pixel spacing that headers of a series give.

    Parameters
    ----------
    frames : sequence of Frame
        All images of the series.

    Returns
    -------
    dict of (int, int) to (float, float)
        By image shape (rows, columns): mm between rows, mm between columns, of the first image that has them.
    """
    found: Spacings = {}
    for frame in frames:
        if frame.header.spacing is not None:
            found.setdefault(_shape(frame), frame.header.spacing)
    return found


def _are_informative(images: Sequence[Oriented], known: list[int]) -> bool:
    """Judge whether the known positions are enough to place all images, and not all the same."""
    if len(known) > 2:
        along = [float(images[k].normal @ np.array(images[k].position)) for k in known]
        return bool(np.ptp(along) > SAME_PLACE_MM)
    return len(known) == 2 or len(images) == len(known)


def _plane_across(positions: Sequence[Vector | None]) -> str | None:
    """Name the plane whose normal is the direction in which positions differ; None where they hardly do."""
    known = np.array([item for item in positions if item is not None])
    extent = np.ptp(known, axis=0) if len(known) > 1 else np.zeros(3)
    return plane_of(extent / np.linalg.norm(extent)) if extent.max() > 1 else None


def _spacing(image: Oriented, spacings: Spacings) -> tuple[tuple[float, float], frozenset[str]]:
    """Find the pixel spacing of an image, and the flag that says how."""
    header, shape = image.frame.header, _shape(image.frame)
    if header.spacing is not None:
        return header.spacing, frozenset()
    if shape in spacings:
        return spacings[shape], frozenset({"mended"})
    field = header.field_of_view_mm
    if not _SENSIBLE_FIELD_MM[0] < field < _SENSIBLE_FIELD_MM[1]:
        field = FALLBACK_FIELD_MM[plane_of(image.normal)]
    return (field / max(shape), field / max(shape)), frozenset({"no_pixel_spacing"})


def _interpolate(images: Sequence[Oriented], known: list[int]) -> list[Vector]:
    """Fill in missing positions by instance number: linear between known ones, a fitted line beyond them."""
    if len(known) == len(images):
        return [image.position for image in images if image.position is not None]
    numbers = [image.frame.instance_number for image in images]
    distinct = None not in numbers and len(set(numbers)) == len(numbers)
    steps = np.array(numbers if distinct else range(len(images)), float)
    positions = np.array([images[k].position for k in known])
    slope, start = np.polyfit(steps[known], positions, 1)
    inside = np.stack([np.interp(steps, steps[known], column) for column in positions.T], axis=1)
    outside = (steps < steps[known].min()) | (steps > steps[known].max())
    inside[outside] = start + steps[outside, None] * slope
    return [
        image.position if image.position is not None else (float(x), float(y), float(z))
        for image, (x, y, z) in zip(images, inside)
    ]


def _side_by_side(images: Sequence[Oriented], spacings: Sequence[tuple[float, float]]) -> list[Vector]:
    """Place slices without positions as a stack whose middle is the scanner's isocenter."""
    locations = np.array([image.frame.header.location_mm for image in images])
    if np.isfinite(locations).all() and len(np.unique(locations.round(2))) == len(images):
        along = locations - locations.mean()
    else:
        along = (np.arange(len(images)) - (len(images) - 1) / 2) * _step(images)
    origins = []
    for image, offset, spacing in zip(images, along, spacings):
        rows, columns = image.frame.pixels.shape
        right = np.array(image.axes[0]) * spacing[1] * (columns - 1) / 2
        down = np.array(image.axes[1]) * spacing[0] * (rows - 1) / 2
        x, y, z = image.normal * offset - right - down
        origins.append((float(x), float(y), float(z)))
    return origins


def _step(images: Sequence[Oriented]) -> float:
    """Choose the distance between neighboring slices without positions, mm."""
    for name in ("spacing_between_slices_mm", "slice_thickness_mm"):
        values = [image.frame.header.acquisition[name] for image in images]
        finite = [value for value in values if math.isfinite(value)]
        if finite:
            return float(np.median(finite))
    return FALLBACK_STEP_MM


def _shape(frame: Frame) -> tuple[int, int]:
    return int(frame.pixels.shape[0]), int(frame.pixels.shape[1])
