"""A store's crops and grades as a PyTorch dataset."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from lsdc.cohort.vocabulary import View
from lsdc.features.joined_array import JoinedArray
from lsdc.features.store_shards import StoreFiles
from lsdc.runtime.errors import ConfigError

CropViews = Literal["graded", "all"]
"""Which views a crop shows, where it is not one and the same: the target's graded view, or all three."""


class CropDataset(Dataset[tuple[Tensor, int]]):
    """Crops and labels of some of a store's targets; made by `FeatureStore.to_torch`.

    Files are opened at the first item, once in every process, so the dataset can be sent to the workers of a
    `DataLoader`.

    Parameters
    ----------
    files : StoreFiles
        The arrays of a store; its crops are (n, 3 views, 3 neighboring slices, P, P) uint8.
    rows : (m,) int64
        Positions of the targets among the store's rows.
    labels : (m,) int64
        Grade of each; -1 where unlabeled.
    views : (m,) int64 or None
        Index of the view that each item shows; None for all three.
    scaled : bool
        Give crops as float32 in 0 to 1 instead of uint8.
    transform : callable, optional
        Applied to every crop tensor.
    """

    def __init__(
        self,
        files: StoreFiles,
        rows: NDArray[np.int64],
        labels: NDArray[np.int64],
        views: NDArray[np.int64] | None,
        *,
        scaled: bool = False,
        transform: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.files, self.rows, self.labels, self.views = files, rows, labels, views
        self.scaled, self.transform = scaled, transform
        self._crops: np.memmap | JoinedArray | None = None

    def __repr__(self) -> str:
        """Say how many crops there are."""
        return f"{type(self).__name__}({len(self)} targets)"

    def __len__(self) -> int:
        """Count the items."""
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """Copy one crop from disk; its tensor and its label."""
        if self._crops is None:
            self._crops = self.files.open("crops.npy")
        place = self.rows[index] if self.views is None else (self.rows[index], self.views[index])
        crop = torch.from_numpy(np.array(self._crops[place]))
        if self.scaled:
            crop = crop.float() / 255
        if self.transform is not None:
            crop = self.transform(crop)
        return crop, int(self.labels[index])

    def __getstate__(self) -> dict[str, Any]:
        """Send everything but the open file to another process."""
        return self.__dict__ | {"_crops": None}


def views_of(rows: pd.DataFrame, views: View | CropViews) -> NDArray[np.int64] | None:
    """Find the index of the view that each row's crop is to show.

    Parameters
    ----------
    rows : DataFrame
        m rows of a store; `view` is the one in which each target is graded.
    views : View, `graded` or `all`
        The wanted views.

    Returns
    -------
    (m,) int64 or None
        Index into the View enum; None for all views.

    Raises
    ------
    ConfigError
        When `views` is none of these.
    """
    order = [view.value for view in View]
    if views == "all":
        return None
    if views == "graded":
        return rows["view"].map(order.index).to_numpy(np.int64)
    if views not in order:
        raise ConfigError(f"views: {views!r} is unknown; expected graded, all, or one of {', '.join(order)}")
    return np.full(len(rows), order.index(views), np.int64)
