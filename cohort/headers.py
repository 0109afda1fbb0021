"""What the headers of DICOM files say, with documented fallbacks for what they do not say."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from lsdc.cohort.geometry import SlicePlane, orientation_view
from lsdc.cohort.vocabulary import View

HEADER_TAGS = [
    "SOPClassUID", "Modality", "StudyInstanceUID", "SeriesInstanceUID", "InstanceNumber", "SeriesDescription",
    "ImageOrientationPatient", "ImagePositionPatient", "NumberOfFrames", "Rows", "Columns",
    "RepetitionTime", "EchoTime", "InversionTime",
]  # fmt: skip
"""What discovery reads of every file."""

_ALLOWED = {
    "repetition_time_ms": "RepetitionTime",
    "echo_time_ms": "EchoTime",
    "field_strength_t": "MagneticFieldStrength",
    "slice_thickness_mm": "SliceThickness",
    "spacing_between_slices_mm": "SpacingBetweenSlices",
    "rows": "Rows",
    "columns": "Columns",
    "flip_angle_deg": "FlipAngle",
    "echo_train_length": "EchoTrainLength",
    "pixel_bandwidth_hz": "PixelBandwidth",
}
_T1_ECHO_MS, _T1_REPETITION_MS = 40.0, 1300.0
FALLBACK_SPACING = 0.6
"""mm between pixels where the header does not tell: the median of sagittal lumbar series."""
FALLBACK_THICKNESS = 4.0
"""mm between slices where the header does not tell."""


def numbers(dataset: Dataset, name: str, count: int = 1) -> tuple[float, ...] | None:
    """The finite numbers of an attribute, or None when it is absent, malformed or of another length."""
    try:
        value = dataset.get(name)
        if value is None:
            return None
        items = (
            [value]
            if isinstance(value, str | int | float) or not isinstance(value, Sequence)
            else list(value)
        )
        result = tuple(float(item) for item in items)
    except (TypeError, ValueError, ArithmeticError):
        return None
    return result if len(result) == count and all(math.isfinite(item) for item in result) else None


def positive(dataset: Dataset, name: str) -> float:
    """A positive number, or NaN."""
    value = numbers(dataset, name)
    return value[0] if value and value[0] > 0 else math.nan


def read_plane(dataset: Dataset, view: View | None = None) -> tuple[SlicePlane, frozenset[str]]:
    """Where an image lies; what is missing is replaced and flagged.

    Without orientation an axial series is taken as axial, any other as sagittal; without position the origin
    is 0 (the caller spreads such slices by their instance numbers); without spacing `FALLBACK_SPACING`.

    Returns
    -------
    plane : SlicePlane
        mm, patient space.
    flags : frozenset of str
        `no_orientation`, `no_position`, `no_pixel_spacing`.
    """
    flags = set()
    axes = _orientation(dataset)
    if axes is None:
        flags.add("no_orientation")
        axes = (
            ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
            if view is View.AXIAL_T2
            else ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0))
        )
    origin = numbers(dataset, "ImagePositionPatient", 3)
    if origin is None or max(map(abs, origin)) > 1e5:
        flags.add("no_position")
        origin = (0.0, 0.0, 0.0)
    spacing = numbers(dataset, "PixelSpacing", 2)
    if spacing is None or min(spacing) <= 0.01 or max(spacing) > 50:
        flags.add("no_pixel_spacing")
        spacing = (FALLBACK_SPACING, FALLBACK_SPACING)
    return SlicePlane(origin, axes[0], axes[1], (spacing[0], spacing[1])), frozenset(flags)


def _orientation(dataset: Dataset) -> tuple[tuple[float, float, float], tuple[float, float, float]] | None:
    values = numbers(dataset, "ImageOrientationPatient", 6)
    if values is None:
        return None
    row, column = np.array(values[:3]), np.array(values[3:])
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    if min(lengths) < 0.5 or max(lengths) > 2:
        return None
    row, column = row / lengths[0], column / lengths[1]
    if abs(row @ column) > 0.05:
        return None
    return (float(row[0]), float(row[1]), float(row[2])), (
        float(column[0]),
        float(column[1]),
        float(column[2]),
    )


def describe_view(description: str | None) -> View | None:
    """The view that a description names, of the competition or of a scanner.

    >>> describe_view("Sagittal T2/STIR"), describe_view("t2_tse_tra_msma"), describe_view("localizer")
    (<View.SAGITTAL_T2: 'Sagittal T2/STIR'>, <View.AXIAL_T2: 'Axial T2'>, None)
    """
    words = re.sub(r"[^a-z0-9]+", " ", (description or "").casefold())
    sagittal = re.search(r"\bsag", words) is not None
    axial = re.search(r"\b(ax|axial|tra|trans|transversal|transverse)\b", words) is not None
    t1 = re.search(r"\bt1w?\b", words) is not None
    t2 = re.search(r"\b(t2w?|stir|tirm)\b", words) is not None
    if sagittal == axial or t1 == t2:
        return None
    if sagittal:
        return View.SAGITTAL_T1 if t1 else View.SAGITTAL_T2
    return View.AXIAL_T2 if t2 else None


def guess_view(dataset: Dataset) -> View | None:
    """The view by orientation, echo and repetition time; None where it cannot be told."""
    axes = _orientation(dataset)
    if axes is None:
        return None
    plane = orientation_view(*axes)
    echo, repetition = positive(dataset, "EchoTime"), positive(dataset, "RepetitionTime")
    inverted = positive(dataset, "InversionTime") > 0
    if math.isnan(echo) and math.isnan(repetition):
        return None
    short_echo = not echo >= _T1_ECHO_MS
    short = short_echo and not repetition >= _T1_REPETITION_MS and not inverted
    if plane == "sagittal":
        return View.SAGITTAL_T1 if short else (View.SAGITTAL_T2 if not short_echo or inverted else None)
    return View.AXIAL_T2 if plane == "axial" and not short_echo else None


def acquisition(dataset: Dataset) -> dict[str, Any]:
    """Allowlisted acquisition values as floats, NaN where absent: no name, date, id or free text."""
    result: dict[str, Any] = {key: positive(dataset, name) for key, name in _ALLOWED.items()}
    spacing = numbers(dataset, "PixelSpacing", 2) or (math.nan, math.nan)
    result["row_spacing_mm"], result["column_spacing_mm"] = spacing
    age = re.fullmatch(r"(\d{1,3})([DWMY])", str(dataset.get("PatientAge") or "").strip())
    years = {"D": 365.25, "W": 52.18, "M": 12.0, "Y": 1.0}
    result["age_years"] = int(age[1]) / years[age[2]] if age else math.nan
    result["sex_male"] = {"M": 1.0, "F": 0.0}.get(str(dataset.get("PatientSex") or "").strip(), math.nan)
    return result
