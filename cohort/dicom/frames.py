"""The images of one DICOM file, each with what its header says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from lsdc.cohort.dicom.files import shown
from lsdc.cohort.dicom.headers import Header, frame_datasets, other_modality, read_header
from lsdc.cohort.dicom.pixels import UnreadableError, opening_failed, read_dataset, read_frames
from lsdc.cohort.dicom.safe_attributes import number, tolerant
from lsdc.cohort.study import Pixels

_LARGEST_NUMBER = 2**31


@dataclass(frozen=True)
class Frame:
    """One image of a file.

    Parameters
    ----------
    pixels : (rows, columns) float32
        Rescaled.
    header : Header
        What the file says of it.
    instance_number : int or None
        InstanceNumber, else the number that the file's name ends with; the frame's number, from 1, in a
        multi-frame file.
    source : str
        The file, with `#frame` for multi-frame files.
    """

    pixels: Pixels
    header: Header
    instance_number: int | None
    source: str


def read_file(path: Path) -> list[Frame]:
    """Read all images of a file.

    Raises
    ------
    UnreadableError
        When the file gives no image, for whatever reason.
    """
    try:
        with tolerant():
            return _read(path)
    except UnreadableError:
        raise
    except Exception as error:  # whatever a hostile file can still do must cost that file only
        raise UnreadableError(path, *opening_failed(error)) from error


def _read(path: Path) -> list[Frame]:
    dataset = read_dataset(path)
    if other := other_modality(dataset):
        raise UnreadableError(path, f"no MR image (modality {other})", "nothing to do; it is left out")
    pixels = read_frames(dataset, path)
    headers = [read_header(item) for item in frame_datasets(dataset, len(pixels))]
    if len(pixels) == 1:
        return [
            Frame(
                pixels[0], headers[0], _instance_number(number(dataset, "InstanceNumber"), path), shown(path)
            )
        ]
    return [
        Frame(image, header, k, f"{shown(path)}#{k}")
        for k, (image, header) in enumerate(zip(pixels, headers), start=1)
    ]


def _instance_number(said: float, path: Path) -> int | None:
    if abs(said) < _LARGEST_NUMBER:
        return int(said)
    digits = re.search(r"[0-9]+$", path.stem)
    return int(digits[0]) if digits and int(digits[0]) < _LARGEST_NUMBER else None
