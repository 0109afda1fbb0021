"""Numbers that describe a slice, with scikit-image."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage.feature import graycomatrix, graycoprops, hog, local_binary_pattern
from skimage.filters import sobel
from skimage.measure import moments_central, moments_hu, moments_normalized, shannon_entropy

from lsdc.cohort.geometry import SlicePlane

SIZE = 128
"""Side of the square that slices are brought to, px."""
Descriptor = NDArray[np.float32]


def square(pixels: NDArray[np.float32], plane: SlicePlane) -> NDArray[np.float64]:
    """Bring a slice to a square of `SIZE` with square pixels, dark at the borders, values from 0 to 1."""
    height, width = np.array(pixels.shape) * plane.spacing
    scale = SIZE / max(height, width)
    shape = (max(8, round(height * scale)), max(8, round(width * scale)))
    picture = Image.fromarray(np.ascontiguousarray(pixels, np.float32))
    small = np.asarray(picture.resize(shape[::-1], Image.Resampling.BOX), float)
    low, high = np.percentile(small[::2, ::2], [1, 99])
    small = np.clip((small - low) / max(high - low, 1e-9), 0, 1)
    result = np.zeros((SIZE, SIZE))
    top, left = (SIZE - shape[0]) // 2, (SIZE - shape[1]) // 2
    result[top : top + shape[0], left : left + shape[1]] = small[:SIZE, :SIZE]
    return result


def gradients(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Histogram of oriented gradients: 8 directions in 4 x 4 cells (Dalal & Triggs 2005)."""
    return hog(image, orientations=8, pixels_per_cell=(32, 32), cells_per_block=(1, 1))


def binary_patterns(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Histogram of uniform local binary patterns of 8 neighbors at 1 px (Ojala et al. 2002)."""
    codes = local_binary_pattern((image * 255).astype(np.uint8), 8, 1, method="uniform")
    return np.bincount(codes.astype(int).ravel(), minlength=10) / codes.size


def cooccurrence(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Texture of neighboring gray levels across and down (Haralick et al. 1973)."""
    levels = (image * 15.999).astype(np.uint8)
    matrix = graycomatrix(levels, [1], [0, np.pi / 2], levels=16, symmetric=True, normed=True)
    names = ("contrast", "homogeneity", "energy", "correlation")
    return np.concatenate([graycoprops(matrix, name).ravel() for name in names])


def shape_moments(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithms of Hu's seven invariant moments (Hu 1962)."""
    values = moments_hu(moments_normalized(moments_central(image)))
    return np.sign(values) * np.log1p(np.abs(values) * 1e6)


def intensities(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean, spread, percentiles and Shannon entropy of the gray values."""
    entropy = shannon_entropy((image * 63).astype(np.uint8))
    return np.array(
        [image.mean(), image.std(), *np.percentile(image[::2, ::2], [10, 25, 50, 75, 90]), entropy]
    )


def edges(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean, spread and 90th percentile of Sobel's gradient."""
    strength = sobel(image)
    return np.array([strength.mean(), strength.std(), np.percentile(strength, 90)])


def symmetry(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlation of the picture with its left-right and upside-down mirror images."""
    centered = image - image.mean()
    power = float((centered**2).sum()) + 1e-9
    return np.array([(centered * centered[:, ::-1]).sum() / power, (centered * centered[::-1]).sum() / power])


PARTS: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "gradients": gradients,
    "binary_patterns": binary_patterns,
    "cooccurrence": cooccurrence,
    "shape_moments": shape_moments,
    "intensities": intensities,
    "edges": edges,
    "symmetry": symmetry,
}
"""What a descriptor consists of, in order; each takes the square of `square`."""


def describe(pixels: NDArray[np.float32], plane: SlicePlane) -> Descriptor:
    """Describe one slice.

    Parameters
    ----------
    pixels : (rows, columns) float32
        Any intensity scale.
    plane : SlicePlane
        For the shape of its pixels.

    Returns
    -------
    (n,) float32
        The parts in the order of `PARTS`.
    """
    image = square(pixels, plane)
    return np.concatenate([part(image) for part in PARTS.values()]).astype(np.float32)
