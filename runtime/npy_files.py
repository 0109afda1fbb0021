"""Arrays in npy files, mapped from disk after a check of the header."""

from __future__ import annotations

import io
import math
import threading
import tokenize
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import DTypeLike, NDArray

_LONGEST_HEADER = 10_000
_MOST_DIMENSIONS = 8
_ONE_PARSER = threading.Lock()
"""NumPy parses headers as Python literals, at which two threads at once fail at random in Python 3.11 (gh-106905)."""
_DAMAGE = (
    ValueError, SyntaxError, tokenize.TokenError, TypeError, LookupError, RecursionError, MemoryError
)  # fmt: skip
"""What NumPy raises on a header that is no Python literal."""


def open_array(path: Path, dtype: DTypeLike, shape: tuple[int | None, ...]) -> np.memmap[Any, Any]:
    """Map an array.

    Parameters
    ----------
    path : Path
        A npy file.
    dtype : dtype
        What its values must be; plain numbers, never objects.
    shape : tuple of int or None
        What its shape must be; None where any length is right.

    Returns
    -------
    memmap
        Read-only.

    Raises
    ------
    OSError
        When the file cannot be read.
    ValueError
        When the header is damaged, says something else, or does not fit the file's size.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        found, kind, fortran, begin = _read_header(stream, size)
    if kind != np.dtype(dtype) or fortran:
        raise ValueError(f"values of the type {kind} instead of {np.dtype(dtype)}")
    if len(found) != len(shape) or any(want not in (None, n) for n, want in zip(found, shape)):
        raise ValueError(f"the shape {str(found)[:60]} instead of {shape}")
    return np.memmap(path, kind, "r", begin, found)


def read_array_bytes(content: bytes) -> NDArray[Any]:
    """Read an array from the bytes of a npy file.

    Parameters
    ----------
    content : bytes
        The whole file.

    Returns
    -------
    array
        Of numbers, or of records of numbers; read-only.

    Raises
    ------
    ValueError
        When the header is damaged, speaks of objects, or does not fit the size.
    """
    found, kind, fortran, begin = _read_header(io.BytesIO(content), len(content))
    return np.frombuffer(content, kind, offset=begin).reshape(found, order="F" if fortran else "C")


def _read_header(stream: BinaryIO, size: int) -> tuple[tuple[int, ...], np.dtype[Any], bool, int]:
    """Read shape, dtype and order, and where the values begin; they must fill the rest of so many bytes."""
    version = npy.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"an unknown version {version}")
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    try:
        with _ONE_PARSER:
            found, fortran, kind = read(stream, max_header_size=_LONGEST_HEADER)
    except _DAMAGE as error:
        raise ValueError(f"a damaged header ({type(error).__name__})") from None
    begin = stream.tell()
    if kind.hasobject or not kind.itemsize:
        raise ValueError(f"values of the type {kind}")
    counts = all(isinstance(n, int) and not isinstance(n, bool) and 0 <= n < 2**48 for n in found)
    if not counts or len(found) > _MOST_DIMENSIONS:
        raise ValueError(f"the shape {str(found)[:60]}")
    if begin + math.prod(found) * kind.itemsize != size:
        raise ValueError(f"{size} bytes, which do not fit the shape {found}")
    return found, kind, fortran, begin
