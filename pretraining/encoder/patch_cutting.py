"""Cut label patches around the discs and foramina of a simulated patient."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.geometry import Array
from lsdc.phantom.label_maps import axial_label_maps, sagittal_label_maps
from lsdc.phantom.patient import Patient, landmarks
from lsdc.phantom.spine import FIRST_LUMBAR_DISC
from lsdc.phantom.tissues import Tissue
from lsdc.pretraining.encoder.patch_table import patch_row

PATCH_PX, PATCH_MM = 144, 0.65
"""Side of a patch, px, and of its pixels, mm."""
PLANES, PLANE_MM = 5, 2.0
"""Parallel planes per patch, and their distance, mm."""
DISCS = 9
"""Discs with a midline patch: T10/T11 to S1/S2."""
KINDS = ("disc", "foramen", "axial")
_HEAD_MM, _BACK_MM = np.arange(-150, 200, PATCH_MM), np.arange(-115, 135, PATCH_MM)
"""Positions z and y in patient space of the rows (from below) and columns that sagittal patches are cut from."""
_OFFSETS_MM = (np.arange(PLANES) - PLANES // 2) * PLANE_MM
_AXIAL_MM = (np.arange(PATCH_PX) - (PATCH_PX - 1) / 2) * PATCH_MM
_BEHIND_WALL_MM = 5.0
"""How far behind the posterior wall the middle of axial patches lies."""
_LEAST_DISC_PX = 20
_NO_DISC_BOX = (48, 60, 97, 85)
"""Columns and rows of the box where the middle plane shows no disc."""

Patch = tuple[NDArray[np.uint8], dict[str, float]]
"""Labels (PLANES, PATCH_PX, PATCH_PX) and what the table of patches holds about them."""


def cut_patches(patient: Patient, rng: np.random.Generator) -> list[Patch]:
    """Cut all patches of a patient: nine discs, five foramina of one side, five axial levels.

    Parameters
    ----------
    patient : Patient
        Simulated.
    rng : numpy Generator
        Decides the side of the foramina, and where exactly planes lie.

    Returns
    -------
    list of (labels, row)
        Labels (PLANES, PATCH_PX, PATCH_PX) uint8, and a row of the table; see `LabelPatches`.
    """
    right = bool(rng.random() < 0.5)
    return [
        *_disc_patches(patient, rng),
        *_foramen_patches(patient, rng, right),
        *_axial_patches(patient, rng),
    ]


def _disc_patches(patient: Patient, rng: np.random.Generator) -> list[Patch]:
    x = rng.normal(0, 2.5) + _OFFSETS_MM[::-1]
    maps = sagittal_label_maps(patient, x, _HEAD_MM, _BACK_MM)[:, ::-1]
    patches = []
    for disc in range(DISCS):
        s, depth = patient.spine.disc_center[disc], patient.spine.depth[disc]
        middle = patient.spine.to_patient(np.array(0.0), np.array(-depth / 3), s)
        labels, corner = _cut(maps, middle)
        canal = _pixel(patient.spine.to_patient(np.array(0.0), np.array(_BEHIND_WALL_MM), s)) - corner
        patches.append((labels, _place(labels, "disc", disc, canal) | patch_row(patient, disc)))
    return patches


def _foramen_patches(patient: Patient, rng: np.random.Generator, right: bool) -> list[Patch]:
    """Foramina of one side; those of the right are mirrored, so that all look like those of the left."""
    sign = -1 if right else 1
    points = landmarks(patient.spine)[2 if right else 1]
    x = points[:, 0].mean() + rng.normal(0, 2.0)
    maps = sagittal_label_maps(patient, x + sign * _OFFSETS_MM[::-1], _HEAD_MM, _BACK_MM)[:, ::-1]
    patches = []
    for disc, point in enumerate(points, start=FIRST_LUMBAR_DISC):
        labels, corner = _cut(maps, point)
        place = _place(labels, "foramen", disc, _pixel(point) - corner)
        patches.append((labels, place | patch_row(patient, disc, right)))
    return patches


def _axial_patches(patient: Patient, rng: np.random.Generator) -> list[Patch]:
    patches = []
    for disc in range(FIRST_LUMBAR_DISC, FIRST_LUMBAR_DISC + 5):
        middle = patient.spine.sideways(patient.spine.disc_center[disc])
        offsets, tilt = _OFFSETS_MM + rng.normal(0, 1.0), np.deg2rad(rng.normal(0, 4))
        x, v = middle + _AXIAL_MM, _BEHIND_WALL_MM + _AXIAL_MM
        labels = axial_label_maps(patient, disc, offsets, x, v, tilt)
        place = _place(labels, "axial", disc, np.full(2, (PATCH_PX - 1) / 2))
        patches.append((labels, place | patch_row(patient, disc)))
    return patches


def _pixel(point: Array) -> Array:
    """Column and row of a point (patient space, mm) in sagittal label maps whose first row is the uppermost."""
    return np.array([(point[1] - _BACK_MM[0]) / PATCH_MM, (_HEAD_MM[-1] - point[2]) / PATCH_MM])


def _cut(maps: NDArray[np.uint8], center: Array) -> tuple[NDArray[np.uint8], Array]:
    """Cut a patch around a point (patient space, mm), air outside the maps; also return its corner's pixel."""
    column, row = (round(float(value)) - PATCH_PX // 2 for value in _pixel(center))
    patch = np.zeros((PLANES, PATCH_PX, PATCH_PX), np.uint8)
    top, left = max(row, 0), max(column, 0)
    part = maps[:, top : row + PATCH_PX, left : column + PATCH_PX]
    patch[:, top - row : top - row + part.shape[1], left - column : left - column + part.shape[2]] = part
    return patch, np.array([column, row], float)


def _place(labels: NDArray[np.uint8], kind: str, disc: int, point: Array) -> dict[str, float]:
    """Kind of patch, disc, the disc's box, and the point that crops are centered on, px."""
    box = dict(zip(("x0", "y0", "x1", "y1"), map(float, _disc_box(labels[PLANES // 2], disc))))
    return {"kind": KINDS.index(kind), "disc": disc, **box, "x": float(point[0]), "y": float(point[1])}


def _disc_box(plane: NDArray[np.uint8], disc: int) -> tuple[int, int, int, int]:
    """First column and row of the disc on the middle plane, bulge included, and those after its last, px."""
    rows, columns = np.nonzero((plane == Tissue.NUCLEUS + disc) | (plane == Tissue.ANNULUS + disc))
    if len(rows) < _LEAST_DISC_PX:
        return _NO_DISC_BOX
    bulge = plane[rows.min() : rows.max() + 1] == Tissue.DISC_MATERIAL
    columns = np.append(columns, np.nonzero(bulge)[1])
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
