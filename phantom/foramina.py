"""The foramina: keyholes of fat between pedicles, vertebral wall and articular processes."""

from __future__ import annotations

from functools import partial

import numpy as np

from lsdc.cohort.geometry import Array
from lsdc.phantom.bones import FORAMEN_BACK, foramen_range, wall
from lsdc.phantom.brush import OUTSIDE, Brush, on_side
from lsdc.phantom.spine import FIRST_LUMBAR_DISC, Spine
from lsdc.phantom.tissues import Tissue

_LIP = (0.6, 0.8, 1.2, 2.2, 2.4)
"""How far the edges of disc and lower vertebra stand behind the wall beside the upper pedicle, mm."""
SURROUNDINGS = (OUTSIDE, Tissue.FAT, Tissue.MUSCLE, Tissue.STREAK)
"""What lies behind the bones before the foramina are painted."""
_ROUND = 5.0
"""Radius of the foramen under the upper pedicle, mm."""


def foramen_back(spine: Spine, level: int, s: Array) -> Array:
    """Back of a healthy foramen: wide around the root, a slit beside the superior articular process.

    Parameters
    ----------
    spine : Spine
        Of the patient.
    level : int
        0 (L1/L2) to 4 (L5/S1).
    s : array
        Position along the spine, mm.

    Returns
    -------
    array
        Coordinate v, mm behind the posterior wall in the midline, of the shape of `s`.
    """
    low, high = foramen_range(spine, level)
    middle = spine.disc_center[FIRST_LUMBAR_DISC + level]
    places = [low, middle - 1, middle + 0.45 * (high - middle), high]
    slit = FORAMEN_BACK - (0.6 if level == 4 else 0.2)
    return np.interp(s, places, [slit - 0.8, slit - 0.2, slit + 1.3, slit + 1.0])


def paint_foramina(brush: Brush, spine: Spine, level: int) -> None:
    """Paint the fat of the foramina of a level: round under the upper pedicle, lined behind by ligament and capsule.

    Parameters
    ----------
    brush : Brush
        Paints on a volume in the spine's coordinates.
    spine : Spine
        Of the patient.
    level : int
        0 (L1/L2) to 4 (L5/S1).
    """
    low, high = foramen_range(spine, level)
    k = FIRST_LUMBAR_DISC + level
    back_by = _LIP[level]
    c, h = spine.disc_center[k], spine.disc_height[k] / 2
    inner = 11.0 + 0.5 * level

    def opening(u: Array, v: Array, s: Array, lining: float) -> Array:
        return v < foramen_back(spine, level, s) + lining

    def arch(u: Array, v: Array, s: Array, thin: float) -> Array:
        front, back = wall(spine, k, u), foramen_back(spine, level, s)
        across = np.abs(2 * v - front - back) / (back - front)
        outside = across**2.2 + (np.maximum(s - high + _ROUND, 0) / _ROUND) ** 2.2 > 1 + thin
        return outside & ((v < back) | (s > high - 2))

    def lip(u: Array, v: Array, s: Array, thin: float) -> Array:
        # Below, the disc's edge and the lip of the lower vertebra close the slit from the front.
        steps = [back_by + 3.2, back_by + 2.2, back_by - 1.5]
        return v < wall(spine, k, u) + np.interp(s, [low, c - h, c + h], steps) - thin

    for sign in (-1, 1):
        side = on_side(sign, 10.5, 21.0)
        # Ligament and the capsule of the joint line the back.
        lined, around = partial(opening, lining=1.0), list(SURROUNDINGS)
        brush.paint(Tissue.LIGAMENT, side, (2.0, 9.0), (low, high), lined, around)
        around.append(Tissue.LIGAMENT)
        brush.paint(Tissue.EPIDURAL_FAT, side, (-8.0, 9.0), (low, high), partial(opening, lining=0.0), around)
        # The pedicle's marrow goes over into the body's: what cortex parts them there is painted over.
        for vertebra, along in ((k, (high - 1, high + 8)), (k + 1, (low - 8, low + 0.3))):
            stem = on_side(sign, inner + 1, inner + spine.pedicle[vertebra] - 1)
            brush.paint(Tissue.MARROW, stem, (-10.0, -2.0), along, over=[Tissue.CORTEX])
        for tissue, thin in ((Tissue.CORTEX, 0.0), (Tissue.MARROW, 0.9)):
            beside = on_side(sign, 11.4, 20.0), (-8.0, 3.0), (low, c - h)
            brush.paint(
                tissue, *beside, partial(lip, thin=thin), [*around, Tissue.EPIDURAL_FAT, Tissue.CORTEX]
            )
        edge = on_side(sign, 11.4, 20.0), (-8.0, 3.0), (c - h, c + h)
        brush.paint(Tissue.ANNULUS + k, *edge, partial(lip, thin=0.0), [*around, Tissue.EPIDURAL_FAT])
        under = on_side(sign, inner, inner + spine.pedicle[k]), (-8.0, 8.5), (high - _ROUND, high + 1.5)
        around += [Tissue.EPIDURAL_FAT, Tissue.CORTEX]
        for tissue, thin in ((Tissue.CORTEX, 0.0), (Tissue.MARROW, 0.6)):
            brush.paint(tissue, *under, partial(arch, thin=thin), around)
