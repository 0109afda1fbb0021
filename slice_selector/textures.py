"""Textures of a small image in NumPy: scikit-image's own numbers, to rounding, in a fraction of its time.

Extraction describes every slice of a study, which took half of its time; tests compare each function with the one of
scikit-image that it stands for.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

_DIAGONAL = round(float(np.sqrt(0.5)), 5)
"""Where on a circle of 1 px the diagonal neighbors lie, rounded as in scikit-image."""
_TAU = 1e-5
_CLIPPED = 0.2
_ROUNDING = 1e-12
_POWERS = np.arange(4)[:, None]
_LEAST_VARIANCE = 1e-30
"""Where there is but one gray level, it is said to go together with itself."""
_Float = TypeVar("_Float", np.float32, np.float64)


def gradient_histograms(image: NDArray[np.float64], directions: int, cell: int) -> NDArray[np.float64]:
    """Compute the histograms of oriented gradients of square cells, each normalized by itself.

    Parameters
    ----------
    image : (rows, columns) float64
        Sides are multiples of `cell`.
    directions : int
        Bins of the half circle; an even number.
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
    np.subtract(image[2:], image[:-2], out=down[1:-1])
    np.subtract(image[:, 2:], image[:, :-2], out=across[:, 1:-1])
    place = _direction(down, across, directions) + _cells(image.shape, cell) * directions
    down *= down
    across *= across
    down += across
    strength = np.sqrt(down, out=down)
    size = image.size // cell**2 * directions
    sums = np.bincount(place.ravel(), strength.ravel(), size).reshape(-1, directions) / cell**2
    clipped = np.minimum(_unit(sums), _CLIPPED)
    return _unit(clipped).ravel()


