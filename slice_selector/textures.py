"""Textures of a small image in NumPy: scikit-image's own numbers, to rounding, in a fraction of its time.

Extraction describes every slice of a study, which took half of its time; tests compare each function with the one of
scikit-image that it stands for.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_DIAGONAL = round(float(np.sqrt(0.5)), 5)
"""Where on a circle of 1 px the diagonal neighbors lie, rounded as in scikit-image."""
_TAU = 1e-5
_CLIPPED = 0.2
_LEAST_VARIANCE = 1e-30
"""Where there is but one gray level, it is said to go together with itself."""


def gradient_histograms(image: NDArray[np.float64], directions: int, cell: int) -> NDArray[np.float64]:
    """Compute the histograms of oriented gradients of square cells, each normalized by itself.

    Parameters
    ----------
    image : (rows, columns) float64
        Sides are multiples of `cell`.
    directions : int
        Bins of the half circle.
    cell : int
        Side of a cell, px.

    Returns
    -------
    (rows / cell * columns / cell * directions,) float64
        As `skimage.feature.hog` with `cells_per_block=(1, 1)` gives them.

    Examples
    --------
    >>> edge = np.zeros((8, 8))
    >>> edge[:, 4:] = 1
    >>> gradient_histograms(edge, 4, 8).round(2).tolist()
    [1.0, 0.0, 0.0, 0.0]
    """
    down, across = np.zeros_like(image), np.zeros_like(image)
    down[1:-1] = image[2:] - image[:-2]
    across[:, 1:-1] = image[:, 2:] - image[:, :-2]
    angle = np.degrees(np.arctan2(down, across))
    np.add(angle, 180.0, out=angle, where=angle < 0)
    direction = (angle * (directions / 180.0)).astype(np.intp) % directions  # 180 degrees are 0
    rows, columns = (side // cell for side in image.shape)
    cells = np.arange(rows).repeat(cell)[:, None] * columns + np.arange(columns).repeat(cell)
    place = cells * directions + direction
    size = rows * columns * directions
    strength = np.sqrt(down * down + across * across)
    sums = np.bincount(place.ravel(), strength.ravel(), size).reshape(-1, directions) / cell**2
    clipped = np.minimum(_unit(sums), _CLIPPED)
    return _unit(clipped).ravel()


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bring rows to unit length, but those of nearly nothing."""
    return rows / np.sqrt((rows * rows).sum(axis=1, keepdims=True) + _TAU**2)


