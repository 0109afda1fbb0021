"""Vertebral bodies, arches, processes and facet joints."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from lsdc.cohort.geometry import Array
from lsdc.phantom.brush import OUTSIDE, Brush, on_side
from lsdc.phantom.spine import FIRST_LUMBAR_DISC, SACRUM, Spine
from lsdc.phantom.tissues import Tissue

CANAL_HALF_WIDTH = 11.4
"""Distance of the pedicles from the midline, mm."""
CANAL_DEPTH, RECESS_DEPTH, FORAMEN_DEPTH = 16.0, 7.2, 8.5
"""Free depth behind a healthy disc in the midline, 9 mm beside it, and in the foramen, mm."""
FORAMEN_BACK = 5.5
"""Where a healthy foramen ends behind the disc, mm behind the posterior wall in the midline."""

SHELLS = ((Tissue.CORTEX, 0.0), (Tissue.MARROW, 0.9))
"""Bone is painted twice: whole in cortex, then its inside, this many mm thinner, in marrow."""
# How far below the middle of a body its pedicles reach, as a fraction of half the body's height: T10 to S4.
_NOTCH = (0.31, 0.31, 0.31, 0.18, 0.26, 0.31, 0.30, 0.22, 0.31, 0.31, 0.31, 0.31)
_PEDICLE_TOP = 0.81
"""How far above the middle they reach."""

Dents = tuple[Callable[[Array, Array], Array], Callable[[Array, Array], Array]]
"""Functions of u and v (mm from the middle of the body) that give how deep two endplates are pressed in, mm."""


def canal_depth(u: Array) -> Array:
    """Depth of a healthy spinal canal: v of the front of the ligamentum flavum.

    Parameters
    ----------
    u : array
        Position to the left of the midline, mm.

    Returns
    -------
    array
        mm behind the posterior wall, of the shape of `u`.

    Examples
    --------
    >>> canal_depth(np.array([0.0, 9.0]))
    array([16. ,  7.2])
    """
    return CANAL_DEPTH - (CANAL_DEPTH - RECESS_DEPTH) * np.minimum(np.abs(u) / 9.0, 1.25) ** 1.5


def canal_fraction(spine: Spine, s: Array) -> Array:
    """Depth of the canal at s, relative to the usual one of a lumbar canal.

    Parameters
    ----------
    spine : Spine
        Its `canal` is narrow from birth in some.
    s : array
        Position along the spine, mm.

    Returns
    -------
    array
        Of the shape of `s`; falls to a quarter along the sacrum.
    """
    return spine.canal * np.interp(s, spine.center[[11, 10, 9, 8, 7]], [0.25, 0.35, 0.6, 0.95, 1.0])


def foramen_range(spine: Spine, level: int) -> tuple[float, float]:
    """Extent of the foramina of a lumbar level along the spine: from pedicle to pedicle.

    Parameters
    ----------
    spine : Spine
        Of the patient.
    level : int
        0 (L1/L2) to 4 (L5/S1).

    Returns
    -------
    (float, float)
        Lowest and highest s, mm.
    """
    k = FIRST_LUMBAR_DISC + level
    below = spine.center[k + 1] + _PEDICLE_TOP * spine.height[k + 1] / 2
    above = spine.center[k] - _NOTCH[k] * spine.height[k] / 2
    return below, above


def wall(spine: Spine, disc: int, u: Array) -> Array:
    """Back of a disc and of the endplates beside it, which curves forward away from the midline.

    Parameters
    ----------
    spine : Spine
        Of the patient.
    disc : int
        Index of the disc.
    u : array
        Position to the left of the midline, mm.

    Returns
    -------
    array
        Coordinate v, mm behind the posterior wall in the midline, of the shape of `u`; 0 or negative.
    """
    deep = (spine.lower_depth[disc] + spine.depth[disc + 1]) / 4
    wide = (spine.width[disc] + spine.width[disc + 1]) / 4
    return deep * (np.maximum(1 - np.abs(u / wide) ** 2.4, 0.0) ** (1 / 2.4) - 1)


def paint_body(brush: Brush, spine: Spine, k: int, dents: Dents) -> None:
    """Paint a vertebral body: a waisted superelliptic cylinder with dented endplates, cortex, and basivertebral vein.

    Sacral bodies taper; fused ones also fill the part of the space to the next body that no disc covers.

    Parameters
    ----------
    brush : Brush
        Paints on a volume in the spine's coordinates.
    spine : Spine
        Of the patient.
    k : int
        Index into `VERTEBRAE`.
    dents : pair of callables
        Of its upper and its lower endplate; see `Dents`.
    """
    c, h, w = spine.center[k], spine.height[k] / 2, spine.width[k] / 2
    d, lower = spine.depth[k] / 2, spine.lower_depth[k] / 2
    sacral = k >= SACRUM
    joined = k > SACRUM and spine.covered[k - 1] < 1
    gap = spine.disc_height[k] if sacral and k < len(spine.covered) and spine.covered[k] < 1 else 0.0

    def radius(u: Array, v: Array, s: Array) -> Array:
        waist = 1 - (0.02 if sacral else 0.09) * (1 - ((s - c) / h) ** 2)
        hollow = 1.2 * np.exp(-((u / 8) ** 2))
        half = lower + (d - lower) * np.clip((s - c) / (2 * h) + 0.5, 0, 1)
        back = (v + half + hollow * (v > -half)) / (half * np.where(v > -half, 1, waist))
        return np.abs(u / (w * waist)) ** 2.4 + np.abs(back) ** 2.4

    def within(u: Array, v: Array, s: Array, rim: float) -> Array:
        r = radius(u, v, s)
        flat, above = np.clip(4 * (1 - r), 0, 1), s > c
        dented = np.where(above, dents[0](u, v + d), dents[1](u, v + d)) * flat
        top, bottom = h - (0 if joined else rim), h + gap - (0 if gap else rim)
        return (r < 1 - 0.11 * rim) & (s - c < top - dented) & (c - s < bottom - dented)

    def vein(u: Array, v: Array, s: Array) -> Array:
        return (np.abs(u) + 0.55 * np.abs(v) < 6) & (np.abs(s - c) < 2.2 + 0.12 * v)

    for tissue, rim in SHELLS:
        brush.paint(
            tissue,
            (-w - 1, w + 1),
            (-2 * d - 1, 1.5),
            (c - h - gap, c + h),
            partial(within, rim=rim),
        )
    if not sacral:
        brush.paint(Tissue.VEIN, (-6, 6), (-0.76 * d, 0), (c - 2.2, c + 2.2), vein)


def paint_arch(brush: Brush, spine: Spine, k: int) -> None:
    """Paint pedicles, transverse processes, laminae, spinous process and interspinous ligament of a vertebra.

    Parameters
    ----------
    brush : Brush
        Paints on a volume in the spine's coordinates.
    spine : Spine
        Of the patient.
    k : int
        Index into `VERTEBRAE`.
    """
    c, h, pedicle = spine.center[k], spine.height[k] / 2, spine.pedicle[k]
    sacral = k >= SACRUM
    inner = 11.0 + 0.5 * max(k - FIRST_LUMBAR_DISC, 0)
    low, high = (c - h - 2, c + h) if k > SACRUM else (c - h - 3, c + 0.35 * h)
    length, behind = (9.0, 3.5) if sacral else (26.0, 5.5)
    middle, half = c + (_PEDICLE_TOP - _NOTCH[k]) / 2 * h, (_PEDICLE_TOP + _NOTCH[k]) / 2 * h
    behind_pedicle = 16.0 if sacral else 14.0
    tall = 7.5 if sacral else min(0.34 * spine.height[k], 9.5)

    def stalk(u: Array, v: Array, s: Array, thin: float) -> Array:
        across = (np.abs(u) - inner - pedicle / 2) / (pedicle / 2 - thin)
        end = np.abs(np.maximum(v - 4, 0) / (behind_pedicle - 4 - thin)) ** 2.5
        return (
            np.abs(across) ** 4
            + np.abs((s - middle - 0.6 * np.maximum(v - 5, 0)) / (half - thin)) ** 2.5
            + end
            < 1
        )

    def transverse(u: Array, v: Array, s: Array, thin: float) -> Array:
        return ((s - c - 2.5) / (4.5 - thin)) ** 2 + ((v - 7.5 - 0.1 * np.abs(u)) / (3.2 - thin)) ** 2 < 1

    def lamina(u: Array, v: Array, s: Array, thin: float) -> Array:
        back = canal_depth(u) * canal_fraction(spine, s)
        return np.abs(v - back - behind + 0.12 * (s - c)) < 2.8 - thin

    def spinous(u: Array, v: Array, s: Array, thin: float) -> Array:
        drop = s - (c - 0.25 * h) + 0.30 * (v - 20)
        taper = tall - 1.6 * np.exp(-(((v - 30) / 6) ** 2)) - thin
        end = CANAL_DEPTH * canal_fraction(spine, s) + 1 + length
        return (np.abs(u) < 3.3 - thin) & (np.abs(drop) < taper) & (v > end - length - 1) & (v < end - thin)

    for tissue, thin in SHELLS:
        for sign in (-1, 1):
            side = on_side(sign, inner - 1, inner + pedicle + 2)
            # In front, the pedicle's marrow goes over into the body's: no cortex parts them.
            deep = (-12.0, behind_pedicle)
            shell = [OUTSIDE] if thin == 0 else None
            brush.paint(tissue, side, deep, (c - h, c + h + 5), partial(stalk, thin=thin), shell)
            if not sacral:
                wing = (on_side(sign, 18, 42), (2, 14), (c - 4, c + 9))
                brush.paint(tissue, *wing, partial(transverse, thin=thin))
        reach = 17.0 if sacral else CANAL_HALF_WIDTH
        brush.paint(tissue, (-reach, reach), (3, 32), (low, high), partial(lamina, thin=thin))
        brush.paint(tissue, (-4, 4), (6, 18 + length), (low - 8, c + 7), partial(spinous, thin=thin))
    if not sacral:
        brush.paint(Tissue.INTERSPINOUS, (-2.2, 2.2), (18, 40), (c - 1.9 * h, c + 1.2 * h), over=[OUTSIDE])
