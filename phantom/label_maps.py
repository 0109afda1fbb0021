"""Tissue labels on thin planes, finer than the volume: what images are painted from in pretraining."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.geometry import Array
from lsdc.phantom.body import label_body
from lsdc.phantom.brush import OUTSIDE, Anatomy
from lsdc.phantom.patient import Patient
from lsdc.phantom.spine import Spine

Labels = NDArray[np.uint8]


def sagittal_label_maps(patient: Patient, x: Array, z: Array, y: Array) -> Labels:
    """Label sagittal planes of a patient.

    Parameters
    ----------
    patient : Patient
        Painted anew on these planes.
    x, z, y : (n,), (rows,), (columns,) float
        Positions in patient space, mm: left, head (ascending), posterior (ascending).

    Returns
    -------
    (n, rows, columns) uint8
        `Tissue`; rows from foot to head.
    """
    spine = patient.spine
    v, s = spine.from_sagittal(*np.meshgrid(y, z))
    labels = patient.paint(_canvas(spine, x, z, y, v, s)).labels
    return _embed(labels, label_body(spine, patient.habitus, x, z, y, patient.seed))


def axial_label_maps(
    patient: Patient, disc: int, offsets: Array, x: Array, v: Array, tilt: float = 0.0
) -> Labels:
    """Label planes along a disc of a patient.

    Parameters
    ----------
    patient : Patient
        Painted anew on these planes.
    disc : int
        Index into the spine's discs.
    offsets : (n,) float
        Position of each plane above the disc's middle, mm headwards, ascending.
    x, v : (columns,), (rows,) float
        Positions in the plane, mm: left in patient space, and backwards from the posterior wall (ascending).
    tilt : float, default 0
        Of the planes against the disc, radians.

    Returns
    -------
    (n, rows, columns) uint8
        `Tissue`; rows from front to back. The body around the spine is labeled as if the planes were level.
    """
    spine = patient.spine
    s = spine.disc_center[disc]
    angle = float(spine.tilt(s)) + tilt
    cy, cz = (np.interp(s, spine.curve_s, curve) for curve in (spine.curve_y, spine.curve_z))
    y = cy + v[None] * np.cos(angle) - offsets[:, None] * np.sin(angle)
    z = cz + v[None] * np.sin(angle) + offsets[:, None] * np.cos(angle)
    depth, along = spine.from_sagittal(y, z)
    labels = patient.paint(_canvas(spine, x, cz + offsets, cy + v, depth, along)).labels
    body = label_body(spine, patient.habitus, x, cz + offsets, cy + v, patient.seed)
    return np.ascontiguousarray(_embed(labels, body).transpose(1, 2, 0))


def _canvas(spine: Spine, x: Array, z: Array, y: Array, v: Array, s: Array) -> Anatomy:
    """Blank planes whose pixels have the spine coordinates v and s, each (nz, ny)."""
    u = (x[:, None, None] - spine.sideways(s)[None]).astype(np.float32)
    return Anatomy(
        np.full(u.shape, OUTSIDE, np.uint8), x, z, y, u, v.astype(np.float32), s.astype(np.float32)
    )


def _embed(spine: Labels, body: Labels) -> Labels:
    """Fill what is outside the spine with the body's labels."""
    return np.where(spine == OUTSIDE, body, spine)
