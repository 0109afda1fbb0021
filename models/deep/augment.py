"""Random changes to training pictures, each picture changed in its own way.

Generators and pictures must be of the same device.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def _uniform(shape: tuple[int, ...], low: float, high: float, generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator, device=generator.device)


def _normal(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator, device=generator.device)


def turned(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Turn, scale, stretch and shift pictures (n, c, rows, columns)."""
    n = len(pictures)
    angle = _uniform((n,), -0.2, 0.2, generator)
    zoom = torch.exp(0.15 * _normal((n, 2), generator).clamp(-2, 2))
    shift = _uniform((n, 2), -0.08, 0.08, generator)
    cos, sin = torch.cos(angle), torch.sin(angle)
    rows = [
        torch.stack([cos * zoom[:, 0], -sin, shift[:, 0]], 1),
        torch.stack([sin, cos * zoom[:, 1], shift[:, 1]], 1),
    ]
    grid = functional.affine_grid(torch.stack(rows, 1), list(pictures.shape), align_corners=False)
    return functional.grid_sample(pictures, grid, padding_mode="border", align_corners=False)


def repainted(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Change brightness, contrast, gamma and noise of pictures (n, c, …) with values from 0 to 1."""
    shape = (len(pictures), *[1] * (pictures.ndim - 1))
    gain, gamma = _uniform(shape, -0.3, 0.3, generator), _uniform(shape, -0.35, 0.35, generator)
    noise = _uniform(shape, 0.0, 0.05, generator) * _normal(tuple(pictures.shape), generator)
    return (pictures.clamp_min(1e-4) ** torch.exp(gamma) * torch.exp(gain) + noise).clamp(0, 1.5)


def erased(pictures: Tensor, generator: torch.Generator, share: float = 0.25) -> Tensor:
    """Blank a rectangle in some of the pictures (n, c, rows, columns)."""
    n, device = len(pictures), pictures.device
    middle, half = _uniform((n, 2), 0, 1, generator), _uniform((n, 2), 0.05, 0.17, generator)
    down, across = (
        (torch.arange(size, device=device)[None] / size - middle[:, k : k + 1]).abs() < half[:, k : k + 1]
        for k, size in enumerate(pictures.shape[-2:])
    )
    some = _uniform((n, 1, 1), 0, 1, generator) < share
    return pictures.masked_fill((some & down[:, :, None] & across[:, None])[:, None], 0.0)


def disturbed(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """All of it, for crops and slices (n, c, rows, columns) with values from 0 to 1."""
    return erased(repainted(turned(pictures, generator), generator), generator)


def warped(volumes: Tensor, generator: torch.Generator) -> Tensor:
    """Turn, scale and bend volumes (n, c, slices, rows, columns): an affine map plus a smooth random displacement."""
    n = len(volumes)
    angle = _uniform((n,), -0.15, 0.15, generator)
    zoom = torch.exp(0.1 * _normal((n, 3), generator).clamp(-2, 2))
    shift = _uniform((n, 3), -0.06, 0.06, generator)
    cos, sin, zero = torch.cos(angle), torch.sin(angle), torch.zeros_like(angle)
    rows = [
        torch.stack([cos * zoom[:, 0], -sin, zero, shift[:, 0]], 1),
        torch.stack([sin, cos * zoom[:, 1], zero, shift[:, 1]], 1),
        torch.stack([zero, zero, zoom[:, 2], shift[:, 2]], 1),
    ]
    grid = functional.affine_grid(torch.stack(rows, 1), list(volumes.shape), align_corners=False)
    bend = 0.03 * _normal((n, 3, 3, 5, 5), generator)
    bend = functional.interpolate(bend, volumes.shape[2:], mode="trilinear", align_corners=True)
    moved = grid + bend.permute(0, 2, 3, 4, 1)
    return functional.grid_sample(volumes, moved, padding_mode="border", align_corners=False)
