"""What age does beside narrowing: endplates, marrow beside them, spurs, cracks in discs, extruded material."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lsdc.cohort.geometry import Array
from lsdc.phantom.bones import CANAL_DEPTH
from lsdc.phantom.brush import OUTSIDE, Brush
from lsdc.phantom.disease import Disease
from lsdc.phantom.spine import FIRST_LUMBAR_DISC, SACRUM, Spine
from lsdc.phantom.tissues import N_DISCS, Tissue

_KINDS = (Tissue.MARROW, Tissue.EDEMA, Tissue.FATTY, Tissue.SCLEROSIS)
"""Marrow beside an endplate: healthy, Modic 1, 2, 3."""
_CRACKS = (None, Tissue.ANNULUS, Tissue.GAS, Tissue.FLUID)
_EXTRUDED_OVER = [Tissue.EPIDURAL_FAT, OUTSIDE, Tissue.LIGAMENT]


@dataclass(frozen=True)
class Wear:
    """Changes that no grade of the competition counts, but that pictures show; lengths in mm.

    Parameters
    ----------
    dents : (12, 2, n, 4) float
        Per vertebra and endplate (upper, lower), Gaussian dents: u and v from the middle of the body, spread,
        depth. The first is the concavity, the second a Schmorl node (depth 0: none), the rest roughness.
    modic : (10, 2, 4) float
        Per disc and neighboring endplate (above, below): Modic type (0 none), reach, v, half width.
    spurs : (10,) float
        Length of the osteophytes in front of a disc.
    islands : (n, 5) float
        Fatty islands and haemangiomas: vertebra, u, v, s from the middle, radius.
    crack : (10,) int
        In the nucleus: 0 nothing, 1 a dark cleft, 2 gas, 3 fluid.
    tear : (10,) bool
        A bright spot in the back of the annulus.
    extrusion : (5, 4) float
        Per lumbar disc: depth (0: none), u, half width, how far it has moved headwards.
    """

    dents: Array
    modic: Array
    spurs: Array
    islands: Array
    crack: Array
    tear: Array
    extrusion: Array


def draw_wear(rng: np.random.Generator, disease: Disease, age: float) -> Wear:
    """Draw what wear goes with a patient's disease and age."""
    lost = np.clip(disease.disc_loss[:N_DISCS] / 0.45, 0, 1)
    old = float(np.clip((age - 25) / 55, 0, 1))
    return Wear(
        _draw_dents(rng),
        _draw_modic(rng, lost),
        np.where(rng.random(N_DISCS) < 0.15 + 0.5 * old * (0.4 + lost), rng.gamma(2.0, 1.6, N_DISCS), 0.0),
        _draw_islands(rng, old),
        _draw_cracks(rng, lost, disease.hydration),
        rng.random(N_DISCS) < 0.25 * lost,
        _draw_extrusions(rng, lost[FIRST_LUMBAR_DISC:SACRUM]),
    )  # fmt: skip


def _draw_cracks(rng: np.random.Generator, lost: Array, hydration: Array) -> Array:
    some, old = rng.random(N_DISCS) < 0.5, rng.random(N_DISCS) < 0.5 * lost
    dry = np.where(old, rng.choice([2, 2, 3], N_DISCS), 0)
    return np.where(some, np.where(hydration > 0.45, 1, dry), 0)


def _draw_dents(rng: np.random.Generator) -> Array:
    dents = np.zeros((12, 2, 7, 4))
    dents[..., :2] = rng.normal(0, [6.0, 8.0], (12, 2, 7, 2))
    dents[..., 2] = rng.uniform(2.0, 6.0, (12, 2, 7))
    dents[..., 3] = rng.normal(0, 0.35, (12, 2, 7))
    concave = rng.gamma(4.0, 0.32) + rng.normal(0, 0.4, (12, 2))
    dents[:, :, 0] = np.stack(
        [np.zeros((12, 2)), rng.normal(2, 2.5, (12, 2)), rng.uniform(8, 13, (12, 2)), np.clip(concave, 0, 5)], -1
    )  # fmt: skip
    nodes = rng.random((12, 2)) < rng.choice([0.02, 0.12, 0.4], p=[0.6, 0.3, 0.1])
    dents[:, :, 1, 2] = rng.uniform(2.0, 4.5, (12, 2))
    dents[:, :, 1, 3] = nodes * rng.uniform(2.0, 7.0, (12, 2))
    dents[SACRUM, 1] = dents[SACRUM + 1 :] = 0
    return dents


