"""Pixel values of DICOM files: decoded, rescaled, bright is bright."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.pixels import pixel_array

from lsdc.runtime import Problem

MAX_PIXELS = 2**28
"""Refuse images whose header claims more pixels than this."""


class UnreadableError(Exception):
    """A file that cannot be used; holds the problem record."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.reason)
        self.problem = problem


def read_dataset(path: Path) -> Dataset:
    """Read a DICOM file with or without preamble.

    Raises
    ------
    UnreadableError
        When it is not DICOM, or damaged.
    """
    try:
        if path.stat().st_size == 0:
            raise UnreadableError(Problem(str(path), "the file is empty", "copy it again from its source"))
        try:
            dataset = dcmread(path)
        except InvalidDicomError:
            dataset = dcmread(path, force=True)
            if "Rows" not in dataset:
                raise UnreadableError(
                    Problem(str(path), "not a DICOM image", "remove it from the folder")
                ) from None
        return dataset
    except OSError as error:
        reason = f"cannot be opened ({error.strerror or error})"
        raise UnreadableError(Problem(str(path), reason, "check the permissions and the disk")) from error
    except UnreadableError:
        raise
    except Exception as error:  # a damaged file can make the parser fail in any way
        reason = f"damaged DICOM header ({type(error).__name__}: {error})"
        raise UnreadableError(Problem(str(path), reason, "copy it again from its source")) from error


def read_frames(dataset: Dataset, path: Path) -> NDArray[np.float32]:
    """Decode all frames of an image.

    Applies rescale slope and intercept (per frame in enhanced files), inverts MONOCHROME1, and leaves the
    VOI alone.

    Returns
    -------
    (frames, rows, columns) float32

    Raises
    ------
    UnreadableError
        When there are no pixels, a decoder is missing, or the data are damaged.
    """
    _check_size(dataset, path)
    if "TransferSyntaxUID" not in getattr(dataset, "file_meta", {}):
        from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

        implicit = dataset.original_encoding[0]
        dataset.file_meta = getattr(dataset, "file_meta", None) or Dataset()
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    try:
        pixels = pixel_array(dataset)
    except Exception as error:  # decoders of four libraries fail in as many ways
        raise UnreadableError(_decoding_problem(dataset, path, error)) from error
    frames = np.asarray(pixels, np.float32)
    frames = frames[None] if frames.ndim == 2 else frames
    if frames.ndim != 3:
        raise UnreadableError(Problem(str(path), "a color image", "only grayscale MR can be graded"))
    slopes, intercepts = _rescale(dataset, len(frames))
    frames = frames * slopes[:, None, None] + intercepts[:, None, None]
    if dataset.get("PhotometricInterpretation") == "MONOCHROME1":
        frames = frames.max() + frames.min() - frames
    return frames


def _check_size(dataset: Dataset, path: Path) -> None:
    try:
        rows, columns = int(dataset.get("Rows") or 0), int(dataset.get("Columns") or 0)
        frames = int(dataset.get("NumberOfFrames") or 1)
    except (TypeError, ValueError):
        rows = columns = frames = 0
    if min(rows, columns, frames) < 1 or not any(k in dataset for k in ("PixelData", "FloatPixelData")):
        raise UnreadableError(Problem(str(path), "holds no image", "remove it, or export the series again"))
    if rows * columns * frames > MAX_PIXELS:
        reason = f"claims {frames} x {rows} x {columns} pixels, more than any MR series"
        raise UnreadableError(Problem(str(path), reason, "the header is damaged; export the series again"))


def _decoding_problem(dataset: Dataset, path: Path, error: Exception) -> Problem:
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    name = getattr(syntax, "name", str(syntax))
    missing = "missing dependencies" in str(error) or "plugins are available" in str(error)
    if missing:
        remedy = (
            "install the plugin pylibjpeg-libjpeg (GPL)"
            if "JPEG" in name
            else "see the plugins of pydicom for it"
        )
        return Problem(str(path), f"no decoder for {name}", remedy)
    reason = f"pixel data cannot be decoded from {name} ({type(error).__name__}: {str(error)[:160]})"
    return Problem(str(path), reason, "the file is damaged or cut short; copy it again from its source")


def _rescale(dataset: Dataset, frames: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    from lsdc.cohort.headers import numbers

    def pair(item: Dataset) -> tuple[float, float]:
        slope, intercept = numbers(item, "RescaleSlope"), numbers(item, "RescaleIntercept")
        return (slope[0] if slope and slope[0] else 1.0), (intercept[0] if intercept else 0.0)

    pairs = [pair(dataset)] * frames
    groups = dataset.get("PerFrameFunctionalGroupsSequence")
    shared = (dataset.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    if groups is not None:
        pairs = []
        for k in range(frames):
            own = groups[k] if k < len(groups) else Dataset()
            found = own.get("PixelValueTransformationSequence") or shared.get(
                "PixelValueTransformationSequence"
            )
            pairs.append(pair(found[0]) if found else pair(dataset))
    array = np.array(pairs, np.float32)
    return array[:, 0], array[:, 1]
