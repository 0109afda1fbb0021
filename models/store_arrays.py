"""A store's pictures, read study by study when they are needed, and their mirror images."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from lsdc.cohort.vocabulary import TARGETS
from lsdc.features.store import VIEWS
from lsdc.models.targets import AXIAL, CANAL, OWN_VIEW, SWAPPED

if TYPE_CHECKING:
    from lsdc.models.examples import Examples

Batch = dict[str, Tensor]
_PREVIEWS_SWAPPED = [0, 2, 1, 3, 4, 5, 6, 7]
PLACES = ("volume_slice", "volume_x", "volume_y", "preview", "preview_x", "preview_y", "left_mm", "head_mm")
"""Columns of the store's rows that tell where in the pictures a target lies."""


@dataclass(frozen=True)
class Pictures:
    """Crops, volumes and previews of some of a store's studies; nothing is kept in memory.

    Parameters
    ----------
    folder : Path
        Of the store: crops.npy, previews.npy, volumes/.
    studies : (n,) int
        Places of the studies in the store.
    """

    folder: Path
    studies: NDArray[np.int64]

    def of(self, chosen: NDArray[np.int64]) -> Self:
        """Some of the studies."""
        return type(self)(self.folder, self.studies[chosen])

    def crops(self, chosen: NDArray[np.int64], own_view: bool = False) -> NDArray[np.uint8]:
        """Crops (b, 25, views, 3, P, P) of some studies, or of each target's own view alone (b, 25, 1, 3, P, P)."""
        array, n = self._open("crops.npy"), len(TARGETS)
        rows = (self.studies[chosen][:, None] * n + np.arange(n)).ravel()
        if own_view:
            taken = array[rows, np.tile(OWN_VIEW, len(chosen))][:, None]
        else:
            taken = array[rows]
        return taken.reshape(len(chosen), n, *taken.shape[1:])

    def volumes(self, chosen: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Small volumes (b, views, slices, px, px)."""
        names = [f"volumes/{view.name.lower()}.npy" for view in VIEWS]
        return np.stack([self._open(name)[self.studies[chosen]] for name in names], axis=1)

    def previews(self, chosen: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Chosen slices (b, 8, px, px): the canal's, the left and the right foramina's, the five levels' axial one."""
        return self._open("previews.npy")[self.studies[chosen]]

    def fingerprint(self) -> str:
        """Hash of which studies of which arrays these are; the pictures' content is not read."""
        found = hashlib.sha256(self.studies.tobytes())
        for name in ("crops.npy", "previews.npy"):
            found.update(str(self._open(name).shape).encode())
        return found.hexdigest()

    def _open(self, name: str) -> np.memmap:
        # Mapped anew for every batch: what was read would otherwise stay mapped, and count as memory in use.
        return np.load(self.folder / name, mmap_mode="r")


def volumes_and_places(examples: Examples, chosen: NDArray[np.int64]) -> Batch:
    """Volumes of some studies, and where the targets lie in them."""
    assert examples.pictures is not None
    volumes = torch.from_numpy(examples.pictures.volumes(chosen))
    return {"volumes": volumes, **places(examples.rows, chosen)}


def places(rows: pd.DataFrame, chosen: NDArray[np.int64]) -> Batch:
    """Where the targets of some studies lie: tensors (b, 25) by name; NaN where unknown."""
    found = rows[[*PLACES]].to_numpy(np.float32).reshape(-1, len(TARGETS), len(PLACES))[chosen]
    for name in ("volume_slice", "preview"):
        whole = found[..., PLACES.index(name)]
        whole[whole == -1] = np.nan
    return {name: torch.from_numpy(found[..., k].copy()) for k, name in enumerate(PLACES)}


def mirror(batch: Batch) -> Batch:
    """The same studies seen in a mirror, of any of: crops, volumes, previews, places, numeric, grades.

    The store keeps right-sided targets mirrored, so those trade places with the left ones; the canal's own crops are
    turned over, sagittal ones by the order of their slices, axial ones by their columns.
    """
    swap = torch.from_numpy(SWAPPED)
    other = dict(batch)
    for name in ("crops", "numeric", "grades", *PLACES):
        if name in batch:
            other[name] = batch[name][:, swap]
    if "crops" in batch:
        other["crops"] = _canal_turned(other["crops"])
    if "volumes" in batch:
        volumes = batch["volumes"].clone()
        volumes[:, :AXIAL] = volumes[:, :AXIAL].flip(2)
        volumes[:, AXIAL] = volumes[:, AXIAL].flip(-1)
        other["volumes"] = volumes
    axial = torch.from_numpy(OWN_VIEW == AXIAL)
    if "left_mm" in batch:
        other["left_mm"] = -other["left_mm"]
    if "volumes" in batch and "volume_slice" in batch:
        slices, px = batch["volumes"].shape[2], batch["volumes"].shape[-1]
        other["volume_slice"] = torch.where(axial, other["volume_slice"], slices - 1 - other["volume_slice"])
        other["volume_x"] = torch.where(axial, px - 1 - other["volume_x"], other["volume_x"])
    if "previews" in batch:
        previews = batch["previews"][:, _PREVIEWS_SWAPPED]
        other["previews"] = torch.cat([previews[:, :3], previews[:, 3:].flip(-1)], 1)
    if "previews" in batch and "preview_x" in batch:
        px, slot = batch["previews"].shape[-1], other["preview"]
        other["preview_x"] = torch.where(axial, px - 1 - other["preview_x"], other["preview_x"])
        other["preview"] = torch.where((slot == 1) | (slot == 2), 3 - slot, slot)
    return other


def _canal_turned(crops: Tensor) -> Tensor:
    crops, canal = crops.clone(), torch.from_numpy(np.flatnonzero(CANAL))
    turned = crops[:, canal]
    if crops.shape[2] == 1:
        crops[:, canal] = turned.flip(3)
    else:
        sagittal, axial = turned[:, :, :AXIAL].flip(3), turned[:, :, AXIAL:].flip(-1)
        crops[:, canal] = torch.cat([sagittal, axial], 2)
    return crops
