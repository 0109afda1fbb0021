"""Numbers that describe a slice, with scikit-image."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage.measure import moments_hu

from lsdc.cohort.geometry import SlicePlane
from lsdc.runtime.percentiles import percentiles
from lsdc.slice_selector.textures import (
    edge_strength,
    entropy,
    gradient_histograms,
    neighbor_statistics,
    normalized_moments,
    pattern_codes,
)

SIZE = 128
"""Side of the square that slices are brought to, px."""
Descriptor = NDArray[np.float32]
"""(166,): what `describe` gives."""


def to_square(pixels: NDArray[np.float32], plane: SlicePlane) -> NDArray[np.float64]:
    """Bring a slice to a square of one size with square pixels, so that slices of any scanner can be compared.

    Parameters
    ----------
    pixels : (rows, columns) float32
        Any intensity scale.
    plane : SlicePlane
        For the spacing of its pixels.

    Returns
    -------
    (128, 128) float64
        Values from 0 (the 1st percentile) to 1 (the 99th); 0 around the slice.
    """
    height, width = np.array(pixels.shape) * plane.spacing
    scale = SIZE / max(height, width)
    shape = (max(8, round(height * scale)), max(8, round(width * scale)))
    image = Image.fromarray(np.ascontiguousarray(pixels, np.float32))
    small = np.asarray(image.resize(shape[::-1], Image.Resampling.BOX), float)
    low, high = percentiles(small[::2, ::2], [1, 99])
    small = np.clip((small - low) / max(high - low, 1e-9), 0, 1)
    result = np.zeros((SIZE, SIZE))
    top, left = (SIZE - shape[0]) // 2, (SIZE - shape[1]) // 2
    result[top : top + shape[0], left : left + shape[1]] = small[:SIZE, :SIZE]
    return result


def gradients(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the histogram of oriented gradients: where edges run, and in which direction.

    Parameters
    ----------
    image : (128, 128) float64
        As `to_square` gives it.

    Returns
    -------
    (128,) float64
        8 directions in each of 4 x 4 cells.

    References
    ----------
    Dalal, Triggs: Histograms of oriented gradients for human detection. CVPR 2005.
    """
    return gradient_histograms(image, directions=8, cell=32)


def binary_patterns(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the histogram of uniform local binary patterns: the finest texture.

    Parameters
    ----------
    image : (128, 128) float64
        As `to_square` gives it.

    Returns
    -------
    (10,) float64
        Fractions of the pixels; 8 neighbors at 1 px.

    References
    ----------
    Ojala, Pietikäinen, Mäenpää: Multiresolution gray-scale and rotation invariant texture classification with local
    binary patterns. IEEE TPAMI 24, 2002.
    """
    codes = pattern_codes((image * 255).astype(np.uint8))
    return np.bincount(codes.ravel(), minlength=10) / codes.size


def cooccurrence(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the texture of neighboring gray levels across and down.

    Parameters
    ----------
    image : (128, 128) float64
        As `to_square` gives it.

    Returns
    -------
    (8,) float64
        Contrast, homogeneity, energy and correlation, each across then down, of 16 gray levels.

    References
    ----------
    Haralick, Shanmugam, Dinstein: Textural features for image classification. IEEE Trans. SMC 3, 1973.
    """
    levels = (image * 15.999).astype(np.uint8)
    pairs = (levels[:, :-1], levels[:, 1:]), (levels[1:], levels[:-1])
    return np.stack([neighbor_statistics(*pair, 16) for pair in pairs], axis=1).ravel()


def shape_moments(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute Hu's invariant moments: the shape of what is bright.

    Parameters
    ----------
    image : (128, 128) float64
        As `to_square` gives it.

    Returns
    -------
    (7,) float64
        Signed logarithms.

    References
    ----------
    Hu: Visual pattern recognition by moment invariants. IRE Trans. Information Theory 8, 1962.
    """
    if not image.any():  # an empty slice has no shape
        return np.zeros(7)
    values = moments_hu(normalized_moments(image))
    return np.sign(values) * np.log1p(np.abs(values) * 1e6)


def intensities(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the distribution of the gray values.

    Parameters
    ----------
    image : (128, 128) float64
        As `to_square` gives it.

    Returns
    -------
    (8,) float64
        Mean, standard deviation, percentiles 10, 25, 50, 75 and 90, Shannon entropy (bits).
    """
    bits = entropy((image * 63).astype(np.uint8))
    return np.array([image.mean(), image.std(), *percentiles(image[::2, ::2], [10, 25, 50, 75, 90]), bits])


def edges(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute how strong edges are.

    Parameters
    ----------
    image : (128, 128) float64
        As `to_square` gives it.

    Returns
    -------
    (3,) float64
        Mean, standard deviation and 90th percentile of Sobel's gradient, to single precision.
    """
    strength = edge_strength(image.astype(np.float32))
    return np.array([strength.mean(), strength.std(), *percentiles(strength, [90])])


def symmetry(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute how much the image resembles its mirror images; an axial slice resembles its left-right one.

    Parameters
    ----------
    image : (128, 128) float64
        As `to_square` gives it.

    Returns
    -------
    (2,) float64
        Correlation, -1 to 1, with the left-right and the upside-down mirror image.
    """
    centered = image - image.mean()
    power = float((centered**2).sum()) + 1e-9
    return np.array([(centered * centered[:, ::-1]).sum() / power, (centered * centered[::-1]).sum() / power])


DESCRIPTORS: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "gradients": gradients,
    "binary_patterns": binary_patterns,
    "cooccurrence": cooccurrence,
    "shape_moments": shape_moments,
    "intensities": intensities,
    "edges": edges,
    "symmetry": symmetry,
}
"""What a slice is described by, in order; each takes the square that `to_square` makes."""


def describe(pixels: NDArray[np.float32], plane: SlicePlane) -> Descriptor:
    """Describe one slice by 166 numbers, by which the ranker compares it with others.

    Parameters
    ----------
    pixels : (rows, columns) float32
        Any intensity scale.
    plane : SlicePlane
        For the spacing of its pixels.

    Returns
    -------
    (166,) float32
        The parts in the order of `DESCRIPTORS`.

    Examples
    --------
    >>> plane = SlicePlane((0.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, -1.0), (0.6, 0.6))
    >>> describe(np.eye(64, dtype=np.float32), plane).shape
    (166,)
    """
    image = to_square(pixels, plane)
    return np.concatenate([part(image) for part in DESCRIPTORS.values()]).astype(np.float32)
