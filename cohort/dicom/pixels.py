"""Pixel values of one DICOM file: decoded, rescaled, bright is bright."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import generate_frames
from pydicom.pixels import get_decoder, pixel_array
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from lsdc.cohort.dicom.decoder_guard import size_of
from lsdc.cohort.dicom.files import looks_like_dicom, shown
from lsdc.cohort.dicom.headers import frame_datasets
from lsdc.cohort.dicom.safe_attributes import items, number, text, value
from lsdc.runtime import Problem

MAX_SIDE = 8192
"""Refuse images whose header claims more rows or columns than this."""
MAX_PIXELS = 2**28
"""Refuse files whose header claims more pixels than this, over all frames."""
MAX_BYTES = 2**31
"""Refuse files larger than this."""
_MOST_COMPRESSED = 4096
_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_COPY_AGAIN = "the file is damaged or cut short; copy it again from its source"


class UnreadableError(Exception):
    """A file that cannot be used; holds the problem record."""

    def __init__(self, path: Path, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.problem = Problem(shown(path), reason, remedy)


def opening_failed(error: Exception) -> tuple[str, str]:
    """Reason and remedy when a file could not be opened or parsed; without what the file holds."""
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be opened ({error.strerror})", "check its permissions and the disk"
    return f"damaged DICOM header ({type(error).__name__})", _COPY_AGAIN


def read_dataset(path: Path) -> Dataset:
    """Read a DICOM file with or without preamble.

    Raises
    ------
    UnreadableError
        When it is no DICOM file, too large, or its structure is damaged.
    """
    try:
        size = path.stat().st_size
        if size == 0:
            raise UnreadableError(path, "the file is empty", "copy it again from its source")
        if size > MAX_BYTES:
            raise UnreadableError(path, f"{size / 2**30:.1f} GiB, more than any MR series", "remove it")
        with path.open("rb") as stream:
            if not looks_like_dicom(stream.read(132)):
                raise UnreadableError(path, "not a DICOM file", "remove it, or copy it again from its source")
            stream.seek(0)
            return dcmread(stream, force=True)
    except UnreadableError:
        raise
    except Exception as error:  # a damaged file can make the parser fail in any way
        raise UnreadableError(path, *opening_failed(error)) from error


def read_frames(dataset: Dataset, path: Path) -> NDArray[np.float32]:
    """Decode all frames of an image.

    Applies rescale slope and intercept (per frame in enhanced files), inverts MONOCHROME1 over the range of
    the stored values (so that slices of a series stay comparable), and leaves the VOI alone. Values that are
    not finite become the smallest finite one.

    Returns
    -------
    (frames, rows, columns) float32

    Raises
    ------
    UnreadableError
        When there are no pixels, a decoder is missing, or the data are damaged.
    """
    _check_size(dataset, path)
    syntax = _transfer_syntax(dataset, path)
    if syntax.is_encapsulated and syntax != RLELossless:
        _check_frames(dataset, path)
    try:
        stored = pixel_array(dataset)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # decoders fail in many ways; panics of that for RLE are no Exception
        reason = f"pixel data cannot be decoded from {syntax.name} ({_brief(error)})"
        raise UnreadableError(path, reason, _COPY_AGAIN) from error
    if text(dataset, "SamplesPerPixel") not in ("", "1") or not 2 <= stored.ndim <= 3:
        raise UnreadableError(path, "a color image", "nothing to do; only grayscale MR can be graded")
    frames = stored.astype(np.float32)
    if text(dataset, "PhotometricInterpretation") == "MONOCHROME1":
        frames = _inverted(frames, dataset, stored.dtype)
    if frames.ndim == 2:
        frames = frames[None]
    slopes, intercepts = _rescale(dataset, len(frames))
    if (slopes != 1).any() or (intercepts != 0).any():
        frames = frames * slopes[:, None, None] + intercepts[:, None, None]
    return _finite(frames)


def _check_size(dataset: Dataset, path: Path) -> None:
    rows, columns = number(dataset, "Rows"), number(dataset, "Columns")
    frames = number(dataset, "NumberOfFrames") if text(dataset, "NumberOfFrames") else 1.0
    present = [name for name in _PIXELS if name in dataset]
    if not rows >= 1 or not columns >= 1 or not frames >= 1:
        reason = "the header does not say how many rows, columns or frames the image has"
        raise UnreadableError(path, reason, "remove it, or export the series again")
    if not present:
        raise UnreadableError(path, "holds no pixel data", "it may be cut short; copy it again")
    data = value(dataset, present[0])
    size = len(data) if isinstance(data, bytes) else 0
    pixels = rows * columns * frames
    if max(rows, columns) > MAX_SIDE or pixels > MAX_PIXELS or pixels > size * _MOST_COMPRESSED:
        reason = f"claims {frames:.0f} x {rows:.0f} x {columns:.0f} pixels, but holds {size} bytes of them"
        raise UnreadableError(path, reason, "its header is damaged; export the series again")


def _check_frames(dataset: Dataset, path: Path) -> None:
    header = number(dataset, "Rows"), number(dataset, "Columns")
    frames = int(number(dataset, "NumberOfFrames")) if text(dataset, "NumberOfFrames") else 1
    try:
        sizes = {size_of(frame) for frame in generate_frames(dataset.PixelData, number_of_frames=frames)}
    except Exception as error:  # damaged fragments fail in any way
        reason = f"compressed frames cannot be found ({_brief(error)})"
        raise UnreadableError(path, reason, _COPY_AGAIN) from error
    if sizes != {header}:
        reason = "a compressed frame is damaged, or of another size than the header says"
        raise UnreadableError(path, reason, _COPY_AGAIN)


def _transfer_syntax(dataset: Dataset, path: Path) -> UID:
    """The file's transfer syntax, completed where the file has no meta header, with a decoder for it."""
    meta = getattr(dataset, "file_meta", None)
    if meta is None or not text(meta, "TransferSyntaxUID"):
        implicit, little = dataset.original_encoding
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit
    syntax = UID(text(dataset.file_meta, "TransferSyntaxUID"))
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        name = syntax.name if syntax.is_valid else "malformed transfer syntax"
        remedy = "export the series without compression"
        raise UnreadableError(path, f"pixel data in an unknown encoding ({name})", remedy) from None
    if not decoder.is_available:
        plugins = "; or ".join(decoder.missing_dependencies)
        remedy = f"install a plugin ({plugins}), or export the series without compression"
        raise UnreadableError(path, f"no decoder for {syntax.name}", remedy)
    return syntax


