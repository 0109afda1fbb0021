"""The images of one DICOM file, each with what its header says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.dicom.files import path_text
from lsdc.cohort.dicom.functional_groups import frame_datasets
from lsdc.cohort.dicom.headers import Header, other_modality, read_file_header, read_header
from lsdc.cohort.dicom.opening import UnreadableError, open_dataset, opening_failed
from lsdc.cohort.dicom.pixel_budget import PixelBudget
from lsdc.cohort.dicom.pixels import check_size, decode, measured
from lsdc.cohort.dicom.safe_attributes import tolerant

_LARGEST_NUMBER = 2**31


@dataclass(frozen=True)
class Frame:
    """One image of a file.

    Parameters
    ----------
    pixels : (rows, columns) float32
        Rescaled values; larger is brighter.
    header : Header
        What the file says about the image.
    instance_number : int or None
        InstanceNumber, else the number that the file's name ends with, else None; the frame's number, from 1, in a
        multi-frame file.
    source : str
        The file, with `#frame` for multi-frame files.
    """

    pixels: NDArray[np.float32]
    header: Header
    instance_number: int | None
    source: str


def read_file(path: Path, budget: PixelBudget | None = None) -> list[Frame]:
    """Read all images of a file.

    Parameters
    ----------
    path : Path
        Any file.
    budget : PixelBudget, optional
        From which the file's pixels are taken before they are decoded; by default the file's own size is the only
        limit.

    Returns
    -------
    list of Frame
        One for a usual file, in order of the frames for a multi-frame one.

    Raises
    ------
    UnreadableError
        When the file gives no image, for whatever reason; a `TooManyPixelsError` where the budget is spent.
    """
    try:
        with tolerant():
            return _read(path, budget)
    except UnreadableError:
        raise
    except Exception as error:  # whatever a hostile file can still do must cost that file only
        raise opening_failed(error) from error


def _read(path: Path, budget: PixelBudget | None) -> list[Frame]:
    dataset = open_dataset(path)
    header = read_file_header(dataset)
    if other := other_modality(header.modality):
        raise UnreadableError(f"no MR image (modality {other})", "nothing to do; it is left out")
    check_size(header)
    if budget is not None:
        budget.take(int(header.rows * header.columns * header.frames))
    stored = decode(dataset, header)
    images = [read_header(item) for item in frame_datasets(dataset, len(stored))]
    pixels = measured(stored, header, [image.rescale for image in images])
    if len(pixels) == 1:
        number = _instance_number(header.instance_number, path)
        return [Frame(pixels[0], images[0], number, path_text(path))]
    return [
        Frame(frame, image, k, f"{path_text(path)}#{k}")
        for k, (frame, image) in enumerate(zip(pixels, images), start=1)
    ]


def _instance_number(stated: float, path: Path) -> int | None:
    if abs(stated) < _LARGEST_NUMBER:
        return int(stated)
    digits = re.search(r"[0-9]+$", path.stem)
    return int(digits[0]) if digits and int(digits[0]) < _LARGEST_NUMBER else None
