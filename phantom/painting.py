"""Paint images of labeled tissues under random sequences, in batches.

Slower and truer images, with k-space and files, are made by `acquire`; these are for pretraining, where each patient
must be seen under many scanners.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from lsdc.phantom.tissues import N_LABELS, Tissue

_TEXTURE = {
    Tissue.FAT: 0.10, Tissue.MUSCLE: 0.22, Tissue.MARROW: 0.16, Tissue.BOWEL: 0.4, Tissue.KIDNEY: 0.12,
    Tissue.LIVER: 0.1, Tissue.DISC_MATERIAL: 0.15, Tissue.INTERSPINOUS: 0.45, Tissue.CSF: 0.06, Tissue.EDEMA: 0.15,
    Tissue.FATTY: 0.12, Tissue.SCLEROSIS: 0.25, Tissue.LIGAMENT: 0.2, Tissue.VESSEL: 0.5, Tissue.EPIDURAL_FAT: 0.1,
}  # fmt: skip
_DISC_TEXTURE = 0.14
_FATTY = (Tissue.FAT, Tissue.EPIDURAL_FAT, Tissue.STREAK, Tissue.FATTY)
_GRAIN = 256
"""Side of the repeating texture, voxels."""


def paint(
    labels: NDArray[np.uint8],
    tissues: NDArray[np.float32],
    t2: NDArray[np.bool_],
    rng: np.random.Generator,
    vary: float,
    usual: bool,
) -> NDArray[np.float32]:
    """Paint a batch of label maps; what a `Painter` does.

    Parameters
    ----------
    labels : (n, slices, rows, columns) uint8
        `Tissue`.
    tissues : (n, N_LABELS, 3) float32
        T1, T2 (ms at 1.5 T) and proton density of each label; see `relaxation`.
    t2 : (n,) bool
        Which images are T2-weighted; the others are T1-weighted.
    rng : numpy Generator
        Source of randomness.
    vary : float
        As `Painter` has it.
    usual : bool
        As `Painter` has it.

    Returns
    -------
    (n, slices, rows, columns) float32
        Signal relative to the brightest of fat, CSF and marrow, about 0 to 1, with texture.
    """
    _, slices, rows, columns = labels.shape
    signals = _signals(tissues, t2, rng, vary, usual)
    roughness = _roughness() * np.exp(0.45 * rng.standard_normal(signals.shape, np.float32))
    grain = _grain(slices, rows, columns, rng)
    top, left = rng.integers(0, _GRAIN, (2, len(labels)))
    painted = np.empty(labels.shape, np.float32)
    for k, label in enumerate(labels):
        texture = grain[:, top[k] : top[k] + rows, left[k] : left[k] + columns]
        np.multiply(np.take(roughness[k], label), texture, out=painted[k])
        painted[k] += 1
        painted[k] *= np.take(signals[k], label)
    return np.maximum(painted, 0, out=painted)


def _signals(
    tissues: NDArray[np.float32], t2: NDArray[np.bool_], rng: np.random.Generator, vary: float, usual: bool
) -> NDArray[np.float32]:
    """Compute signals (n, N_LABELS) of a spin echo whose timing is drawn for each image; see `spin_echo`."""

    def draw(low: float, high: float) -> NDArray[np.float32]:
        return rng.uniform(low, high, (len(tissues), 1)).astype(np.float32)

    spread = rng.standard_normal(tissues.shape, np.float32) * np.array([1.0, 1.0, 0.6], np.float32)
    varied = tissues * np.exp(vary * spread)
    heavy, t1 = t2[:, None], varied[..., 0] * (0.9 + 0.35 * draw(0, 1))
    tr, te = (
        np.where(heavy, draw(1900, 6000), draw(330, 850)),
        np.where(heavy, draw(65, 140), draw(6, 22)),
    )
    recovery = 1 - np.exp(-tr / t1)
    kind = draw(0, 1) + 2 * usual
    ti, full = np.where(heavy, draw(120, 230), draw(600, 1000)), np.where(heavy, tr, draw(1500, 2600))
    recovery = np.where(kind < 0.12, np.abs(1 - 2 * np.exp(-ti / t1) + np.exp(-full / t1)), recovery)
    te = np.where(heavy & (kind > 0.93) & (kind <= 1), draw(15, 60), te)
    te = np.where(heavy & (kind > 0.78) & (kind < 0.86), draw(120, 260), te)
    fat = np.zeros(N_LABELS, np.float32)
    fat[list(_FATTY)], fat[Tissue.MARROW] = 1.0, 0.6
    suppressed = (draw(0, 1) < (0.0 if usual else 0.06)) * draw(0.5, 0.95)
    signal = varied[..., 2] * recovery * np.exp(-te / varied[..., 1]) * (1 - suppressed * fat)
    bright = signal[:, [Tissue.FAT, Tissue.CSF, Tissue.MARROW]].max(axis=1, keepdims=True)
    return (signal / np.maximum(bright, 1e-3)).astype(np.float32)


@cache
def _roughness() -> NDArray[np.float32]:
    """List the standard deviation of each label's texture, relative to its signal."""
    rough = np.zeros(N_LABELS, np.float32)
    rough[list(_TEXTURE)] = list(_TEXTURE.values())
    rough[Tissue.NUCLEUS : Tissue.EDEMA] = _DISC_TEXTURE
    return rough


def _grain(slices: int, rows: int, columns: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw zero-mean, unit-variance texture of two scales, larger by `_GRAIN` along rows and columns."""
    # Not above: the command's help shows a painter's settings, and torch takes a second to import.
    import torch
    from torch.nn import functional

    fields = []
    for cells in (_GRAIN // 2, _GRAIN // 8):
        coarse = torch.from_numpy(rng.standard_normal((slices, 1, cells, cells), np.float32))
        fields.append(
            functional.interpolate(coarse, (_GRAIN, _GRAIN), mode="bilinear", align_corners=False)[:, 0]
        )
    field = fields[0] + 0.8 * fields[1]
    return (field / field.std()).numpy()[:, _wrapped(rows)][:, :, _wrapped(columns)]


def _wrapped(size: int) -> NDArray[np.intp]:
    """List the indices that repeat the texture, so that every window of `size` that begins in it is whole."""
    return np.arange(_GRAIN + size) % _GRAIN
