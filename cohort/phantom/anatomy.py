"""The tissue volume of the spine: bones, discs, ligaments, canal, sac, roots, painted in the spine's coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.geometry import Array
from lsdc.cohort.phantom.disease import Disease
from lsdc.cohort.phantom.spine import FIRST_LUMBAR_DISC, Spine
from lsdc.cohort.phantom.tissues import N_DISCS, Tissue

SPACING = 0.9
"""mm between voxels of the spine volume."""
OUTSIDE = 255
"""Label of voxels that belong to the body around the spine."""
CANAL_DEPTH, RECESS_DEPTH, FORAMEN_DEPTH = 16.0, 7.2, 9.0
"""Free depth behind a healthy disc in the midline, 9 mm beside it, and in the foramen, mm."""

Labels = NDArray[np.uint8]


@dataclass(frozen=True)
class Anatomy:
    """The spine as labels on a grid of patient space, with the spine's coordinates of every voxel.

    Parameters
    ----------
    labels : (nx, nz, ny) uint8
        `Tissue`, or `OUTSIDE`.
    x, z, y : (n,) float
        Grid positions, mm left, head, posterior.
    u : (nx, nz, ny) float32, v, s : (nz, ny) float32
        Spine coordinates of the voxels, mm.
    """

    labels: Labels
    x: Array
    z: Array
    y: Array
    u: NDArray[np.float32]
    v: NDArray[np.float32]
    s: NDArray[np.float32]


def build_anatomy(spine: Spine, disease: Disease, rng: np.random.Generator) -> Anatomy:
    """Paint the spine of one patient; later structures cover earlier ones."""
    x, z = np.arange(-46, 46.1, SPACING), np.arange(-150, 150.1, SPACING)
    y = np.arange(-72, 100.1, SPACING)
    v, s = (item.astype(np.float32) for item in spine.from_sagittal(*np.meshgrid(y, z)))
    u = x[:, None, None].astype(np.float32) - spine.sideways(s).astype(np.float32)[None]
    brush = _Brush(Anatomy(np.full(u.shape, OUTSIDE, np.uint8), x, z, y, u, v, s))
    for k in range(len(spine.centre)):
        _vertebra(brush, spine, k)
    for k in range(len(spine.disc_centre)):
        _disc(brush, spine, k)
    _canal(brush, spine)
    for level in range(5):
        _foramina(brush, spine, level)
    for level in range(5):
        _narrow(brush, spine, disease, level)
    _sac(brush, spine, rng)
    for level in range(5):
        _roots(brush, spine, level)
    return brush.anatomy


class _Brush:
    """Paints where a rule holds, inside a box of the spine's coordinates."""

    def __init__(self, anatomy: Anatomy) -> None:
        self.anatomy = anatomy

    def paint(
        self,
        tissue: int,
        u: tuple[float, float],
        v: tuple[float, float],
        s: tuple[float, float],
        rule=None,
        over=None,
    ) -> None:  # type: ignore[no-untyped-def]
        """Paint `tissue` where `rule(u, v, s)` holds, over the labels `over` only; ranges in mm."""
        a = self.anatomy
        plane = (a.v >= v[0]) & (a.v <= v[1]) & (a.s >= s[0]) & (a.s <= s[1])
        rows, columns = np.nonzero(plane.any(axis=1))[0], np.nonzero(plane.any(axis=0))[0]
        if not len(rows):
            return
        zs, ys = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        drift = a.u[:, zs, ys]
        wide = np.nonzero(((drift >= u[0]) & (drift <= u[1])).any(axis=(1, 2)))[0]
        if not len(wide):
            return
        xs = slice(wide[0], wide[-1] + 1)
        lateral = drift[xs]
        hit = plane[zs, ys][None] & (lateral >= u[0]) & (lateral <= u[1])
        if rule is not None:
            hit &= rule(lateral, a.v[zs, ys][None], a.s[zs, ys][None])
        box = a.labels[xs, zs, ys]
        if over is not None:
            hit &= np.isin(box, over)
        box[hit] = tissue


def canal_depth(u: Array) -> Array:
    """v of the back of the healthy canal (front of the flavum and facets) at u, mm."""
    return CANAL_DEPTH - (CANAL_DEPTH - RECESS_DEPTH) * np.minimum(np.abs(u) / 9.0, 1.25) ** 1.5


