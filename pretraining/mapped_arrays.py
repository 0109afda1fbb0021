"""Arrays that are mapped from disk, and sent to other processes as the place where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lsdc.runtime.artifact import atomic

Source = Path | NDArray[Any]
"""Where an array lies, or the array."""


def join_arrays(files: Sequence[Path], name: str, rows: int, joined: Path) -> NDArray[Any]:
    """Join an array of many files into one on disk, of which batches read what they need; it is made once.

    Parameters
    ----------
    files : sequence of Path
        npz files.
    name : str
        Of the array in each file; all have the same dtype, and the same shape but for their first axis.
    rows : int
        Length of the first axis of all together.
    joined : Path
        The npy file to write, or to use where it is there and as long.

    Returns
    -------
    (rows, ...) array
        Mapped from disk, in the order of the files; not to be written to.
    """
    if not joined.is_file() or len(np.load(joined, mmap_mode="r")) != rows:
        with np.load(files[0]) as content:
            first = content[name]
        shape = (rows, *first.shape[1:])
        if not first.size:
            return np.zeros(shape, first.dtype)  # what is empty cannot be mapped
        with atomic(joined) as temporary:
            target: Any = np.lib.format.open_memmap(temporary, "w+", first.dtype, shape)
            begin = 0
            for path in files:
                with np.load(path) as content:
                    part = content[name]
                target[begin : begin + len(part)] = part
                begin += len(part)
            target.flush()
    return np.asanyarray(np.load(joined, mmap_mode="r"))


def source_of(array: NDArray[Any]) -> Source:
    """Tell what to send to another process instead of an array.

    Parameters
    ----------
    array : array
        From `join_arrays`, or any other.

    Returns
    -------
    Path or array
        The file where it is the whole content of one, else the array itself.
    """
    if isinstance(array, np.memmap) and np.load(str(array.filename), mmap_mode="r").shape == array.shape:
        return Path(str(array.filename))
    return array


def opened(source: Source) -> NDArray[Any]:
    """Map or take what `source_of` told.

    Parameters
    ----------
    source : Path or array
        A file of `join_arrays`, or an array.

    Returns
    -------
    array
        The same values.
    """
    return np.asanyarray(np.load(source, mmap_mode="r")) if isinstance(source, Path) else source
