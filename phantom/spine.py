"""The curve of one patient's spine and the coordinates that follow it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from lsdc.cohort.geometry import Array

VERTEBRAE = ("T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5", "S1", "S2", "S3", "S4")
FIRST_LUMBAR_DISC = 3
"""Index of L1/L2 among the discs; disc k lies between vertebrae k and k + 1."""
SACRUM = 8
"""Index of S1 among the vertebrae."""

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
# Spread of what is added to it in wide ranges, degrees.
_WIDE_TILT = np.array([3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 5.0, 8.0, 6.0, 6.0, 7.0, 8.0])


@dataclass(frozen=True)
class Spine:
    """Geometry of one spine; lengths in mm.

    The curve runs along the posterior wall of the vertebral bodies. A point is (u, v, s): u towards the
    patient's left, v backwards from the posterior wall, s along the curve headwards, 0 at the center of L3.

    Parameters
    ----------
    height, depth, width, pedicle : (12,) float
        Of the vertebrae in `VERTEBRAE`; the depth is that of the upper endplate.
    lower_depth : (12,) float
        Depth of the lower endplate; less than the upper one's in the sacrum.
    center : (12,) float
        s of the vertebral centers.
    disc_height, disc_center : (11,) float
        Disc k lies between vertebrae k and k + 1.
    covered : (11,) float
        Share of the endplates' depth that the disc covers; less than 1 where vertebrae have fused.
    curve_s, curve_y, curve_z, curve_tilt : (n,) float
        The curve in the sagittal plane (tilt in radians).
    scoliosis : (3,) float
        Amplitude (mm), wavelength (mm), phase of the sideways curve.
    slip : (11,) float
        How far the vertebra above disc k stands before the one below, mm.
    rim : (11,) float
        Cortex around what is left of a sacral disc, mm.
    parted : float
        How much further than usual fat parts the thecal sac from S1, mm.
    canal : float
        Depth of the canal as a share of the usual; small from birth in some.
    """

    height: Array
    depth: Array
    lower_depth: Array
    width: Array
    pedicle: Array
    center: Array
    disc_height: Array
    disc_center: Array
    covered: Array
    curve_s: Array
    curve_y: Array
    curve_z: Array
    curve_tilt: Array
    scoliosis: Array
    slip: Array
    rim: Array
    parted: float
    canal: float

    def tilt(self, s: Array) -> Array:
        """Tilt of the plane across the curve at s, radians."""
        return np.interp(s, self.curve_s, self.curve_tilt)

    def sideways(self, s: Array) -> Array:
        """Displacement of the curve towards the patient's left at s, mm."""
        amplitude, wavelength, phase = self.scoliosis
        return amplitude * np.sin(2 * np.pi * s / wavelength + phase)

    def slipped(self, s: Array) -> Array:
        """Displacement of the vertebrae along v at s by listhesis, mm; L5 and the sacrum stay."""
        shift = np.zeros_like(s)
        for center, height, slip in zip(self.disc_center, self.disc_height, self.slip):
            if slip:
                shift = shift - slip / (1 + np.exp(-(s - center) / (0.22 * height)))
        return shift

    def to_patient(self, u: Array, v: Array, s: Array) -> Array:
        """Map spine coordinates to patient space (mm left, posterior, head); shape (..., 3)."""
        u, v, s = np.broadcast_arrays(*(np.asarray(item, float) for item in (u, v, s)))
        tilt, v = self.tilt(s), v + self.slipped(s)
        y = np.interp(s, self.curve_s, self.curve_y) + v * np.cos(tilt)
        z = np.interp(s, self.curve_s, self.curve_z) + v * np.sin(tilt)
        return np.stack([u + self.sideways(s), y, z], axis=-1)

    def from_sagittal(self, y: Array, z: Array) -> tuple[Array, Array]:
        """Invert the curve for points of the sagittal plane: returns (v, s), each of the shape of `y`.

        Newton's iteration on (p - c(s)) . t(s) = 0, whose derivative is -(1 + v dtilt/ds).
        """
        s = np.interp(z, self.curve_z, self.curve_s)
        bend = np.gradient(self.curve_tilt, self.curve_s)
        for _ in range(12):
            tilt = self.tilt(s)
            dy = y - np.interp(s, self.curve_s, self.curve_y)
            dz = z - np.interp(s, self.curve_s, self.curve_z)
            v = dy * np.cos(tilt) + dz * np.sin(tilt)
            along = -dy * np.sin(tilt) + dz * np.cos(tilt)
            stretch = np.clip(1 + v * np.interp(s, self.curve_s, bend), 0.35, 3)
            s = np.clip(s + np.clip(along / stretch, -15, 15), self.curve_s[0], self.curve_s[-1])
        return v - self.slipped(s), s