def _vertebra(brush: _Brush, spine: Spine, k: int) -> None:
    c, h, d, w = spine.centre[k], spine.height[k] / 2, spine.depth[k] / 2, spine.width[k] / 2
    sacral = k >= 8

    def radius(u: Array, v: Array, s: Array) -> Array:
        waist = 1 - (0.02 if sacral else 0.09) * (1 - ((s - c) / h) ** 2)
        hollow = 1.2 * np.exp(-((u / 8) ** 2))
        back = (v + d + hollow * (v > -d)) / (d * np.where(v > -d, 1, waist))
        return np.abs(u / (w * waist)) ** 2.4 + np.abs(back) ** 2.4

    def end(r: Array, rim: float) -> Array:
        return h - rim - 1.3 * np.clip(1 - r, 0, 1) * (not sacral)

    box = ((-w - 1, w + 1), (-2 * d - 1, 1.5), (c - h, c + h))
    brush.paint(
        Tissue.CORTEX, *box, lambda u, v, s: ((r := radius(u, v, s)) < 1) & (np.abs(s - c) < end(r, 0))
    )
    brush.paint(
        Tissue.MARROW, *box, lambda u, v, s: ((r := radius(u, v, s)) < 0.90) & (np.abs(s - c) < end(r, 0.9))
    )
    if not sacral:
        brush.paint(Tissue.VEIN, (-6, 6), (-0.38 * 2 * d, 0), (c - 2.2, c + 2.2),
                    lambda u, v, s: (np.abs(u) + 0.55 * np.abs(v) < 6) & (np.abs(s - c) < 2.2 + 0.12 * v))  # fmt: skip
    _arch(brush, spine, k, c, h)


def _arch(brush: _Brush, spine: Spine, k: int, c: float, h: float) -> None:
    inner, pedicle = 11.0 + 0.25 * max(k - 3, 0) * 2, spine.pedicle[k]
    sacral = k >= 8
    for sign in (-1, 1):

        def tube(u: Array, v: Array, s: Array, grow: float, sign: int = sign) -> Array:
            across = (sign * u - inner - pedicle / 2) / (pedicle / 2 + grow)
            return np.abs(across) ** 4 + np.abs((s - c - 0.25 * h) / (0.56 * h + grow)) ** 2.5 < 1

        side = (inner - 1, inner + pedicle + 2) if sign > 0 else (-inner - pedicle - 2, -inner + 1)
        reach = (-6.0, 11.0 if not sacral else 14.0)
        for tissue, grow in ((Tissue.CORTEX, 0.0), (Tissue.MARROW, -1.0)):
            brush.paint(tissue, side, reach, (c - h, c + h), lambda u, v, s, g=grow, t=tube: t(u, v, s, g))
        if not sacral:
            far = (18, 42) if sign > 0 else (-42, -18)
            for tissue, grow in ((Tissue.CORTEX, 0.0), (Tissue.MARROW, -0.9)):
                brush.paint(tissue, far, (2, 14), (c - 4, c + 9),
                            lambda u, v, s, g=grow: ((s - c - 2.5) / (4.5 + g)) ** 2 + ((v - 7.5 - 0.1 * np.abs(u)) / (3.2 + g)) ** 2 < 1)  # fmt: skip
    low = c - h - (3 if not sacral else 0)
    for tissue, thin in ((Tissue.CORTEX, 0.0), (Tissue.MARROW, 0.9)):
        brush.paint(tissue, (-17, 17), (5, 32), (low, c + 0.35 * h),
                    lambda u, v, s, t=thin: np.abs(v - canal_depth(u) - 5.5 + 0.12 * (s - c)) < 2.8 - t)  # fmt: skip
        length = 26.0 if not sacral else 8.0
        brush.paint(tissue, (-4, 4), (16, 18 + length), (low - 6, c + 5),
                    lambda u, v, s, t=thin: (np.abs(u) < 3.3 - t) & (np.abs(s - (c - 0.25 * h) + 0.30 * (v - 20)) < 8.5 - t)
                    & (v < 17 + length - t))  # fmt: skip
    if not sacral:
        brush.paint(Tissue.LIGAMENT, (-2.2, 2.2), (18, 40), (c - 1.9 * h, c + 1.2 * h), over=[OUTSIDE])