def _draw_modic(rng: np.random.Generator, lost: Array) -> Array:
    kind = rng.choice([1, 2, 3], N_DISCS, p=[0.35, 0.58, 0.07])
    present = rng.random(N_DISCS) < 0.04 + 0.45 * lost**1.5
    each = present[:, None] & (rng.random((N_DISCS, 2)) < 0.8)
    front = np.where(rng.random((N_DISCS, 1)) < 0.5, -9.0, rng.choice([0.0, 8.0], (N_DISCS, 1)))
    return np.stack(
        [each * kind[:, None], rng.uniform(2.5, 14, (N_DISCS, 2)), front + rng.normal(0, 3, (N_DISCS, 2)),
         rng.uniform(4, 22, (N_DISCS, 2))], -1
    )  # fmt: skip


def _draw_islands(rng: np.random.Generator, old: float) -> Array:
    count = int(rng.poisson(1.0 + 5 * old))
    place = rng.normal(0, [9.0, 9.0, 7.0], (count, 3))
    return np.column_stack([rng.integers(0, 12, count), place, rng.gamma(2.0, 1.5, count) + 1])


def _draw_extrusions(rng: np.random.Generator, lost: Array) -> Array:
    present = rng.random(5) < (0.01 + 0.14 * lost) * np.array([0.2, 0.3, 0.6, 1.2, 1.4])
    return np.stack(
        [present * rng.uniform(3.0, 8.0, 5), rng.normal(0, 4.0, 5), rng.uniform(3.0, 7.0, 5),
         rng.choice([0.0, 0.0, 1.0], 5) * rng.normal(-2, 5.0, 5)], -1
    )  # fmt: skip


def dent(wear: Wear, k: int, end: int, u: Array, v: Array) -> Array:
    """How deep (mm) the upper (0) or lower (1) endplate of vertebra k is pressed in; v from the middle of the body."""
    total = np.zeros(np.broadcast_shapes(u.shape, v.shape), np.float32)
    for du, dv, spread, depth in wear.dents[k, end]:
        if depth:
            total += depth * np.exp(-0.5 * (((u - du) / spread) ** 2 + ((v - dv) / spread) ** 2))
    return total


def paint_extrusions(brush: Brush, spine: Spine, wear: Wear) -> None:
    """Disc material that has left the disc backwards, up or down."""
    for level, (depth, side, half, moved) in enumerate(wear.extrusion):
        if not depth:
            continue
        k = FIRST_LUMBAR_DISC + level
        c, h = spine.disc_center[k], spine.disc_height[k] / 2

        def lump(
            u: Array, v: Array, s: Array, at: tuple[float, ...] = (c, h, depth, side, half, moved)
        ) -> Array:
            middle, tall, deep, across, wide, away = at
            height = 0.9 * tall + 2 + 0.6 * abs(away)
            flat = ((u - across) / wide) ** 2 + (np.maximum(v, 0) / deep) ** 2
            return flat + ((s - middle - 0.6 * away) / height) ** 2 < 1

        box = ((-12, 12), (-0.5, CANAL_DEPTH), (c - h - 14, c + h + 14))
        brush.paint(Tissue.DISC_MATERIAL, *box, lump, _EXTRUDED_OVER)


def paint_wear(brush: Brush, spine: Spine, wear: Wear) -> None:
    """Marrow beside endplates, islands, spurs, and what is inside discs."""
    for vertebra, u0, v0, s0, radius in wear.islands:
        _ball(brush, spine, int(vertebra), (u0, v0, s0, radius))
    for k in range(N_DISCS):
        for side, (vertebra, end) in enumerate(((k, 1), (k + 1, 0)) if spine.covered[k] == 1 else ()):
            _modic(brush, spine, wear, k, side, vertebra, end)
        if wear.spurs[k] > 0.8 and k < SACRUM:
            _spur(brush, spine, k, float(wear.spurs[k]))
        _inside(brush, spine, wear, k)


