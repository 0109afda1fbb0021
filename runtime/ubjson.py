"""Universal Binary JSON, as XGBoost writes it, read strictly: bounded in depth and size, and nothing is run."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

_MOST_BYTES = 512 * 2**20
_DEEPEST = 32
_NUMBERS = {"i": "i1", "U": "u1", "I": ">i2", "l": ">i4", "L": ">i8", "d": ">f4", "D": ">f8"}
_STRUCTS = {"i": ">b", "U": ">B", "I": ">h", "l": ">i", "L": ">q", "d": ">f", "D": ">d"}
_WHOLE = "iUIlL"
_CONSTANTS = {"T": True, "F": False, "Z": None}


def read_ubjson(content: bytes) -> Any:
    r"""Read one value.

    Parameters
    ----------
    content : bytes
        The whole file.

    Returns
    -------
    object
        Dictionaries, lists, str, numbers, booleans and None; an array of numbers of one type is a NumPy array.

    Raises
    ------
    ValueError
        When the bytes are not one such value, or nest too deeply.

    Examples
    --------
    >>> read_ubjson(b"{U\x01aU\x07U\x01bSU\x02hi}")
    {'a': 7, 'b': 'hi'}
    """
    if len(content) > _MOST_BYTES:
        raise ValueError("too long")
    reader = _Reader(bytes(content))
    value = reader.value(reader.mark(), 0)
    if reader.place != len(content):
        raise ValueError("bytes behind the end")
    return value


class _Reader:
    """Where reading has come to."""

    def __init__(self, content: bytes) -> None:
        self.content, self.place = content, 0

    def take(self, count: int) -> bytes:
        """Take the next bytes."""
        if not 0 <= count <= len(self.content) - self.place:
            raise ValueError("cut short")
        self.place += count
        return self.content[self.place - count : self.place]

    def mark(self) -> str:
        """Take the letter that says what comes."""
        return self.take(1).decode("latin-1")

    def peek(self) -> str:
        """Look at the next letter, which stays."""
        return self.content[self.place : self.place + 1].decode("latin-1")

    def number(self, mark: str) -> Any:
        """Read a number of a type."""
        form = _STRUCTS[mark]
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def count(self) -> int:
        """Read a length."""
        mark = self.mark()
        if mark not in _WHOLE:
            raise ValueError("a length that is no whole number")
        found = int(self.number(mark))
        # Each thing that is counted takes a byte at least.
        if not 0 <= found <= len(self.content) - self.place:
            raise ValueError("a length beyond the end")
        return found

    def text(self) -> str:
        """Read a string without its letter."""
        return self.take(self.count()).decode("utf-8")

    def value(self, mark: str, depth: int) -> Any:
        """Read a value whose letter was taken."""
        if depth > _DEEPEST:
            raise ValueError("nested too deeply")
        if mark in _STRUCTS:
            return self.number(mark)
        if mark in _CONSTANTS:
            return _CONSTANTS[mark]
        if mark in ("S", "H"):
            return self.text()
        if mark == "C":
            return self.mark()
        if mark == "[":
            return self.array(depth)
        if mark == "{":
            return self.mapping(depth)
        raise ValueError(f"the unknown type {mark!r}")

    def shape(self) -> tuple[str | None, int | None]:
        """Read the type and the number of what a container holds, where it says so."""
        kind, count = None, None
        if self.peek() == "$":
            self.take(1)
            kind = self.mark()
            if kind not in _NUMBERS:
                raise ValueError(f"arrays of the type {kind!r}")
        if self.peek() == "#":
            self.take(1)
            count = self.count()
        if kind is not None and count is None:
            raise ValueError("a type without a length")
        return kind, count

    def array(self, depth: int) -> Any:
        """Read a list, or an array of numbers."""
        kind, count = self.shape()
        if kind is not None and count is not None:
            dtype = np.dtype(_NUMBERS[kind])
            return np.frombuffer(self.take(count * dtype.itemsize), dtype).astype(dtype.newbyteorder("="))
        if count is not None:
            return [self.value(self.mark(), depth + 1) for _ in range(count)]
        found = []
        while self.peek() != "]":
            found.append(self.value(self.mark(), depth + 1))
        self.take(1)
        return found

    def mapping(self, depth: int) -> dict[str, Any]:
        """Read a dictionary."""
        kind, count = self.shape()
        if kind is not None:
            raise ValueError("a dictionary of one type")
        found: dict[str, Any] = {}
        while self.peek() != "}" if count is None else len(found) < count:
            name = self.text()
            if name in found:
                raise ValueError(f"{name!r} comes twice")
            found[name] = self.value(self.mark(), depth + 1)
        if count is None:
            self.take(1)
        return found
