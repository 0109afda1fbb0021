"""Random changes to training images and their points: place, size, angle, contrast, sharpness, noise."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from lsdc.slice_selector.affine_sampler import AffineSampler, rotation

_KNOTS = 7
"""Knots of the random curve that gray values are sent through."""


def vary(
    images: Tensor,
    points: Tensor,
    generator: torch.Generator,
    *,
    size: int | None = None,
    zoom: float = 1.0,
    shift: float = 0.12,
    mirror: bool = False,
) -> tuple[Tensor, Tensor]:
    """Change images and points as little as the pictures of one cohort differ, for fine-tuning on it.

    Parameters
    ----------
    images : (n, side, side) Tensor of uint8
        Gray values.
    points : (n, channels, 2) Tensor of float
        Column and row, px; NaN stays NaN.
    generator : torch.Generator
        Source of randomness, on the CPU.
    size : int, optional
        Side of the results, px; as before by default.
    zoom : float, default 1
        Fraction of the images' side that the results show, before it varies by 15 %.
    shift : float, default 0.12
        Largest shift across and down, in halves of the images' side.
    mirror : bool, default False
        Flip half of the images left to right and swap the two channels, which are the patient's sides.

    Returns
    -------
    images : (n, size, size) Tensor of float
        Gray values from 0 to about 1; beyond the edges as at the edges.
    points : (n, channels, 2) Tensor of float
        Column and row, px.
    """
    n, side = images.shape[0], images.shape[-1]
    size = size or side

    def draw(most: float) -> Tensor:
        return (2 * torch.rand(n, generator=generator) - 1) * most

    flip = torch.where(torch.rand(n, generator=generator) < 0.5, -1.0, 1.0) if mirror else torch.ones(n)
    scale = zoom * torch.exp(draw(0.15))
    matrix = rotation(draw(0.15)) * torch.stack([flip * scale, scale], 1)[:, None]
    half = torch.full((2,), side / 2)
    sampler = AffineSampler(matrix, torch.stack([draw(shift), draw(shift)], dim=1), half)
    sampled = functional.grid_sample(
        images[:, None].float() / 255, sampler.grid(size), padding_mode="border", align_corners=False
    )[:, 0]
    moved = sampler.moved(points + 0.5 - half, size)
    if mirror:
        moved = torch.where(sampler.mirrored[:, None, None], moved.flip(1), moved)
    values = sampled ** torch.exp(draw(0.4))[:, None, None] * _shading(n, size, generator).sqrt()
    noise = torch.randn(values.shape, generator=generator) * (draw(1) ** 2 * 0.06)[:, None, None]
    return values + noise, moved


def repaint(values: Tensor, generator: torch.Generator) -> Tensor:
    """Change contrast, coil, sharpness, noise and field of view of images.

    Parameters
    ----------
    values : (n, size, size) Tensor of float
        Gray values from 0 to 1.
    generator : torch.Generator
        Source of randomness, on the CPU.

    Returns
    -------
    (n, size, size) Tensor of float
        At least 0; may exceed 1.
    """
    n, size = values.shape[0], values.shape[-1]

    def draw(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(n, generator=generator)

    values = _recolor(values.clamp(0, 1), generator)
    values = values.clamp_min(0) ** torch.exp(draw(-0.5, 0.5))[:, None, None]
    values = values * _shading(n, size, generator)
    coarse = _coarse(values, generator)
    soft = functional.avg_pool2d(coarse[:, None], 3, stride=1, padding=1)[:, 0]
    values = coarse + draw(-1.2, 0.9)[:, None, None] * (soft - coarse)
    noise = torch.randn(values.shape, generator=generator) * (draw(0, 1) ** 2 * 0.12)[:, None, None]
    return (values + noise).clamp_min(0) * field_of_view(n, size, generator, most=0.22, probability=0.33)


def _recolor(values: Tensor, generator: torch.Generator) -> Tensor:
    """Send the gray values of half of the images through a random curve: other weightings, windows, scanners.

    The curve bends both ways: which of two tissues is brighter is not to be relied upon, where their edge is may be.
    """
    n = len(values)
    straight = torch.linspace(0, 1, _KNOTS) ** 2
    bent = straight + 0.2 * torch.randn((n, _KNOTS), generator=generator)
    bent = (bent - bent.amin(1, keepdim=True)) / (bent.amax(1, keepdim=True) - bent.amin(1, keepdim=True))
    bent = torch.where(torch.rand((n, 1), generator=generator) < 0.5, bent, straight)
    # Most pixels are dark: the root spreads them over the knots.
    place = values.clamp(0, 1).sqrt() * (_KNOTS - 1)
    low = place.floor().clamp_max(_KNOTS - 2).long()
    flat = low.flatten(1)
    left, right = torch.gather(bent, 1, flat), torch.gather(bent, 1, flat + 1)
    return torch.lerp(left, right, (place - low).flatten(1)).view_as(values).clamp(0, 1)


def _coarse(values: Tensor, generator: torch.Generator) -> Tensor:
    """Halve the resolution of a quarter of the images."""
    small = functional.interpolate(values[:, None], scale_factor=0.5, mode="area")
    large = functional.interpolate(small, size=values.shape[-2:], mode="bilinear", align_corners=False)[:, 0]
    return torch.where(torch.rand((len(values), 1, 1), generator=generator) < 0.25, large, values)


def field_of_view(
    n: int, size: int, generator: torch.Generator, most: Tensor | float, probability: float
) -> Tensor:
    """Draw where images end early at some sides.

    Parameters
    ----------
    n : int
        Number of images.
    size : int
        Side of the images, px.
    generator : torch.Generator
        Source of randomness, on the CPU.
    most : float or (4,) Tensor of float
        Largest fraction that is cut from a side, in the order top, bottom, left, right.
    probability : float
        That a side is cut at all.

    Returns
    -------
    (n, size, size) Tensor of float
        1 inside the image and 0 outside.
    """
    cells = torch.arange(size) / size
    ends = torch.rand((n, 4), generator=generator) * most
    ends = ends * (torch.rand((n, 4), generator=generator) < probability)
    rows = (cells >= ends[:, :1]) & (cells <= 1 - ends[:, 1:2])
    columns = (cells >= ends[:, 2:3]) & (cells <= 1 - ends[:, 3:])
    return (rows[:, :, None] & columns[:, None, :]).float()


def _shading(n: int, size: int, generator: torch.Generator) -> Tensor:
    """Draw smooth positive fields (n, size, size), as of a coil's sensitivity."""
    coarse = torch.randn((n, 1, 3, 3), generator=generator) * math.log(1.6)
    return torch.exp(functional.interpolate(coarse, size=(size, size), mode="bicubic", align_corners=True))[
        :, 0
    ]