def draw_spine(
    rng: np.random.Generator,
    disc_loss: Array,
    slip: Array,
    size: float,
    wide: bool = False,
    canal: float = 1.0,
) -> Spine:
    """Draw one spine.

    Parameters
    ----------
    rng : numpy Generator
        Source of chance.
    disc_loss : (11,) float
        Share of each disc's height that is lost.
    slip : (11,) float
        Listhesis per disc, mm.
    size : float
        Scale of the bones, about 1.
    wide : bool
        Draw the curve, the discs and the sacrum from wider ranges than those of patients.
    canal : float
        See `Spine`.
    """
    own = 1 + 0.02 * rng.standard_normal((4, len(_HEIGHT)))
    height, depth, width, pedicle = (
        size * base * k for base, k in zip((_HEIGHT, _DEPTH, _WIDTH, _PEDICLE), own)
    )
    disc = size * _DISC * (1 + 0.06 * rng.standard_normal(len(_DISC))) * (1 - disc_loss)
    height, disc, taper, covered = _transition(rng, height, disc)
    rim, own_tilt, parted = np.zeros(len(disc)), np.zeros(len(height)), 0.0
    if wide:
        disc, taper, covered, rim = _widened(rng, disc, taper, covered)
        own_tilt, parted = rng.normal(0, _WIDE_TILT), max(0.0, rng.uniform(-4, 8))
    steps = height[:-1] / 2 + disc + height[1:] / 2
    down = np.concatenate([[0], np.cumsum(steps)])
    center = down[5] - down
    disc_center = center[:-1] - height[:-1] / 2 - disc / 2
    lordosis, shift = 1 + 0.22 * rng.standard_normal(), 4 * rng.standard_normal()
    sacrum = np.clip(rng.normal(0, 9), -24, 26) * np.array([0] * 7 + [0.25, 1, 1, 0.9, 0.8])
    bent = np.where(np.arange(len(_TILT)) < SACRUM, np.clip(lordosis, 0.45, 1.5), 1)
    tilt = np.deg2rad(_TILT * bent + shift + sacrum + own_tilt)
    s = np.arange(center[-1] - 60, center[0] + 60, 0.5)
    angle = _bend(center, height, tilt)(np.clip(s, center[-1], center[0]))
    y = np.cumsum(-np.sin(angle)) * 0.5
    z = np.cumsum(np.cos(angle)) * 0.5
    zero = np.argmin(np.abs(s))
    scoliosis = np.array([abs(rng.normal(0, 2.5)), rng.uniform(200, 380), rng.uniform(0, 2 * np.pi)])
    return Spine(
        height, depth, depth * taper, width, pedicle, center, disc, disc_center, covered,
        s, y - y[zero], z - z[zero], angle, scoliosis, slip, rim, parted, canal,
    )  # fmt: skip


def _widened(
    rng: np.random.Generator, disc: Array, taper: Array, covered: Array
) -> tuple[Array, Array, Array, Array]:
    """Discs and sacra that differ more than those of patients, some S1 nearly square, some remnants with a rim."""
    disc, taper, covered, rim = disc.copy(), taper.copy(), covered.copy(), np.zeros(len(disc))
    disc *= np.exp(rng.normal(0, 0.2, len(disc)))
    disc[SACRUM] *= np.exp(rng.uniform(0, 0.6))
    taper[SACRUM:] = np.clip(taper[SACRUM:] + rng.normal(0, 0.1, len(taper) - SACRUM), 0.55, 1)
    fused = covered < 1
    covered[fused] = np.clip(covered[fused] * rng.uniform(0.8, 1.3, fused.sum()), 0, 0.97)
    rim[SACRUM:] = (rng.random() < 0.6) * rng.uniform(0, 1.3, len(rim) - SACRUM)
    return disc, taper, covered, rim


def _bend(center: Array, height: Array, tilt: Array) -> PchipInterpolator:
    """Tilt along the curve: bodies turn a third of the way to their neighbors, discs, which are wedges, the rest."""
    upper, lower = np.append(tilt[0], tilt[:-1]), np.append(tilt[1:], tilt[-1])
    places = np.stack([center + 0.45 * height, center, center - 0.45 * height], 1).ravel()
    angles = np.stack([tilt + (upper - tilt) / 6, tilt, tilt + (lower - tilt) / 6], 1).ravel()
    return PchipInterpolator(places[::-1], angles[::-1])


def _transition(rng: np.random.Generator, height: Array, disc: Array) -> tuple[Array, Array, Array, Array]:
    """What is left of the sacrum's discs, and now and then a transitional vertebra: a rudimentary L5/S1, or a free S1.

    Returns heights of vertebrae and discs, taper of the vertebrae, and what the discs cover.
    """
    height, disc, taper = height.copy(), disc.copy(), _TAPER.copy()
    taper[SACRUM:] = np.clip(taper[SACRUM:] + 0.05 * rng.standard_normal(4), 0.55, 0.95)
    covered = np.ones(len(disc))
    covered[SACRUM:] = rng.uniform([0.35, 0.2, 0.0], [0.85, 0.75, 0.6])
    disc[SACRUM:] *= rng.uniform(0.6, 1.8, 3)
    kind = rng.random()
    if kind < 0.02:
        disc[SACRUM - 1] *= rng.uniform(0.35, 0.6)
    elif kind < 0.04:
        disc[SACRUM], covered[SACRUM] = rng.uniform(4.5, 7.5), 1.0
        height[SACRUM] *= 1.1
        taper[SACRUM] = 0.9
    return height, disc, taper, covered
