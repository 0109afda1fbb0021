"""From heatmaps to points: peaks, an order of levels, and sub-cell positions."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

STRIDE = 4
"""Pixels of the image per cell of a heatmap, across and down."""
Maps = NDArray[np.float32]
"""Probability of each cell, (..., cells, cells); a cell is `STRIDE` pixels wide."""
_CANDIDATES = 6
"""Peaks of each level that are tried."""
_FLOOR = 0.003
"""A slice that does not show a point speaks against it as little as one that gives its cell this probability."""
_STEP_MM, _SPREAD_MM = 34.0, 7.0
"""Distance of neighboring lumbar disc levels along the spine and its spread."""


def probabilities(logits: NDArray[np.float32]) -> tuple[Maps, NDArray[np.float32]]:
    """Turn the network's logits into heatmaps and the probability that there is a point at all.

    Parameters
    ----------
    logits : (..., cells * cells + 1) float32
        One per cell, row by row; the last is for "absent".

    Returns
    -------
    maps : (..., cells, cells) float32
        Probability of each cell; sums to the presence.
    presence : (...) float32
        Probability that the point is on the image.

    Examples
    --------
    >>> maps, presence = probabilities(np.zeros((10, 17), np.float32))
    >>> maps.shape, presence.shape
    ((10, 4, 4), (10,))
    """
    shares = softmax(logits, axis=-1)
    side = int(np.sqrt(logits.shape[-1] - 1))
    return shares[..., :-1].reshape(*logits.shape[:-1], side, side), 1 - shares[..., -1]


def softmax(logits: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """Turn logits into probabilities, as `scipy.special.softmax` does, which takes longer to import than it saves.

    Parameters
    ----------
    logits : array
        Any shape.
    axis : int
        Along which probabilities sum to 1.

    Returns
    -------
    array
        Of the same shape.

    Examples
    --------
    >>> softmax(np.zeros((2, 4), np.float32), axis=1)[0].tolist()
    [0.25, 0.25, 0.25, 0.25]
    """
    shares: NDArray[np.float32] = np.exp(logits - logits.max(axis=axis, keepdims=True))
    shares /= shares.sum(axis=axis, keepdims=True)
    return shares


def agreement(maps: Maps) -> Maps:
    """Join the heatmaps of slices by their geometric mean above a floor, in which a majority outweighs one sure slice.

    Parameters
    ----------
    maps : (n, 5, cells, cells) float32
        Probability per slice and level.

    Returns
    -------
    (5, cells, cells) float32
        0 where no slice shows the point; sums to less than the presence.

    Examples
    --------
    >>> maps = np.zeros((3, 1, 1, 3), np.float32)
    >>> maps[:, 0, 0] = [[0.4, 0.6, 0.0], [0.4, 0.6, 0.0], [0.99, 0.01, 0.0]]
    >>> agreement(maps)[0, 0].round(2)
    array([0.54, 0.16, 0.  ], dtype=float32)
    """
    return np.maximum(np.exp(np.log(maps + np.float32(_FLOOR)).mean(axis=0)) - np.float32(_FLOOR), 0)


def ordered_levels(maps: Maps, mm: float) -> NDArray[np.float64]:
    """Choose one point per level so that the levels descend at a plausible distance.

    Dynamic programming over the strongest peaks of every level: log probability plus a Gaussian for the
    distance between neighbors, 34 mm with a spread of 7 mm.

    Parameters
    ----------
    maps : (5, cells, cells) float32
        Probability per level, head to foot, on an upright image.
    mm : float
        Side of a cell, mm.

    Returns
    -------
    (5, 3) float64
        Column and row, px of the image, and the probability mass around the point.
    """
    peaks = [_peaks(level) for level in maps]
    best: list[NDArray[np.float64]] = [np.log(peaks[0][:, 2] + 1e-9)]
    came_from: list[NDArray[np.intp]] = []
    for above, here in pairwise(peaks):
        step = (here[:, None, :2] - above[None, :, :2]) * mm
        distance = np.linalg.norm(step, axis=-1)
        fit = -0.5 * ((distance - _STEP_MM) / _SPREAD_MM) ** 2 - 50.0 * (step[..., 1] < 0)
        total = best[-1][None] + np.maximum(fit, -60)
        came_from.append(total.argmax(axis=1))
        best.append(total.max(axis=1) + np.log(here[:, 2] + 1e-9))
    chosen = [int(best[-1].argmax())]
    for back in reversed(came_from):
        chosen.append(int(back[chosen[-1]]))
    return np.array([refine(maps[k], peaks[k][i, :2]) for k, i in enumerate(reversed(chosen))])


def level_doubt(maps: Maps, levels: NDArray[np.float64]) -> float:
    """Tell how much speaks for all five points being one level too high or too low.

    The points are moved up and down by one level, and the probability there is compared with that at the points. The
    heatmaps of the canal already count the vertebrae and the sacrum in front (see `vertebra_classes`).

    Parameters
    ----------
    maps : (5, cells, cells) float32
        Probability per level.
    levels : (5, 3) float64
        What `ordered_levels` chose on them.

    Returns
    -------
    float
        Probability one level off, as a fraction of that and of what is at the points: 0 where nothing speaks for
        another level, 1/2 where as much does as speaks for the points.
    """
    points = levels[:, :2]
    chain = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    shifted, here = (
        sum(_mass(heatmap, chain[k + by]) for by in offsets for k, heatmap in enumerate(maps))
        for offsets in ((0, 2), (1,))
    )
    return float(shifted / max(shifted + here, 1e-12))


def _mass(heatmap: Maps, point: NDArray[np.float64]) -> float:
    """Sum the probability of the 3 x 3 cells around a point (column, row; px); 0 outside."""
    column, row = np.round((point - (STRIDE - 1) / 2) / STRIDE).astype(int)
    rows, columns = slice(max(0, row - 1), max(0, row + 2)), slice(max(0, column - 1), max(0, column + 2))
    return float(heatmap[rows, columns].sum())


def masses(maps: Maps, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum the probability of the 5 x 5 cells around a point of each level, as `refine` does.

    Parameters
    ----------
    maps : (5, cells, cells) float
        Probability per level.
    points : (5, 2) float
        Column and row, px of the image; within it.

    Returns
    -------
    (5,) float64
        Probability mass around each point.
    """
    cells = np.round((points - (STRIDE - 1) / 2) / STRIDE)
    return np.array([refine(heatmap, cell)[2] for heatmap, cell in zip(maps, cells)])


