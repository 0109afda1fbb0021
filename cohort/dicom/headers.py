"""What the header of one image says about its place, its contrast and how it was acquired."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset

from lsdc.cohort.dicom.safe_attributes import items, number, numbers, positive, text, value

Vector = tuple[float, float, float]
Axes = tuple[Vector, Vector]

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
_OLDEST = 90.0
_OF_ALL_FRAMES = (
    "Rows", "Columns", "SeriesDescription", "PatientAge", "PatientSex", "MagneticFieldStrength", "ImageType",
    "ScanningSequence", "EchoPulseSequence", "RescaleSlope", "RescaleIntercept",
)  # fmt: skip
_PLANE = ("ImageOrientationPatient", "PixelSpacing", "ReconstructionDiameter")
_ENHANCED_NAMES = {
    "EffectiveEchoTime": "EchoTime",
    "InversionTimes": "InversionTime",
    "EchoPulseSequence": "ScanningSequence",
}


@dataclass(frozen=True)
class Header:
    """What one image says of itself; None or NaN where it is silent or makes no sense.

    Parameters
    ----------
    orientation : (row direction, column direction) or None
        Unit vectors, LPS.
    position : (3,) float or None
        Center of the first pixel, mm LPS.
    location_mm : float
        SliceLocation: where on an axis of the scanner's choice.
    spacing : (2,) float or None
        mm between rows, mm between columns.
    field_of_view_mm : float
        ReconstructionDiameter.
    acquisition : dict of str to float
        The allowlisted values of `Series.metadata`: no name, date, id or free text.
    description : str
        SeriesDescription; used to recognize the view and kept nowhere.
    sequence, image_type : str
        ScanningSequence and ImageType, backslash between values.
    inversion_ms : float
        InversionTime.
    """

    orientation: Axes | None
    position: Vector | None
    location_mm: float
    spacing: tuple[float, float] | None
    field_of_view_mm: float
    acquisition: dict[str, float]
    description: str
    sequence: str
    image_type: str
    inversion_ms: float


def read_header(dataset: Dataset) -> Header:
    """Read what one image says of itself."""
    position = numbers(dataset, "ImagePositionPatient", 3)
    if position is not None and max(map(abs, position)) > 1e4:
        position = None
    spacing = numbers(dataset, "PixelSpacing", 2)
    if spacing is not None and not (min(spacing) > 0.01 and max(spacing) < 50):
        spacing = None
    return Header(
        orientation=_orientation(dataset),
        position=None if position is None else (position[0], position[1], position[2]),
        location_mm=number(dataset, "SliceLocation"),
        spacing=None if spacing is None else (spacing[0], spacing[1]),
        field_of_view_mm=positive(dataset, "ReconstructionDiameter"),
        acquisition=_acquisition(dataset, spacing),
        description=text(dataset, "SeriesDescription"),
        sequence=text(dataset, "ScanningSequence"),
        image_type=text(dataset, "ImageType"),
        inversion_ms=positive(dataset, "InversionTime"),
    )


def other_modality(dataset: Dataset) -> str:
    """The modality of what is not MR; empty for MR, and where the header does not tell."""
    modality = text(dataset, "Modality")
    if modality in ("", "MR"):
        return ""
    return modality if re.fullmatch("[A-Z]{2,16}", modality) else "unknown"


def frame_datasets(dataset: Dataset, count: int) -> list[Dataset]:
    """One flat data set per frame of an enhanced file, from its shared and per-frame functional groups.

    A file without functional groups describes all its frames alike; of several frames only the first then has
    a position.
    """
    groups = items(dataset, "PerFrameFunctionalGroupsSequence")
    shared = items(dataset, "SharedFunctionalGroupsSequence")[:1]
    if not groups and not shared:
        rest = [_picked(dataset, (*_OF_ALL_FRAMES, *_ALLOWED.values(), *_PLANE))] if count > 1 else []
        return [dataset] + rest * (count - 1)
    return [_flat(dataset, [*shared, *groups[k : k + 1]]) for k in range(count)]


def _flat(dataset: Dataset, groups: list[Dataset]) -> Dataset:
    flat = _picked(dataset, _OF_ALL_FRAMES)
    for group in groups:
        for tag in list(group.keys()):
            for macro in items(group, tag)[:1]:
                flat.update(macro)
    for enhanced, name in _ENHANCED_NAMES.items():
        found = value(flat, enhanced)
        if name not in flat and found is not None and not isinstance(found, bytes):
            setattr(flat, name, found)
    return flat


def _picked(dataset: Dataset, names: tuple[str, ...]) -> Dataset:
    flat = Dataset()
    for name in names:
        if name in dataset:
            element = dataset.get_item(name)
            flat[element.tag] = element
    return flat


def _orientation(dataset: Dataset) -> Axes | None:
    values = numbers(dataset, "ImageOrientationPatient", 6)
    if values is None:
        return None
    row, column = np.array(values[:3]), np.array(values[3:])
    lengths = float(np.linalg.norm(row)), float(np.linalg.norm(column))
    if min(lengths) < 0.5 or max(lengths) > 2:
        return None
    row, column = row / lengths[0], column / lengths[1]
    if abs(row @ column) > 0.05:
        return None
    return _vector(row), _vector(column)


def _vector(array: np.ndarray) -> Vector:
    return float(array[0]), float(array[1]), float(array[2])


def _acquisition(dataset: Dataset, spacing: tuple[float, ...] | None) -> dict[str, float]:
    result = {key: positive(dataset, name) for key, name in _ALLOWED.items()}
    result["row_spacing_mm"], result["column_spacing_mm"] = spacing or (math.nan, math.nan)
    result["age_years"] = _age(text(dataset, "PatientAge"))
    result["sex_male"] = {"M": 1.0, "F": 0.0}.get(text(dataset, "PatientSex").upper(), math.nan)
    return result


def _age(age: str) -> float:
    """Years; from 90 on all ages are 90, as higher ones can identify a person."""
    match = re.fullmatch(r"([0-9]{1,3})([DWMY]?)", age)
    if match is None:
        return math.nan
    years = int(match[1]) / {"D": 365.25, "W": 52.18, "M": 12.0}.get(match[2], 1.0)
    return min(years, _OLDEST)
