"""Pixel values of one DICOM file: decoded, rescaled, and larger always brighter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.pixels import get_decoder
from pydicom.uid import UID, RLELossless

from lsdc.cohort.dicom.decoder_guard import size_of
from lsdc.cohort.dicom.frame_decoding import OWN_SYNTAXES, decode_frames
from lsdc.cohort.dicom.headers import FileHeader
from lsdc.cohort.dicom.opening import COPY_AGAIN, UnreadableError

Stored = NDArray[Any]
"""Values as a file holds them, of the type that it says."""
MAX_SIDE = 8192
"""Images whose header claims more rows or columns than this are refused."""
MAX_PIXELS = 2**27
"""Files whose header claims more pixels than this, over all frames, are refused: 512 images of 512 x 512."""
MAX_FRAMES = 2**14
"""Files whose header claims more frames than this are refused."""
LARGEST_VALUE = 1e15
"""Rescaled values are kept within plus and minus this, so that no sum or square of them overflows."""
_MOST_COMPRESSED = 4096
_PADDING_APART = 0.1
"""Padding is replaced where it lies so far outside of the other values, in units of their range: black that is called
padding is left as it is."""
_COLOR = "a color image", "nothing to do; only grayscale MR can be graded"


def decode(dataset: Dataset, header: FileHeader) -> Stored:
    """Decode the stored values of all frames of a file.

    Parameters
    ----------
    dataset : Dataset
        What was read of the file.
    header : FileHeader
        What `read_file_header` parsed of it.

    Returns
    -------
    (frames, rows, columns) array
        Stored values of the type that the file says; perhaps read-only. There may be more frames than the header
        claims.

    Raises
    ------
    UnreadableError
        When there are no pixels, they are in color, a decoder is missing, or the data are damaged.
    """
    check_size(header)
    gray = header.photometric_interpretation.upper()
    # The values of a palette are numbers of colors.
    if header.samples_per_pixel not in ("", "1") or (gray and not gray.startswith("MONOCHROME")):
        raise UnreadableError(*_COLOR)
    syntax = _decodable_syntax(header)
    if syntax.is_encapsulated and syntax != RLELossless:
        _check_frames(dataset, header)
    try:
        stored = decode_frames(dataset, header, syntax)
    except Exception as error:  # decoders fail in many ways
        reason = f"pixel data cannot be decoded from {syntax.name} ({_brief(error)})"
        raise UnreadableError(reason, COPY_AGAIN) from error
    if not 2 <= stored.ndim <= 3:
        raise UnreadableError(*_COLOR)
    return stored[None] if stored.ndim == 2 else stored


def measured(
    stored: Stored,
    header: FileHeader,
    slopes_and_intercepts: Sequence[tuple[float, float]],
) -> NDArray[np.float32]:
    """Turn stored values into those that the scanner measured, larger always brighter.

    MONOCHROME1 is inverted over the range of the stored values, so that slices of a series stay comparable. Windows
    (VOI) are left alone.

    Parameters
    ----------
    stored : (frames, rows, columns) array
        Stored values of any type.
    header : FileHeader
        What `read_file_header` parsed of the file.
    slopes_and_intercepts : sequence of (float, float)
        `Header.rescale` of each frame.

    Returns
    -------
    (frames, rows, columns) float32
        Stored values times slope plus intercept, within `LARGEST_VALUE`; values that are no number or infinite become
        the smallest of the others, and so does padding that the header states and that lies outside of them.
    """
    with np.errstate(over="ignore"):
        frames = stored.astype(np.float32)
    if header.photometric_interpretation == "MONOCHROME1":
        frames = _inverted(frames, header.bits_stored, stored.dtype)
    pairs = np.array(slopes_and_intercepts, np.float32)
    slopes, intercepts = pairs[:, 0], pairs[:, 1]
    scaled = (slopes != 1).any() or (intercepts != 0).any()
    if scaled:
        with np.errstate(over="ignore", invalid="ignore"):
            frames *= slopes[:, None, None]
            frames += intercepts[:, None, None]
    if scaled or stored.dtype.kind not in "iu" or stored.itemsize > 4:
        frames = _finite(frames)
    padded = _padded(stored, header.padding)
    if padded is not None:
        frames[padded] = frames[~padded].min()
    return frames


def _padded(stored: Stored, padding: tuple[float, float]) -> NDArray[np.bool_] | None:
    """Find the padding of a file; None where there is none, or where it may be a part of the image."""
    if math.isnan(padding[0]):
        return None
    bits = 8 * stored.itemsize
    if stored.dtype.kind in "iu":  # the header's value may have been parsed with the other sign
        first = -(2 ** (bits - 1)) if stored.dtype.kind == "i" else 0
        low, high = sorted((value - first) % 2**bits + first for value in padding)
    else:
        low, high = padding
    padded = (stored >= low) & (stored <= high)
    if not padded.any() or padded.all():
        return None
    others = stored[~padded].astype(float)
    least, most = float(others.min()), float(others.max())
    gap = max(least - float(stored[padded].max()), float(stored[padded].min()) - most)
    return padded if gap > _PADDING_APART * (most - least) else None


def check_size(header: FileHeader) -> None:
    """Refuse files that claim more pixels than they can hold, before memory is allocated for them.

    Parameters
    ----------
    header : FileHeader
        What `read_file_header` parsed of the file.

    Raises
    ------
    UnreadableError
        When its sizes make no sense or are larger than `MAX_SIDE`, `MAX_FRAMES` or `MAX_PIXELS`, or there are no
        pixel data.
    """
    rows, columns, frames, size = header.rows, header.columns, header.frames, header.pixel_bytes
    if not rows >= 1 or not columns >= 1 or not frames >= 1:
        reason = "the header does not say how many rows, columns or frames the image has"
        raise UnreadableError(reason, "remove it, or export the series again")
    if size is None:
        raise UnreadableError("holds no pixel data", "it may be cut short; copy it again")
    pixels = rows * columns * frames
    too_many = frames > MAX_FRAMES or pixels > min(MAX_PIXELS, size * _MOST_COMPRESSED)
    if max(rows, columns) > MAX_SIDE or too_many:
        reason = f"claims {frames:.0f} x {rows:.0f} x {columns:.0f} pixels, but holds {size} bytes of them"
        raise UnreadableError(reason, "its header is damaged; export the series again")


def _check_frames(dataset: Dataset, header: FileHeader) -> None:
    """Refuse compressed frames that would be decoded to another size than the header's."""
    frames = int(header.frames)
    try:
        sizes = {size_of(frame) for frame in generate_frames(dataset.PixelData, number_of_frames=frames)}
    except Exception as error:  # damaged fragments fail in any way
        raise UnreadableError(f"compressed frames cannot be found ({_brief(error)})", COPY_AGAIN) from error
    if sizes != {(header.rows, header.columns)}:
        reason = "a compressed frame is damaged, colored, or of another size than the header says"
        raise UnreadableError(reason, COPY_AGAIN)