def _ball(brush: Brush, spine: Spine, k: int, ball: tuple[float, ...]) -> None:
    u0, v0, s0, radius = ball
    v0, s0 = v0 - spine.depth[k] / 2, s0 + spine.center[k]
    box = ((u0 - radius, u0 + radius), (v0 - radius, v0 + radius), (s0 - radius, s0 + radius))
    brush.paint(
        Tissue.FATTY,
        *box,
        lambda u, v, s: (u - u0) ** 2 + (v - v0) ** 2 + (s - s0) ** 2 < radius**2,
        [Tissue.MARROW],
    )


def _modic(brush: Brush, spine: Spine, wear: Wear, k: int, side: int, vertebra: int, end: int) -> None:
    kind, reach, v0, half = wear.modic[k, side]
    if not kind:
        return
    center, d = spine.center[vertebra], spine.depth[vertebra] / 2
    sign = 1 if end == 0 else -1
    edge = center + sign * spine.height[vertebra] / 2

    def zone(u: Array, v: Array, s: Array) -> Array:
        away = sign * (edge - s) - dent(wear, vertebra, end, u, v + d)
        return away < reach * np.exp(-(np.abs((v + d - v0) / half) ** 3)) * (1 - 0.25 * np.abs(u) / 20)

    box = (
        (-26, 26),
        (-2 * d - 1, 1),
        (min(edge, edge - sign * (reach + 8)), max(edge, edge - sign * (reach + 8))),
    )
    brush.paint(_KINDS[int(kind)], *box, zone, [Tissue.MARROW, Tissue.FATTY])


def _spur(brush: Brush, spine: Spine, k: int, length: float) -> None:
    c, h = spine.disc_center[k], spine.disc_height[k] / 2
    d = max(spine.depth[k], spine.depth[k + 1])

    def beak(u: Array, v: Array, s: Array, thin: float) -> Array:
        out = (-v - d + 1.5 + 0.012 * u**2) / (length + 1.5)
        tip = h * (1 - 0.8 * np.clip(out, 0, 1))
        away = np.abs(s - c) - tip
        return (out < 1 - 0.3 * thin) & (away > 0.3 + thin) & (away < 5.5 * (1 - out) - thin)

    for tissue, thin in ((Tissue.CORTEX, 0.0), (Tissue.MARROW, 0.8)):
        box = ((-14, 14), (-d - length, -d + 4), (c - h - 6, c + h + 6))
        brush.paint(tissue, *box, lambda u, v, s, thin=thin: beak(u, v, s, thin), [OUTSIDE, Tissue.CORTEX])  # type: ignore[misc]


def _inside(brush: Brush, spine: Spine, wear: Wear, k: int) -> None:
    c, h = spine.disc_center[k], spine.disc_height[k] / 2
    d = (spine.depth[k] + spine.depth[k + 1]) / 4
    what, thick = _CRACKS[int(wear.crack[k])], 0.7 if wear.crack[k] == 1 else 1.3
    core = [Tissue.NUCLEUS + k, Tissue.ANNULUS + k]
    if what is not None:
        label = what + k if what is Tissue.ANNULUS else what
        over = core[:1] if what is Tissue.ANNULUS else core
        box = ((-0.7 * d, 0.7 * d), (-1.7 * d, -0.35 * d), (c - thick, c + thick))
        brush.paint(label, *box, lambda u, v, s: np.abs(s - c) < thick * (1 - ((v + d) / d) ** 2), over)
    if wear.tear[k]:
        spot = ((-6.0, 6.0), (-3.0, -0.2), (c - 0.6 * h, c + 0.6 * h))
        brush.paint(Tissue.FLUID, *spot, lambda u, v, s: (v + 1.6) ** 2 / 2 + (s - c) ** 2 / 4 < 1, core)
