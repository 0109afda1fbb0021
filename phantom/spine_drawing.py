"""Draw the geometry of a spine: sizes of adults, lordosis, scoliosis, transitional vertebrae."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.interpolate import PchipInterpolator

from lsdc.cohort.geometry import Array
from lsdc.phantom.spine import SACRUM, Spine

# Means of adults, mm: heights and depths after Zhou et al. 2000 and Berry et al. 1987, pedicle widths after
# Zindrick et al. 1987; discs at their back, where they are lower than in front, after Fletcher et al. 2015.
_HEIGHT = np.array([21.5, 22.5, 24.5, 26.0, 27.0, 27.5, 27.5, 27.0, 27.0, 22.0, 19.0, 17.0])
_DEPTH = np.array([27.0, 28.0, 29.5, 31.0, 32.0, 33.5, 34.5, 34.5, 33.5, 22.5, 16.5, 13.0])
# The sacrum tapers: depth of the lower end over that of the upper.
_TAPER = np.array([1.0] * 8 + [0.70, 0.76, 0.80, 0.80])
_WIDTH = np.array([33.0, 36.0, 39.0, 41.0, 43.0, 45.5, 48.0, 51.0, 52.0, 44.0, 36.0, 30.0])
_PEDICLE = np.array([6.5, 7.5, 7.5, 7.5, 8.0, 10.0, 12.5, 17.0, 19.0, 16.0, 12.0, 10.0])
_DISC = np.array([4.2, 4.7, 5.5, 6.8, 8.0, 8.8, 8.8, 7.4, 2.4, 1.7, 1.4])
# Tilt of the disc planes from the horizontal at vertebral centers, degrees: posterior end up is positive.
_TILT = np.array([-9.0, -13.0, -16.0, -15.0, -11.0, -5.0, 4.0, 17.0, 43.0, 50.0, 36.0, 12.0])
# How far the posterior wall leans forward, going down, against the perpendicular of those planes, degrees: with it,
# foramina of neighboring levels lie to each other as readers' marks do.
_LEAN = np.array([0.0, 0.0, 0.0, 2.0, 3.0, 4.5, 6.5, 7.0, 3.0, 0.0, 0.0, 0.0])
# Standard deviation of what is added to the tilt in wide ranges, degrees.
_WIDE_TILT = np.array([3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 5.0, 8.0, 6.0, 6.0, 7.0, 8.0])


def draw_spine(
    rng: np.random.Generator,
    disc_loss: Array,
    slip: Array,
    size: float,
    wide: bool = False,
    canal: float = 1.0,
) -> Spine:
    """Draw the geometry of one spine.

    Parameters
    ----------
    rng : numpy Generator
        Source of randomness.
    disc_loss : (11,) float
        Fraction of each disc's height that is lost.
    slip : (11,) float
        Listhesis per disc, mm.
    size : float
        Scale of the bones, about 1.
    wide : bool, default False
        Draw the curve, the discs and the sacrum from wider ranges than those of patients; pretraining does, so that
        the localizer meets more than it will be shown.
    canal : float, default 1
        Depth of the canal as a fraction of the usual one.

    Returns
    -------
    Spine
        Of an adult lying on the back; a twenty-fifth of them have a transitional vertebra.
    """
    variation = 1 + 0.02 * rng.standard_normal((4, len(_HEIGHT)))
    height, depth, width, pedicle = (
        size * base * k for base, k in zip((_HEIGHT, _DEPTH, _WIDTH, _PEDICLE), variation)
    )
    disc = size * _DISC * (1 + 0.06 * rng.standard_normal(len(_DISC))) * (1 - disc_loss)
    height, disc, taper, covered = _transition(rng, height, disc)
    rim, extra_tilt, parted = np.zeros(len(disc)), np.zeros(len(height)), 0.0
    if wide:
        disc, taper, covered, rim = _widened(rng, disc, taper, covered)
        extra_tilt, parted = rng.normal(0, _WIDE_TILT), max(0.0, rng.uniform(-4, 8))
    steps = height[:-1] / 2 + disc + height[1:] / 2
    down = np.concatenate([[0], np.cumsum(steps)])
    center = down[5] - down
    disc_center = center[:-1] - height[:-1] / 2 - disc / 2
    lordosis, shift = 1 + 0.22 * rng.standard_normal(), 4 * rng.standard_normal()
    sacrum = np.clip(rng.normal(0, 9), -24, 26) * np.array([0] * 7 + [0.25, 1, 1, 0.9, 0.8])
    bent = np.where(np.arange(len(_TILT)) < SACRUM, np.clip(lordosis, 0.45, 1.5), 1)
    tilt = np.deg2rad(_TILT * bent + shift + sacrum + extra_tilt)
    s = np.arange(center[-1] - 60, center[0] + 60, 0.5)
    angle = _bend(center, height, tilt)(np.clip(s, center[-1], center[0]))
    course = angle - np.interp(s, center[::-1], np.deg2rad(_LEAN[::-1]))
    y = np.cumsum(-np.sin(course)) * 0.5
    z = np.cumsum(np.cos(course)) * 0.5
    zero = np.argmin(np.abs(s))
    scoliosis = np.array([abs(rng.normal(0, 2.5)), rng.uniform(200, 380), rng.uniform(0, 2 * np.pi)])
    return Spine(
        height, depth, depth * taper, width, pedicle, center, disc, disc_center, covered,
        s, y - y[zero], z - z[zero], angle, scoliosis, slip, rim, parted, canal,
    )  # fmt: skip


def _widened(
    rng: np.random.Generator, disc: Array, taper: Array, covered: Array
) -> tuple[Array, Array, Array, Array]:
    """Vary discs and sacra more than those of patients: some S1 are nearly square, some remnants have a rim."""
    disc, taper, covered, rim = disc.copy(), taper.copy(), covered.copy(), np.zeros(len(disc))
    disc *= np.exp(rng.normal(0, 0.2, len(disc)))
    disc[SACRUM] *= np.exp(rng.uniform(0, 0.6))
    taper[SACRUM:] = np.clip(taper[SACRUM:] + rng.normal(0, 0.1, len(taper) - SACRUM), 0.55, 1)
    fused = covered < 1
    covered[fused] = np.clip(covered[fused] * rng.uniform(0.8, 1.3, fused.sum()), 0, 0.97)
    rim[SACRUM:] = (rng.random() < 0.6) * rng.uniform(0, 1.3, len(rim) - SACRUM)
    return disc, taper, covered, rim


def _bend(center: Array, height: Array, tilt: Array) -> PchipInterpolator:
    """Interpolate tilt along the curve: bodies turn a third of the way to their neighbors, wedged discs the rest."""
    upper, lower = np.append(tilt[0], tilt[:-1]), np.append(tilt[1:], tilt[-1])
    places = np.stack([center + 0.45 * height, center, center - 0.45 * height], 1).ravel()
    angles = np.stack([tilt + (upper - tilt) / 6, tilt, tilt + (lower - tilt) / 6], 1).ravel()
    return PchipInterpolator(places[::-1], angles[::-1])


def _drawn_transition(rng: np.random.Generator) -> Literal["rudimentary L5/S1", "free S1"] | None:
    """Draw whether the lowest lumbar or the first sacral vertebra is a transitional one."""
    kind = rng.random()
    return "rudimentary L5/S1" if kind < 0.02 else "free S1" if kind < 0.04 else None


def _transition(rng: np.random.Generator, height: Array, disc: Array) -> tuple[Array, Array, Array, Array]:
    """Draw what is left of the sacrum's discs, and a few transitional vertebrae: a rudimentary L5/S1, or a free S1.

    Returns heights of vertebrae and discs, taper of the vertebrae, and the fraction that the discs cover.
    """
    height, disc, taper = height.copy(), disc.copy(), _TAPER.copy()
    taper[SACRUM:] = np.clip(taper[SACRUM:] + 0.05 * rng.standard_normal(4), 0.55, 0.95)
    covered = np.ones(len(disc))
    covered[SACRUM:] = rng.uniform([0.35, 0.2, 0.0], [0.85, 0.75, 0.6])
    disc[SACRUM:] *= rng.uniform(0.6, 1.8, 3)
    transition = _drawn_transition(rng)
    if transition == "rudimentary L5/S1":
        disc[SACRUM - 1] *= rng.uniform(0.35, 0.6)
    elif transition == "free S1":
        disc[SACRUM], covered[SACRUM] = rng.uniform(4.5, 7.5), 1.0
        height[SACRUM] *= 1.1
        taper[SACRUM] = 0.9
    return height, disc, taper, covered
