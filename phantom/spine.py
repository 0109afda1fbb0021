"""The curve of one patient's spine and the coordinates that follow it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lsdc.cohort.geometry import Array

VERTEBRAE = ("T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5", "S1", "S2", "S3", "S4")
FIRST_LUMBAR_DISC = 3
"""Index of L1/L2 among the discs; disc k lies between vertebrae k and k + 1."""
SACRUM = 8
"""Index of S1 among the vertebrae."""


@dataclass(frozen=True)
class Spine:
    """Geometry of one spine; lengths in mm.

    The curve runs along the posterior wall of the vertebral bodies. A point is (u, v, s): u towards the patient's
    left, v backwards from the posterior wall, s along the curve headwards, 0 at the center of L3.

    Parameters
    ----------
    height, depth : (12,) float
        Of the bodies of the vertebrae in `VERTEBRAE`; the depth is that of the upper endplate.
    lower_depth : (12,) float
        Depth of the lower endplate; less than the upper one's in the sacrum.
    width, pedicle : (12,) float
        Width of the bodies, and of their pedicles.
    center : (12,) float
        Position s of the vertebral centers.
    disc_height, disc_center : (11,) float
        Height, and position s of the middle; disc k lies between vertebrae k and k + 1.
    covered : (11,) float
        Fraction of the endplates' depth that the disc covers; less than 1 where vertebrae have fused.
    curve_s, curve_y, curve_z, curve_tilt : (n,) float
        The curve in the sagittal plane: position along it, posterior and head in patient space, and tilt in radians.
    scoliosis : (3,) float
        Amplitude (mm), wavelength (mm) and phase (radians) of the sideways curve.
    slip : (11,) float
        How far the vertebra above disc k stands in front of the one below.
    rim : (11,) float
        Thickness of the cortex around what is left of a sacral disc.
    parted : float
        How much further than usual fat keeps the thecal sac off S1.
    canal : float
        Depth of the canal as a fraction of the usual one; below 1 from birth in some.
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
        """Tilt of the plane across the curve.

        Parameters
        ----------
        s : array
            Position along the curve, mm.

        Returns
        -------
        array
            Radians, of the shape of `s`; positive where the posterior end is higher.
        """
        return np.interp(s, self.curve_s, self.curve_tilt)

    def sideways(self, s: Array) -> Array:
        """Displacement of the curve towards the patient's left.

        Parameters
        ----------
        s : array
            Position along the curve, mm.

        Returns
        -------
        array
            mm, of the shape of `s`.
        """
        amplitude, wavelength, phase = self.scoliosis
        return amplitude * np.sin(2 * np.pi * s / wavelength + phase)

    def slipped(self, s: Array) -> Array:
        """Displacement of the vertebrae along v by listhesis; L5 and the sacrum stay.

        Parameters
        ----------
        s : array
            Position along the curve, mm.

        Returns
        -------
        array
            mm, of the shape of `s`; negative is forward.
        """
        shift = np.zeros_like(s)
        for center, height, slip in zip(self.disc_center, self.disc_height, self.slip):
            if slip:
                shift = shift - slip / (1 + np.exp(-(s - center) / (0.22 * height)))
        return shift

    def to_patient(self, u: Array, v: Array, s: Array) -> Array:
        """Map spine coordinates to patient space.

        Parameters
        ----------
        u, v, s : array
            Spine coordinates, mm; broadcast against each other.

        Returns
        -------
        (..., 3) float
            mm left, posterior, head.
        """
        u, v, s = np.broadcast_arrays(*(np.asarray(item, float) for item in (u, v, s)))
        tilt, v = self.tilt(s), v + self.slipped(s)
        y = np.interp(s, self.curve_s, self.curve_y) + v * np.cos(tilt)
        z = np.interp(s, self.curve_s, self.curve_z) + v * np.sin(tilt)
        return np.stack([u + self.sideways(s), y, z], axis=-1)

    def from_sagittal(self, y: Array, z: Array) -> tuple[Array, Array]:
        """Invert the curve for points of the sagittal plane.

        Newton's iteration on (p - c(s)) . t(s) = 0, whose derivative is -(1 + v dtilt/ds).

        Parameters
        ----------
        y, z : array
            Posterior and head position in patient space, mm; of one shape.

        Returns
        -------
        v, s : array
            Spine coordinates, mm, of the shape of `y`.
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
