"""From heatmaps to points: peaks, an order of levels, and sub-cell positions."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lsdc.slice_selector.network import STRIDE

Maps = NDArray[np.float32]
_CANDIDATES = 6
_STEP_MM, _SPREAD_MM = 34.0, 7.0
"""Distance of neighboring lumbar disc levels along the spine and its spread, mm."""


def probabilities(logits: NDArray[np.float32]) -> tuple[Maps, NDArray[np.float32]]:
    """Split logits (..., cells * cells + 1) into probability maps (..., cells, cells) and presence (...)."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shifted /= shifted.sum(axis=-1, keepdims=True)
    side = int(np.sqrt(logits.shape[-1] - 1))
    return shifted[..., :-1].reshape(*logits.shape[:-1], side, side), 1 - shifted[..., -1]


def ordered_levels(maps: Maps, mm: float) -> NDArray[np.float64]:
    """Choose one point per level so that the levels descend at a plausible distance.

    Dynamic programming over the strongest peaks of every level: log probability plus a Gaussian for the
    distance between neighbors.

    Parameters
    ----------
    maps : (5, cells, cells) float
        Probability per level, head to foot.
    mm : float
        Side of a cell.

    Returns
    -------
    (5, 3) float
        Column and row, px of the picture, and the probability mass around the point.
    """
    peaks = [_peaks(level) for level in maps]
    best: list[NDArray[np.float64]] = [np.log(peaks[0][:, 2] + 1e-9)]
    came: list[NDArray[np.intp]] = []
    for above, here in pairwise(peaks):
        apart = (here[:, None, :2] - above[None, :, :2]) * mm
        distance = np.linalg.norm(apart, axis=-1)
        fit = -0.5 * ((distance - _STEP_MM) / _SPREAD_MM) ** 2 - 50.0 * (apart[..., 1] < 0)
        total = best[-1][None] + np.maximum(fit, -60)
        came.append(total.argmax(axis=1))
        best.append(total.max(axis=1) + np.log(here[:, 2] + 1e-9))
    chosen = [int(best[-1].argmax())]
    for back in reversed(came):
        chosen.append(int(back[chosen[-1]]))
    return np.array([refine(maps[k], peaks[k][i, :2]) for k, i in enumerate(reversed(chosen))])


def peak(heatmap: Maps) -> NDArray[np.float64]:
    """The strongest point of one map (cells, cells): column, row in px, probability mass around it."""
    row, column = np.unravel_index(int(heatmap.argmax()), heatmap.shape)
    return refine(heatmap, np.array([column, row], float))


def _peaks(heatmap: Maps) -> NDArray[np.float64]:
    padded = np.pad(heatmap, 1, constant_values=-1)
    shifts = [padded[1 + i : 1 + i + heatmap.shape[0], 1 + j : 1 + j + heatmap.shape[1]]
              for i in (-1, 0, 1) for j in (-1, 0, 1)]  # fmt: skip
    rows, columns = np.nonzero(heatmap >= np.max(shifts, axis=0))
    order = np.argsort(heatmap[rows, columns])[::-1][:_CANDIDATES]
    return np.stack([columns[order], rows[order], heatmap[rows, columns][order]], axis=1)


def refine(heatmap: Maps, cell: NDArray[np.float64]) -> NDArray[np.float64]:
    """Center of mass of the 5 x 5 cells around a cell, in px of the picture, and their mass."""
    column, row = int(cell[0]), int(cell[1])
    rows = np.arange(max(0, row - 2), min(heatmap.shape[0], row + 3))
    columns = np.arange(max(0, column - 2), min(heatmap.shape[1], column + 3))
    window = heatmap[np.ix_(rows, columns)].astype(float)
    mass = float(window.sum())
    place = [(window.sum(axis=0) @ columns), (window.sum(axis=1) @ rows)]
    px = [value / max(mass, 1e-12) * STRIDE + (STRIDE - 1) / 2 for value in place]
    return np.array([px[0], px[1], mass])
