"""The spine of one patient as a volume of tissues."""

from __future__ import annotations

import numpy as np

from lsdc.cohort.geometry import Array
from lsdc.cohort.phantom.bones import paint_arch, paint_body, paint_facets
from lsdc.cohort.phantom.brush import OUTSIDE, Anatomy, Brush, blank
from lsdc.cohort.phantom.disease import N_LEVELS, Disease
from lsdc.cohort.phantom.narrowing import paint_narrowing
from lsdc.cohort.phantom.nerves import paint_canal, paint_roots, paint_sac
from lsdc.cohort.phantom.spine import Spine
from lsdc.cohort.phantom.tissues import N_DISCS, Tissue


def build_anatomy(spine: Spine, disease: Disease, rng: np.random.Generator) -> Anatomy:
    """Paint the spine of one patient; later structures cover earlier ones."""
    brush = Brush(blank(spine))
    for k in range(len(spine.centre)):
        paint_body(brush, spine, k)
        paint_arch(brush, spine, k)
    for k in range(N_DISCS):
        paint_disc(brush, spine, k)
    paint_canal(brush, spine)
    for level in range(N_LEVELS):
        paint_facets(brush, spine, level)
    for level in range(N_LEVELS):
        paint_narrowing(brush, spine, disease, level)
    paint_sac(brush, spine, rng)
    for level in range(N_LEVELS):
        paint_roots(brush, spine, level)
    return brush.anatomy


def paint_disc(brush: Brush, spine: Spine, k: int) -> None:
    """Annulus and nucleus between two vertebral bodies."""
    c, h = spine.disc_centre[k], spine.disc_height[k] / 2
    d, w = (spine.depth[k] + spine.depth[k + 1]) / 4, (spine.width[k] + spine.width[k + 1]) / 4

    def radius(u: Array, v: Array, grow: float) -> Array:
        hollow = np.exp(-((u / 8) ** 2)) * (v > -d)
        return np.abs(u / (w + grow)) ** 2.4 + np.abs((v + d + hollow) / (d + grow)) ** 2.4

    def annulus(u: Array, v: Array, s: Array) -> Array:
        r = radius(u, v, 0.8)
        return (r < 1) & (np.abs(s - c) < h + 1.3 * np.clip(1 - r, 0, 1))

    def nucleus(u: Array, v: Array, s: Array) -> Array:
        return (radius(u, v, 0) < 0.52) & (np.abs(s - c) < 0.8 * h + 1.0)

    box = ((-w - 2, w + 2), (-2 * d - 2, 2.0), (c - h - 2.2, c + h + 2.2))
    brush.paint(Tissue.ANNULUS + k, *box, annulus, [OUTSIDE])
    brush.paint(Tissue.NUCLEUS + k, *box, nucleus, [Tissue.ANNULUS + k])