def _decodable_syntax(header: FileHeader) -> UID:
    """Check that there is a decoder for the file's transfer syntax."""
    syntax = UID(header.transfer_syntax)
    if syntax in OWN_SYNTAXES:
        return syntax
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        name = syntax.name if syntax.is_valid else "malformed transfer syntax"
        remedy = "export the series without compression"
        raise UnreadableError(f"pixel data in an unknown encoding ({name})", remedy) from None
    if not decoder.is_available:
        # Of the plugins that pydicom names, some decode wrongly; what it can decode is installed with this package.
        raise UnreadableError(f"no decoder for {syntax.name}", "export the series without compression")
    return syntax


def _inverted(frames: NDArray[np.float32], bits_stored: float, stored: np.dtype) -> NDArray[np.float32]:
    if stored.kind == "f" or not 1 <= bits_stored <= 8 * stored.itemsize:
        return frames.max() + frames.min() - frames
    return (-1 if stored.kind == "i" else 2**bits_stored - 1) - frames


def _finite(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    if frames.min() >= -LARGEST_VALUE and frames.max() <= LARGEST_VALUE:  # not where any is no number
        return frames
    good = np.isfinite(frames)
    frames = frames.clip(-LARGEST_VALUE, LARGEST_VALUE)
    return np.where(good, frames, frames[good].min() if good.any() else 0).astype(np.float32)


def _brief(error: BaseException) -> str:
    """Quote the first words of an error, without characters that could garble a table."""
    words = "".join(letter if letter.isprintable() else " " for letter in str(error))
    words = " ".join(words.split())
    return f"{type(error).__name__}: {words[:160]}" if words else type(error).__name__
