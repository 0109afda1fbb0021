"""Behind the foramina: articular processes with their joints, pars, and the fat between them and the muscles."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from lsdc.cohort.geometry import Array
from lsdc.phantom.bones import FORAMEN_BACK, foramen_range
from lsdc.phantom.brush import OUTSIDE, Brush, on_side
from lsdc.phantom.disease import N_LEVELS
from lsdc.phantom.foramina import SURROUNDINGS, foramen_back
from lsdc.phantom.spine import FIRST_LUMBAR_DISC, Spine
from lsdc.phantom.tissues import Tissue

# Middle of the joints of L1/L2 to L5/S1: beside the midline, behind the posterior wall, above the disc's middle, mm;
# how far beside the midline the pars ends; where its back is beside the pedicle, mm behind the wall, and how much
# further back each mm below; and cortex beyond the usual. Chosen so that the mean of parasagittal crops
# at readers' marks agrees, level by level, with that of patients.
_ASIDE = np.array([12.8, 13.5, 14.8, 16.8, 19.0])
_BEHIND = np.array([15.4, 15.2, 14.8, 15.4, 15.2])
_ABOVE = np.array([-3.2, -3.2, -2.8, -1.0, 1.0])
_PARS_END = np.array([13.8, 15.0, 17.0, 20.0, 23.0])
_PARS_BACK, _PARS_SLOPE = (12.9, 12.9, 13.6, 14.5, 18.0), (0.34, 0.34, 0.3, 0.2, 0.2)
_RIM = np.array([0.1, 0.1, 0.3, 0.5, 0.6])
# How far behind the wall fat reaches around the joints, and how much further between them, mm.
_FAT, _MORE_FAT = np.array([16.5, 17.0, 18.5, 22.0, 28.0]), 8.5
_GAP = 0.5
"""Half the width of a joint's cleft, mm."""


@dataclass(frozen=True)
class Facets:
    """Facet joints of one patient at L1/L2 to L5/S1; lengths in mm, sides left and right.

    Parameters
    ----------
    aside, behind, above : (5,) float
        Middle of the joints: u (either side), v, and s from the disc's middle.
    size : (5,) float
        Of the articular processes, about 1.
    pars_end : (5,) float
        Distance from the midline at which the pars ends.
    rim : (2, 5) float
        Thickness of the processes' cortex; more where they are sclerotic.
    phase : (2, 5) float
        Of what is ragged: the border of the fat, the strands of muscle; radians.
    reach : (2, 5) float
        How far back fat reaches around the joints.
    more : (2, 5) float
        How much further it reaches between neighboring joints.
    """

    aside: Array
    behind: Array
    above: Array
    size: Array
    pars_end: Array
    rim: Array
    phase: Array
    reach: Array
    more: Array


def draw_facets(rng: np.random.Generator, worst: Array) -> Facets:
    """Draw the facet joints of one patient.

    Parameters
    ----------
    rng : numpy Generator
        Source of randomness.
    worst : (5,) float
        Severity per level, 0 moderate and 1 severe: worn joints are larger and more often sclerotic.

    Returns
    -------
    Facets
        With what differs between patients, levels and sides.
    """
    worn = 1 / (1 + np.exp(-1.5 * worst))
    shift = rng.normal(0, 1.8)
    return Facets(
        _ASIDE + 0.6 * shift + rng.normal(0, 0.6, 5),
        _BEHIND + rng.normal(0, 1.2, 5),
        _ABOVE + rng.normal(0, 1.8, 5),
        0.95 + 0.28 * worn + rng.normal(0, 0.07, 5),
        _PARS_END + shift + rng.normal(0, 0.8, 5),
        np.clip(_RIM + rng.gamma(4, 0.3, (2, 5)) + 1.2 * worn * rng.random((2, 5)), 0.8, 4.0),
        rng.uniform(0, 2 * np.pi, (2, 5)),
        _FAT + rng.normal(0, 2.0) + rng.normal(0, 1.0, (2, 5)),
        np.clip(_MORE_FAT + rng.normal(0, 2.5) + rng.normal(0, 1.5, (2, 5)), 2.0, 16.0),
    )


