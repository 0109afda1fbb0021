"""Reading attributes of damaged or odd DICOM data sets without exceptions or warnings."""

from __future__ import annotations

import io
import logging
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from pydicom import config
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag, Tag

from lsdc.cohort.dicom.structure import Walk, allowed_elements

_ABSURD = 1e9
_LONGEST_VALUE, _LONGEST_UNKNOWN, _LONGEST_TEXT = 2**16, 2**12, 1024
_BYTES = frozenset({"OB", "OD", "OF", "OL", "OV", "OW"})
_NUMBERS = frozenset({"US", "SS", "UL", "SL", "FL", "FD"})
_TEXTS = frozenset({"AS", "CS", "DS", "IS", "LO", "SH", "UI"})
_LONGEST_PARSED, _MOST_PARSED = 256, 4096
_UNKNOWN = object()
_parsed: dict[tuple[int, str, bytes, bool], Any] = {}
"""Values that were parsed, by tag, type, bytes, and whether the order of bytes is little-endian."""
_LOGGER = logging.getLogger("pydicom")


@contextmanager
def tolerant() -> Iterator[None]:
    """Let pydicom take invalid values as they are, without a word, for the length of a `with` block.

    Yields
    ------
    None
        Within the block the settings of pydicom are changed; afterwards they are as before.
    """
    wrong_length, silent = config.convert_wrong_length_to_UN, _LOGGER.disabled
    with warnings.catch_warnings(), config.disable_value_validation():
        warnings.simplefilter("ignore")
        config.convert_wrong_length_to_UN = _LOGGER.disabled = True
        try:
            yield
        finally:
            config.convert_wrong_length_to_UN, _LOGGER.disabled = wrong_length, silent


def value(dataset: Dataset, name: str) -> Any:
    """Read an attribute of any type.

    Parameters
    ----------
    dataset : Dataset
        What was read of a file.
    name : str
        The attribute's keyword, such as `EchoTime`, or its tag.

    Returns
    -------
    object or None
        The value as pydicom parses it; None where it is absent, empty, cannot be parsed, or is larger than such a
        value can be: 64 KiB for what is no sequence and no pixel data.
    """
    try:
        tag = _tag(name)
        element = dataset.get_item(tag)
        if isinstance(element, RawDataElement):
            # Most images of a series say the same, byte by byte: what pydicom made of it before is taken.
            key = _key(element)
            found = _UNKNOWN if key is None else _parsed.get(key, _UNKNOWN)
            if found is not _UNKNOWN:
                return found
            if not _may_be_parsed(element):
                return None
            element = dataset[tag]
        else:
            key = None
        found = element.value
        found = None if found is None or found == "" else found
        if key is not None:
            found = (
                tuple(found) if isinstance(found, MultiValue) else found
            )  # many get it, none may change it
            if len(_parsed) >= _MOST_PARSED:
                _parsed.clear()
            _parsed[key] = found
        return found
    except Exception:  # noqa: BLE001 - pydicom parses on access, and damaged bytes fail in any way
        return None


def _key(element: RawDataElement) -> tuple[int, str, bytes, bool] | None:
    """Name the bytes of an attribute where nothing else in the file decides what they mean; else None."""
    content, kind = element.value, element.VR or _stated_kind(element.tag)
    if not content or len(content) > _LONGEST_PARSED:
        return None
    if kind in _TEXTS:
        plain = content.isascii() and b"\x1b" not in content  # the same in every character set
    else:
        plain = kind in _NUMBERS
    return (int(element.tag), kind, content, element.is_little_endian) if plain else None