def _disc(brush: _Brush, spine: Spine, k: int) -> None:
    c, h = spine.disc_centre[k], spine.disc_height[k] / 2
    d = (spine.depth[k] + spine.depth[k + 1]) / 4
    w = (spine.width[k] + spine.width[k + 1]) / 4
    if k >= N_DISCS:
        return

    def radius(u: Array, v: Array, grow: float) -> Array:
        hollow = 1.0 * np.exp(-((u / 8) ** 2))
        return np.abs(u / (w + grow)) ** 2.4 + np.abs((v + d + hollow * (v > -d)) / (d + grow)) ** 2.4

    box = ((-w - 2, w + 2), (-2 * d - 2, 2.0), (c - h - 2.2, c + h + 2.2))
    over = [OUTSIDE, Tissue.ANNULUS + k]

    def inside(u: Array, v: Array, s: Array) -> Array:
        r = radius(u, v, 0.8)
        return (r < 1) & (np.abs(s - c) < h + 1.3 * np.clip(1 - r, 0, 1))

    brush.paint(Tissue.ANNULUS + k, *box, inside, over)
    core = 0.52
    brush.paint(
        Tissue.NUCLEUS + k, *box,
        lambda u, v, s: (radius(u, v, 0) < core) & (np.abs(s - c) < 0.8 * h + 1.0), over,
    )  # fmt: skip


def _canal(brush: _Brush, spine: Spine) -> None:
    top, bottom = spine.centre[0] + 20, spine.centre[10]
    brush.paint(
        Tissue.EPIDURAL_FAT, (-11.4, 11.4), (0, CANAL_DEPTH), (bottom, top),
        lambda u, v, s: (v < canal_depth(u)) & (v > 0.3 + 0.0 * u),
    )  # fmt: skip


def foramen_range(spine: Spine, level: int) -> tuple[float, float]:
    """Lowest and highest s of the foramina of a lumbar level: between the pedicles, mm."""
    k = FIRST_LUMBAR_DISC + level
    below = spine.centre[k + 1] + 0.81 * spine.height[k + 1] / 2
    above = spine.centre[k] - 0.31 * spine.height[k] / 2
    return below, above


def _foramina(brush: _Brush, spine: Spine, level: int) -> None:
    low, high = foramen_range(spine, level)
    c, h = spine.disc_centre[FIRST_LUMBAR_DISC + level], spine.disc_height[FIRST_LUMBAR_DISC + level] / 2
    middle, half = (low + high) / 2, (high - low) / 2
    for side in ((10.5, 25.0), (-25.0, -10.5)):
        for sign in (-1, 1):
            # facet joint: two processes and the fluid of their cleft
            brush.paint(Tissue.CORTEX, side, (FORAMEN_DEPTH, 24), (c - 15, c + 14),
                        lambda u, v, s: ((np.abs(u) - 17.5) / 6.5) ** 2 + ((v - 15.5) / 6.5) ** 2 + ((s - c) / 13.0) ** 2 < 1)  # fmt: skip
            brush.paint(Tissue.MARROW, side, (FORAMEN_DEPTH, 24), (c - 13, c + 12),
                        lambda u, v, s: ((np.abs(u) - 17.5) / 5.6) ** 2 + ((v - 15.5) / 5.6) ** 2 + ((s - c) / 12.0) ** 2 < 1)  # fmt: skip
            brush.paint(Tissue.CORTEX, side, (FORAMEN_DEPTH, 24), (c - 10, c + 9),
                        lambda u, v, s: np.abs((np.abs(u) - 17.5) + 0.8 * (v - 15.5)) < 1.5,
                        over=[Tissue.MARROW])  # fmt: skip
            brush.paint(Tissue.FLUID, side, (FORAMEN_DEPTH + 1.5, 21), (c - 9, c + 8),
                        lambda u, v, s: np.abs((np.abs(u) - 17.5) + 0.8 * (v - 15.5)) < 0.6,
                        over=[Tissue.CORTEX])  # fmt: skip
            break
        brush.paint(Tissue.EPIDURAL_FAT, side, (-1.0, FORAMEN_DEPTH), (low, high),
                    lambda u, v, s: (np.abs((s - middle) / half) ** 4 + np.abs((v - 4) / 5.2) ** 4 < 1)
                    & ((v > 0) | (np.abs(s - c) > h + 1)),
                    over=[OUTSIDE, Tissue.LIGAMENT, Tissue.CORTEX])  # fmt: skip


