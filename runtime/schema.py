"""What a value of a JSON file must be: small checks that are put together, and an error that names the place."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lsdc.runtime.archives import as_given
from lsdc.runtime.errors import ArtifactError

Check = Callable[[Any, str], None]
"""Takes a value and its place in the file, and raises a ValueError where the value is another."""

_SHOWN = 60


def check_schema(value: Any, wanted: Check, path: Path, remedy: str) -> None:
    """Refuse the content of a file that is not what it must be.

    Parameters
    ----------
    value : object
        What `read_json` gave.
    wanted : Check
        Put together from the functions of this module.
    path : Path
        The file, for the error.
    remedy : str
        What the user can do, for the error.

    Raises
    ------
    ArtifactError
        With the place in the file, what is there, and what should be.

    Examples
    --------
    >>> check_schema({"n": "x"}, record({"n": whole(0)}), Path("a.json"), "make it again")
    Traceback (most recent call last):
    ...
    lsdc.runtime.errors.ArtifactError: a.json: damaged, n is 'x' and must be a whole number from 0; make it again
    """
    try:
        wanted(value, "")
    except ValueError as error:
        raise ArtifactError(f"{as_given(path)}: damaged, {error}; {remedy}") from None


def whole(low: int = -(2**53), high: int = 2**53) -> Check:
    """Ask for a whole number.

    Parameters
    ----------
    low, high : int
        The smallest and the largest that may be.

    Returns
    -------
    Check
        For `check_schema`.
    """
    limits = f"from {low}" if high == 2**53 else f"from {low} to {high}"

    def check(value: Any, place: str) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise _wrong(value, place, f"a whole number {limits}")

    return check


def number(low: float = -math.inf, high: float = math.inf, *, finite: bool = True) -> Check:
    """Ask for a number.

    Parameters
    ----------
    low, high : float
        The smallest and the largest that may be.
    finite : bool
        Refuse NaN and infinity; where it is False, NaN may stand for what is unknown.

    Returns
    -------
    Check
        For `check_schema`.
    """

    def check(value: Any, place: str) -> None:
        right = isinstance(value, int | float) and not isinstance(value, bool)
        if right and not finite and math.isnan(value):
            return
        if not right or (finite and not math.isfinite(value)) or not low <= value <= high:
            raise _wrong(value, place, f"a number from {low:g} to {high:g}")

    return check


def text(pattern: str = r"[^\x00-\x1f\x7f\ud800-\udfff]*", most: int = 4096) -> Check:
    """Ask for a string.

    Parameters
    ----------
    pattern : str
        Regular expression of the whole string; by default anything but control characters.
    most : int
        Largest number of characters.

    Returns
    -------
    Check
        For `check_schema`.
    """
    known = re.compile(pattern)

    def check(value: Any, place: str) -> None:
        if not isinstance(value, str) or len(value) > most or not known.fullmatch(value):
            raise _wrong(value, place, "another text")

    return check


def flag() -> Check:
    """Ask for true or false.

    Returns
    -------
    Check
        For `check_schema`.
    """

    def check(value: Any, place: str) -> None:
        if not isinstance(value, bool):
            raise _wrong(value, place, "true or false")

    return check


def optional(wanted: Check) -> Check:
    """Ask for a value or null.

    Parameters
    ----------
    wanted : Check
        What the value must be.

    Returns
    -------
    Check
        For `check_schema`.
    """

    def check(value: Any, place: str) -> None:
        if value is not None:
            wanted(value, place)

    return check


def list_of(item: Check, least: int = 0, most: int = 1_000_000) -> Check:
    """Ask for a list.

    Parameters
    ----------
    item : Check
        What each of its items must be.
    least, most : int
        The smallest and the largest number of items.

    Returns
    -------
    Check
        For `check_schema`.
    """

    def check(value: Any, place: str) -> None:
        if not isinstance(value, list) or not least <= len(value) <= most:
            raise _wrong(value, place, f"a list of {least} to {most} items")
        for k, one in enumerate(value):
            item(one, f"{place}[{k}]")

    return check


def mapping_of(item: Check, name: Check | None = None, most: int = 1_000_000) -> Check:
    """Ask for an object whose values are alike.

    Parameters
    ----------
    item : Check
        What each value must be.
    name : Check, optional
        What each name must be; by default `text()`.
    most : int
        Largest number of values.

    Returns
    -------
    Check
        For `check_schema`.
    """
    named = name or text()

    def check(value: Any, place: str) -> None:
        if not isinstance(value, dict) or len(value) > most:
            raise _wrong(value, place, f"an object of at most {most} values")
        for key, one in value.items():
            named(key, f"a name in {place or 'it'}")
            item(one, _below(place, key))

    return check


def record(required: Mapping[str, Check], possible: Mapping[str, Check] | None = None) -> Check:
    """Ask for an object with certain fields; others may be there, and nothing reads them.

    Parameters
    ----------
    required : mapping of str to Check
        Fields that must be there.
    possible : mapping of str to Check, optional
        Fields that are checked where they are there.

    Returns
    -------
    Check
        For `check_schema`.
    """

    def check(value: Any, place: str) -> None:
        if not isinstance(value, dict):
            raise _wrong(value, place, "an object")
        for key, wanted in required.items():
            if key not in value:
                raise ValueError(f"{_below(place, key)} is missing")
            wanted(value[key], _below(place, key))
        for key, wanted in (possible or {}).items():
            if key in value:
                wanted(value[key], _below(place, key))

    return check


def _below(place: str, name: str) -> str:
    """Name a place by the names on the way to it."""
    shown = name if name.isprintable() and len(name) <= _SHOWN else ascii(name)[:_SHOWN]
    return f"{place}.{shown}" if place else shown


def _wrong(value: Any, place: str, wanted: str) -> ValueError:
    """Say what is there and what should be, in bounded length."""
    found = type(value).__name__ if isinstance(value, dict | list) else ascii(value)
    found = found if len(found) <= _SHOWN else f"{found[:_SHOWN]}…"
    return ValueError(f"{place or 'it'} is {found} and must be {wanted}")
