"""Where targets are on average: what stands in when nothing was learned, and the baseline for what was.

All tables are means over the annotations of the 1,975 labeled studies of the RSNA 2024 Lumbar Spine Degenerative
Classification competition (its train_label_coordinates.csv). They are averages over patients; no single patient can be
read from them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import Family, Level, Side, Target

# Foramina: position of the annotated slice in its sagittal series, L1/L2 to L5/S1, as a fraction from right to left.
_SLICE = {
    Side.LEFT: (0.698, 0.710, 0.725, 0.739, 0.751),
    Side.RIGHT: (0.277, 0.268, 0.255, 0.238, 0.219),
}
# In the plane: column and row as fractions of the sagittal image, L1/L2 to L5/S1.
_CANAL = ((0.581, 0.300), (0.556, 0.416), (0.541, 0.531), (0.545, 0.641), (0.572, 0.730))
_FORAMEN = ((0.577, 0.279), (0.549, 0.386), (0.526, 0.497), (0.515, 0.605), (0.526, 0.704))
# Side of a usual sagittal image, which turns those fractions into mm.
_FIELD_MM = 300.0
RECESS_BESIDE_MM, RECESS_IN_FRONT_MM = 9.0, 2.0
"""How far a subarticular recess lies to the side of the canal's point, and how far in front of it, mm."""


def slice_fraction(target: Target) -> float:
    """Give the mean position of a target along a sagittal series.

    Parameters
    ----------
    target : Target
        Any of the 25 targets.

    Returns
    -------
    float
        From 0, the patient's rightmost slice, to 1, the leftmost; 0.5 for canal and recesses.

    Examples
    --------
    >>> from lsdc.cohort.vocabulary import Condition
    >>> slice_fraction(Target(Condition.LEFT_NEURAL_FORAMINAL_NARROWING, Level.L5_S1))
    0.751
    """
    side = target.condition.side
    if side is None or target.condition.family is not Family.FORAMINAL:
        return 0.5
    return _SLICE[side][list(Level).index(target.level)]


def mean_offsets(family: Family) -> NDArray[np.float64]:
    """Give the mean position of the five levels on an upright sagittal image.

    Parameters
    ----------
    family : Family
        `FORAMINAL` gives the foramina; every other family gives the middle of the canal.

    Returns
    -------
    (5, 2) float64
        mm behind and mm below the middle of the image, L1/L2 to L5/S1.

    Examples
    --------
    >>> mean_offsets(Family.SPINAL)[0].round(1).tolist()
    [24.3, -60.0]
    """
    table = _FORAMEN if family is Family.FORAMINAL else _CANAL
    return (np.array(table) - 0.5) * _FIELD_MM
