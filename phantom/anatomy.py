"""Paint the spine of one patient as a volume of tissues."""

from __future__ import annotations

from functools import partial

import numpy as np

from lsdc.cohort.geometry import Array
from lsdc.phantom.aging import Aging
from lsdc.phantom.aging_painting import dent, paint_aging, paint_extrusions
from lsdc.phantom.bones import Dents, paint_arch, paint_body
from lsdc.phantom.brush import OUTSIDE, Anatomy, Brush
from lsdc.phantom.disease import N_LEVELS, Disease
from lsdc.phantom.facets import draw_facets, paint_facets
from lsdc.phantom.foramina import paint_foramina
from lsdc.phantom.nerves import paint_canal, paint_roots, paint_sac
from lsdc.phantom.spine import Spine
from lsdc.phantom.stenosis import paint_stenosis
from lsdc.phantom.tissues import N_DISCS, Tissue
from lsdc.phantom.variants import USUAL, Variants, paint_implants


def build_anatomy(
    canvas: Anatomy, spine: Spine, disease: Disease, aging: Aging, seed: int, variants: Variants = USUAL
) -> Anatomy:
    """Paint the spine of one patient on a blank canvas; later structures cover earlier ones.

    The same arguments paint the same patient, whatever voxels or planes the canvas samples.

    Parameters
    ----------
    canvas : Anatomy
        Its labels are changed in place.
    spine : Spine
        Geometry.
    disease : Disease
        What narrows canal, recesses and foramina.
    aging : Aging
        What else images show.
    seed : int
        For what is drawn while painting: facet joints, the strands of the cauda equina and the ends of sac and conus.
    variants : Variants, default none
        Implants and epidural lipomatosis.

    Returns
    -------
    Anatomy
        `canvas`.
    """
    brush = Brush(canvas)
    for k in range(len(spine.center)):
        paint_body(brush, spine, k, _dents(aging, k))
        paint_arch(brush, spine, k)
    for k in range(N_DISCS):
        paint_disc(brush, spine, k, (_dents(aging, k)[1], _dents(aging, k + 1)[0]))
    paint_canal(brush, spine)
    facets = draw_facets(np.random.default_rng([seed, 1]), disease.severity[1:3].mean(axis=0))
    for level in range(N_LEVELS):
        paint_facets(brush, spine, facets, level)
    for level in range(N_LEVELS):
        paint_foramina(brush, spine, level)
    for level in range(N_LEVELS):
        paint_stenosis(brush, spine, disease, level)
    paint_extrusions(brush, spine, aging)
    paint_sac(brush, spine, np.random.default_rng(seed), variants.lipomatosis)
    for level in range(N_LEVELS):
        paint_roots(brush, spine, level)
    paint_aging(brush, spine, aging)
    paint_implants(brush, spine, variants)
    return canvas


_BONE = (Tissue.MARROW, Tissue.CORTEX)


def _dents(aging: Aging, k: int) -> Dents:
    """Functions that give the dents of the upper and the lower endplate of vertebra k."""
    return partial(dent, aging, k, 0), partial(dent, aging, k, 1)


def paint_disc(brush: Brush, spine: Spine, k: int, dents: Dents) -> None:
    """Paint annulus and nucleus between two vertebral bodies, whose dents they fill.

    Parameters
    ----------
    brush : Brush
        Paints on a volume in the spine's coordinates.
    spine : Spine
        Of the patient.
    k : int
        Index of the disc; it lies between vertebrae k and k + 1.
    dents : pair of callables
        Of the lower endplate of the vertebra above, and of the upper endplate of the one below; see `Dents`.
    """
    c, h = spine.disc_center[k], spine.disc_height[k] / 2
    whole, w = (spine.lower_depth[k] + spine.depth[k + 1]) / 4, (spine.width[k] + spine.width[k + 1]) / 4
    fused = spine.covered[k] < 1
    d = whole * spine.covered[k]
    # What is left of a sacral disc lies in front of the middle.
    forward, rim = 0.5 * (whole - d), spine.rim[k]

    def radius(u: Array, v: Array, grow: float) -> Array:
        v = v + whole - d + forward
        hollow = np.exp(-((u / 8) ** 2)) * (v > -d)
        return np.abs(u / (w + grow)) ** 2.4 + np.abs((v + d + hollow) / (d + grow)) ** 2.4

    def annulus(u: Array, v: Array, s: Array) -> Array:
        r = radius(u, v, 0.8)
        return (r < 1) & (np.abs(s - c) < h + (0 if fused else 0.4) + hollows(u, v, s))

    def outline(u: Array, v: Array, s: Array) -> Array:
        return (radius(u, v, 0.8 + rim) < 1) & (np.abs(s - c) < h + rim)

    def nucleus(u: Array, v: Array, s: Array) -> Array:
        return radius(u, v, 0) + 0.4 * (np.abs(s - c) / (0.9 * h + 0.9 * hollows(u, v, s))) ** 2 < 0.55

    def hollows(u: Array, v: Array, s: Array) -> Array:
        return np.maximum(np.where(s > c, dents[0](u, v + whole), dents[1](u, v + whole)), 0)

    box = ((-w - 2, w + 2), (-2 * whole - 2, 2.0), (c - h - 9, c + h + 9))
    if fused and rim:
        brush.paint(Tissue.CORTEX, *box, outline, [OUTSIDE, *_BONE])
    brush.paint(Tissue.ANNULUS + k, *box, annulus, [OUTSIDE, *_BONE] if fused else [OUTSIDE])
    brush.paint(Tissue.NUCLEUS + k, *box, nucleus, [Tissue.ANNULUS + k])
