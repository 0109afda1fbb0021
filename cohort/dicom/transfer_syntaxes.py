"""How the data set of a file is encoded, told before a parser reads it."""

from __future__ import annotations

from struct import Struct
from typing import BinaryIO

from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from lsdc.cohort.dicom.structure import KNOWN_TYPES, LONG_TYPES, StructureError

_LONGEST_META, _MOST_META = 2**20, 1000


def transfer_syntax(stream: BinaryIO) -> tuple[str, int]:
    """Find how the data set of a file is encoded, and where it begins.

    Parameters
    ----------
    stream : binary file
        A DICOM file, with preamble or without; its position is anywhere afterwards.

    Returns
    -------
    syntax : str
        The transfer syntax that the meta header names; where there is none, what the first element looks like.
    start : int
        Offset of the data set.

    Raises
    ------
    StructureError
        When the meta header is too large.
    """
    stream.seek(0)
    start = 132 if stream.read(132)[128:] == b"DICM" else 0
    stream.seek(start)
    syntax, count = "", 0
    explicit, implicit, length_of = Struct("<HH2sH").unpack, Struct("<HHL").unpack, Struct("<L").unpack
    for meta_group in (2, 0):  # a command set may follow the meta header
        while len(head := stream.read(8)) == 8:
            group, number, kind, length = explicit(head)
            if group != meta_group:
                break
            size = 8
            if kind in LONG_TYPES and meta_group == 2:
                length, size = length_of(stream.read(4).ljust(4, b"\0"))[0], 12
            elif not b"AA" <= kind <= b"ZZ":
                length = implicit(head)[2]
            count += 1
            if length > _LONGEST_META or count > _MOST_META:
                raise StructureError("a meta header larger than any")
            value = stream.read(length)
            if (group, number) == (2, 0x10):
                syntax = value.decode("latin-1").strip(" \0")
            start += size + length
        stream.seek(start)
    if not syntax and len(head) >= 6:
        big = int.from_bytes(head[:2], "little") >= 1024
        explicit_syntax = ExplicitVRBigEndian if big else ExplicitVRLittleEndian
        syntax = str(explicit_syntax if head[4:6] in KNOWN_TYPES else ImplicitVRLittleEndian)
    return syntax, start


def is_little_endian(syntax: str) -> bool:
    """Tell the order of bytes of a transfer syntax.

    Parameters
    ----------
    syntax : str
        Its UID.

    Returns
    -------
    bool
        True for all but one.
    """
    return syntax != ExplicitVRBigEndian


def is_deflated(syntax: str) -> bool:
    """Tell whether a transfer syntax deflates the data set.

    Parameters
    ----------
    syntax : str
        Its UID.

    Returns
    -------
    bool
        True for one; deflated frames within a data set are another matter.
    """
    return syntax == DeflatedExplicitVRLittleEndian
