"""The groups of targets that measures are given for: all, each condition, each level, and each target."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import Condition, Level

ALL = "all"
"""Stands for a condition or level over which targets are pooled."""


@dataclass(frozen=True)
class TargetGroup:
    """Some of the 25 targets.

    Parameters
    ----------
    condition : str
        A condition, or `all` where conditions are pooled.
    level : str
        A level, or `all` where levels are pooled.
    mask : (5, 5) bool
        The targets by condition and level.
    """

    condition: str
    level: str
    mask: NDArray[np.bool_]

    @property
    def whole(self) -> bool:
        """Whether the group holds all targets."""
        return self.condition == self.level == ALL

    @property
    def pooled(self) -> bool:
        """Whether the group holds more than a single target."""
        return ALL in (self.condition, self.level)


def target_groups() -> list[TargetGroup]:
    """List all groups, the largest first.

    Returns
    -------
    list of TargetGroup
        All targets, the 5 conditions, the 5 levels, and the 25 targets.

    Examples
    --------
    >>> groups = target_groups()
    >>> len(groups), groups[0].condition, groups[1].condition, groups[6].level
    (36, 'all', 'spinal_canal_stenosis', 'l1_l2')
    """
    names = product(
        [ALL, *(condition.value for condition in Condition)], [ALL, *(level.value for level in Level)]
    )
    largest_first = sorted(names, key=lambda pair: (2 - pair.count(ALL), pair[1] != ALL))
    return [TargetGroup(condition, level, _mask(condition, level)) for condition, level in largest_first]


def _mask(condition: str, level: str) -> NDArray[np.bool_]:
    """Targets of a condition and level, or of all."""
    rows = np.array([condition in (ALL, one.value) for one in Condition])
    columns = np.array([level in (ALL, one.value) for one in Level])
    return rows[:, None] & columns
