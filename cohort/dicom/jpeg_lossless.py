"""Decoding JPEG lossless (process 14), which no package under a permissive license that is always at hand decodes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.dicom.jpeg_stream import Bits, HuffmanTable, JpegError, JpegStream, magnitudes

_CHUNK_BYTES = 2**16
_MODULUS = 65536


def decode_lossless(stream: JpegStream) -> NDArray[np.uint16]:
    """Decode a lossless JPEG image.

    Differences are added modulo 2^16, as the standard has it: encoders of some scanners rely on that.

    Parameters
    ----------
    stream : JpegStream
        Of the kind `lossless`.

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
    ITU-T T.81, annex H.
    """
    table = stream.tables.get((0, stream.dc_table))
    if table is None or not 2 <= stream.precision <= 16 or not 1 <= stream.selection <= 7:
        raise JpegError("tables or parameters of the scan make no sense")
    if stream.shift >= stream.precision:
        raise JpegError("drops all bits")
    rows, columns, interval = stream.rows, stream.columns, stream.restart_interval
    if not rows or not columns or interval % columns:
        raise JpegError("restarts within a line")
    most = interval // columns or rows
    if len(stream.segments) < -(-rows // most):
        raise JpegError("segments are missing")
    first = 1 << (stream.precision - stream.shift - 1)
    result = np.empty((rows, columns), np.uint16)
    for start, segment in zip(range(0, rows, most), stream.segments):
        count = min(most, rows - start)
        differences = _differences(segment, table, count * columns).reshape(count, columns)
        differences[0, 0] += first
        result[start : start + count] = _PREDICTORS[stream.selection](differences) % _MODULUS
    mask = (1 << (stream.precision - stream.shift)) - 1
    return ((result & mask) << stream.shift).astype(np.uint16)


def _differences(segment: bytes, table: HuffmanTable, count: int) -> Bits:
    """Decode so many differences of a segment.

    Where each code ends depends on all before it; but where it would end is looked up for all bits of a chunk at
    once, so that only hopping from code to code is left to do one by one.
    """
    coded = np.frombuffer(segment + bytes(8), np.uint8).astype(np.uint32)
    sizes = table.symbols.astype(np.int64)
    steps = (table.lengths + np.where(sizes < 16, sizes, 0)).astype(np.uint8)
    places = np.empty(count, np.int64)
    done, place = 0, 0
    while done < count:
        start = place >> 3
        if start >= len(segment):
            raise JpegError("the coded image is cut short")
        part = coded[start : start + _CHUNK_BYTES + 2]
        words = part[:-2] << 16 | part[1:-1] << 8 | part[2:]
        windows = (words[:, None] >> np.arange(8, 0, -1, dtype=np.uint32)) & 0xFFFF
        hops = steps[windows.reshape(-1)].tolist()
        base, local, limit = start * 8, place - start * 8, len(hops)
        found: list[int] = []
        while local < limit and done + len(found) < count:
            found.append(local)
            local += hops[local]
        places[done : done + len(found)] = np.array(found, np.int64) + base
        done += len(found)
        place = base + local
    if place > 8 * len(segment):
        raise JpegError("the coded image is cut short")
    windows = _bits(coded, places, np.full(count, 16))
    kinds = table.symbols[windows].astype(np.int64)
    if (kinds > 16).any():
        raise JpegError("the coded image holds bits that are no code")
    extra = np.where(kinds < 16, kinds, 0)
    return magnitudes(_bits(coded, places + table.lengths[windows], extra), kinds)


def _bits(coded: NDArray[np.uint32], places: Bits, counts: Bits) -> Bits:
    """Take up to 16 bits from each of some places."""
    at = places >> 3
    words = (coded[at].astype(np.int64) << 16) | (coded[at + 1] << 8) | coded[at + 2]
    return (words >> (24 - (places & 7) - counts)) & ((1 << counts) - 1)


def _left(differences: Bits) -> Bits:
    differences[:, 0] = np.cumsum(differences[:, 0])
    return np.cumsum(differences, axis=1)


def _above(differences: Bits) -> Bits:
    differences[0] = np.cumsum(differences[0])
    return np.cumsum(differences, axis=0)


def _corner(differences: Bits) -> Bits:
    differences[0] = np.cumsum(differences[0])
    differences[:, 0] = np.cumsum(differences[:, 0])
    for row in range(1, len(differences)):
        differences[row, 1:] += differences[row - 1, :-1]
    return differences


def _plane(differences: Bits) -> Bits:
    return np.cumsum(np.cumsum(differences, axis=0), axis=1)


def _left_and_slope(differences: Bits) -> Bits:
    differences[0] = np.cumsum(differences[0]) % _MODULUS
    for row in range(1, len(differences)):
        last = differences[row - 1]
        differences[row, 0] += last[0]
        differences[row, 1:] += (last[1:] - last[:-1]) >> 1
        differences[row] = np.cumsum(differences[row]) % _MODULUS
    return differences


def _above_and_slope(differences: Bits) -> Bits:
    return _one_by_one(differences, lambda left, above, corner: above + ((left - corner) >> 1))


def _mean(differences: Bits) -> Bits:
    return _one_by_one(differences, lambda left, above, corner: (left + above) >> 1)


def _one_by_one(differences: Bits, predict: Callable[[int, int, int], int]) -> Bits:
    lines = differences.tolist()
    line = lines[0]
    line[0] %= _MODULUS
    for k in range(1, len(line)):
        line[k] = (line[k] + line[k - 1]) % _MODULUS
    for row in range(1, len(lines)):
        last, line = line, lines[row]
        left = line[0] = (line[0] + last[0]) % _MODULUS
        for k in range(1, len(line)):
            left = line[k] = (line[k] + predict(left, last[k], last[k - 1])) % _MODULUS
    return np.array(lines, np.int64)


_PREDICTORS = {
    1: _left, 2: _above, 3: _corner, 4: _plane, 5: _left_and_slope, 6: _above_and_slope, 7: _mean,
}  # fmt: skip