def _inverted(frames: NDArray[np.float32], dataset: Dataset, dtype: np.dtype) -> NDArray[np.float32]:
    bits = number(dataset, "BitsStored")
    if dtype.kind == "f" or not 1 <= bits <= 8 * dtype.itemsize:
        return frames.max() + frames.min() - frames
    return (-1 if dtype.kind == "i" else 2**bits - 1) - frames


def _rescale(dataset: Dataset, count: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    def pair(item: Dataset) -> tuple[float, float]:
        slope, intercept = number(item, "RescaleSlope"), number(item, "RescaleIntercept")
        return (slope if abs(slope) > 0 else 1.0), (0.0 if np.isnan(intercept) else intercept)

    enhanced = items(dataset, "PerFrameFunctionalGroupsSequence")
    of_frames = frame_datasets(dataset, count) if enhanced else [dataset] * count
    pairs = np.array([pair(item) for item in of_frames], np.float32)
    return pairs[:, 0], pairs[:, 1]


def _finite(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    good = np.isfinite(frames)
    if good.all():
        return frames
    return np.where(good, frames, frames[good].min() if good.any() else 0).astype(np.float32)


def _brief(error: BaseException) -> str:
    words = "".join(letter if letter.isprintable() else " " for letter in str(error))
    words = " ".join(words.split())
    return f"{type(error).__name__}: {words[:160]}" if words else type(error).__name__