def paint_facets(brush: Brush, spine: Spine, facets: Facets, level: int) -> None:
    """Paint the facet joints of a level, the pars above them, and the fat around both.

    The superior process belongs to the lower vertebra and lies in front of the cleft; the inferior one hangs behind
    it from the pars of the upper vertebra. Where the disc has lost height, the one rises and the other sinks.

    Parameters
    ----------
    brush : Brush
        Paints on a volume in the spine's coordinates.
    spine : Spine
        Of the patient.
    facets : Facets
        Of the patient.
    level : int
        0 (L1/L2) to 4 (L5/S1).
    """
    k = FIRST_LUMBAR_DISC + level
    c, h = spine.disc_center[k], spine.disc_height[k] / 2
    aside, behind, size = facets.aside[level], facets.behind[level], facets.size[level]
    middle, tip = c + facets.above[level], c - h + 1.0
    pars_back, slope = _PARS_BACK[level], _PARS_SLOPE[level]
    low, _ = foramen_range(spine, level)
    root, end = spine.center[k], facets.pars_end[level]

    def cleft(u: Array, v: Array, s: Array) -> Array:
        return v - behind - 1.8 - 1.1 * (np.abs(u) - aside) + 0.35 * (s - middle)

    def mass(u: Array, v: Array, s: Array, thin: float) -> Array:
        across, deep = (np.abs(u) - aside) / (7.6 * size - thin), (v - behind) / (7.2 * size - thin)
        return across**2 + deep**2 + ((s - middle) / (9.2 * size - thin)) ** 2 < 1

    def superior(u: Array, v: Array, s: Array, thin: float) -> Array:
        across, deep = (np.abs(u) - aside + 0.5) / (6.5 - thin), (v - 9.0 + 0.2 * (s - tip)) / (3.4 - thin)
        beak = across**2 + deep**2 + ((s - tip) / (6.5 - thin)) ** 2 < 1
        # The process rises from the back of the lower pedicle.
        along = np.clip((middle - s) / (middle - low + 3), 0, 1.2)
        neck = np.abs(v - behind + (behind - 9.5) * along) < 4.6 - thin
        neck = neck & (s < middle) & (s > low - 5) & (np.abs(np.abs(u) - aside - 0.5) < 5.5 - thin)
        front = v > foramen_back(spine, level, s) + 0.8 + thin
        return (mass(u, v, s, thin) | beak | neck) & (cleft(u, v, s) < -_GAP - thin) & front

    def inferior(u: Array, v: Array, s: Array, thin: float) -> Array:
        slab = v < pars_back + slope * np.maximum(root - s, -3) - thin
        slab = (
            slab & (np.abs(u) < end - 0.12 * np.maximum(root - s, 0) - thin) & (s > middle) & (s < root + 2)
        )
        free = (cleft(u, v, s) > _GAP + thin) | (s > tip + 8 + thin)
        return (slab | mass(u, v, s, thin)) & free & (v > foramen_back(spine, level, s) + 0.8 + thin)

    def fluid(u: Array, v: Array, s: Array) -> Array:
        return mass(u, v, s, 1.0) & (np.abs(cleft(u, v, s)) < _GAP)

    def cushion(u: Array, v: Array, s: Array, own: tuple[float, float, float]) -> Array:
        reach, more, phase = own
        ragged = 1.2 * np.sin(0.9 * s + phase) + np.sin(0.55 * s - 0.5 * u + 2 * phase)
        further = ragged + more * np.exp(-(((s - c - 14) / 6.5) ** 2))
        beside = 0.7 * np.maximum(np.abs(u) - 19, 0) + 0.5 * np.maximum(13 - np.abs(u), 0)
        return v < reach + further - beside

    def fibers(u: Array, v: Array, s: Array, own: tuple[float, float, float]) -> Array:
        # Strands of muscle in the fat, fewer in its depth, and of fat in the muscle; both along the muscle.
        stripe = np.sin(1.1 * v + 0.25 * s + 0.4 * u + own[2]) + np.sin(0.7 * v - 0.15 * s - 0.7 * u)
        return (stripe > 0.9 + 0.9 * cushion(u, v + 4, s, own)) & (v > 12)

    bottom = spine.center[k + 2] if level == N_LEVELS - 1 else spine.center[k + 1]
    parts = ((inferior, (middle - 11, root + 2)), (superior, (low - 5, max(tip + 7, middle + 11))))
    soft = [*SURROUNDINGS, Tissue.EPIDURAL_FAT]
    for side, sign in enumerate((1, -1)):
        behind_bones = on_side(sign, 10.0, 25.0), (5.0, 40.0), (bottom, root + 2)
        own = (
            float(facets.reach[side, level]),
            float(facets.more[side, level]),
            float(facets.phase[side, level]),
        )
        strands = partial(fibers, own=own)
        brush.paint(Tissue.FAT, *behind_bones, partial(cushion, own=own), [OUTSIDE])
        brush.paint(Tissue.MUSCLE, *behind_bones, strands, [Tissue.FAT])
        brush.paint(Tissue.STREAK, *behind_bones, strands, [OUTSIDE])
        around, rim = (on_side(sign, 9.5, 25.0), (FORAMEN_BACK - 2, 24.0)), facets.rim[side, level]
        for process, along in parts:
            brush.paint(Tissue.CORTEX, *around, along, partial(process, thin=0.0), soft)
            brush.paint(Tissue.MARROW, *around, along, partial(process, thin=rim), [*soft, Tissue.CORTEX])
        brush.paint(Tissue.FLUID, *around, (middle - 8, middle + 8), fluid, soft)
