"""Batches of the slices that were selected for the targets, with or without the targets' locations on them."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from lsdc.models.deep.batch import Batch, mirror_axial_columns, mirrored_by, swap_targets

_MIRRORED_PREVIEWS = [0, 2, 1, 3, 4, 5, 6, 7]
"""The previews of the left and the right foramina change places; the axial ones start at the fourth."""


def mirror_previews(previews: Tensor, batch: Batch) -> Tensor:
    """Mirror previews: those of the foramina change places, axial ones are turned over by their columns.

    Parameters
    ----------
    previews : (b, 8, px, px) Tensor
        The slices of `StoreArrays.previews`.
    batch : Batch
        Not needed; every mirror rule is given it.

    Returns
    -------
    (b, 8, px, px) Tensor
        A copy.
    """
    swapped = previews[:, _MIRRORED_PREVIEWS]
    return torch.cat([swapped[:, :3], swapped[:, 3:].flip(-1)], 1)


def mirror_preview_x(columns: Tensor, batch: LocatedPreviewBatch) -> Tensor:
    """Mirror pixel columns in previews: axial ones are counted from the other side, sagittal ones stay.

    Parameters
    ----------
    columns : (b, 25) float Tensor
        Pixel column of each target on its preview; NaN where unknown.
    batch : LocatedPreviewBatch
        Holds the previews, whose width counts.

    Returns
    -------
    (b, 25) float Tensor
        Columns on the mirrored previews, left and right exchanged.
    """
    return mirror_axial_columns(columns, batch.previews.shape[-1])


@dataclass(frozen=True, kw_only=True)
class PreviewBatch(Batch):
    """The slices that were selected for the targets.

    Parameters
    ----------
    grades : (b, 25) int64 Tensor, optional
        Grades of the targets, -1 where unlabeled.
    previews : (b, 8, px, px) uint8 Tensor
        In the order of `StoreArrays.previews`; 0 where absent.
    """

    previews: Tensor = field(metadata=mirrored_by(mirror_previews))


@dataclass(frozen=True, kw_only=True)
class LocatedPreviewBatch(PreviewBatch):
    """The slices that were selected for the targets, and where the targets lie on them.

    Parameters
    ----------
    grades : (b, 25) int64 Tensor, optional
        Grades of the targets, -1 where unlabeled.
    previews : (b, 8, px, px) uint8 Tensor
        In the order of `StoreArrays.previews`; 0 where absent.
    preview_x, preview_y : (b, 25) float32 Tensor
        Pixel column and row of each target on its preview; NaN where unknown.
    """

    preview_x: Tensor = field(metadata=mirrored_by(mirror_preview_x))
    preview_y: Tensor = field(metadata=mirrored_by(swap_targets))