def disc_margin(disease: Disease, level: int, u: Array) -> Array:
    """v of the back of the disc at u where it bulges most, mm."""
    canal = max(CANAL_DEPTH - disease.sac_depth[level], 0) * disease.anterior[0, level]
    recess = np.maximum(RECESS_DEPTH - disease.recess[:, level], 0) * disease.anterior[3:5, level]
    foramen = (1 - disease.foramen[:, level]) * FORAMEN_DEPTH * disease.anterior[1:3, level]
    left = np.interp(np.abs(u), [0, 4, 9, 13, 17, 22, 26], [canal, canal, recess[0], (recess[0] + 2 * foramen[0]) / 3,
                                                          foramen[0], 0.6 * foramen[0], 0])  # fmt: skip
    right = np.interp(np.abs(u), [0, 4, 9, 13, 17, 22, 26], [canal, canal, recess[1], (recess[1] + 2 * foramen[1]) / 3,
                                                           foramen[1], 0.6 * foramen[1], 0])  # fmt: skip
    focal = (
        disease.protrusion[level]
        * 0.25
        * canal
        * (np.exp(-((u / 4) ** 2)) - np.exp(-(((np.abs(u) - 6) / 3) ** 2)))
    )
    return np.where(u >= 0, left, right) + focal


def posterior_margin(disease: Disease, level: int, u: Array) -> Array:
    """v of the front of flavum and facets at u where they are thickest, mm."""
    canal = max(CANAL_DEPTH - disease.sac_depth[level], 0) * (1 - disease.anterior[0, level])
    recess = np.maximum(RECESS_DEPTH - disease.recess[:, level], 0) * (1 - disease.anterior[3:5, level])
    foramen = (1 - disease.foramen[:, level]) * FORAMEN_DEPTH * (1 - disease.anterior[1:3, level])
    knots = [0, 3, 9, 13, 17, 24]
    left = np.interp(
        np.abs(u), knots, [0.6 * canal, canal, recess[0], foramen[0], foramen[0], 0.5 * foramen[0]]
    )
    right = np.interp(
        np.abs(u), knots, [0.6 * canal, canal, recess[1], foramen[1], foramen[1], 0.5 * foramen[1]]
    )
    healthy = np.where(np.abs(u) < 11.4, canal_depth(u), FORAMEN_DEPTH)
    return healthy - np.where(u >= 0, left, right)


def _narrow(brush: _Brush, spine: Spine, disease: Disease, level: int) -> None:
    k = FIRST_LUMBAR_DISC + level
    c, h = spine.disc_centre[k], spine.disc_height[k] / 2
    low, high = foramen_range(spine, level)

    def window(s: Array, half: float, soft: float) -> Array:
        return np.clip((half + soft - np.abs(s - c)) / soft, 0, 1) ** 0.7

    def behind(u: Array, v: Array, s: Array) -> Array:
        beside = np.clip((np.abs(u) - 10) / 4, 0, 1)
        up = np.where(s > c, 1 + 0.9 * beside, 1)
        return (
            v
            < disc_margin(disease, level, u) * np.clip((h + 5 * up - np.abs(s - c)) / (3.5 * up), 0, 1) ** 0.7
        )

    def before(u: Array, v: Array, s: Array) -> Array:
        healthy = np.where(np.abs(u) < 11.4, canal_depth(u), FORAMEN_DEPTH)
        return v > healthy - (healthy - posterior_margin(disease, level, u)) * window(s, h + 3.5, 5)

    soft = [Tissue.EPIDURAL_FAT, OUTSIDE, Tissue.LIGAMENT]
    brush.paint(Tissue.LIGAMENT, (-11.4, 11.4), (-1, CANAL_DEPTH + 4.5), (c - h - 8, c + h + 8),
                lambda u, v, s: (v > canal_depth(u) - 0.2) & (v < canal_depth(u) + 3.0))  # fmt: skip
    brush.paint(Tissue.LIGAMENT, (-11.4, 11.4), (-1, CANAL_DEPTH + 1), (c - h - 9, c + h + 9), before, soft)
    for side in ((11.4, 24.0), (-24.0, -11.4)):
        brush.paint(Tissue.CORTEX, side, (-1, FORAMEN_DEPTH + 0.5), (low, high), before, soft)
    brush.paint(Tissue.DISC_MATERIAL, (-26, 26), (-0.5, CANAL_DEPTH), (c - h - 6, c + h + 10), behind, soft)


