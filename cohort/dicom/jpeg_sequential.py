"""Decoding JPEG images of 12 bits (extended, sequential), which common packages leave out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.dicom.jpeg_stream import Bits, HuffmanTable, JpegError, JpegStream

_ZIGZAG = np.array([
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21,
    28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54,
    47, 55, 62, 63,
])  # fmt: skip
"""Place in the block, row by row, of each coefficient in the order of the stream."""


def decode_sequential(stream: JpegStream) -> NDArray[np.uint16]:
    """Decode a sequential JPEG image of 8 or 12 bits.

    Parameters
    ----------
    stream : JpegStream
        Of the kind `sequential`.

    Returns
    -------
    (rows, columns) uint16
        Stored values, below 2 to the power of the stream's precision.

    Raises
    ------
    JpegError
        When the stream is damaged.

    References
    ----------
    ITU-T T.81, annexes A and F.
    """
    dc, ac = stream.tables.get((0, stream.dc_table)), stream.tables.get((1, stream.ac_table))
    steps = stream.quantization.get(stream.quantization_of_image)
    if dc is None or ac is None or steps is None or stream.precision not in (8, 12):
        raise JpegError("tables or parameters of the scan make no sense")
    high, wide = -(-stream.rows // 8), -(-stream.columns // 8)
    blocks = high * wide
    most = stream.restart_interval or blocks
    if not blocks or len(stream.segments) < -(-blocks // most):
        raise JpegError("segments are missing")
    coefficients = np.zeros((blocks, 64), np.int64)
    for start, segment in zip(range(0, blocks, most), stream.segments):
        _decode_blocks(segment, dc, ac, coefficients[start : start + most])
    spread = np.zeros((blocks, 64))
    spread[:, _ZIGZAG] = coefficients * steps
    cosines = _cosines()
    squares = cosines.T @ spread.reshape(-1, 8, 8) @ cosines
    image = squares.reshape(high, wide, 8, 8).transpose(0, 2, 1, 3).reshape(high * 8, wide * 8)
    top = (1 << stream.precision) - 1
    values = np.rint(image + (1 << (stream.precision - 1))).clip(0, top)
    return values[: stream.rows, : stream.columns].astype(np.uint16)


def _cosines() -> NDArray[np.float64]:
    """Make the orthonormal matrix of the cosine transform of eight values."""
    order, place = np.mgrid[:8, :8]
    matrix = 0.5 * np.cos((2 * place + 1) * order * np.pi / 16)
    matrix[0] /= np.sqrt(2)
    return matrix


def _decode_blocks(segment: bytes, dc: HuffmanTable, ac: HuffmanTable, blocks: Bits) -> None:
    """Decode the coefficients of some blocks, in the order of the stream, into zeros."""
    coded, end = segment + bytes(8), 8 * len(segment)
    dc_lengths, dc_symbols = dc.lengths.tolist(), dc.symbols.tolist()
    ac_lengths, ac_symbols = ac.lengths.tolist(), ac.symbols.tolist()
    place = last = 0

    def take(count: int) -> int:
        nonlocal place
        word = int.from_bytes(coded[place >> 3 : (place >> 3) + 3], "big")
        found = (word >> (24 - (place & 7) - count)) & ((1 << count) - 1)
        place += count
        return found if not count or found >> (count - 1) else found - (1 << count) + 1

    for block in blocks:
        if place >= end:
            raise JpegError("the coded image is cut short")
        word = int.from_bytes(coded[place >> 3 : (place >> 3) + 3], "big") >> (8 - (place & 7)) & 0xFFFF
        size = dc_symbols[word]
        if size > 15:
            raise JpegError("the coded image holds bits that are no code")
        place += dc_lengths[word]
        last += take(size)
        block[0] = last
        k = 1
        while k < 64:
            word = int.from_bytes(coded[place >> 3 : (place >> 3) + 3], "big") >> (8 - (place & 7)) & 0xFFFF
            symbol = ac_symbols[word]
            place += ac_lengths[word]
            size = symbol & 15
            if size == 0 and symbol != 0xF0:
                if symbol:
                    raise JpegError("the coded image holds bits that are no code")
                break
            k += symbol >> 4
            if k > 63 or place > end:
                raise JpegError("the coded image is damaged or cut short")
            if size:
                block[k] = take(size)
            k += 1
    if place > end:
        raise JpegError("the coded image is cut short")
