"""Crops, volumes and previews of a feature store, read study by study when they are needed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import TARGETS
from lsdc.features.joined_array import JoinedArray
from lsdc.features.store import VIEWS
from lsdc.features.store_shards import StoreFiles
from lsdc.models.targets import GRADED_VIEW
from lsdc.runtime import ArtifactError
from lsdc.runtime.npy_files import open_array

if TYPE_CHECKING:
    from torch import Tensor

LOCATION_COLUMNS = (
    "volume_slice", "volume_x", "volume_y", "preview", "preview_x", "preview_y", "left_mm", "head_mm",
)  # fmt: skip
"""Columns of the store's rows that say where a target lies in the volumes, in the previews and in the patient."""
_ABSENT_IS_MINUS_ONE = ("volume_slice", "preview")
_DIMENSIONS = {"crops.npy": 5}


@dataclass(frozen=True)
class StoreArrays:
    """Crops, volumes and previews of some of a store's studies; they stay on disk until they are asked for.

    Parameters
    ----------
    folder : Path
        The store's folder, with `crops.npy`, `previews.npy` and `volumes/<view>.npy`.
    studies : (n,) int64
        Indices of the studies in the store. The methods count studies within this selection.
    files : StoreFiles, optional
        The arrays of an opened store, also of one in several shards; digests are checked before a file is first read.
        Without it the folder's own files are read unchecked.
    """

    folder: Path
    studies: NDArray[np.int64]
    files: StoreFiles | None = None

    def select(self, chosen: NDArray[np.int64]) -> Self:
        """Restrict the arrays to some of the studies; nothing is read.

        Parameters
        ----------
        chosen : (b,) int64
            Indices within this selection.

        Returns
        -------
        StoreArrays
            The same folder with b studies, in the given order.
        """
        return type(self)(self.folder, self.studies[chosen], self.files)

    def crops(self, chosen: NDArray[np.int64], graded_view_only: bool = False) -> NDArray[np.uint8]:
        """Read the crops around every target of some studies.

        Parameters
        ----------
        chosen : (b,) int64
            Indices within this selection.
        graded_view_only : bool
            Read only the view in which each target is graded, a third of the bytes.

        Returns
        -------
        (b, 25, views, 3, P, P) uint8
            Three neighboring slices of each view, P px wide; 0 where a view is absent. There are three views, or one
            with `graded_view_only`. Crops of right-sided targets are mirrored, so that they look like left ones.
        """
        array, n = self._open("crops.npy"), len(TARGETS)
        rows = (self.studies[chosen][:, None] * n + np.arange(n)).ravel()
        if graded_view_only:
            taken = array[rows, np.tile(GRADED_VIEW, len(chosen))][:, None]
        else:
            taken = array[rows]
        return taken.reshape(len(chosen), n, *taken.shape[1:])

    def volumes(self, chosen: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Read the small volumes of some studies.

        Parameters
        ----------
        chosen : (b,) int64
            Indices within this selection.

        Returns
        -------
        (b, views, slices, px, px) uint8
            Views in the order of `lsdc.features.store.VIEWS`; 0 where a view is absent.
        """
        names = [f"volumes/{view.name.lower()}.npy" for view in VIEWS]
        return np.stack([self._open(name)[self.studies[chosen]] for name in names], axis=1)

    def previews(self, chosen: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Read the slices that were selected for the targets of some studies.

        Parameters
        ----------
        chosen : (b,) int64
            Indices within this selection.

        Returns
        -------
        (b, 8, px, px) uint8
            The slice of the canal, those of the left and the right foramina, and the axial ones of the five levels;
            0 where absent.
        """
        return self._open("previews.npy")[self.studies[chosen]]

    def fingerprint(self) -> str:
        """Hash which studies of which arrays these are; the arrays' content is not read.

        Returns
        -------
        str
            SHA-256 in hexadecimal, of the studies' indices and the shapes of the arrays.
        """
        found = hashlib.sha256(self.studies.tobytes())
        for name in ("crops.npy", "previews.npy"):
            found.update(str(self._open(name).shape).encode())
        return found.hexdigest()

    def _open(self, name: str) -> np.memmap | JoinedArray:
        """Map an array anew for every batch: what was read would otherwise stay mapped and count as memory in use."""
        if self.files is not None:
            return self.files.open(name)
        path = self.folder / name
        try:
            return open_array(path, np.uint8, (None,) * _DIMENSIONS.get(name, 4))
        except (OSError, ValueError) as error:
            raise ArtifactError(f"{path}: damaged array ({error}); extract the store again") from error


def read_locations(
    rows: pd.DataFrame, chosen: NDArray[np.int64], columns: Sequence[str] = LOCATION_COLUMNS
) -> dict[str, Tensor]:
    """Return where the targets of some studies lie.

    Parameters
    ----------
    rows : DataFrame
        25 rows per study, in the competition's order, with the `columns`.
    chosen : (b,) int64
        Which of the studies.
    columns : sequence of str
        Some of `LOCATION_COLUMNS`; by default all of them.

    Returns
    -------
    dict of str to (b, 25) float32 Tensor
        A tensor per column: indices of slices, px or mm; NaN where unknown.
    """
    import torch

    found = rows[[*columns]].to_numpy(np.float32).reshape(-1, len(TARGETS), len(columns))[chosen]
    tensors = {}
    for k, name in enumerate(columns):
        values = found[..., k].copy()
        if name in _ABSENT_IS_MINUS_ONE:
            values[values == -1] = np.nan
        tensors[name] = torch.from_numpy(values)
    return tensors
