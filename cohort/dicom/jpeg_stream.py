"""The parts of a JPEG stream of one gray image: its frame, tables and coded segments (ITU-T T.81, annex B)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Bits = NDArray[np.int64]
INVALID = 255
"""The symbol of bits that are no code."""
_WITHOUT_LENGTH = (0x01, *range(0xD0, 0xD9))
_FRAMES = {0xC0: "sequential", 0xC1: "sequential", 0xC3: "lossless"}
_OTHER_FRAMES = (0xC2, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7)
_END = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_RESTART = re.compile(rb"\xff+[\xd0-\xd7]")


class JpegError(ValueError):
    """A JPEG stream is damaged, or of a kind that is not decoded here."""


@dataclass(frozen=True)
class HuffmanTable:
    """The code of one table, looked up by the 16 bits that come next.

    Parameters
    ----------
    lengths : (65536,) uint8
        Bits of the code.
    symbols : (65536,) uint8
        What it means; `INVALID` where the bits begin no code.
    """

    lengths: NDArray[np.uint8]
    symbols: NDArray[np.uint8]


@dataclass
class JpegStream:
    """What a decoder needs of a stream; `read_stream` fills it.

    Parameters
    ----------
    kind : str
        `lossless` or `sequential`.
    precision : int
        Bits of a sample.
    rows, columns : int
        Size of the image.
    tables : dict of (int, int) to HuffmanTable
        By class (0 for lossless and DC, 1 for AC) and number.
    quantization : dict of int to (64,) int64
        Steps in the order of the zigzag, by number.
    quantization_of_image : int
        The number of the image's table of steps.
    restart_interval : int
        Units between restart markers; 0 for none.
    dc_table, ac_table : int
        Numbers of the tables of the scan.
    selection : int
        The scan's first parameter: the predictor of a lossless image.
    shift : int
        The scan's point transform: bits that were dropped.
    segments : list of bytes
        Coded bits between restart markers, without stuffed zeros.
    """

    kind: str = ""
    precision: int = 0
    rows: int = 0
    columns: int = 0
    tables: dict[tuple[int, int], HuffmanTable] = field(default_factory=dict)
    quantization: dict[int, Bits] = field(default_factory=dict)
    quantization_of_image: int = 0
    restart_interval: int = 0
    dc_table: int = 0
    ac_table: int = 0
    selection: int = 0
    shift: int = 0
    segments: list[bytes] = field(default_factory=list)


def read_stream(frame: bytes) -> JpegStream:
    """Take a JPEG stream apart.

    Parameters
    ----------
    frame : bytes
        From the marker SOI on.

    Returns
    -------
    JpegStream
        Its parts, to the end of the first scan.

    Raises
    ------
    JpegError
        When it is damaged, has several components, or is coded arithmetically, progressively or hierarchically.
    """
    if frame[:2] != b"\xff\xd8":
        raise JpegError("does not begin as a JPEG stream")
    stream, offset = JpegStream(), 2
    while offset + 4 <= len(frame):
        if frame[offset] != 0xFF:
            raise JpegError("a marker is missing")
        marker = frame[offset + 1]
        if marker == 0xFF or marker in _WITHOUT_LENGTH:
            offset += 1 if marker == 0xFF else 2
            continue
        length = int.from_bytes(frame[offset + 2 : offset + 4], "big")
        content = frame[offset + 4 : offset + 2 + length]
        if length < 2 or len(content) != length - 2:
            raise JpegError("a marker segment is cut short")
        offset += 2 + length
        try:
            if marker == 0xDA:
                _read_scan(stream, content)
                stream.segments = _segments(frame, offset)
                return stream
            _read_segment(stream, marker, content)
        except IndexError:
            raise JpegError("a marker segment is cut short") from None
    raise JpegError("holds no scan")


def _read_segment(stream: JpegStream, marker: int, content: bytes) -> None:
    if marker in _FRAMES:
        if stream.kind:
            raise JpegError("holds two frames")
        if content[5] != 1:
            raise JpegError(f"has {content[5]} components")
        stream.kind, stream.precision = _FRAMES[marker], content[0]
        stream.rows, stream.columns = int.from_bytes(content[1:3], "big"), int.from_bytes(content[3:5], "big")
        stream.quantization_of_image = content[8]
    elif marker in _OTHER_FRAMES:
        raise JpegError(f"is of a kind that is not decoded here (marker FF{marker:02X})")
    elif marker == 0xC4:
        while content:
            count = sum(content[1:17])
            key = content[0] >> 4, content[0] & 15
            stream.tables[key] = _huffman_table(content[1:17], content[17 : 17 + count])
            content = content[17 + count :]
    elif marker == 0xDB:
        while content:
            bytes_each = 2 if content[0] >> 4 else 1
            steps = np.frombuffer(content[1 : 1 + 64 * bytes_each], ">u2" if bytes_each == 2 else "u1")
            if len(steps) != 64:
                raise JpegError("a table of steps is cut short")
            stream.quantization[content[0] & 15] = steps.astype(np.int64)
            content = content[1 + 64 * bytes_each :]
    elif marker == 0xDD:
        stream.restart_interval = int.from_bytes(content[:2], "big")


def _read_scan(stream: JpegStream, content: bytes) -> None:
    if not stream.kind or content[0] != 1:
        raise JpegError("the scan is not that of one gray image")
    stream.dc_table, stream.ac_table = content[2] >> 4, content[2] & 15
    stream.selection, stream.shift = content[3], content[5] & 15


def _huffman_table(counts: bytes, symbols: bytes) -> HuffmanTable:
    """Spread the codes, which grow with their lengths, over all bits that begin with them (T.81, annex C)."""
    if len(counts) != 16 or len(symbols) != sum(counts):
        raise JpegError("a code table is cut short")
    lengths, meanings = np.ones(65536, np.uint8), np.full(65536, INVALID, np.uint8)
    start, used = 0, 0
    for length, count in enumerate(counts, start=1):
        for symbol in symbols[used : used + count]:
            stop = start + (1 << (16 - length))
            if stop > 65536:
                raise JpegError("a code table has too many codes")
            lengths[start:stop], meanings[start:stop] = length, symbol
            start = stop
        used += count
    return HuffmanTable(lengths, meanings)


def _segments(frame: bytes, start: int) -> list[bytes]:
    """Cut the coded bits of a scan at restart markers, and drop the zeros stuffed after bytes of ones."""
    end = _END.search(frame, start)
    coded = frame[start : end.start() if end else len(frame)].rstrip(b"\xff")
    return [part.replace(b"\xff\x00", b"\xff") for part in _RESTART.split(coded)]


def magnitudes(extra: Bits, sizes: Bits) -> Bits:
    """Turn the bits that follow a code into signed numbers (T.81, table F.1).

    Parameters
    ----------
    extra : (n,) int64
        The bits as unsigned numbers.
    sizes : (n,) int64
        How many bits there are, 0 to 15.

    Returns
    -------
    (n,) int64
        The numbers; of 16 bits, without any following, 32768.

    Examples
    --------
    >>> magnitudes(np.array([0, 0, 1, 3]), np.array([0, 2, 1, 2])).tolist()
    [0, -3, 1, 3]
    """
    low = (sizes > 0) & (extra < (1 << np.maximum(sizes - 1, 0)))
    return np.where(sizes == 16, 32768, np.where(low, extra - (1 << sizes) + 1, extra))
