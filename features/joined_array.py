"""An array that lies in the files of several shards, indexed as one; a file is mapped when rows of it are wanted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from lsdc.runtime.errors import ArtifactError
from lsdc.runtime.file_list import FileList
from lsdc.runtime.npy_files import open_array

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class ArrayFile:
    """The file of one shard.

    Parameters
    ----------
    listed : FileList
        The files of the shard, with their digests.
    name : str
        Path of the npy file in the shard.
    shape : tuple of int or None
        What its shape must be; None where any length is right.
    """

    listed: FileList
    name: str
    shape: Shape

    def open(self) -> np.memmap:
        """Map the file after checking its digest.

        Returns
        -------
        memmap of uint8
            Read-only.

        Raises
        ------
        ArtifactError
            When it is missing or damaged.
        """
        try:
            return open_array(self.listed.path(self.name), np.uint8, self.shape)
        except (OSError, ValueError, MemoryError) as error:
            raise self.damage(error) from error

    def damage(self, error: BaseException) -> ArtifactError:
        """Make the error for a damaged file.

        Parameters
        ----------
        error : exception
            What is wrong.

        Returns
        -------
        ArtifactError
            To be raised.
        """
        return self.listed.damage(f"{self.name}: {error}")


@dataclass(frozen=True, eq=False)
class JoinedArray:
    """The arrays of several shards, one after the other or in another order; read-only.

    It is indexed as a NumPy array is, and gives NumPy arrays: copies, of which a single row is mapped from disk.
    `numpy.asarray` reads all of it. It holds no open file, so it can be sent to other processes.

    Parameters
    ----------
    files : tuple of ArrayFile
        The file of each shard.
    lengths : tuple of int
        Number of rows in each.
    tail : tuple of int
        The shape of a row.
    order : (n,) int64, optional
        Which block, counted over all files, stands in which place; by default they stand one after the other.
    block : int
        Rows that stay together: 25 where `order` counts studies and rows are targets.
    """

    files: tuple[ArrayFile, ...]
    lengths: tuple[int, ...]
    tail: tuple[int, ...]
    order: NDArray[np.int64] | None = None
    block: int = 1

    @property
    def dtype(self) -> np.dtype[np.uint8]:
        """The type of its values."""
        return np.dtype(np.uint8)

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        return (sum(self.lengths), *self.tail)

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes that all of it takes."""
        return int(np.prod(self.shape, dtype=np.int64))

    def __len__(self) -> int:
        """Count the rows."""
        return sum(self.lengths)

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        """Give one row after the other."""
        return (self[k] for k in range(len(self)))

    def __repr__(self) -> str:
        """Name shape and number of files."""
        return f"{type(self).__name__}(shape={self.shape}, files={len(self.files)})"

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """Read all of it."""
        if copy is False:
            raise ValueError("an array in several files cannot be given without a copy")
        return np.asarray(self[:], dtype)

    def __getitem__(self, key: Any) -> NDArray[np.uint8]:
        """Read rows, or parts of rows; only the files that hold them are opened."""
        first, rest = (key[0], key[1:]) if isinstance(key, tuple) and key else (key, ())
        if first is None or first is Ellipsis or isinstance(first, tuple):
            return np.asarray(self)[key]
        if isinstance(first, int | np.integer):
            places = self._places(np.array([first], np.int64))
            return self._part(int(places[0][0]))[(int(places[1][0]), *rest)]
        if isinstance(first, slice):
            index = np.arange(len(self))[first]
            if any(isinstance(item, list | np.ndarray) for item in rest):
                return self[index][(slice(None), *rest)]
            return self._take(index, rest)
        index = np.asarray(first)
        if index.dtype == bool:
            if index.shape != (len(self),):
                raise IndexError(f"a mask of the shape {index.shape} for {len(self)} rows")
            index = np.flatnonzero(index)
        elif index.size == 0 or index.dtype.kind in "iu":  # counted from the end, a small type would overflow
            index = index.astype(np.int64)
        return self._take_at(index, rest)

    def _take_at(self, index: NDArray[Any], rest: tuple[Any, ...]) -> NDArray[np.uint8]:
        """Read at whole numbers of any shape; lists and arrays behind the first index go along with it."""
        along = [k for k, item in enumerate(rest) if isinstance(item, list | np.ndarray)]
        index, *others = np.broadcast_arrays(index, *(np.asarray(rest[k]) for k in along))
        behind = list(rest)
        for k, item in zip(along, others):
            behind[k] = item.ravel()
        taken = self._take(index.ravel(), tuple(behind))
        return taken.reshape(*index.shape, *taken.shape[1:])

    def _take(self, index: NDArray[np.int64], rest: tuple[Any, ...]) -> NDArray[np.uint8]:
        """Read m rows; arrays of `rest` have m items."""
        # An array without content has the same rules for what may be asked, and the same shape of answers.
        like = np.broadcast_to(np.zeros((), np.uint8), (1, *self.tail))[(np.zeros_like(index), *rest)]
        taken = np.empty(like.shape, np.uint8)
        part_of, local = self._places(index)
        for part in np.unique(part_of):
            chosen = np.flatnonzero(part_of == part)
            behind = [item[chosen] if isinstance(item, np.ndarray) else item for item in rest]
            taken[chosen] = self._part(int(part))[(local[chosen], *behind)]
        return taken

    def _places(self, index: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Find in which file rows lie, and where in it."""
        n = len(self)
        if index.dtype.kind not in "iu":
            raise IndexError("rows are counted in whole numbers")
        if len(index) and not (-n <= index.min() and index.max() < n):
            raise IndexError(f"there is no row {index.min() if index.min() < -n else index.max()} among {n}")
        place = np.where(index < 0, index + n, index)
        if self.order is not None:
            place = self.order[place // self.block] * self.block + place % self.block
        ends = np.cumsum(self.lengths, dtype=np.int64)
        part = np.searchsorted(ends, place, side="right").astype(np.int64)
        return part, place - (ends - self.lengths)[part]

    def _part(self, part: int) -> np.memmap:
        """Map a file anew: what was read would otherwise stay mapped and count as memory in use."""
        return self.files[part].open()
