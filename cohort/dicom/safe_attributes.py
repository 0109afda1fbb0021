"""Reading attributes of damaged or odd DICOM data sets without exceptions or warnings."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydicom import config
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

_ABSURD = 1e9


@contextmanager
def tolerant() -> Iterator[None]:
    """Take invalid values as they come, without warnings; pydicom's settings are put back at the end."""
    wrong_length = config.convert_wrong_length_to_UN
    with warnings.catch_warnings(), config.disable_value_validation():
        warnings.simplefilter("ignore")
        config.convert_wrong_length_to_UN = True
        try:
            yield
        finally:
            config.convert_wrong_length_to_UN = wrong_length


def value(dataset: Dataset, name: str) -> Any:
    """An attribute's value; None where it is absent, empty or cannot be parsed."""
    try:
        found = dataset.get(name)
        return None if found is None or found == "" else found
    except Exception:  # noqa: BLE001 - pydicom parses on access, and damaged bytes fail in any way
        return None


def text(dataset: Dataset, name: str) -> str:
    """An attribute as text; empty where there is none."""
    found = value(dataset, name)
    if isinstance(found, MultiValue):
        return "\\".join(map(str, found))
    return "" if found is None or isinstance(found, bytes) else str(found).strip().strip("\0")


def items(dataset: Dataset, name: str) -> list[Dataset]:
    """The items of a sequence; none where it is absent or no sequence."""
    found = value(dataset, name)
    try:
        return [item for item in found or () if isinstance(item, Dataset)]
    except TypeError:
        return []


def numbers(dataset: Dataset, name: str, count: int) -> tuple[float, ...] | None:
    """The numbers of an attribute; None where it is absent, malformed, not finite or of another length.

    >>> dataset = Dataset()
    >>> dataset.PixelSpacing = [0.5, 0.6]
    >>> numbers(dataset, "PixelSpacing", 2), numbers(dataset, "PixelSpacing", 3)
    ((0.5, 0.6), None)
    """
    found = value(dataset, name)
    if found is None or isinstance(found, bytes):
        return None
    try:
        result = tuple(float(item) for item in (found if isinstance(found, MultiValue | list) else [found]))
    except (TypeError, ValueError, ArithmeticError):
        return None
    if len(result) != count or not all(abs(item) < _ABSURD for item in result):
        return None
    return result


def number(dataset: Dataset, name: str) -> float:
    """One number, or NaN."""
    found = numbers(dataset, name, 1)
    return found[0] if found else math.nan


def positive(dataset: Dataset, name: str) -> float:
    """One positive number, or NaN."""
    found = number(dataset, name)
    return found if found > 0 else math.nan
