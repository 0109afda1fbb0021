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
    """Let pydicom take invalid values as they are, without warnings, for the length of a `with` block.

    Yields
    ------
    None
        Within the block the settings of pydicom are changed; afterwards they are as before.
    """
    wrong_length = config.convert_wrong_length_to_UN
    with warnings.catch_warnings(), config.disable_value_validation():
        warnings.simplefilter("ignore")
        config.convert_wrong_length_to_UN = True
        try:
            yield
        finally:
            config.convert_wrong_length_to_UN = wrong_length


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
        The value as pydicom parses it; None where it is absent, empty or cannot be parsed.
    """
    try:
        found = dataset.get(name)
        return None if found is None or found == "" else found
    except Exception:  # noqa: BLE001 - pydicom parses on access, and damaged bytes fail in any way
        return None


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
        Without spaces around it, several values joined by backslashes; empty where there is none.
    """
    found = value(dataset, name)
    if isinstance(found, MultiValue):
        return "\\".join(map(str, found))
    return "" if found is None or isinstance(found, bytes) else str(found).strip().strip("\0")


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
    try:
        return [item for item in found or () if isinstance(item, Dataset)]
    except TypeError:
        return []


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