def _sac(brush: _Brush, spine: Spine, rng: np.random.Generator) -> None:
    top, bottom = spine.centre[0] + 20, spine.centre[9] - rng.uniform(-6, 8)
    level = [bottom, spine.centre[8], spine.centre[7], spine.centre[4], top]
    half = [2.0, 8.2, 9.4, 10.2, 9.0]
    depth = [2.0, 5.6, 6.6, 6.8, 6.4]

    def sac(u: Array, v: Array, s: Array) -> Array:
        ru, rv = np.interp(s, level, half), np.interp(s, level, depth)
        return (u / ru) ** 2 + ((v - 0.6 - rv) / rv) ** 2 < 1

    fat = [Tissue.EPIDURAL_FAT]
    brush.paint(Tissue.CSF, (-11, 11), (0, 16), (bottom, top), sac, fat)
    end = spine.centre[3] - rng.normal(10, 12)
    brush.paint(Tissue.CORD, (-6, 6), (1, 14), (end, top),
                lambda u, v, s: (u / 4.6) ** 2 + ((v - 6.8) / 3.8) ** 2 < np.clip((s - end) / 22, 0, 1) ** 1.2,
                [Tissue.CSF])  # fmt: skip
    count = 18
    place = np.stack(
        [rng.uniform(-0.78, 0.78, count), np.clip(rng.normal(0.35, 0.35, count), -0.5, 0.8)], axis=1
    )
    stop = spine.centre[4] - (np.arange(count) + 0.5) / count * (spine.centre[4] - bottom)
    for (pu, pv), leave in zip(place, stop):

        def strand(
            u: Array, v: Array, s: Array, pu: float = pu, pv: float = pv, leave: float = leave
        ) -> Array:
            ru, rv = np.interp(s, level, half), np.interp(s, level, depth)
            out = np.clip((leave + 40 - s) / 40, 0, 1)
            cu = ru * (pu + (0.85 * np.sign(pu) - pu) * out)
            cv = 0.6 + rv + rv * (pv * (1 - 0.5 * out))
            return (u - cu) ** 2 + (v - cv) ** 2 < 0.95**2

        brush.paint(Tissue.NERVE, (-10, 10), (0, 15), (leave, end + 4), strand, [Tissue.CSF])


def _roots(brush: _Brush, spine: Spine, level: int) -> None:
    low, high = foramen_range(spine, level)
    exit_s = high - 4.2
    fat = [Tissue.EPIDURAL_FAT, OUTSIDE]
    for sign in (-1, 1):
        side = (8.0, 30.0) if sign > 0 else (-30.0, -8.0)
        brush.paint(
            Tissue.ROOT, side, (-8, 9), (low - 8, high),
            lambda u, v, s: (((s - exit_s + 0.35 * (np.abs(u) - 13)) / 3.1) ** 2
                             + ((v - 4.3 + 0.25 * np.clip(np.abs(u) - 16, 0, 20)) / 2.5) ** 2) < 1, fat,
        )  # fmt: skip
        recess = (6.5, 11.4) if sign > 0 else (-11.4, -6.5)
        brush.paint(
            Tissue.ROOT, recess, (0, 8), (low - 14, exit_s + 2),
            lambda u, v, s: (np.abs(u) - 8.8 - 0.04 * (exit_s - s)) ** 2 + (v - 3.2) ** 2 < 1.6**2,
            [Tissue.EPIDURAL_FAT],
        )  # fmt: skip
