"""What few patients have: implants, too much fat around the thecal sac, a canal that is narrow from birth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lsdc.cohort.geometry import Array
from lsdc.phantom.brush import Brush, on_side
from lsdc.phantom.spine import SACRUM, Spine
from lsdc.phantom.tissues import Tissue


@dataclass(frozen=True)
class Variants:
    """Implants and lipomatosis of one patient; lengths in mm.

    Parameters
    ----------
    screwed : tuple of int, default ()
        Neighboring vertebrae (indices into `VERTEBRAE`) with a screw in each pedicle, joined by rods.
    cages : tuple of int, default ()
        Discs that hold a cage.
    bloom : float, default 0
        How far around metal no signal is left.
    lipomatosis : float, default 0
        Fraction of the thecal sac's width that epidural fat takes below L2.
    """

    screwed: tuple[int, ...] = ()
    cages: tuple[int, ...] = ()
    bloom: float = 0.0
    lipomatosis: float = 0.0


USUAL = Variants()
"""Of patients without any."""


def draw_variants(rng: np.random.Generator) -> tuple[Variants, float]:
    """Draw what an unusual patient has; most still have nothing.

    Parameters
    ----------
    rng : numpy Generator
        Source of randomness.

    Returns
    -------
    variants : Variants
        Screws in 8 % of the patients, lipomatosis in 10 %.
    canal : float
        Depth of the canal as a fraction of the usual one; below 1 in 15 %.
    """
    screwed: tuple[int, ...] = ()
    cages: tuple[int, ...] = ()
    if rng.random() < 0.08:
        last, count = int(rng.integers(SACRUM - 2, SACRUM + 1)), int(rng.integers(2, 5))
        screwed = tuple(range(last - count + 1, last + 1))
        cages = tuple(k for k in screwed[:-1] if rng.random() < 0.5)
    fat = rng.uniform(0.15, 0.55) if rng.random() < 0.1 else 0.0
    canal = float(min(1.0, rng.uniform(0.65, 3.0)))
    return Variants(screwed, cages, rng.uniform(1.0, 4.0), float(fat)), canal


def paint_implants(brush: Brush, spine: Spine, variants: Variants) -> None:
    """Paint the signal voids of metal and its surroundings.

    Parameters
    ----------
    brush : Brush
        Paints on a volume in the spine's coordinates.
    spine : Spine
        Of the patient.
    variants : Variants
        Its screws, rods and cages are painted.
    """
    thick = 3.0 + variants.bloom
    for k in variants.screwed:
        c, aside = spine.center[k] + 0.1 * spine.height[k], 11.0 + spine.pedicle[k] / 2

        def screw(u: Array, v: Array, s: Array, at: tuple[float, float] = (c, aside)) -> Array:
            toed = np.abs(u) - at[1] - 0.35 * np.minimum(v, 0)
            return toed**2 + (s - at[0]) ** 2 < thick**2

        for sign in (-1, 1):
            side = on_side(sign, aside - 22, aside + thick)
            brush.paint(Tissue.AIR, side, (-0.75 * spine.depth[k], 26), (c - thick, c + thick), screw)
    if variants.screwed:
        ends = spine.center[[variants.screwed[-1], variants.screwed[0]]]
        for sign in (-1, 1):

            def rod(u: Array, v: Array, s: Array, sign: int = sign) -> Array:
                return (u - sign * 17) ** 2 + (v - 25) ** 2 < thick**2

            side = on_side(sign, 17 - thick, 17 + thick)
            brush.paint(Tissue.AIR, side, (25 - thick, 25 + thick), (ends[0] - 8, ends[1] + 8), rod)
    for k in variants.cages:
        c, h, d = spine.disc_center[k], spine.disc_height[k] / 2 + 0.3 * variants.bloom, spine.depth[k]

        def cage(u: Array, v: Array, s: Array, at: tuple[float, float, float] = (c, h, d)) -> Array:
            middle, tall, deep = at
            return (np.abs(u) < 9) & (np.abs(v + deep / 2) < 0.33 * deep) & (np.abs(s - middle) < tall)

        box = ((-14, 14), (-d, 0), (c - h - 3, c + h + 3))
        brush.paint(Tissue.AIR, *box, cage)
