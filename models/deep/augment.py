"""Random changes to training images and volumes, each changed independently of the others.

Generators and images must be on the same device.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from lsdc.models.deep.affine import affine_sample, turn_matrix

_FAR_SHARE, _FAR = 0.05, 3.0
"""Fraction of misplaced crops that are off by far, and how many times as far."""


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


def misplace(images: Tensor, generator: torch.Generator, spread: float, across: float) -> Tensor:
    """Turn and stretch crops as `move` does, and shift them as a localizer that errs would have cut them.

    Shifts in the plane are normal, but one in twenty comes from a distribution three times as wide: places that are
    wrong are often wrong by far.

    Parameters
    ----------
    images : (n, 3, rows, columns) float Tensor
        Crops whose channels are neighboring slices.
    generator : torch.Generator
        Source of random numbers.
    spread : float
        Standard deviation along rows and along columns, in half sides.
    across : float
        Probability that a crop's middle slice is one of its neighbors; the outer one is then repeated.

    Returns
    -------
    (n, 3, rows, columns) float Tensor
        What comes in at an edge continues the edge.
    """
    n, device = len(images), images.device
    far = _uniform((n, 1), 0, 1, generator) < _FAR_SHARE
    shift = spread * _normal((n, 2), generator) * torch.where(far, _FAR, 1.0)
    draw = _uniform((n, 1), 0, 1, generator)
    step = (draw > 1 - across / 2).long() - (draw < across / 2).long()
    order = (torch.arange(images.shape[1], device=device) + step).clamp(0, images.shape[1] - 1)
    shown = images[torch.arange(n, device=device)[:, None], order]
    turned = _random_matrix(n, 2, angle=0.2, zoom=0.15, shift=0.0, generator=generator)
    turned[..., 2] = shift
    return affine_sample(shown, turned)


def shifted(images: Tensor, shift: Tensor) -> Tensor:
    """Shift all images alike; those that are 0 everywhere stay so.

    Parameters
    ----------
    images : (n, c, rows, columns) float Tensor
        Images.
    shift : (2,) float Tensor
        Along columns and along rows, in half sides; positive shows more of the right and of the bottom.

    Returns
    -------
    (n, c, rows, columns) float Tensor
        What comes in at an edge continues the edge.
    """
    n, device = len(images), images.device
    still = turn_matrix(torch.zeros(n, device=device), torch.ones((n, 2), device=device), shift.expand(n, 2))
    return affine_sample(images, still)


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
