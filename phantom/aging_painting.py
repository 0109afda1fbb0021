"""Paint what age changes: marrow beside endplates, spurs, fatty islands, cracks and tears, extruded material."""

from __future__ import annotations

import numpy as np

from lsdc.cohort.geometry import Array
from lsdc.phantom.aging import Aging
from lsdc.phantom.bones import CANAL_DEPTH
from lsdc.phantom.brush import OUTSIDE, Brush
from lsdc.phantom.spine import FIRST_LUMBAR_DISC, SACRUM, Spine
from lsdc.phantom.tissues import N_DISCS, Tissue

_MODIC_TISSUES = (Tissue.MARROW, Tissue.EDEMA, Tissue.FATTY, Tissue.SCLEROSIS)
"""Marrow beside an endplate: healthy, Modic 1, 2, 3."""
_CRACKS = (None, Tissue.ANNULUS, Tissue.GAS, Tissue.FLUID)
"""What fills the nucleus' middle, by the number in `Aging.crack`."""
_EXTRUDED_OVER = [Tissue.EPIDURAL_FAT, OUTSIDE, Tissue.LIGAMENT]


def dent(aging: Aging, k: int, end: int, u: Array, v: Array) -> Array:
    """Compute how deep an endplate is pressed in.

    Parameters
    ----------
    aging : Aging
        Of the patient.
    k : int
        Index into `VERTEBRAE`.
    end : int
        0 for the upper endplate, 1 for the lower.
    u : array
        Position to the left of the midline, mm.
    v : array
        Position behind the middle of the vertebral body, mm; broadcast against `u`.

    Returns
    -------
    array of float32
        Depth in mm, of the broadcast shape.
    """
    total = np.zeros(np.broadcast_shapes(u.shape, v.shape), np.float32)
    for du, dv, spread, depth in aging.dents[k, end]:
        if depth:
            total += depth * np.exp(-0.5 * (((u - du) / spread) ** 2 + ((v - dv) / spread) ** 2))
    return total


def paint_extrusions(brush: Brush, spine: Spine, aging: Aging) -> None:
    """Paint disc material that has left the disc backwards, up or down.

    Parameters
    ----------
    brush : Brush
        Paints on a volume in the spine's coordinates.
    spine : Spine
        Of the patient.
    aging : Aging
        Its `extrusion` is painted.
    """
    for level, (depth, side, half, moved) in enumerate(aging.extrusion):
        if not depth:
            continue
        k = FIRST_LUMBAR_DISC + level
        c, h = spine.disc_center[k], spine.disc_height[k] / 2

        def lump(
            u: Array, v: Array, s: Array, at: tuple[float, ...] = (c, h, depth, side, half, moved)
        ) -> Array:
            middle, tall, deep, across, wide, shift = at
            height = 0.9 * tall + 2 + 0.6 * abs(shift)
            flat = ((u - across) / wide) ** 2 + (np.maximum(v, 0) / deep) ** 2
            return flat + ((s - middle - 0.6 * shift) / height) ** 2 < 1

        box = ((-12, 12), (-0.5, CANAL_DEPTH), (c - h - 14, c + h + 14))
        brush.paint(Tissue.DISC_MATERIAL, *box, lump, _EXTRUDED_OVER)


def paint_aging(brush: Brush, spine: Spine, aging: Aging) -> None:
    """Paint marrow changes, fatty islands, spurs, and what is inside discs.

    Parameters
    ----------
    brush : Brush
        Paints on a volume in the spine's coordinates.
    spine : Spine
        Of the patient.
    aging : Aging
        All but its dents and extrusions, which shape other structures.
    """
    for vertebra, u0, v0, s0, radius in aging.islands:
        _ball(brush, spine, int(vertebra), (u0, v0, s0, radius))
    for k in range(N_DISCS):
        for side, (vertebra, end) in enumerate(((k, 1), (k + 1, 0)) if spine.covered[k] == 1 else ()):
            _modic(brush, spine, aging, k, side, vertebra, end)
        if aging.spurs[k] > 0.8 and k < SACRUM:
            _spur(brush, spine, k, float(aging.spurs[k]))
        _inside(brush, spine, aging, k)


