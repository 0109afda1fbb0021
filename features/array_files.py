"""The arrays of a store that is being written: crops, volumes and previews, each study in its place."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import TARGETS, View
from lsdc.features.store import NEIGHBORS, PREVIEWS, VIEWS
from lsdc.runtime.artifact import atomic


@dataclass(frozen=True)
class ArraySizes:
    """The sizes of a store's arrays.

    Parameters
    ----------
    crop_px : int
        Side of a crop, px.
    volume_slices, volume_px : int
        Number of slices of a small volume, and the side of each, px.
    preview_px : int
        Side of a preview, px.
    """

    crop_px: int
    volume_slices: int
    volume_px: int
    preview_px: int


@dataclass(frozen=True)
class StudyArrays:
    """What one study adds to a store's arrays.

    Parameters
    ----------
    crops : (25, 3, 3, P, P) uint8
        Crops in the order of TARGETS; view, then neighboring slice.
    volumes : mapping of View to (slices, px, px) uint8
        Small volumes; absent views may be left out.
    previews : (8, px, px) uint8
        The chosen slices.
    """

    crops: NDArray[np.uint8]
    volumes: Mapping[View, NDArray[np.uint8]]
    previews: NDArray[np.uint8]


@dataclass(frozen=True)
class ArrayFiles:
    """The array files of a store that is being written; studies do not overlap, so processes may share them.

    Parameters
    ----------
    path : Path
        The store's directory.
    n_studies : int
        Number of studies in the store.
    sizes : ArraySizes
        Sizes of crops, volumes and previews.
    """

    path: Path
    n_studies: int
    sizes: ArraySizes

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of every file, by its name in the store."""
        n, sizes = self.n_studies, self.sizes
        volume = (n, sizes.volume_slices, sizes.volume_px, sizes.volume_px)
        return {
            "crops.npy": (n * len(TARGETS), len(VIEWS), NEIGHBORS, sizes.crop_px, sizes.crop_px),
            **{f"volumes/{view.name.lower()}.npy": volume for view in VIEWS},
            "previews.npy": (n, PREVIEWS, sizes.preview_px, sizes.preview_px),
        }

    @property
    def n_bytes(self) -> int:
        """Bytes that they take."""
        return sum(int(np.prod(shape, dtype=np.int64)) for shape in self.shapes.values())

    def create(self) -> None:
        """Reserve the files, filled with zeros; those that are there already stay.

        Raises
        ------
        OSError
            When the disk is too small for them, which is known before any work.
        """
        for name, shape in self.shapes.items():
            path = self.path / name
            if path.is_file() and np.load(path, mmap_mode="r").shape == shape:
                continue
            with atomic(path) as temporary:
                open_memmap(temporary, "w+", np.uint8, shape).flush()
                _reserve(temporary)

    def write(self, study: int, arrays: StudyArrays) -> None:
        """Put the arrays of one study where they belong; `create` must have made the files.

        Parameters
        ----------
        study : int
            Index of the study in the store.
        arrays : StudyArrays
            What to write, in the sizes of the store.
        """
        n = len(TARGETS)
        self._put("crops.npy", study * n, arrays.crops)
        for view, volume in arrays.volumes.items():
            self._put(f"volumes/{view.name.lower()}.npy", study, volume)
        self._put("previews.npy", study, arrays.previews)

    def write_crops(self, crops: NDArray[np.uint8]) -> None:
        """Put the crops of all studies in place at once.

        Parameters
        ----------
        crops : (n_studies * 25, 3, 3, P, P) uint8
            In the order of the store's rows.
        """
        self._put("crops.npy", 0, crops)

    def clear(self, study: int) -> None:
        """Put zeros where the arrays of a study belong, of which a part may have been written.

        Parameters
        ----------
        study : int
            Index of the study in the store.
        """
        empty = {name: np.zeros(shape[1:], np.uint8) for name, shape in self.shapes.items()}
        crops = np.stack([empty["crops.npy"]] * len(TARGETS))
        volumes = {view: empty[f"volumes/{view.name.lower()}.npy"] for view in VIEWS}
        self.write(study, StudyArrays(crops, volumes, empty["previews.npy"]))

    def _put(self, name: str, first: int, values: NDArray[np.uint8]) -> None:
        """Overwrite a part of one file on disk, from an index on.

        Not through a mapping: where the disk turns out to be full or gone, that kills the process.
        """
        path = self.path / name
        array = np.load(path, mmap_mode="r")
        start = array.offset + first * int(np.prod(array.shape[1:]))
        with path.open("r+b") as stream:
            stream.seek(start)
            stream.write(np.ascontiguousarray(values, np.uint8).data)


def _reserve(path: Path) -> None:
    """Let the file system set aside what a file of zeros will need, where it can."""
    if not hasattr(os, "posix_fallocate"):
        return
    with path.open("r+b") as stream:
        try:
            os.posix_fallocate(stream.fileno(), 0, path.stat().st_size)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                raise OSError(error.errno, error.strerror, str(path)) from error