def peak(heatmap: Maps) -> NDArray[np.float64]:
    """Find the strongest point of one heatmap.

    Parameters
    ----------
    heatmap : (cells, cells) float32
        Probability of each cell.

    Returns
    -------
    (3,) float64
        Column and row, px of the image, and the probability mass around the point.

    Examples
    --------
    >>> heatmap = np.zeros((8, 8), np.float32)
    >>> heatmap[2, 5] = 0.5
    >>> peak(heatmap)
    array([21.5, 9.5, 0.5])
    """
    row, column = np.unravel_index(int(heatmap.argmax()), heatmap.shape)
    return refine(heatmap, np.array([column, row], float))


def _peaks(heatmap: Maps) -> NDArray[np.float64]:
    """Find the strongest local maxima, at most `_CANDIDATES`: column and row (cells) and probability."""
    padded = np.pad(heatmap, 1, constant_values=-1)
    shifts = [padded[1 + i : 1 + i + heatmap.shape[0], 1 + j : 1 + j + heatmap.shape[1]]
              for i in (-1, 0, 1) for j in (-1, 0, 1)]  # fmt: skip
    rows, columns = np.nonzero(heatmap >= np.max(shifts, axis=0))
    order = np.argsort(heatmap[rows, columns])[::-1][:_CANDIDATES]
    return np.stack([columns[order], rows[order], heatmap[rows, columns][order]], axis=1)


def refine(heatmap: Maps, cell: NDArray[np.float64]) -> NDArray[np.float64]:
    """Find the center of mass of the 5 x 5 cells around a cell.

    Parameters
    ----------
    heatmap : (cells, cells) float32
        Probability of each cell.
    cell : (2,) float
        Column and row of the cell, counted from 0.

    Returns
    -------
    (3,) float64
        Column and row, px of the image, and the probability mass of these cells.
    """
    column, row = int(cell[0]), int(cell[1])
    rows = np.arange(max(0, row - 2), min(heatmap.shape[0], row + 3))
    columns = np.arange(max(0, column - 2), min(heatmap.shape[1], column + 3))
    window = heatmap[np.ix_(rows, columns)].astype(float)
    mass = float(window.sum())
    center = [(window.sum(axis=0) @ columns), (window.sum(axis=1) @ rows)]
    px = [value / max(mass, 1e-12) * STRIDE + (STRIDE - 1) / 2 for value in center]
    return np.array([px[0], px[1], mass])
