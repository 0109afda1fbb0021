"""The images of DICOM files as their headers describe them; no pixel is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.dicom.files import path_text
from lsdc.cohort.dicom.frames import Frame
from lsdc.cohort.dicom.functional_groups import frame_datasets
from lsdc.cohort.dicom.headers import ACQUISITION_ATTRIBUTES, other_modality, read_file_header, read_header
from lsdc.cohort.dicom.opening import UnreadableError, open_header, opening_failed
from lsdc.cohort.dicom.safe_attributes import text, tolerant

TAGS: list[str] = [
    "SOPClassUID", "Modality", "InstanceNumber", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation",
    "BitsStored", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceLocation",
    "ReconstructionDiameter", "SeriesDescription", "ProtocolName", "BodyPartExamined", "ScanningSequence",
    "SequenceName", "ScanOptions", "FrameType", "ImageType", "AcquisitionContrast", "ComplexImageComponent",
    "ContrastBolusAgent", "ContrastBolusAgentSequence", "BurnedInAnnotation", "FrameOfReferenceUID", "SeriesNumber",
    "InversionTime", "DiffusionBValue", "RescaleSlope", "RescaleIntercept", "PatientAge", "PatientSex",
    "EffectiveEchoTime", "InversionTimes", "EchoPulseSequence", "PerFrameFunctionalGroupsSequence",
    "SharedFunctionalGroupsSequence", "Manufacturer", "ManufacturerModelName",
    *ACQUISITION_ATTRIBUTES.values(),
]  # fmt: skip
"""What is read of each file."""
_VENDORS = (
    "Siemens",
    "GE",
    "Philips",
    "Canon",
    "Toshiba",
    "Hitachi",
    "Fujifilm",
    "United Imaging",
    "Esaote",
    "Neusoft",
)
_MOST_FRAMES, _LARGEST = 10_000, 2**14


class _Unread(np.ndarray):
    """An image of which the size is known and the pixels were not read: all zero, and without any memory."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Send the size alone to other processes."""
        return unread, self.shape


def unread(rows: int, columns: int) -> NDArray[np.float32]:
    """Make an image whose pixels are not read.

    Parameters
    ----------
    rows, columns : int
        Its size.

    Returns
    -------
    (rows, columns) float32
        Zeros that take no memory, here and when they are sent to another process.

    Examples
    --------
    >>> image = unread(512, 512)
    >>> image.shape, image.strides
    ((512, 512), (0, 0))
    """
    return np.broadcast_to(np.float32(0), (rows, columns)).view(_Unread)


def vendor_of(manufacturer: str) -> str:
    """Recognize a vendor, so that free text of headers reaches no page.

    Parameters
    ----------
    manufacturer : str
        Manufacturer, as a header holds it.

    Returns
    -------
    str
        One of a short list, `other` or `unknown`.

    Examples
    --------
    >>> vendor_of("SIEMENS Healthineers"), vendor_of("GE MEDICAL SYSTEMS"), vendor_of("Doe^Jane"), vendor_of("")
    ('Siemens', 'GE', 'other', 'unknown')
    """
    words = manufacturer.casefold()
    if not words.strip():
        return "unknown"
    return next((name for name in _VENDORS if words.startswith(name.casefold())), "other")


def read_frames(path: Path) -> tuple[list[Frame], str]:
    """Read what a file says of its images.

    Parameters
    ----------
    path : Path
        Any file.

    Returns
    -------
    list of Frame
        With pixels that were not read.
    str
        The vendor.

    Raises
    ------
    UnreadableError
        When it is no MR image, or damaged before the pixels.
    """
    try:
        with tolerant():
            return _read(path)
    except UnreadableError:
        raise
    except Exception as error:  # whatever a hostile file can still do must cost that file only
        raise opening_failed(error) from error


def _read(path: Path) -> tuple[list[Frame], str]:
    dataset = open_header(path, TAGS)
    header = read_file_header(dataset)
    if other := other_modality(header.modality):
        raise UnreadableError(f"no MR image (modality {other})", "nothing to do; it is left out")
    if not (
        0 < header.rows <= _LARGEST and 0 < header.columns <= _LARGEST and 0 < header.frames <= _MOST_FRAMES
    ):
        raise UnreadableError("a DICOM object without an image", "nothing to do; it is left out")
    count, pixels = int(header.frames), unread(int(header.rows), int(header.columns))
    images = [read_header(item) for item in frame_datasets(dataset, count)]
    number = int(header.instance_number) if abs(header.instance_number) < 2**31 else None
    frames = [
        Frame(
            pixels,
            image,
            number if count == 1 else k,
            path_text(path) if count == 1 else f"{path_text(path)}#{k}",
        )
        for k, image in enumerate(images, start=1)
    ]
    return frames, vendor_of(text(dataset, "Manufacturer"))
