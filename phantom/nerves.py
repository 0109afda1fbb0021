"""The canal's contents: epidural fat, thecal sac, conus, cauda equina, and the roots that leave."""

from __future__ import annotations

import numpy as np

from lsdc.cohort.geometry import Array
from lsdc.phantom.bones import (
    CANAL_DEPTH,
    CANAL_HALF_WIDTH,
    canal_depth,
    canal_fraction,
    foramen_range,
)
from lsdc.phantom.brush import OUTSIDE, Brush, on_side
from lsdc.phantom.spine import Spine
from lsdc.phantom.tissues import Tissue

_STRANDS = 18
"""Roots of the cauda equina that are painted."""


def paint_canal(brush: Brush, spine: Spine) -> None:
    """Carve the spinal canal through bone and fill it with epidural fat.

    Parameters
    ----------
    brush : Brush
        Paints on a volume in the spine's coordinates.
    spine : Spine
        Of the patient.
    """
    reach = (spine.center[11], spine.center[0] + 20)
    canal = (-CANAL_HALF_WIDTH, CANAL_HALF_WIDTH)

    def inside(u: Array, v: Array, s: Array) -> Array:
        return v < canal_depth(u) * canal_fraction(spine, s)

    brush.paint(Tissue.EPIDURAL_FAT, canal, (0.3, CANAL_DEPTH), reach, inside)


def paint_sac(brush: Brush, spine: Spine, rng: np.random.Generator, lipomatosis: float = 0.0) -> None:
    """Paint thecal sac, conus and cauda equina into what disease and fat have left of the canal.

    Parameters
    ----------
    brush : Brush
        Paints on a volume in the spine's coordinates.
    spine : Spine
        Of the patient.
    rng : numpy Generator
        Draws the ends of sac and conus, and the strands of the cauda equina.
    lipomatosis : float, default 0
        Fraction of the sac's width that epidural fat takes below L2.
    """
    top, bottom = spine.center[0] + 20, spine.center[9] - rng.uniform(-8, 10)
    # Fat keeps the sac off the lumbosacral junction, more in some than in others.
    parting = rng.uniform(0.2, 1.6)
    places = [bottom, spine.center[8], spine.center[7], spine.center[4], top]

    def fat(s: Array) -> Array:
        return lipomatosis * np.interp(s, spine.center[[5, 4]], [1.0, 0.0])

    def radii(s: Array) -> tuple[Array, Array]:
        wide, deep = [2.0, 8.2, 9.4, 10.2, 9.0], [2.0, 5.6, 6.6, 6.8, 6.4]
        left = 1 - fat(s)
        return left * np.interp(s, places, wide), left * np.interp(s, places, deep)

    def front(s: Array) -> Array:
        parted = np.interp(s, spine.center[[9, 8, 7]], [1.5, 2.6, 0.4])
        further = spine.parted * np.interp(s, spine.center[[8, 7, 6]], [1.0, 0.5, 0.0])
        return 0.6 + parting * np.minimum(parted, 2.0) + further + 6.5 * fat(s)

    def sac(u: Array, v: Array, s: Array) -> Array:
        across, deep = radii(s)
        return (u / across) ** 2 + ((v - front(s) - deep) / deep) ** 2 < 1

    end = spine.center[3] - rng.normal(10, 12)

    def conus(u: Array, v: Array, s: Array) -> Array:
        return (u / 4.6) ** 2 + ((v - 6.8) / 3.8) ** 2 < np.clip((s - end) / 22, 0, 1) ** 1.2

    brush.paint(Tissue.CSF, (-11, 11), (0, 16), (bottom, top), sac, [Tissue.EPIDURAL_FAT])
    brush.paint(Tissue.CORD, (-6, 6), (1, 14), (end, top), conus, [Tissue.CSF])
    across = rng.uniform(-0.78, 0.78, _STRANDS)
    deep = np.clip(rng.normal(0.35, 0.35, _STRANDS), -0.5, 0.8)
    leave = spine.center[4] - (np.arange(_STRANDS) + 0.5) / _STRANDS * (spine.center[4] - bottom)
    for start_u, start_v, stop in zip(across, deep, leave):

        def strand(
            u: Array, v: Array, s: Array, a: float = start_u, b: float = start_v, e: float = stop
        ) -> Array:
            ru, rv = radii(s)
            out = np.clip((e + 40 - s) / 40, 0, 1)
            cu, cv = ru * (a + (0.85 * np.sign(a) - a) * out), front(s) + rv + rv * b * (1 - 0.5 * out)
            return (u - cu) ** 2 + (v - cv) ** 2 < 0.95**2

        brush.paint(Tissue.NERVE, (-10, 10), (0, 15), (stop, end + 4), strand, [Tissue.CSF])


def paint_roots(brush: Brush, spine: Spine, level: int) -> None:
    """Paint the exiting roots with their ganglia in the foramina, and the traversing roots in the lateral recesses.

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
    exit_s = high - 4.2

    def ganglion(u: Array, v: Array, s: Array) -> Array:
        beside = np.abs(u)
        along = (s - exit_s + 0.35 * (beside - 13)) / 3.1
        return along**2 + ((v - 2.9 + 0.25 * np.clip(beside - 14, 0, 20)) / 2.5) ** 2 < 1

    def vessels(u: Array, v: Array, s: Array) -> Array:
        above = (v - 0.2) ** 2 + (s - exit_s - 1.5) ** 2 < 0.9**2
        return above | ((v - 0.8) ** 2 + (s - exit_s + 6) ** 2 < 0.8**2)

    def traversing(u: Array, v: Array, s: Array) -> Array:
        return (np.abs(u) - 8.8 - 0.04 * (exit_s - s)) ** 2 + (v - 3.2) ** 2 < 1.6**2

    for sign in (-1, 1):
        fat = [Tissue.EPIDURAL_FAT, OUTSIDE]
        brush.paint(Tissue.ROOT, on_side(sign, 8, 30), (-8, 9), (low - 8, high), ganglion, fat)
        brush.paint(
            Tissue.VESSEL, on_side(sign, 12, 21), (-2, 3), (low, high), vessels, [Tissue.EPIDURAL_FAT]
        )
        recess = on_side(sign, 6.5, CANAL_HALF_WIDTH)
        brush.paint(Tissue.ROOT, recess, (0, 8), (low - 14, exit_s + 2), traversing, [Tissue.EPIDURAL_FAT])
