"""The eight images of a study on which multitask finds the targets."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from lsdc.cohort.vocabulary import TARGETS, Condition, Family, Level, View
from lsdc.features.store import VIEWS
from lsdc.models.targets import AXIAL


@dataclass(frozen=True)
class Slot:
    """Three neighboring slices, and the targets that are found on them.

    Parameters
    ----------
    view : int
        Index in `VIEWS`.
    targets : tuple of int
        Indices among the 25.
    channels : tuple of int
        Heatmap in which each of them is found.
    """

    view: int
    targets: tuple[int, ...]
    channels: tuple[int, ...]


def _slots() -> tuple[Slot, ...]:
    """List a slot per sagittal condition, whose five levels it shows, and one per level for the axial view."""
    n, axial = len(Level), [k for k, target in enumerate(TARGETS) if target.condition.view is View.AXIAL_T2]
    sagittal = [condition for condition in Condition if condition.view is not View.AXIAL_T2]
    slots = [
        Slot(
            VIEWS.index(condition.view),
            tuple(k for k, target in enumerate(TARGETS) if target.condition is condition),
            tuple(range(n)) if condition.family is Family.SPINAL else tuple(range(n, 2 * n)),
        )
        for condition in sagittal
    ]
    return (*slots, *(Slot(AXIAL, (axial[k], axial[k + n]), (2 * n, 2 * n + 1)) for k in range(n)))


SLOTS = _slots()
"""The canal, the left and the right foramina, and the five axial levels: eight images of a study."""
N_CHANNELS = 2 * len(Level) + 2
"""Heatmaps: a level of the canal or of the foramina each, and the two sides of axial slices."""
SLOT_OF = torch.tensor(
    [next(s for s, slot in enumerate(SLOTS) if k in slot.targets) for k in range(len(TARGETS))]
)
"""(25,) int64: index in `SLOTS` of the image on which each target is found."""
CHANNEL_OF = torch.tensor(
    [SLOTS[s].channels[SLOTS[s].targets.index(k)] for k, s in enumerate(SLOT_OF.tolist())]
)
"""(25,) int64: heatmap in which each target is found."""
