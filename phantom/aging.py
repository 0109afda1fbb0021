"""What age changes besides stenosis: endplates, marrow beside them, spurs, cracks in discs, extruded material."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lsdc.cohort.geometry import Array
from lsdc.phantom.disease import Disease
from lsdc.phantom.spine import FIRST_LUMBAR_DISC, SACRUM
from lsdc.phantom.tissues import N_DISCS


@dataclass(frozen=True)
class Aging:
    """Changes of one patient that no grade of the competition counts, but that images show; lengths in mm.

    Coordinates u (left), v (backwards) and s (headwards) are those of `Spine`.

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
        Fatty islands and hemangiomas: vertebra, then u, v, s from its middle, and radius.
    crack : (10,) int
        In the nucleus: 0 nothing, 1 a dark cleft, 2 gas, 3 fluid.
    tear : (10,) bool
        Whether the back of the annulus has a bright spot.
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


def draw_aging(rng: np.random.Generator, disease: Disease, age: float) -> Aging:
    """Draw the changes that go with a patient's disease and age.

    Parameters
    ----------
    rng : numpy Generator
        Source of randomness.
    disease : Disease
        Discs that have lost height or water have more of everything.
    age : float
        Years; from 25 on, spurs, islands and cracks become more frequent.

    Returns
    -------
    Aging
        Of this patient.
    """
    lost = np.clip(disease.disc_loss[:N_DISCS] / 0.45, 0, 1)
    old = float(np.clip((age - 25) / 55, 0, 1))
    return Aging(
        _draw_dents(rng),
        _draw_modic(rng, lost),
        np.where(rng.random(N_DISCS) < 0.15 + 0.5 * old * (0.4 + lost), rng.gamma(2.0, 1.6, N_DISCS), 0.0),
        _draw_islands(rng, old),
        _draw_cracks(rng, lost, disease.hydration),
        rng.random(N_DISCS) < 0.25 * lost,
        _draw_extrusions(rng, lost[FIRST_LUMBAR_DISC:SACRUM]),
    )  # fmt: skip


def _draw_cracks(rng: np.random.Generator, lost: Array, hydration: Array) -> Array:
    """Draw what has replaced the nuclei's middle, by lost height and water; shape as in `Aging`."""
    some, old = rng.random(N_DISCS) < 0.5, rng.random(N_DISCS) < 0.5 * lost
    dry = np.where(old, rng.choice([2, 2, 3], N_DISCS), 0)
    return np.where(some, np.where(hydration > 0.45, 1, dry), 0)


def _draw_dents(rng: np.random.Generator) -> Array:
    """Concavity, Schmorl nodes and roughness of all endplates; shape as in `Aging`."""
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
    """Modic changes of all discs, more frequent where height is lost; shape as in `Aging`."""
    kind = rng.choice([1, 2, 3], N_DISCS, p=[0.35, 0.58, 0.07])
    present = rng.random(N_DISCS) < 0.04 + 0.45 * lost**1.5
    each = present[:, None] & (rng.random((N_DISCS, 2)) < 0.8)
    front = np.where(rng.random((N_DISCS, 1)) < 0.5, -9.0, rng.choice([0.0, 8.0], (N_DISCS, 1)))
    return np.stack(
        [each * kind[:, None], rng.uniform(2.5, 14, (N_DISCS, 2)), front + rng.normal(0, 3, (N_DISCS, 2)),
         rng.uniform(4, 22, (N_DISCS, 2))], -1
    )  # fmt: skip


def _draw_islands(rng: np.random.Generator, old: float) -> Array:
    """Fatty islands of all vertebrae; `old` is 0 at 25 years and 1 at 80."""
    count = int(rng.poisson(1.0 + 5 * old))
    center = rng.normal(0, [9.0, 9.0, 7.0], (count, 3))
    return np.column_stack([rng.integers(0, 12, count), center, rng.gamma(2.0, 1.5, count) + 1])


def _draw_extrusions(rng: np.random.Generator, lost: Array) -> Array:
    """Extruded material of the lumbar discs, most often low and where height is lost; shape as in `Aging`."""
    present = rng.random(5) < (0.01 + 0.14 * lost) * np.array([0.2, 0.3, 0.6, 1.2, 1.4])
    return np.stack(
        [present * rng.uniform(3.0, 8.0, 5), rng.normal(0, 4.0, 5), rng.uniform(3.0, 7.0, 5),
         rng.choice([0.0, 0.0, 1.0], 5) * rng.normal(-2, 5.0, 5)], -1
    )  # fmt: skip
