"""What disease does at a disc level: the disc bulges from the front, flavum and facets grow from behind."""

from __future__ import annotations

from functools import partial

import numpy as np

from lsdc.cohort.geometry import Array
from lsdc.phantom.bones import (
    CANAL_DEPTH,
    CANAL_HALF_WIDTH,
    FORAMEN_BACK,
    FORAMEN_DEPTH,
    RECESS_DEPTH,
    canal_depth,
    foramen_range,
    wall,
)
from lsdc.phantom.brush import OUTSIDE, Brush, on_side
from lsdc.phantom.disease import Disease
from lsdc.phantom.foramina import foramen_back
from lsdc.phantom.spine import FIRST_LUMBAR_DISC, Spine
from lsdc.phantom.tissues import Tissue

_SOFT = [Tissue.EPIDURAL_FAT, OUTSIDE, Tissue.LIGAMENT]


def _losses(disease: Disease, level: int) -> tuple[float, Array, Array]:
    """Depth lost in the midline, (2,) widths lost in the recesses, (2,) depths lost in the foramina, mm."""
    canal = max(CANAL_DEPTH - disease.sac_depth[level], 0.0)
    recess = np.maximum(RECESS_DEPTH - disease.recess[:, level], 0)
    return canal, recess, (1 - disease.foramen[:, level]) * FORAMEN_DEPTH


def _sided(u: Array, knots: list[float], left: list[float], right: list[float]) -> Array:
    """Interpolate between knots of |u| (mm), with other values on the left (u at least 0) than on the right."""
    across = np.abs(u)
    return np.where(u >= 0, np.interp(across, knots, left), np.interp(across, knots, right))


def disc_margin(disease: Disease, level: int, u: Array) -> Array:
    """Position of the back of a disc where it bulges most.

    Parameters
    ----------
    disease : Disease
        Of the patient.
    level : int
        0 (L1/L2) to 4 (L5/S1).
    u : array
        Position to the left of the midline, mm.

    Returns
    -------
    array
        Coordinate v, mm behind the posterior wall, of the shape of `u`.
    """
    canal, recess, foramen = _losses(disease, level)
    canal = canal * disease.anterior[0, level]
    foramen, recess = foramen * disease.anterior[1:3, level], recess * disease.anterior[3:5, level]
    left, right = (
        [canal, canal, recess[k], (recess[k] + 2 * foramen[k]) / 3, foramen[k], 0.6 * foramen[k], 0]
        for k in (0, 1)
    )
    peak = np.exp(-((u / 4) ** 2)) - np.exp(-(((np.abs(u) - 6) / 3) ** 2))
    focal = 0.25 * disease.protrusion[level] * canal * peak
    return _sided(u, [0, 4, 9, 13, 17, 22, 26], left, right) + focal


def posterior_margin(disease: Disease, level: int, u: Array) -> Array:
    """Position of the front of flavum and facets where they are thickest.

    Parameters
    ----------
    disease : Disease
        Of the patient.
    level : int
        0 (L1/L2) to 4 (L5/S1).
    u : array
        Position to the left of the midline, mm.

    Returns
    -------
    array
        Coordinate v, mm behind the posterior wall, of the shape of `u`.
    """
    canal, recess, foramen = _losses(disease, level)
    canal = canal * (1 - disease.anterior[0, level])
    foramen = foramen * (1 - disease.anterior[1:3, level])
    recess = recess * (1 - disease.anterior[3:5, level])
    left, right = ([0.6 * canal, canal, recess[k], foramen[k], foramen[k], 0.5 * foramen[k]] for k in (0, 1))
    return _healthy(u) - _sided(u, [0, 3, 9, 13, 17, 24], left, right)


def _healthy(u: Array) -> Array:
    """Free depth v (mm) behind a healthy disc, in the canal or in the foramina."""
    return np.where(np.abs(u) < CANAL_HALF_WIDTH, canal_depth(u), FORAMEN_BACK)


def paint_stenosis(brush: Brush, spine: Spine, disease: Disease, level: int) -> None:
    """Paint flavum, facet overgrowth and the bulging disc of one level over fat and ligament.

    Parameters
    ----------
    brush : Brush
        Paints on a volume in the spine's coordinates.
    spine : Spine
        Of the patient.
    disease : Disease
        How much space is left, and how much of the loss comes from the front.
    level : int
        0 (L1/L2) to 4 (L5/S1).
    """
    k = FIRST_LUMBAR_DISC + level
    c, h = spine.disc_center[k], spine.disc_height[k] / 2
    low, high = foramen_range(spine, level)

    def bulge(u: Array, v: Array, s: Array) -> Array:
        up = np.where(s > c, 1 + 0.7 * np.clip((np.abs(u) - 10) / 4, 0, 1), 1)
        reach = disc_margin(disease, level, u)
        fade = np.clip((h + 5 * up - np.abs(s - c)) / (3.5 * up), 0, 1) ** 0.7
        # In the foramina, the disc's edge lies in front of the wall in the midline.
        edge = wall(spine, k, u) * np.clip((np.abs(u) - 9) / 4, 0, 1)
        return (reach > 0.4) & (v < edge + reach * fade) & ((v > -0.5) | (np.abs(u) > 9))

    def growth(u: Array, v: Array, s: Array, rim: float = 0.0) -> Array:
        # Beside the canal the process that grows reaches up to the pedicle.
        taller = np.where((np.abs(u) > CANAL_HALF_WIDTH) & (s > c), 4.0, 0.0)
        fade = np.clip((h + 8.5 + taller - np.abs(s - c)) / 5, 0, 1) ** 0.7
        free = foramen_back(spine, level, s)
        healthy = np.where(np.abs(u) < CANAL_HALF_WIDTH, spine.canal * canal_depth(u), free)
        return v > healthy - (_healthy(u) - posterior_margin(disease, level, u)) * fade + rim

    def flavum(u: Array, v: Array, s: Array) -> Array:
        back = spine.canal * canal_depth(u)
        return (v > back - 0.2) & (v < back + 3.0)

    canal = (-CANAL_HALF_WIDTH, CANAL_HALF_WIDTH)
    brush.paint(Tissue.LIGAMENT, canal, (-1, CANAL_DEPTH + 4.5), (c - h - 8, c + h + 8), flavum)
    brush.paint(Tissue.LIGAMENT, canal, (-1, CANAL_DEPTH + 1), (c - h - 9, c + h + 9), growth, _SOFT)
    for sign in (-1, 1):
        side = on_side(sign, CANAL_HALF_WIDTH, 24.0)
        brush.paint(Tissue.CORTEX, side, (-8, FORAMEN_BACK + 1.8), (low, high), growth, _SOFT)
        overgrown = partial(growth, rim=1.3)
        brush.paint(Tissue.MARROW, side, (-8, FORAMEN_BACK + 1.8), (low, high), overgrown, [Tissue.CORTEX])
    reach = (c - h - 6, c + h + 10)
    brush.paint(Tissue.DISC_MATERIAL, (-26, 26), (-8, CANAL_DEPTH), reach, bulge, _SOFT)
