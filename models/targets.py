"""What the members ask about the 25 targets, in the competition's order."""

from __future__ import annotations

import numpy as np

from lsdc.cohort.vocabulary import TARGETS, Condition, Family, Level, Side, View
from lsdc.features.store import VIEWS

AXIAL = VIEWS.index(View.AXIAL_T2)
OWN_VIEW = np.array([VIEWS.index(target.condition.view) for target in TARGETS])
"""The view in which each target is graded."""
CANAL = np.array([target.condition.family is Family.SPINAL for target in TARGETS])
SWAPPED = np.array(
    [
        list(Condition).index(target.condition.mirrored) * len(Level) + list(Level).index(target.level)
        for target in TARGETS
    ]
)
"""Where each target's mirror image stands."""
FAMILY_OF = np.array([list(Family).index(target.condition.family) for target in TARGETS])
KINDS = len(Family) * len(Level)
KIND_OF = FAMILY_OF * len(Level) + [list(Level).index(target.level) for target in TARGETS]
"""Family and level in one number below `KINDS`; left and right have the same."""
_RIGHT = np.array([target.condition.side is Side.RIGHT for target in TARGETS])
RIGHT_AXIAL, RIGHT_SAGITTAL = _RIGHT & (OWN_VIEW == AXIAL), _RIGHT & (OWN_VIEW != AXIAL)
"""Targets whose pictures are turned over by columns, or by the order of slices, to look like left ones."""


def of_family(family: Family) -> list[int]:
    """Places of a family's targets among the 25."""
    return [k for k, target in enumerate(TARGETS) if target.condition.family is family]
