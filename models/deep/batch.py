"""What a deep member reads of some studies, as fields that know how they look in a mirror."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

import torch
from torch import Tensor

from lsdc.models.targets import AXIAL, GRADED_VIEW, SWAPPED

MirrorRule = Callable[[Tensor, Any], Tensor]
"""A field's values and the batch that they stand in, to the values of the same studies seen in a mirror."""
Inputs = dict[str, Tensor]
"""What a network takes: tensors by name, on its device."""
_RULE = "mirror"


def mirrored_by(rule: MirrorRule) -> Mapping[str, MirrorRule]:
    """Declare how a field of a `Batch` mirrors, as the metadata of a dataclass field.

    Parameters
    ----------
    rule : callable
        Takes the field's tensor and the batch that it stands in, and returns a tensor of the same shape. The batch is
        the one before mirroring; rules that need a size, such as the number of slices, find it there.

    Returns
    -------
    mapping
        For `dataclasses.field(metadata=...)`.

    Examples
    --------
    >>> @dataclass(frozen=True, kw_only=True)
    ... class HeightBatch(Batch):
    ...     head_mm: Tensor = field(metadata=mirrored_by(swap_targets))
    >>> HeightBatch(head_mm=torch.arange(25.0)[None]).mirrored().head_mm[0, 5:15]
    tensor([10., 11., 12., 13., 14.,  5.,  6.,  7.,  8.,  9.])
    """
    return {_RULE: rule}


def swap_targets(values: Tensor, batch: Batch | None = None) -> Tensor:
    """Exchange the values of left and right targets: the mirror rule of what is stored by target.

    Parameters
    ----------
    values : (b, 25, ...) Tensor
        A value per target, in the competition's order.
    batch : Batch, optional
        Not needed; every mirror rule is given it.

    Returns
    -------
    (b, 25, ...) Tensor
        A copy in which left and right have changed places.
    """
    return values[:, torch.from_numpy(SWAPPED).to(values.device)]


def unchanged(values: Tensor, batch: Batch | None = None) -> Tensor:
    """Return the values as they are: the mirror rule of what has no sides, such as the spacing of slices.

    Parameters
    ----------
    values : Tensor
        Any values.
    batch : Batch, optional
        Not needed; every mirror rule is given it.

    Returns
    -------
    Tensor
        The same values.
    """
    return values


def axial_targets(device: torch.device) -> Tensor:
    """Return which targets are graded on axial slices; those slices mirror by their columns.

    Parameters
    ----------
    device : torch.device
        Where the mask is needed.

    Returns
    -------
    (25,) bool Tensor
        In the competition's order; the others are graded on sagittal slices, which mirror by their order.
    """
    return torch.from_numpy(GRADED_VIEW == AXIAL).to(device)


def mirror_axial_columns(columns: Tensor, px: int) -> Tensor:
    """Exchange left and right, and count the pixel columns of axial targets from the other side.

    Parameters
    ----------
    columns : (b, 25) float Tensor
        Pixel column of each target; NaN where unknown.
    px : int
        Width of the image.

    Returns
    -------
    (b, 25) float Tensor
        Columns in the mirrored image; those of sagittal targets stay as they are.
    """
    swapped = swap_targets(columns)
    return torch.where(axial_targets(columns.device), px - 1 - swapped, swapped)


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What a member reads of some studies; a subclass adds fields, each declared with its mirror rule.

    Parameters
    ----------
    grades : (b, 25) int64 Tensor, optional
        Grades of the targets, -1 where unlabeled. `DeepMember` adds them to what a member has read.
    """

    grades: Tensor | None = field(default=None, metadata=mirrored_by(swap_targets))

    def mirrored(self) -> Self:
        """Return the same studies as if the patients had been seen in a mirror.

        Returns
        -------
        Batch
            Of the same class; each field is what its mirror rule makes of it.

        Raises
        ------
        TypeError
            When a field was declared without `mirrored_by`.
        """
        changed = {}
        for item in fields(self):
            if _RULE not in item.metadata:
                raise TypeError(
                    f"{type(self).__name__}.{item.name} has no mirror rule; declare it with mirrored_by"
                )
            value = getattr(self, item.name)
            changed[item.name] = None if value is None else item.metadata[_RULE](value, self)
        return replace(self, **changed)

    def pinned(self) -> Self:
        """Copy all fields to memory from which a GPU takes them while it computes.

        Returns
        -------
        Batch
            Of the same class.
        """
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return replace(
            self, **{name: None if value is None else value.pin_memory() for name, value in values.items()}
        )

    def to(self, device: torch.device) -> Self:
        """Move all fields to a device.

        Parameters
        ----------
        device : torch.device
            Where the network is.

        Returns
        -------
        Batch
            Of the same class.
        """
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        moved = {
            name: None if value is None else value.to(device, non_blocking=True)
            for name, value in values.items()
        }
        return replace(self, **moved)
