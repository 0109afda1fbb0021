"""Facts about the 25 targets that the networks need, as arrays in the competition's order."""

from __future__ import annotations

import numpy as np

from lsdc.cohort.vocabulary import TARGETS, Condition, Family, Level, Side, View
from lsdc.features.store import VIEWS

AXIAL = VIEWS.index(View.AXIAL_T2)
"""Index of the axial view in `VIEWS`; the sagittal views come before it."""
GRADED_VIEW = np.array([VIEWS.index(target.condition.view) for target in TARGETS])
"""(25,) int: index in `VIEWS` of the view in which each target is graded."""
CANAL = np.array([target.condition.family is Family.SPINAL for target in TARGETS])
"""(25,) bool: whether a target belongs to the spinal canal, which has no side."""
SWAPPED = np.array(
    [
        list(Condition).index(target.condition.mirrored) * len(Level) + list(Level).index(target.level)
        for target in TARGETS
    ]
)
"""(25,) int: index of the target that each target becomes when the patient is seen in a mirror."""
FAMILY_LEVELS = len(Family) * len(Level)
"""Number of pairs of a family and a level: 15."""
FAMILY_LEVEL_OF = np.array(
    [
        list(Family).index(target.condition.family) * len(Level) + list(Level).index(target.level)
        for target in TARGETS
    ]
)
"""(25,) int: family and level of each target as one number below `FAMILY_LEVELS`; left and right have the same."""
_RIGHT = np.array([target.condition.side is Side.RIGHT for target in TARGETS])
RIGHT_AXIAL = _RIGHT & (GRADED_VIEW == AXIAL)
"""(25,) bool: targets whose crops look like those of the left side once their columns are reversed."""
RIGHT_SAGITTAL = _RIGHT & (GRADED_VIEW != AXIAL)
"""(25,) bool: targets whose crops look like those of the left side once the order of their slices is reversed."""


def of_family(family: Family) -> list[int]:
    """Return the indices of a family's targets among the 25.

    Parameters
    ----------
    family : Family
        Spinal (5 targets), foraminal or subarticular (10 each).

    Returns
    -------
    list of int
        In ascending order: the left side's targets come before the right side's, each from L1/L2 to L5/S1.

    Examples
    --------
    >>> from lsdc.cohort.vocabulary import Family
    >>> of_family(Family.SPINAL)
    [0, 1, 2, 3, 4]
    """
    return [k for k, target in enumerate(TARGETS) if target.condition.family is family]
