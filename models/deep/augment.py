"""Random changes to training images and volumes, each changed independently of the others.

Generators and images must be on the same device.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from lsdc.models.deep.affine import affine_sample, turn_matrix


def _uniform(shape: tuple[int, ...], low: float, high: float, generator: torch.Generator) -> Tensor:
    """Draw from the uniform distribution between two numbers."""
    return low + (high - low) * torch.rand(shape, generator=generator, device=generator.device)


def _normal(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Draw from the standard normal distribution."""
    return torch.randn(shape, generator=generator, device=generator.device)


def _random_matrix(
    n: int, axes: int, *, angle: float, zoom: float, shift: float, generator: torch.Generator
) -> Tensor:
    """Draw affine maps, given the largest angle (radians) and shift (half sides) and the spread of the log of zoom."""
    angles = _uniform((n,), -angle, angle, generator)
    zooms = torch.exp(zoom * _normal((n, axes), generator).clamp(-2, 2))
    return turn_matrix(angles, zooms, _uniform((n, axes), -shift, shift, generator))


def move(images: Tensor, generator: torch.Generator) -> Tensor:
    """Turn, scale, stretch and shift images: by up to 0.2 radians, 30 % and 8 % of half a side.

    Parameters
    ----------
    images : (n, c, rows, columns) float Tensor
        The channels of an image move together.
    generator : torch.Generator
        Source of random numbers.

    Returns
    -------
    (n, c, rows, columns) float Tensor
        What comes in at an edge continues the edge.
    """
    matrix = _random_matrix(len(images), 2, angle=0.2, zoom=0.15, shift=0.08, generator=generator)
    return affine_sample(images, matrix)


def repaint(images: Tensor, generator: torch.Generator) -> Tensor:
    """Change brightness, gamma and noise of images or volumes.

    Parameters
    ----------
    images : (n, c, ...) float Tensor
        Values from 0 to 1.
    generator : torch.Generator
        Source of random numbers.

    Returns
    -------
    (n, c, ...) float Tensor
        Values from 0 to 1.5.
    """
    shape = (len(images), *[1] * (images.ndim - 1))
    gain, gamma = _uniform(shape, -0.3, 0.3, generator), _uniform(shape, -0.35, 0.35, generator)
    noise = _uniform(shape, 0.0, 0.05, generator) * _normal(tuple(images.shape), generator)
    return (images.clamp_min(1e-4) ** torch.exp(gamma) * torch.exp(gain) + noise).clamp(0, 1.5)


def erase(images: Tensor, generator: torch.Generator, probability: float = 0.25) -> Tensor:
    """Blank a rectangle in some of the images; its sides are 10 to 34 % of the image's.

    Parameters
    ----------
    images : (n, c, rows, columns) float Tensor
        Images.
    generator : torch.Generator
        Source of random numbers.
    probability : float
        With which each image loses a rectangle.

    Returns
    -------
    (n, c, rows, columns) float Tensor
        A copy with zeros in the rectangles.
    """
    n, device = len(images), images.device
    middle, half = _uniform((n, 2), 0, 1, generator), _uniform((n, 2), 0.05, 0.17, generator)
    down, across = (
        (torch.arange(size, device=device)[None] / size - middle[:, k : k + 1]).abs() < half[:, k : k + 1]
        for k, size in enumerate(images.shape[-2:])
    )
    some = _uniform((n, 1, 1), 0, 1, generator) < probability
    return images.masked_fill((some & down[:, :, None] & across[:, None])[:, None], 0.0)


def augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """Move, repaint and partly erase images; for crops and slices.

    Parameters
    ----------
    images : (n, c, rows, columns) float Tensor
        Values from 0 to 1.
    generator : torch.Generator
        Source of random numbers.

    Returns
    -------
    (n, c, rows, columns) float Tensor
        Values from 0 to 1.5.
    """
    return erase(repaint(move(images, generator), generator), generator)


def warp(volumes: Tensor, generator: torch.Generator) -> Tensor:
    """Turn, scale, shift and bend volumes: an affine map plus a smooth random displacement.

    Parameters
    ----------
    volumes : (n, c, slices, rows, columns) float Tensor
        Volumes are turned within the planes of their slices.
    generator : torch.Generator
        Source of random numbers.

    Returns
    -------
    (n, c, slices, rows, columns) float Tensor
        What comes in at an edge continues the edge.
    """
    n = len(volumes)
    matrix = _random_matrix(n, 3, angle=0.15, zoom=0.1, shift=0.06, generator=generator)
    bend = 0.03 * _normal((n, 3, 3, 5, 5), generator)
    bend = functional.interpolate(bend, volumes.shape[2:], mode="trilinear", align_corners=True)
    return affine_sample(volumes, matrix, bend=bend.permute(0, 2, 3, 4, 1))
