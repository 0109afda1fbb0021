"""Usual uncompressed files, whose attributes are found in one pass over their bytes."""

from __future__ import annotations

from struct import Struct, error
from typing import BinaryIO

from pydicom.charset import convert_encodings, default_encoding
from pydicom.dataelem import RawDataElement, empty_value_for_VR
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.tag import BaseTag
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from lsdc.cohort.dicom.structure import KNOWN_TYPES, LONG_TYPES, names_type

_HEAD_BYTES = 2**16
"""So much of a file is read at once; a value beyond is the image, which is read by itself and not copied."""
_EXPLICIT, _IMPLICIT, _LENGTH = (Struct(form).unpack_from for form in ("<HH2sH", "<HHL", "<L"))
_TYPES = {kind: (kind.decode(), kind in LONG_TYPES) for kind in KNOWN_TYPES}
_PREAMBLE, _MARK = 128, b"DICM"
_CHARACTER_SET = 0x00080005
_CHARACTER_SETS = frozenset({"ISO_IR 6", "ISO_IR 100", "ISO_IR 192"})
_META_GROUP, _FIRST_GROUP, _LAST_GROUP = 0x0002, 0x0008, 0x7FE0

Elements = dict[BaseTag, RawDataElement]
"""Attributes by tag, none of them parsed."""


def read_plain(stream: BinaryIO, size: int, start: int, syntax: str, most: int) -> Dataset | None:
    """Read the attributes of a file as pydicom's reader does, in a fraction of its time, where nothing is odd.

    Parameters
    ----------
    stream : binary file
        The file; its position is anywhere afterwards.
    size : int
        Its bytes.
    start : int
        Where the data set begins.
    syntax : str
        The transfer syntax that the meta header names.
    most : int
        How many attributes there may be.

    Returns
    -------
    Dataset or None
        All attributes, none of them parsed. None where the file is not uncompressed in little-endian order, or is out
        of the ordinary: no preamble, attributes out of order, of an unknown type or of undefined length, a rare
        character set, an end within an attribute, too many attributes or long ones.
    """
    implicit = syntax == ImplicitVRLittleEndian
    if not implicit and syntax != ExplicitVRLittleEndian:
        return None
    stream.seek(0)
    head = stream.read(_HEAD_BYTES)
    first = head[start : start + 8]
    if head[_PREAMBLE : _PREAMBLE + 4] != _MARK or len(first) < 8 or names_type(first) == implicit:
        return None
    try:
        meta, _ = _elements(head, _PREAMBLE + 4, start, start, False, most)
        elements, end = _elements(head, start, len(head), size, implicit, most)
        stated = (
            elements[_CHARACTER_SET].value.decode("ascii").rstrip() if _CHARACTER_SET in elements else None
        )
    except (error, LookupError, ValueError, AttributeError):
        return None
    groups = {tag >> 16 for tag in elements}
    if (
        {tag >> 16 for tag in meta} != {_META_GROUP}
        or min(groups) < _FIRST_GROUP
        or max(groups) > _LAST_GROUP
    ):
        return None
    if stated is not None and stated not in _CHARACTER_SETS:
        return None
    if end > len(head):
        tag, last = elements.popitem()
        stream.seek(last.value_tell)
        elements[tag] = last._replace(value=stream.read(last.length))
    dataset = Dataset(elements)
    dataset.set_original_encoding(implicit, True, convert_encodings(stated) if stated else default_encoding)
    dataset.file_meta = FileMetaDataset(meta)
    dataset.file_meta.set_original_encoding(False, True)
    dataset.preamble = head[:_PREAMBLE]
    return dataset


def _elements(
    content: bytes, at: int, end: int, size: int, implicit: bool, most: int
) -> tuple[Elements, int]:
    """Find the attributes from a place to the end, and where the last one ends.

    The value of the last one may lie beyond the content, but not beyond the size of the file. What is odd raises a
    `ValueError`, a `LookupError` or a `struct.error`.
    """
    found: Elements = {}
    last, kind = -1, None
    while at < end:
        if implicit:
            group, number, length = _IMPLICIT(content, at)
            at += 8
        else:
            group, number, written, length = _EXPLICIT(content, at)
            kind, is_long = _TYPES[written]
            at += 8
            if is_long:
                (length,) = _LENGTH(content, at)
                at += 4
        tag, stop = BaseTag(group << 16 | number), at + length
        if tag <= last or stop > size or len(found) >= most:
            raise ValueError("attributes out of order or without end, or too many of them")
        value = content[at:stop] if length else empty_value_for_VR(kind, raw=True)
        found[tag] = RawDataElement(tag, kind, length, value, at, implicit, True)
        last, at = tag, stop
    if at != size:
        raise ValueError("something follows")
    return found, at
