"""Batches of crops around every target."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from lsdc.models.deep.batch import Batch, mirrored_by, swap_targets
from lsdc.models.targets import AXIAL, CANAL


def mirror_crops(crops: Tensor, batch: Batch) -> Tensor:
    """Mirror crops, of which the store keeps those of right-sided targets mirrored already.

    Left and right targets therefore only change places. The canal's crops are turned over: sagittal ones by the order
    of their slices, axial ones by their columns.

    Parameters
    ----------
    crops : (b, 25, views, 3, P, P) Tensor
        All three views of each target, or only the one in which it is graded.
    batch : Batch
        Not needed; every mirror rule is given it.

    Returns
    -------
    (b, 25, views, 3, P, P) Tensor
        A copy.
    """
    crops, canal = swap_targets(crops), torch.from_numpy(np.flatnonzero(CANAL)).to(crops.device)
    original = crops[:, canal]
    if crops.shape[2] == 1:
        crops[:, canal] = original.flip(3)
    else:
        sagittal, axial = original[:, :, :AXIAL].flip(3), original[:, :, AXIAL:].flip(-1)
        crops[:, canal] = torch.cat([sagittal, axial], 2)
    return crops


@dataclass(frozen=True, kw_only=True)
class CropBatch(Batch):
    """Crops around every target.

    Parameters
    ----------
    grades : (b, 25) int64 Tensor, optional
        Grades of the targets, -1 where unlabeled.
    crops : (b, 25, views, 3, P, P) uint8 Tensor
        Three neighboring slices of each view, as `StoreArrays.crops` reads them; 0 where absent.
    """

    crops: Tensor = field(metadata=mirrored_by(mirror_crops))
