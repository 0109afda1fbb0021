"""Images that show no lumbar spine, made from images that do."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional


def without_spine(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Turn each image into something else: scrambled pieces, smooth blobs, noise, a far corner, or lay it on its side.

    The localizer learns from them to doubt.

    Parameters
    ----------
    images : (n, size, size) Tensor of float
        Gray values from 0 to 255.
    rng : numpy Generator
        Source of randomness.

    Returns
    -------
    (n, size, size) Tensor of float
        Gray values from 0 to 255.
    """
    kinds = (_scrambled, _blobs, _noise, _corner, _turned)
    made = [kinds[int(rng.integers(len(kinds)))](image, rng) for image in images]
    return torch.stack(made) if made else images


def _scrambled(image: Tensor, rng: np.random.Generator) -> Tensor:
    size, n = image.shape[-1], int(rng.choice([3, 4, 6]))
    pieces = image[: size // n * n, : size // n * n].unflatten(0, (n, -1)).unflatten(2, (n, -1))
    pieces = pieces.permute(0, 2, 1, 3).flatten(0, 1)[torch.from_numpy(rng.permutation(n * n))]
    joined = pieces.unflatten(0, (n, n)).permute(0, 2, 1, 3).flatten(2, 3).flatten(0, 1)
    return _resized(joined, size)


def _blobs(image: Tensor, rng: np.random.Generator) -> Tensor:
    cells = int(rng.choice([4, 8, 16]))
    coarse = torch.from_numpy(rng.random((1, 1, cells, cells), np.float32))
    return functional.interpolate(coarse, image.shape[-2:], mode="bicubic")[0, 0].clamp(0, 1) * 255


def _noise(image: Tensor, rng: np.random.Generator) -> Tensor:
    size = image.shape[-1]
    return torch.from_numpy(rng.random((size, size), np.float32)) * float(rng.uniform(1, 255))


def _corner(image: Tensor, rng: np.random.Generator) -> Tensor:
    """One of the corners in front of the spine, enlarged."""
    quarter = image.shape[-1] // 4
    corner = image[:quarter, :quarter] if rng.random() < 0.5 else image[-quarter:, :quarter]
    return _resized(corner, image.shape[-1])


def _turned(image: Tensor, rng: np.random.Generator) -> Tensor:
    return torch.rot90(image, int(rng.choice([1, 3])))


def _resized(image: Tensor, size: int) -> Tensor:
    return functional.interpolate(image[None, None], (size, size), mode="bilinear")[0, 0]
