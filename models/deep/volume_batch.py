"""Batches of the small volumes of all views, with the slices and points of the targets in them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lsdc.models.deep.batch import Batch, axial_targets, mirror_axial_columns, mirrored_by, swap_targets
from lsdc.models.deep.feed import require_arrays
from lsdc.models.examples import Examples
from lsdc.models.store_arrays import read_locations
from lsdc.models.targets import AXIAL


def mirror_volumes(volumes: Tensor, batch: Batch) -> Tensor:
    """Mirror volumes: sagittal ones by the order of their slices, axial ones by their columns.

    Parameters
    ----------
    volumes : (b, views, slices, px, px) Tensor
        Volumes of all views.
    batch : Batch
        Not needed; every mirror rule is given it.

    Returns
    -------
    (b, views, slices, px, px) Tensor
        A copy.
    """
    return torch.cat([volumes[:, :AXIAL].flip(2), volumes[:, AXIAL:].flip(-1)], 1)


def mirror_volume_slice(slices: Tensor, batch: VolumeBatch) -> Tensor:
    """Mirror indices of slices: sagittal ones are counted from the other side, axial ones stay.

    Parameters
    ----------
    slices : (b, 25) float Tensor
        Index of the slice of each target in the volume of its view; NaN where unknown.
    batch : VolumeBatch
        Holds the volumes, whose number of slices counts.

    Returns
    -------
    (b, 25) float Tensor
        Indices in the mirrored volumes, left and right exchanged.
    """
    swapped = swap_targets(slices)
    return torch.where(axial_targets(slices.device), swapped, batch.volumes.shape[2] - 1 - swapped)


def mirror_volume_x(columns: Tensor, batch: VolumeBatch) -> Tensor:
    """Mirror pixel columns in volumes: axial ones are counted from the other side, sagittal ones stay.

    Parameters
    ----------
    columns : (b, 25) float Tensor
        Pixel column of each target in the volume of its view; NaN where unknown.
    batch : VolumeBatch
        Holds the volumes, whose width counts.

    Returns
    -------
    (b, 25) float Tensor
        Columns in the mirrored volumes, left and right exchanged.
    """
    return mirror_axial_columns(columns, batch.volumes.shape[-1])


@dataclass(frozen=True, kw_only=True)
class VolumeBatch(Batch):
    """Small volumes of all views, and the slice of each target in them.

    Parameters
    ----------
    grades : (b, 25) int64 Tensor, optional
        Grades of the targets, -1 where unlabeled.
    volumes : (b, views, slices, px, px) uint8 Tensor
        Views in the order of `lsdc.features.store.VIEWS`; 0 where absent.
    volume_slice : (b, 25) float32 Tensor
        Index of the slice of each target in the volume of the view in which it is graded; NaN where unknown.
    """

    volumes: Tensor = field(metadata=mirrored_by(mirror_volumes))
    volume_slice: Tensor = field(metadata=mirrored_by(mirror_volume_slice))


@dataclass(frozen=True, kw_only=True)
class LocatedVolumeBatch(VolumeBatch):
    """Small volumes of all views, and where the targets lie in them.

    Parameters
    ----------
    grades : (b, 25) int64 Tensor, optional
        Grades of the targets, -1 where unlabeled.
    volumes : (b, views, slices, px, px) uint8 Tensor
        Views in the order of `lsdc.features.store.VIEWS`; 0 where absent.
    volume_slice : (b, 25) float32 Tensor
        Index of the slice of each target; NaN where unknown.
    volume_x, volume_y : (b, 25) float32 Tensor
        Pixel column and row of each target on its slice; NaN where unknown.
    """

    volume_x: Tensor = field(metadata=mirrored_by(mirror_volume_x))
    volume_y: Tensor = field(metadata=mirrored_by(swap_targets))


def read_volumes(
    examples: Examples, chosen: NDArray[np.int64], columns: tuple[str, ...], member: str
) -> dict[str, Tensor]:
    """Read the fields of a `VolumeBatch` or of one that adds locations to it.

    Parameters
    ----------
    examples : Examples
        Rows of whole studies, with arrays.
    chosen : (b,) int64
        Which of the studies.
    columns : tuple of str
        Names of the fields that are columns of the rows, such as `volume_slice`.
    member : str
        Name of the member, for the error.

    Returns
    -------
    dict of str to Tensor
        `volumes`, and the `columns`.

    Raises
    ------
    LsdcError
        When the examples have no arrays.
    """
    volumes = torch.from_numpy(require_arrays(examples, member).volumes(chosen))
    return {"volumes": volumes, **read_locations(examples.rows, chosen, columns)}
