"""What a DICOM file says, parsed once: of all its images what decoding needs, of each its place and contrast."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from lsdc.cohort.dicom.lenient_numbers import lenient_number, lenient_numbers
from lsdc.cohort.dicom.safe_attributes import items, number, positive, text, value
from lsdc.cohort.geometry import Axes, Vector

ACQUISITION_ATTRIBUTES = {
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
"""The numbers of a header that are kept in `Series.metadata`, by their name there."""
_PIXEL_DATA = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_FARTHEST_MM = 1e4
_SPACING_MM = (0.05, 10.0)
"""No MR image has a finer or coarser grid; anything else is a mistake, and would cost memory."""
_OLDEST = 90.0
_MR = ("MR", "MRI", "RM", "IRM")
"""What some exports write for MR, also in the order of Romance languages; only the first is a code of DICOM."""


@dataclass(frozen=True)
class FileHeader:
    """What decides whether and how the pixels of a file are decoded; NaN or empty where the file is silent.

    Nothing is checked here: a damaged file may claim any size.

    Parameters
    ----------
    modality : str
        Modality, such as `MR`.
    instance_number : float
        InstanceNumber.
    rows, columns, frames : float
        How many there are, as the file claims; `frames` is 1 where the file does not say.
    samples_per_pixel : str
        SamplesPerPixel; `1` or empty is grayscale.
    photometric_interpretation : str
        PhotometricInterpretation; `MONOCHROME1` means that large values are dark.
    bits_stored : float
        BitsStored: bits that carry the value of a pixel.
    padding : (float, float)
        PixelPaddingValue and PixelPaddingRangeLimit: first and last stored value of what is no part of the image; NaN
        where there is none.
    transfer_syntax : str
        UID of the encoding; where the file has no meta header, the encoding in which its attributes could be read.
    has_meta_header : bool
        Whether the file names its transfer syntax itself.
    pixel_bytes : int or None
        Length of the encoded pixel data; None where the file holds none.
    """

    modality: str
    instance_number: float
    rows: float
    columns: float
    frames: float
    samples_per_pixel: str
    photometric_interpretation: str
    bits_stored: float
    padding: tuple[float, float]
    transfer_syntax: str
    has_meta_header: bool
    pixel_bytes: int | None


@dataclass(frozen=True)
class Header:
    """What one image says about itself; None or NaN where it is silent or makes no sense.

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
    odd : bool
        Whether orientation, position, spacing or modality were written in a way that the standard does not allow.
    field_of_view_mm : float
        ReconstructionDiameter.
    acquisition : dict of str to float
        The allowlisted values of `Series.metadata`: no name, date, id or free text.
    description, protocol, body_part : str
        SeriesDescription, ProtocolName and BodyPartExamined; used to recognize what the image is, and kept nowhere.
    sequence, sequence_name, scan_options : str
        ScanningSequence, SequenceName and ScanOptions, backslash between values.
    image_type : str
        ImageType, or FrameType of one frame of several; backslash between values.
    acquisition_contrast, component : str
        AcquisitionContrast and ComplexImageComponent of enhanced images.
    contrast_agent : str
        ContrastBolusAgent.
    sop_class, burned_in : str
        SOPClassUID and BurnedInAnnotation.
    frame_of_reference : str
        FrameOfReferenceUID; positions compare where it is the same.
    series_number : str
        SeriesNumber; it tells series apart that have one UID.
    scanner_model : str
        ManufacturerModelName; used to recognize simulated patients, and kept nowhere.
    inversion_ms : float
        InversionTime.
    b_value : float
        DiffusionBValue, s/mm².
    rescale : (2,) float
        RescaleSlope and RescaleIntercept: what a stored value is multiplied by, and what is then added to it; 1 and
        0 where they are absent or make no sense.
    """

    orientation: Axes | None
    position: Vector | None
    location_mm: float
    spacing: tuple[float, float] | None
    odd: bool
    field_of_view_mm: float
    acquisition: dict[str, float]
    description: str
    protocol: str
    body_part: str
    sequence: str
    sequence_name: str
    scan_options: str
    image_type: str
    acquisition_contrast: str
    component: str
    contrast_agent: str
    sop_class: str
    burned_in: str
    frame_of_reference: str
    series_number: str
    scanner_model: str
    inversion_ms: float
    b_value: float
    rescale: tuple[float, float]


def read_file_header(dataset: Dataset) -> FileHeader:
    """Parse what a file says about all its images.

    Parameters
    ----------
    dataset : Dataset
        What was read of a file, damaged or not.

    Returns
    -------
    FileHeader
        Attributes that are absent or cannot be parsed are NaN or empty.
    """
    meta = getattr(dataset, "file_meta", None)
    syntax = "" if meta is None else text(meta, "TransferSyntaxUID")
    present = [name for name in _PIXEL_DATA if name in dataset]
    data = value(dataset, present[0]) if present else None
    return FileHeader(
        modality=text(dataset, "Modality"),
        instance_number=number(dataset, "InstanceNumber"),
        rows=number(dataset, "Rows"),
        columns=number(dataset, "Columns"),
        frames=number(dataset, "NumberOfFrames") if text(dataset, "NumberOfFrames") else 1.0,
        samples_per_pixel=text(dataset, "SamplesPerPixel"),
        photometric_interpretation=text(dataset, "PhotometricInterpretation"),
        bits_stored=number(dataset, "BitsStored"),
        padding=_padding(dataset),
        transfer_syntax=syntax or _encoding_of(dataset),
        has_meta_header=bool(syntax),
        pixel_bytes=None if not present else len(data) if isinstance(data, bytes) else 0,
    )


def read_header(dataset: Dataset) -> Header:
    """Parse what one image says about itself.

    Parameters
    ----------
    dataset : Dataset
        The attributes of one image; for an image of a multi-frame file see `frame_datasets`.

    Returns
    -------
    Header
        Attributes that are absent, cannot be parsed or make no sense are None or NaN.
    """
    position, odd_position = lenient_numbers(dataset, "ImagePositionPatient", 3)
    if position is not None and max(map(abs, position)) > _FARTHEST_MM:
        position = None
    orientation, odd_orientation = lenient_numbers(dataset, "ImageOrientationPatient", 6)
    spacing, odd_spacing = _spacing(dataset)
    if spacing is not None and not (min(spacing) > _SPACING_MM[0] and max(spacing) < _SPACING_MM[1]):
        spacing = None
    return Header(
        orientation=_axes(orientation),
        position=None if position is None else (position[0], position[1], position[2]),
        location_mm=number(dataset, "SliceLocation"),
        spacing=None if spacing is None else (spacing[0], spacing[1]),
        odd=odd_position or odd_orientation or odd_spacing or text(dataset, "Modality") not in ("", "MR"),
        field_of_view_mm=positive(dataset, "ReconstructionDiameter"),
        acquisition=_acquisition(dataset, spacing),
        description=text(dataset, "SeriesDescription"),
        protocol=text(dataset, "ProtocolName"),
        body_part=text(dataset, "BodyPartExamined"),
        sequence=text(dataset, "ScanningSequence"),
        sequence_name=text(dataset, "SequenceName"),
        scan_options=text(dataset, "ScanOptions"),
        image_type=text(dataset, "FrameType") or text(dataset, "ImageType"),
        acquisition_contrast=text(dataset, "AcquisitionContrast"),
        component=text(dataset, "ComplexImageComponent"),
        contrast_agent=_contrast_agent(dataset),
        sop_class=text(dataset, "SOPClassUID"),
        burned_in=text(dataset, "BurnedInAnnotation"),
        frame_of_reference=text(dataset, "FrameOfReferenceUID"),
        series_number=text(dataset, "SeriesNumber"),
        scanner_model=text(dataset, "ManufacturerModelName"),
        inversion_ms=_positive(lenient_number(dataset, "InversionTime")),
        b_value=number(dataset, "DiffusionBValue"),
        rescale=_rescale(dataset),
    )


def other_modality(modality: str) -> str:
    """Name the modality of what is not MR.

    Parameters
    ----------
    modality : str
        The Modality of a file, in any case.

    Returns
    -------
    str
        The modality, `unknown` where it is no code of capital letters (damaged bytes may hold a name); empty for MR
        and where the file is silent.

    Examples
    --------
    >>> other_modality("CT"), other_modality("mr"), other_modality("Doe^Jane")
    ('CT', '', 'unknown')
    """
    modality = modality.upper()
    if modality in ("", *_MR):
        return ""
    return modality if re.fullmatch("[A-Z]{2,16}", modality) else "unknown"


def _padding(dataset: Dataset) -> tuple[float, float]:
    """Read the range of padded values; a value alone is the whole range."""
    first, last = number(dataset, "PixelPaddingValue"), number(dataset, "PixelPaddingRangeLimit")
    return (first, first) if math.isnan(last) else (min(first, last), max(first, last))


def _encoding_of(dataset: Dataset) -> str:
    """Name the transfer syntax in which a file without meta header was parsed."""
    implicit, little = dataset.original_encoding
    explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
    return str(ImplicitVRLittleEndian if implicit else explicit)


def _spacing(dataset: Dataset) -> tuple[tuple[float, ...] | None, bool]:
    """Read PixelSpacing; one number alone stands for both directions, which is odd."""
    spacing, odd = lenient_numbers(dataset, "PixelSpacing", 2)
    if spacing is None:
        single, _ = lenient_numbers(dataset, "PixelSpacing", 1)
        return (None, False) if single is None else (single * 2, True)
    return spacing, odd


def _contrast_agent(dataset: Dataset) -> str:
    """Read what agent was given; an enhanced file names it in a sequence."""
    given = items(dataset, "ContrastBolusAgentSequence")
    return text(dataset, "ContrastBolusAgent") or ("given" if given else "")


def _axes(values: tuple[float, ...] | None) -> Axes | None:
    """Make the axes of an image, unless they are far from unit vectors or from perpendicular."""
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


def _vector(array: NDArray[np.float64]) -> Vector:
    return float(array[0]), float(array[1]), float(array[2])


def _rescale(dataset: Dataset) -> tuple[float, float]:
    slope, intercept = number(dataset, "RescaleSlope"), number(dataset, "RescaleIntercept")
    return (slope if abs(slope) > 0 else 1.0), (0.0 if math.isnan(intercept) else intercept)


def _acquisition(dataset: Dataset, spacing: tuple[float, ...] | None) -> dict[str, float]:
    result = {key: _positive(lenient_number(dataset, name)) for key, name in ACQUISITION_ATTRIBUTES.items()}
    result["row_spacing_mm"], result["column_spacing_mm"] = spacing or (math.nan, math.nan)
    result["age_years"] = _age(text(dataset, "PatientAge"))
    result["sex_male"] = {"M": 1.0, "F": 0.0}.get(text(dataset, "PatientSex").upper(), math.nan)
    return result


def _positive(found: float) -> float:
    return found if found > 0 else math.nan


def _age(age: str) -> float:
    """Convert an age to years; from 90 on all ages are 90, as higher ones can identify a person."""
    match = re.fullmatch(r"([0-9]{1,3})([DWMY]?)", age)
    if match is None:
        return math.nan
    years = int(match[1]) / {"D": 365.25, "W": 52.18, "M": 12.0}.get(match[2], 1.0)
    return min(years, _OLDEST)