def _direction(down: NDArray[np.float64], across: NDArray[np.float64], directions: int) -> NDArray[np.uint8]:
    """Find the bin of the half circle that each gradient points into; any bin where it is zero.

    Steepness is compared with that of the edges of the bins, in a fraction of the time of an angle. Where gradients
    run along an axis or a diagonal but for rounding, as in even backgrounds, the last bit of the angle decides.
    """
    steep, flat = np.abs(down), np.abs(across)
    bins, scratch = np.zeros(down.shape, np.uint8), np.empty_like(down)
    for k in range(1, directions // 2):
        np.multiply(flat, np.tan(k * np.pi / directions), out=scratch)
        bins += (steep >= scratch).view(np.uint8)
    falling = (np.multiply(down, across, out=scratch) < 0).view(np.uint8)
    bins += falling * (np.uint8(directions - 1) - 2 * bins)  # of eight bits: where it falls, the mirrored bin
    np.subtract(steep, flat, out=scratch)
    least = np.minimum(np.abs(scratch, out=scratch), np.minimum(steep, flat), out=scratch)
    steep += flat
    near = np.flatnonzero(least < _ROUNDING * steep)
    angle = np.arctan2(down.ravel()[near], across.ravel()[near]) * (180 / np.pi)
    angle += 180.0 * (angle < 0)  # not to all: near 45 degrees the last bit decides
    bins.ravel()[near] = (angle * (directions / 180.0)).astype(np.uint8) % directions  # 180 degrees are 0
    return bins


@lru_cache(maxsize=16)
def _cells(shape: tuple[int, ...], cell: int) -> NDArray[np.intp]:
    """Find the number of the cell that each pixel is in."""
    down, across = (np.arange(side) // cell for side in shape)
    return down[:, None] * (shape[1] // cell) + across


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
    (rows, columns), center = image.shape, image.astype(np.float64)
    whole = np.zeros((rows + 2, columns + 2), np.uint8)
    whole[1:-1, 1:-1] = image
    padded = whole.astype(np.float64)
    right, left = (_between(padded.T, columns, by).T for by in (_DIAGONAL, -_DIAGONAL))
    # Counterclockwise from the right, as scikit-image goes around.
    around = (
        whole[1:-1, 2:], _between(right, rows, -_DIAGONAL), whole[:-2, 1:-1], _between(left, rows, -_DIAGONAL),
        whole[1:-1, :-2], _between(left, rows, _DIAGONAL), whole[2:, 1:-1], _between(right, rows, _DIAGONAL),
    )  # fmt: skip
    bits = np.zeros(image.shape, np.uint8)
    for k, neighbor in enumerate(around):
        same = image if neighbor.dtype == np.uint8 else center  # bytes compare in a fraction of the time
        bit = np.greater_equal(neighbor, same, out=np.empty(image.shape, bool)).view(np.uint8)
        bit <<= np.uint8(k)
        bits |= bit
    return _UNIFORM.take(bits)


def _between(padded: NDArray[np.float64], count: int, by: float) -> NDArray[np.float64]:
    """Interpolate between the rows around each of the rows within the padding, moved by a part of a row.

    The operations and their order are scikit-image's: where pixels are equal, rounding decides.
    """
    first, before, after = _weights(count, by)
    result = padded[first : first + count] * before
    result += padded[first + 1 : first + 1 + count] * after
    return result


@lru_cache(maxsize=64)
def _weights(count: int, by: float) -> tuple[int, NDArray[np.float64], NDArray[np.float64]]:
    """Find the padded row before the first of some moved rows, and the weights (count, 1) of the rows around each."""
    places = np.arange(count, dtype=float) + by
    low = np.floor(places)
    after = (places - low)[:, None]
    return int(low[0]) + 1, 1 - after, after


def _uniform_codes() -> NDArray[np.uint8]:
    """Code each set of eight bits: their number where they change at most twice from first to last, else 9."""
    bits = (np.arange(256)[:, None] >> np.arange(8)) & 1
    changes = (bits[:, 1:] != bits[:, :-1]).sum(axis=1)
    return np.where(changes <= 2, bits.sum(axis=1), 9).astype(np.uint8)


_UNIFORM = _uniform_codes()


def edge_strength(image: NDArray[_Float]) -> NDArray[_Float]:
    """Compute the strength of Sobel's gradient.

    Parameters
    ----------
    image : (rows, columns) float32 or float64
        Beyond its edges it is mirrored.

    Returns
    -------
    (rows, columns) float32 or float64
        As `skimage.filters.sobel` gives it, in the precision of the image.

    Examples
    --------
    >>> edge_strength(np.array([[0.0, 0, 1, 1]] * 3))[1].round(3).tolist()
    [0.0, 0.707, 0.707, 0.0]
    """
    padded = _mirrored(image)
    across = _smoothed(padded)
    across = across[:, 2:] - across[:, :-2]
    down = _smoothed(padded.T).T
    down = down[2:] - down[:-2]
    across *= across
    down *= down
    across += down
    across /= 32
    return np.sqrt(across, out=across)


def _mirrored(image: NDArray[_Float]) -> NDArray[_Float]:
    """Surround an image by a copy of its outermost pixels, in a fraction of the time of `numpy.pad`."""
    padded = np.empty((image.shape[0] + 2, image.shape[1] + 2), image.dtype)
    padded[1:-1, 1:-1] = image
    padded[0, 1:-1], padded[-1, 1:-1] = image[0], image[-1]
    padded[:, 0], padded[:, -1] = padded[:, 1], padded[:, -2]
    return padded


def _smoothed(padded: NDArray[_Float]) -> NDArray[_Float]:
    """Add to each row its neighbors, and itself once more; the first and the last row are left out."""
    result = padded[1:-1] * 2
    result += padded[:-2]
    result += padded[2:]
    return result


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
    pairs = levels * np.array(count, np.uint8 if count <= 16 else np.intp) + neighbors
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


def normalized_moments(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the moments of an image around its center of mass, up to the third, in units of its mass.

    Parameters
    ----------
    image : (rows, columns) float64
        With a mass, which is the sum of its values.

    Returns
    -------
    (4, 4) float64
        By power of rows, then of columns: from the second order on, as `skimage.measure.moments_normalized` gives them
        of `moments_central`.

    Examples
    --------
    >>> normalized_moments(np.array([[0.0, 1, 0], [1, 0, 1], [0, 1, 0]]))[[2, 0], [0, 2]].tolist()
    [0.125, 0.125]
    """
    mass = image.sum()
    rows, columns = (
        np.arange(len(sums)) - sums @ np.arange(len(sums)) / mass
        for sums in (image.sum(axis=1), image.sum(axis=0))
    )
    central = (rows**_POWERS) @ image @ (columns**_POWERS).T
    return central / mass ** (1 + (_POWERS + _POWERS.T) / 2)