def pattern_codes(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Compute the uniform local binary pattern of each pixel and its eight neighbors on a circle of 1 px.

    Parameters
    ----------
    image : (rows, columns) uint8
        Beyond its edges it is 0.

    Returns
    -------
    (rows, columns) uint8
        How many neighbors are at least as bright, 0 to 8, where these are side by side; else 9. As
        `skimage.feature.local_binary_pattern(image, 8, 1, "uniform")` gives them.

    Examples
    --------
    >>> pattern_codes(np.array([[0, 0, 0], [0, 9, 0], [0, 0, 0]], np.uint8)).tolist()
    [[8, 8, 8], [8, 0, 8], [8, 8, 8]]
    """
    padded = np.pad(image.astype(np.float64), 1)
    center = padded[1:-1, 1:-1]
    rows, columns = (np.arange(side, dtype=float) for side in image.shape)
    right, left = _between(padded, columns + _DIAGONAL, 1), _between(padded, columns - _DIAGONAL, 1)
    above, below = rows - _DIAGONAL, rows + _DIAGONAL
    # Counterclockwise from the right, as scikit-image goes around.
    around = (
        padded[1:-1, 2:], _between(right, above, 0), padded[:-2, 1:-1], _between(left, above, 0),
        padded[1:-1, :-2], _between(left, below, 0), padded[2:, 1:-1], _between(right, below, 0),
    )  # fmt: skip
    bits = np.zeros(image.shape, np.uint8)
    for k, neighbor in enumerate(around):
        bits |= (neighbor >= center).view(np.uint8) << np.uint8(k)
    return _UNIFORM[bits]


def _between(padded: NDArray[np.float64], places: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Interpolate along an axis between the two pixels around each place; `padded` has one pixel more at each end.

    The operations and their order are scikit-image's: where pixels are equal, rounding decides.
    """
    low = np.floor(places)
    part = (places - low).reshape((-1, 1) if axis == 0 else (1, -1))
    first = int(low[0]) + 1
    before, after = slice(first, first + len(places)), slice(first + 1, first + 1 + len(places))
    if axis == 0:
        return (1 - part) * padded[before] + part * padded[after]
    return (1 - part) * padded[:, before] + part * padded[:, after]


def _uniform_codes() -> NDArray[np.uint8]:
    """Code each set of eight bits: their number where they change at most twice from first to last, else 9."""
    bits = (np.arange(256)[:, None] >> np.arange(8)) & 1
    changes = (bits[:, 1:] != bits[:, :-1]).sum(axis=1)
    return np.where(changes <= 2, bits.sum(axis=1), 9).astype(np.uint8)


_UNIFORM = _uniform_codes()


def edge_strength(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the strength of Sobel's gradient.

    Parameters
    ----------
    image : (rows, columns) float64
        Beyond its edges it is mirrored.

    Returns
    -------
    (rows, columns) float64
        As `skimage.filters.sobel` gives it.

    Examples
    --------
    >>> edge_strength(np.array([[0.0, 0, 1, 1]] * 3))[1].round(3).tolist()
    [0.0, 0.707, 0.707, 0.0]
    """
    padded = np.pad(image, 1, mode="symmetric")
    smooth_down = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    smooth_across = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    across = smooth_down[:, 2:] - smooth_down[:, :-2]
    down = smooth_across[2:] - smooth_across[:-2]
    return np.sqrt((across * across + down * down) / 32)


def neighbor_statistics(
    levels: NDArray[np.uint8], neighbors: NDArray[np.uint8], count: int
) -> NDArray[np.float64]:
    """Describe how gray levels go together with those of their neighbors.

    Parameters
    ----------
    levels, neighbors : (rows, columns) uint8
        Gray levels below `count`, and those of the neighbors in one direction.
    count : int
        Number of gray levels.

    Returns
    -------
    (4,) float64
        Contrast, homogeneity, energy and correlation of the symmetric co-occurrence matrix, as
        `skimage.feature.graycoprops` gives them.

    Examples
    --------
    >>> stripes = np.array([[0, 1], [0, 1]], np.uint8)
    >>> neighbor_statistics(stripes[:, :1], stripes[:, 1:], 2).round(3).tolist()
    [1.0, 0.5, 0.707, -1.0]
    """
    pairs = levels.astype(np.intp) * count + neighbors
    found = np.bincount(pairs.ravel(), minlength=count**2).reshape(count, count).astype(float)
    found = (found + found.T) / (2 * pairs.size)
    level = np.arange(count)
    squared = (level[:, None] - level) ** 2
    contrast, homogeneity = (found * squared).sum(), (found / (1 + squared)).sum()
    centered = level - found.sum(axis=0) @ level
    variance = found.sum(axis=0) @ centered**2
    correlation = 1.0 if variance < _LEAST_VARIANCE else centered @ found @ centered / variance
    return np.array([contrast, homogeneity, np.sqrt((found**2).sum()), correlation])


def entropy(image: NDArray[np.uint8]) -> float:
    """Compute Shannon's entropy of the gray values.

    Parameters
    ----------
    image : uint8 array
        Of any shape.

    Returns
    -------
    float
        Bits, as `skimage.measure.shannon_entropy` gives them.

    Examples
    --------
    >>> entropy(np.array([[0, 1], [2, 3]], np.uint8))
    2.0
    """
    counts = np.bincount(image.ravel())
    part = counts[counts > 0] / image.size
    return float(-(part * np.log2(part)).sum())


def percentiles(values: NDArray[np.floating], percents: list[float]) -> NDArray[np.float64]:
    """Compute percentiles by one sort.

    Parameters
    ----------
    values : float array
        Finite, of any shape, at least one.
    percents : list of float
        0 to 100.

    Returns
    -------
    (len(percents),) float64
        As `numpy.percentile` gives them, whose search takes several times as long for several of them.

    Examples
    --------
    >>> percentiles(np.array([0.0, 1.0, 3.0]), [0, 25, 50, 100]).tolist()
    [0.0, 0.5, 1.0, 3.0]
    """
    ordered = np.sort(values, axis=None)
    places = np.array(percents) / 100 * (len(ordered) - 1)
    return np.interp(places, np.arange(len(ordered)), ordered)
