"""One patient ready to be imaged: tissue labels of spine and body, and the texture of every tissue."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from lsdc.phantom.body import label_body
from lsdc.phantom.patient import Patient
from lsdc.phantom.tissues import N_LABELS, Tissue

Volume = NDArray[np.float32]
BODY_GRID = (np.arange(-205, 205.1, 2.0), np.arange(-170, 170.1, 4.0), np.arange(-160, 150.1, 2.0))
"""Positions of the body's coarse voxels in patient space, mm: x (left), z (head), y (posterior)."""
_TILE = 96
"""Side of the repeating block of texture, voxels."""
# Standard deviation of the texture of each tissue, as a fraction of its signal.
_TEXTURE = {
    Tissue.FAT: 0.08,
    Tissue.MUSCLE: 0.14,
    Tissue.MARROW: 0.15,
    Tissue.CSF: 0.05,
    Tissue.BOWEL: 0.2,
    Tissue.KIDNEY: 0.08,
    Tissue.LIVER: 0.08,
    Tissue.EPIDURAL_FAT: 0.06,
    Tissue.DISC_MATERIAL: 0.1,
    Tissue.INTERSPINOUS: 0.3,
}


@dataclass(frozen=True)
class Scene:
    """Tissue labels and texture of one patient: the spine finely, the body around it coarsely.

    Parameters
    ----------
    patient : Patient
        Its anatomy, whose grid is the fine one, and its relaxation times.
    body : (nx, nz, ny) uint8
        `Tissue` of every voxel of `BODY_GRID`.
    spine_texture : (nx, nz, ny) float32
        Relative deviation of the signal of every voxel of the patient's anatomy; zero mean.
    body_texture : (nx, nz, ny) float32
        The same for the voxels of `body`.
    streaks : (nx, nz, ny) float32
        Fraction of fat in every coarse voxel of muscle, 0 to 0.9; 0 in other tissues.
    skin : float
        Position y of the skin of the back, mm (posterior).
    """

    patient: Patient
    body: NDArray[np.uint8]
    spine_texture: Volume
    body_texture: Volume
    streaks: Volume
    skin: float


def build_scene(patient: Patient, rng: np.random.Generator) -> Scene:
    """Label the body around a patient's spine and draw the texture of all tissues.

    Parameters
    ----------
    patient : Patient
        Whose spine is already painted.
    rng : numpy Generator
        Source of randomness.

    Returns
    -------
    Scene
        What every series of the study is imaged from.
    """
    body = label_body(patient.spine, patient.habitus, *BODY_GRID, seed=int(rng.integers(2**31)))
    tile = rng.standard_normal((_TILE,) * 3).astype(np.float32)
    fine = gaussian_filter(tile, 1.2, mode="wrap") + 0.7 * gaussian_filter(tile, 5, mode="wrap") * 8
    fine /= fine.std()
    fibers = gaussian_filter(np.roll(tile, 17, axis=0), (0.9, 3.0, 0.8), mode="wrap")
    fibers /= fibers.std()
    amount = np.clip(0.35 + 0.012 * (patient.age - 40), 0.15, 1.0) * rng.uniform(0.5, 1.5)
    streaks = np.clip((_tiled(fibers, body.shape) - 1.7 + 1.2 * amount) * 0.7, 0, 0.9)
    strength = np.zeros(256, np.float32)
    for tissue, value in _TEXTURE.items():
        strength[tissue] = value
    strength[20:N_LABELS] = 0.08
    last = np.nonzero((body > 0).any(axis=(0, 1)))[0][-1]
    return Scene(
        patient,
        body,
        _tiled(fine, patient.anatomy.labels.shape) * strength[patient.anatomy.labels],
        _tiled(fine, body.shape) * strength[body],
        np.where(body == Tissue.MUSCLE, streaks, 0).astype(np.float32),
        float(BODY_GRID[2][last]),
    )


def _tiled(tile: Volume, shape: tuple[int, ...]) -> Volume:
    """Repeat a block of texture until it fills a volume of the given shape."""
    repeats = [-(-n // _TILE) for n in shape]
    return np.tile(tile, repeats)[tuple(slice(n) for n in shape)]
