"""Numbers that an export wrote in a way the standard does not allow, but whose meaning is plain."""

from __future__ import annotations

import math
import re

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from lsdc.cohort.dicom.safe_attributes import numbers, text

_UNITS = re.compile(r"\s*mm\b")
_LONGEST = 256
"""Characters of a value that are looked at; six coordinates need fewer."""


def lenient_numbers(dataset: Dataset, name: str, count: int) -> tuple[tuple[float, ...] | None, bool]:
    r"""Read an attribute that holds several numbers, also with decimal commas or as one piece of text.

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
    values : tuple of float or None
        None where the attribute is absent or its meaning is not plain.
    odd : bool
        Whether the value is written in a way that the standard does not allow.

    Examples
    --------
    >>> dataset = Dataset()
    >>> dataset.add_new("PixelSpacing", "UT", "0,5\\0,6")
    >>> lenient_numbers(dataset, "PixelSpacing", 2)
    ((0.5, 0.6), True)
    """
    found = numbers(dataset, name, count)
    if found is not None:
        return found, False
    written = _written(dataset, name)
    if not written:
        return None, False
    parts = _UNITS.sub("", written).strip(" \0[]()").split("\\")
    if len(parts) == 1 and ";" in parts[0]:
        parts = parts[0].split(";")
    elif len(parts) == 1 and count > 1 and "." in parts[0]:
        parts = parts[0].split(",")  # points are decimal, so commas stand between numbers
    try:
        values = tuple(float(part.strip().replace(",", ".")) for part in parts)
    except ValueError:
        return None, False
    if len(values) != count or not all(math.isfinite(value) and abs(value) < 1e9 for value in values):
        return None, False
    return values, True


def lenient_number(dataset: Dataset, name: str) -> float:
    """Read an attribute that holds one number, also with a decimal comma.

    Parameters
    ----------
    dataset : Dataset
        What was read of a file.
    name : str
        The attribute's keyword.

    Returns
    -------
    float
        NaN where the attribute is absent or its meaning is not plain.
    """
    found, _ = lenient_numbers(dataset, name, 1)
    return found[0] if found else math.nan


def _written(dataset: Dataset, name: str) -> str:
    """Get what the file holds for an attribute, as text; empty where there is none or too much."""
    try:
        element = dataset.get_item(Tag(name))
        content = element.value if isinstance(element, RawDataElement) else None
        if isinstance(content, bytes):
            return content.decode("ascii", "replace") if len(content) <= _LONGEST else ""
    except Exception:  # noqa: BLE001 - damaged elements fail in any way
        return ""
    return text(dataset, name)[:_LONGEST]