def _ball(brush: Brush, spine: Spine, k: int, ball: tuple[float, ...]) -> None:
    """Paint one fatty island in the marrow of vertebra k: u, v, s from its middle, and radius, mm."""
    u0, v0, s0, radius = ball
    v0, s0 = v0 - spine.depth[k] / 2, s0 + spine.center[k]
    box = ((u0 - radius, u0 + radius), (v0 - radius, v0 + radius), (s0 - radius, s0 + radius))
    brush.paint(
        Tissue.FATTY,
        *box,
        lambda u, v, s: (u - u0) ** 2 + (v - v0) ** 2 + (s - s0) ** 2 < radius**2,
        [Tissue.MARROW],
    )


def _modic(brush: Brush, spine: Spine, aging: Aging, k: int, side: int, vertebra: int, end: int) -> None:
    """Paint the marrow change of one vertebra beside disc k; `side` 0 is above the disc, `end` as in `dent`."""
    kind, reach, v0, half = aging.modic[k, side]
    if not kind:
        return
    center, d = spine.center[vertebra], spine.depth[vertebra] / 2
    sign = 1 if end == 0 else -1
    edge = center + sign * spine.height[vertebra] / 2

    def zone(u: Array, v: Array, s: Array) -> Array:
        distance = sign * (edge - s) - dent(aging, vertebra, end, u, v + d)
        return distance < reach * np.exp(-(np.abs((v + d - v0) / half) ** 3)) * (1 - 0.25 * np.abs(u) / 20)

    box = (
        (-26, 26),
        (-2 * d - 1, 1),
        (min(edge, edge - sign * (reach + 8)), max(edge, edge - sign * (reach + 8))),
    )
    brush.paint(_MODIC_TISSUES[int(kind)], *box, zone, [Tissue.MARROW, Tissue.FATTY])


def _spur(brush: Brush, spine: Spine, k: int, length: float) -> None:
    """Paint the osteophytes of the two vertebrae at disc k, which point forward by `length` mm."""
    c, h = spine.disc_center[k], spine.disc_height[k] / 2
    d = max(spine.depth[k], spine.depth[k + 1])

    def beak(u: Array, v: Array, s: Array, thin: float) -> Array:
        out = (-v - d + 1.5 + 0.012 * u**2) / (length + 1.5)
        tip = h * (1 - 0.8 * np.clip(out, 0, 1))
        distance = np.abs(s - c) - tip
        return (out < 1 - 0.3 * thin) & (distance > 0.3 + thin) & (distance < 5.5 * (1 - out) - thin)

    for tissue, thin in ((Tissue.CORTEX, 0.0), (Tissue.MARROW, 0.8)):
        box = ((-14, 14), (-d - length, -d + 4), (c - h - 6, c + h + 6))
        brush.paint(tissue, *box, lambda u, v, s, thin=thin: beak(u, v, s, thin), [OUTSIDE, Tissue.CORTEX])  # type: ignore[misc]


def _inside(brush: Brush, spine: Spine, aging: Aging, k: int) -> None:
    """Paint the crack and the tear of disc k."""
    c, h = spine.disc_center[k], spine.disc_height[k] / 2
    d = (spine.depth[k] + spine.depth[k + 1]) / 4
    what, thick = _CRACKS[int(aging.crack[k])], 0.7 if aging.crack[k] == 1 else 1.3
    core = [Tissue.NUCLEUS + k, Tissue.ANNULUS + k]
    if what is not None:
        label = what + k if what is Tissue.ANNULUS else what
        over = core[:1] if what is Tissue.ANNULUS else core
        box = ((-0.7 * d, 0.7 * d), (-1.7 * d, -0.35 * d), (c - thick, c + thick))
        brush.paint(label, *box, lambda u, v, s: np.abs(s - c) < thick * (1 - ((v + d) / d) ** 2), over)
    if aging.tear[k]:
        spot = ((-6.0, 6.0), (-3.0, -0.2), (c - 0.6 * h, c + 0.6 * h))
        brush.paint(Tissue.FLUID, *spot, lambda u, v, s: (v + 1.6) ** 2 / 2 + (s - c) ** 2 / 4 < 1, core)
