"""Mean positions in the real cohort: where to look when nothing was learned, and the baselines to beat."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import Family, Level, Side, Target

# Means over the annotations of the 1,975 labeled competition studies. Slices: fraction from right to left.
_SLICE = {
    Side.LEFT: (0.698, 0.710, 0.725, 0.739, 0.751),
    Side.RIGHT: (0.277, 0.268, 0.255, 0.238, 0.219),
}
# In the plane: fraction of the sagittal image, column then row, less one half, times the usual field of 300 mm.
_CANAL = ((0.581, 0.300), (0.556, 0.416), (0.541, 0.531), (0.545, 0.641), (0.572, 0.730))
_FORAMEN = ((0.577, 0.279), (0.549, 0.386), (0.526, 0.497), (0.515, 0.605), (0.526, 0.704))
_FIELD_MM = 300.0
RECESS_BESIDE_MM, RECESS_BEHIND_MM = 9.0, 2.0
"""Lateral and forward distance of the recess from the canal's point, mm."""


def slice_fraction(target: Target) -> float:
    """Where in a sagittal series, from right (0) to left (1), a target is seen on average."""
    side = target.condition.side
    if side is None or target.condition.family is not Family.FORAMINAL:
        return 0.5
    return _SLICE[side][list(Level).index(target.level)]


def mean_offsets(family: Family) -> NDArray[np.float64]:
    """Mean place of the five levels on a sagittal image: (5, 2) mm behind and below the image's middle."""
    table = _FORAMEN if family is Family.FORAMINAL else _CANAL
    return (np.array(table) - 0.5) * _FIELD_MM
