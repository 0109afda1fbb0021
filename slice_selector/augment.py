"""Random changes to training pictures and their points: place, size, angle, contrast, sharpness, noise."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional


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
    n, size = pictures.shape[0], pictures.shape[-1]

    def draw(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(n, generator=generator)

    angle, zoom = draw(-0.2, 0.2), torch.exp(draw(-0.22, 0.22))
    shift = torch.stack([draw(-0.12, 0.12), draw(-0.12, 0.12)], dim=1)
    flip = torch.where(torch.rand(n, generator=generator) < 0.5, -1.0, 1.0) if mirror else torch.ones(n)
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    back = torch.stack([torch.stack([flip * cos, -sin], 1), torch.stack([flip * sin, cos], 1)], 1)
    matrix = torch.cat([back, shift[:, :, None]], dim=2)
    grid = functional.affine_grid(matrix, [n, 1, size, size], align_corners=False)
    values = functional.grid_sample(pictures[:, None].float(), grid, align_corners=False)[:, 0] / 255
    unit = (points + 0.5) * 2 / size - 1
    moved = torch.linalg.solve(back[:, None], (unit - shift[:, None])[..., None])[..., 0]
    moved = (moved + 1) * size / 2 - 0.5
    if mirror:
        moved = torch.where((flip < 0)[:, None, None], moved.flip(1), moved)
    values = values.clamp_min(0) ** torch.exp(draw(-0.5, 0.5))[:, None, None]
    values = values * _shading(n, size, generator)
    soft = functional.avg_pool2d(values[:, None], 3, stride=1, padding=1)[:, 0]
    values = values + draw(-0.4, 0.9)[:, None, None] * (soft - values)
    noise = torch.randn(values.shape, generator=generator) * (draw(0, 1) ** 2 * 0.12)[:, None, None]
    return (values + noise).clamp_min(0), moved


def _shading(n: int, size: int, generator: torch.Generator) -> Tensor:
    """A smooth positive field, as a coil's sensitivity."""
    coarse = torch.randn((n, 1, 3, 3), generator=generator) * math.log(1.6)
    return torch.exp(functional.interpolate(coarse, size=(size, size), mode="bicubic", align_corners=True))[
        :, 0
    ]
