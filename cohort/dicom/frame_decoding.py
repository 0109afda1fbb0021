"""Decoding the stored values of the frames of a file: by pydicom's decoders, and by our own where these are wrong."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels import pixel_array
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from lsdc.cohort.dicom.decoder_guard import check_runs
from lsdc.cohort.dicom.headers import FileHeader
from lsdc.cohort.dicom.jpeg_lossless import decode_lossless
from lsdc.cohort.dicom.jpeg_sequential import decode_sequential
from lsdc.cohort.dicom.jpeg_stream import read_stream
from lsdc.cohort.dicom.safe_attributes import number

OWN_SYNTAXES = (JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1)
"""What is decoded here: of the packages that could, one is wrong where differences wrap, others refuse 12 bits."""
_NEEDED = (
    "Rows", "Columns", "BitsAllocated", "BitsStored", "PixelRepresentation", "SamplesPerPixel",
    "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames", "PixelData", "FloatPixelData",
    "DoubleFloatPixelData", "ExtendedOffsetTable", "ExtendedOffsetTableLengths",
)  # fmt: skip
_MOST_PADDING = 4
_END_OF_IMAGE = b"\xff\xd9"


def decode_frames(dataset: Dataset, header: FileHeader, syntax: UID) -> NDArray:
    """Decode the stored values of all frames of a file.

    Parameters
    ----------
    dataset : Dataset
        What was read of the file; not changed.
    header : FileHeader
        What `read_file_header` parsed of it; its sizes are those of the frames.
    syntax : UID
        How the pixels are encoded.

    Returns
    -------
    (rows, columns) or (frames, rows, columns) array
        Stored values, of the type that the file says.

    Raises
    ------
    Exception
        Whatever a decoder raises for damaged data.
    """
    shift = _shift(dataset, header, syntax)
    if not shift:
        return _decode(dataset, header, syntax)
    raised, bits = _bare(dataset, syntax), int(header.bits_stored)
    raised.BitsStored = bits + shift
    values = _decode(raised, replace(header, bits_stored=bits + shift), syntax)
    least, most = (-(1 << bits - 1), 1 << bits - 1) if values.dtype.kind == "i" else (0, 1 << bits)
    # Where values use the bits below and need none above, HighBit is wrong.
    if (values & (1 << shift) - 1).any() and least <= values.min() and values.max() < most:
        return values
    return values >> shift


def _shift(dataset: Dataset, header: FileHeader, syntax: UID) -> int:
    """Find how many bits lie below the stored ones; compressed streams other than run lengths say so themselves."""
    high, allocated = number(dataset, "HighBit"), number(dataset, "BitsAllocated")
    if syntax.is_encapsulated and syntax != RLELossless:
        return 0
    return int(high + 1 - header.bits_stored) if 1 <= header.bits_stored <= high < allocated <= 32 else 0


def _decode(dataset: Dataset, header: FileHeader, syntax: UID) -> NDArray:
    """Decode values whose lowest bit is stored in the lowest one."""
    if syntax in OWN_SYNTAXES:
        return _decode_jpeg(dataset, header)
    if (plain := _plain_values(dataset, header, syntax)) is not None:
        return plain
    bare = _bare(dataset, syntax)
    if syntax == RLELossless:
        # The faster plugin panics at damage, so it is given only frames that were checked: an extended table of
        # offsets, which `_frames` does not read, could lead it elsewhere.
        pixels = int(header.rows * header.columns)
        sound = [check_runs(frame, pixels) for frame in _frames(dataset, header)]
        usual = number(dataset, "BitsAllocated") in (8, 16) and "ExtendedOffsetTable" not in dataset
        return pixel_array(bare, decoding_plugin="pylibjpeg" if usual and all(sound) else "pydicom")
    try:
        return pixel_array(bare)
    except Exception:
        if syntax not in (JPEGLSLossless, JPEGLSNearLossless):
            raise
        return np.stack([_decode_padded(frame, bare) for frame in _frames(dataset, header)])


def _plain_values(dataset: Dataset, header: FileHeader, syntax: UID) -> NDArray | None:
    """Take the values of a usual uncompressed file as they lie there; None where anything is out of the ordinary.

    pydicom gives the same values in several times the time, which is most of what reading a study takes.
    """
    signed = number(dataset, "PixelRepresentation")
    usual = (
        syntax in (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
        and number(dataset, "BitsAllocated") == 16 and 1 <= header.bits_stored <= 16 and signed in (0, 1)
        and header.samples_per_pixel == "1" and "PixelData" in dataset
    )  # fmt: skip
    if not usual:
        return None
    shape = int(header.frames), int(header.rows), int(header.columns)
    content = dataset.get_item("PixelData").value
    if not isinstance(content, bytes) or len(content) != 2 * math.prod(shape):
        return None
    values = np.frombuffer(content, "<i2" if signed else "<u2").reshape(shape)
    most = 2 ** (int(header.bits_stored) - signed)
    if values.max() >= most or values.min() < -most * signed:  # unused bits hold something else
        return None
    return values if len(values) > 1 else values[0]


def _bare(dataset: Dataset, syntax: UID) -> Dataset:
    """Copy what a decoder needs, so that it meets nothing else of the file."""
    bare = Dataset()
    bare.file_meta = FileMetaDataset()
    bare.file_meta.TransferSyntaxUID = syntax
    for name in _NEEDED:
        if name in dataset:
            element = dataset.get_item(name)
            bare[element.tag] = element
    bare.set_original_encoding(*dataset.original_encoding)
    return bare


def _frames(dataset: Dataset, header: FileHeader) -> list[bytes]:
    return list(generate_frames(dataset.PixelData, number_of_frames=int(header.frames)))


def _decode_jpeg(dataset: Dataset, header: FileHeader) -> NDArray:
    decoded = []
    for frame in _frames(dataset, header):
        stream = read_stream(frame)
        decoded.append(decode_lossless(stream) if stream.kind == "lossless" else decode_sequential(stream))
    values = np.stack(decoded)
    bits = int(header.bits_stored) if 1 <= header.bits_stored <= 16 else 16
    values &= (1 << bits) - 1
    if number(dataset, "PixelRepresentation") == 1:
        return (values << (16 - bits)).astype(np.uint16).view(np.int16) >> (16 - bits)
    return values


def _decode_padded(frame: bytes, bare: Dataset) -> NDArray:
    """Decode a frame of JPEG-LS whose encoder put zeros before the end, which the decoder does not take."""
    content = frame.rstrip(b"\0")
    if not content.endswith(_END_OF_IMAGE):
        content += _END_OF_IMAGE
    for padding in range(_MOST_PADDING + 1):
        one = _bare(bare, bare.file_meta.TransferSyntaxUID)
        one.PixelData = encapsulate([content[: len(content) - padding - 2] + _END_OF_IMAGE])
        one["PixelData"].is_undefined_length = True
        one.NumberOfFrames = 1
        try:
            return pixel_array(one)
        except Exception:
            if padding == _MOST_PADDING or content[-3 - padding : -2 - padding] != b"\0":
                raise
    raise AssertionError("the last try returns or raises")
