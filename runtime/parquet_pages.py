"""The pages of a Parquet column as their own headers speak of them: a footer may say less than they unpack to."""

from __future__ import annotations

import contextlib
from typing import BinaryIO

_HEADERS = (2**12, 2**16, 2**20)
"""Bytes that are read for a header, one after the other where it is cut short: few are longer than the first."""
_MOST_PAGES = 1_000_000
_DEEPEST = 8
_STOP, _TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(13)


def unpacked_size(stream: BinaryIO, begin: int, size: int) -> int:
    """Add the sizes that the pages of a column would unpack to.

    Parameters
    ----------
    stream : file
        The Parquet file, opened for reading bytes.
    begin, size : int
        Where the column's pages begin, and the bytes that they take.

    Returns
    -------
    int
        Bytes.

    Raises
    ------
    ValueError
        When the headers do not follow each other to the end of the column, or there are too many.
    """
    place, total, pages = begin, 0, 0
    while place < begin + size:
        pages += 1
        if pages > _MOST_PAGES:
            raise ValueError(f"a column of more than {_MOST_PAGES} pages")
        length, plain, packed = _header(stream, place, begin + size - place)
        if plain < 0 or packed < 0:
            raise ValueError("a page of negative size")
        total += plain
        place += length + packed
    if place != begin + size:
        raise ValueError("pages that do not fill their column")
    return total


def _header(stream: BinaryIO, place: int, left: int) -> tuple[int, int, int]:
    """Read the header of a page: its own length, and the page's unpacked and packed size."""
    for length in _HEADERS:
        stream.seek(place)
        header = _Header(stream.read(min(length, left)))
        with contextlib.suppress(_CutShortError):
            plain, packed = header.sizes()
            return header.place, plain, packed
    raise _CutShortError


class _CutShortError(ValueError):
    """A header goes on behind what was read."""

    def __init__(self) -> None:
        super().__init__("a page whose header is cut short")


class _Header:
    """A page's header in Thrift's compact form, of which two numbers are wanted."""

    def __init__(self, content: bytes) -> None:
        self.content, self.place = content, 0

    def sizes(self) -> tuple[int, int]:
        """Read the unpacked and the packed size; the rest is skipped."""
        found: dict[int, int] = {}
        number = 0
        while True:
            step, kind = self._field()
            if kind == _STOP:
                break
            number = number + step if step else self._signed()
            if number in (2, 3) and kind == _I32:
                found[number] = self._signed()
            else:
                self._skip(kind, 0)
        if found.keys() != {2, 3}:
            raise ValueError("a page without sizes")
        return found[2], found[3]

    def _byte(self) -> int:
        if self.place >= len(self.content):
            raise _CutShortError
        self.place += 1
        return self.content[self.place - 1]

    def _field(self) -> tuple[int, int]:
        found = self._byte()
        return found >> 4, found & 15

    def _count(self) -> int:
        found = shift = 0
        while True:
            byte = self._byte()
            found |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return found
            if shift > 63:
                raise ValueError("a page with an endless number")

    def _signed(self) -> int:
        found = self._count()
        return (found >> 1) ^ -(found & 1)

    def _skip(self, kind: int, depth: int) -> None:
        """Pass over a value; each thing passed takes a byte at least, so that this ends."""
        if depth > _DEEPEST:
            raise ValueError("a page whose header nests too deeply")
        if kind in (_BYTE, _DOUBLE):
            self.place += 1 if kind == _BYTE else 8
        elif kind in (_I16, _I32, _I64):
            self._count()
        elif kind == _BINARY:
            length = self._count()
            self.place += length
        elif kind in (_LIST, _SET):
            count, inner = self._field()
            for _ in range(self._count() if count == 15 else count):
                self._skip(_BYTE if inner in (_TRUE, _FALSE) else inner, depth + 1)
        elif kind == _STRUCT:
            while (field := self._field())[1] != _STOP:
                if not field[0]:
                    self._signed()
                self._skip(field[1], depth + 1)
        elif kind not in (_TRUE, _FALSE):
            raise ValueError("a page whose header holds something unknown")
        if self.place > len(self.content):
            raise _CutShortError