def _may_be_parsed(element: RawDataElement) -> bool:
    """Judge before pydicom makes objects of the bytes of an attribute whether there will be too many.

    A sequence that is damaged raises the error of its structure.
    """
    if not element.value:
        return True
    size, kind = len(element.value), element.VR
    if kind in _BYTES:
        return True
    if kind in (None, "UN"):
        kind = _usual_kind(element.tag)
        if kind in _BYTES:
            return True
    if kind == "SQ" or (kind == "" and element.value[:4] in (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")):
        walk = Walk(io.BytesIO(element.value), allowed_elements(size), element.is_little_endian)
        walk.items(element.is_implicit_VR, size)
        return True
    return size <= (_LONGEST_VALUE if kind else _LONGEST_UNKNOWN)


def text(dataset: Dataset, name: str) -> str:
    """Read an attribute as text.

    Parameters
    ----------
    dataset : Dataset
        What was read of a file.
    name : str
        The attribute's keyword.

    Returns
    -------
    str
        Without spaces around it, several values joined by backslashes, at most 1,024 characters; empty where there is
        none, or something that is no text, such as a sequence.
    """
    found = value(dataset, name)
    if found is None or isinstance(found, bytes | Sequence | Dataset):
        return ""
    try:
        words = (
            "\\".join(map(str, found))
            if isinstance(found, MultiValue | tuple)
            else str(found).strip().strip("\0")
        )
    except Exception:  # noqa: BLE001 - names in a damaged character set are decoded as late as here
        return ""
    return words[:_LONGEST_TEXT]


def items(dataset: Dataset, name: str) -> list[Dataset]:
    """Read the items of a sequence.

    Parameters
    ----------
    dataset : Dataset
        What was read of a file.
    name : str
        The sequence's keyword, or its tag.

    Returns
    -------
    list of Dataset
        Empty where the attribute is absent or no sequence.
    """
    found = value(dataset, name)
    return [item for item in found if isinstance(item, Dataset)] if isinstance(found, Sequence) else []


def numbers(dataset: Dataset, name: str, count: int) -> tuple[float, ...] | None:
    """Read an attribute that holds several numbers.

    Parameters
    ----------
    dataset : Dataset
        What was read of a file.
    name : str
        The attribute's keyword.
    count : int
        How many numbers a sound value has.

    Returns
    -------
    tuple of float or None
        None where the attribute is absent, malformed, of another length, or holds a number that is not finite or
        not below 1e9.

    Examples
    --------
    >>> dataset = Dataset()
    >>> dataset.PixelSpacing = [0.5, 0.6]
    >>> numbers(dataset, "PixelSpacing", 2), numbers(dataset, "PixelSpacing", 3)
    ((0.5, 0.6), None)
    """
    found = value(dataset, name)
    if found is None or isinstance(found, bytes | Sequence | Dataset):
        return None
    try:
        result = tuple(
            float(item) for item in (found if isinstance(found, MultiValue | list | tuple) else [found])
        )
    except Exception:  # noqa: BLE001 - whatever stands there is no number
        return None
    if len(result) != count or not all(abs(item) < _ABSURD for item in result):
        return None
    return result


def number(dataset: Dataset, name: str) -> float:
    """Read an attribute that holds one number.

    Parameters
    ----------
    dataset : Dataset
        What was read of a file.
    name : str
        The attribute's keyword.

    Returns
    -------
    float
        NaN where `numbers` gives None.
    """
    found = numbers(dataset, name, 1)
    return found[0] if found else math.nan


def positive(dataset: Dataset, name: str) -> float:
    """Read an attribute that only makes sense above zero, such as a time or a thickness.

    Parameters
    ----------
    dataset : Dataset
        What was read of a file.
    name : str
        The attribute's keyword.

    Returns
    -------
    float
        NaN where there is no number, or one that is zero or negative.
    """
    found = number(dataset, name)
    return found if found > 0 else math.nan


@lru_cache(maxsize=4096)
def _tag(name: str) -> BaseTag:
    return Tag(name)


@lru_cache(maxsize=4096)
def _usual_kind(tag: BaseTag) -> str:
    """Look up of which type an attribute usually is; empty for private ones."""
    return _stated_kind(tag).split(" ")[0]


def _stated_kind(tag: BaseTag) -> str:
    """Look up what the standard says of an attribute's type, such as `DS` or `US or SS`; empty for private ones."""
    try:
        return str(dictionary_VR(tag))
    except KeyError:
        return ""
