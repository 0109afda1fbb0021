"""Random changes to training pictures and their points: place, size, angle, contrast, sharpness, noise."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from lsdc.slice_selector.scanner_pose import Pose


def disturb(
    pictures: Tensor, points: Tensor, generator: torch.Generator, mirror: bool = False
) -> tuple[Tensor, Tensor]:
    """Change each picture at random, and its points with it.

    Parameters
    ----------
    pictures : (n, size, size) uint8
        Gray values.
    points : (n, channels, 2) float
        Column and row, px.
    generator : torch.Generator
        Source of chance, on the CPU.
    mirror : bool
        Flip half of the pictures left to right and swap the two channels, which are the patient's sides.

    Returns
    -------
    (n, size, size) float, (n, channels, 2) float
    """
    values, moved = move(pictures, points, generator, mirror)
    return repaint(values, generator), moved


def move(
    pictures: Tensor, points: Tensor, generator: torch.Generator, mirror: bool = False
) -> tuple[Tensor, Tensor]:
    """Turn, scale, shift and mirror pictures with their points; arguments and results as `disturb`."""
    n, size = pictures.shape[0], pictures.shape[-1]

    def draw(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(n, generator=generator)

    angle, zoom = draw(-0.25, 0.25), torch.exp(draw(-0.3, 0.25))
    shift = torch.stack([draw(-0.12, 0.12), draw(-0.12, 0.12)], dim=1)
    flip = torch.where(torch.rand(n, generator=generator) < 0.5, -1.0, 1.0) if mirror else torch.ones(n)
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    matrix = torch.stack([torch.stack([flip * cos, -sin], 1), torch.stack([flip * sin, cos], 1)], 1)
    half = torch.full((2,), size / 2)
    pose = Pose(matrix, shift, half)
    values = (
        functional.grid_sample(pictures[:, None].float(), pose.grid(size), align_corners=False)[:, 0] / 255
    )
    moved = pose.moved(points + 0.5 - half, size)
    if mirror:
        moved = torch.where(pose.mirrored[:, None, None], moved.flip(1), moved)
    return values, moved


def repaint(values: Tensor, generator: torch.Generator) -> Tensor:
    """Change contrast, coil, sharpness, noise and field of pictures (n, size, size) with values from 0 to 1."""
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
    return (values + noise).clamp_min(0) * field(n, size, generator, most=0.22, chance=0.33)


_KNOTS = 7


def _recolor(values: Tensor, generator: torch.Generator) -> Tensor:
    """Send gray values through a random curve, in half of the pictures: other weightings, windows, scanners.

    The curve bends both ways: what is brighter than what is not to be relied upon, where edges are is.
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
    """Halve the resolution of a quarter of the pictures."""
    small = functional.interpolate(values[:, None], scale_factor=0.5, mode="area")
    large = functional.interpolate(small, size=values.shape[-2:], mode="bilinear", align_corners=False)[:, 0]
    return torch.where(torch.rand((len(values), 1, 1), generator=generator) < 0.25, large, values)


def field(n: int, size: int, generator: torch.Generator, most: Tensor | float, chance: float) -> Tensor:
    """One inside the image and zero outside, (n, size, size), where pictures end early at some sides.

    `most` is the largest share that is cut from a side (top, bottom, left, right), `chance` how often one is.
    """
    cells = torch.arange(size) / size
    ends = torch.rand((n, 4), generator=generator) * most
    ends = ends * (torch.rand((n, 4), generator=generator) < chance)
    rows = (cells >= ends[:, :1]) & (cells <= 1 - ends[:, 1:2])
    columns = (cells >= ends[:, 2:3]) & (cells <= 1 - ends[:, 3:])
    return (rows[:, :, None] & columns[:, None, :]).float()


def _shading(n: int, size: int, generator: torch.Generator) -> Tensor:
    """A smooth positive field, as a coil's sensitivity."""
    coarse = torch.randn((n, 1, 3, 3), generator=generator) * math.log(1.6)
    return torch.exp(functional.interpolate(coarse, size=(size, size), mode="bicubic", align_corners=True))[
        :, 0
    ]
