"""Random changes to training pictures, each picture changed in its own way."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def _draw(n: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(n, generator=generator)


def turned(pictures: Tensor, generator: torch.Generator, strength: float = 1.0) -> Tensor:
    """Turn, scale, stretch and shift pictures (n, c, rows, columns)."""
    n = len(pictures)
    angle = 0.2 * strength * _draw(n, -1, 1, generator)
    zoom = torch.exp(strength * 0.15 * torch.randn((n, 2), generator=generator).clamp(-2, 2))
    shift = 0.08 * strength * (2 * torch.rand((n, 2), generator=generator) - 1)
    cos, sin = torch.cos(angle), torch.sin(angle)
    matrix = torch.stack(
        [torch.stack([cos * zoom[:, 0], -sin, shift[:, 0]], 1), torch.stack([sin, cos * zoom[:, 1], shift[:, 1]], 1)],
        1,
    )  # fmt: skip
    grid = functional.affine_grid(matrix.to(pictures.device), list(pictures.shape), align_corners=False)
    return functional.grid_sample(pictures, grid, padding_mode="border", align_corners=False)


def repainted(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Change brightness, contrast, gamma, sharpness and noise of pictures (n, c, …) with values from 0 to 1."""
    n = len(pictures)
    shape = (n, *[1] * (pictures.ndim - 1))
    gain, gamma, noise = (
        _draw(n, *ends, generator).view(shape).to(pictures.device)
        for ends in ((-0.3, 0.3), (-0.35, 0.35), (0.0, 0.05))
    )
    values = pictures.clamp_min(1e-4) ** torch.exp(gamma) * torch.exp(gain)
    return (values + noise * torch.randn(values.shape, generator=generator).to(values.device)).clamp(0, 1.5)


def erased(pictures: Tensor, generator: torch.Generator, share: float = 0.25) -> Tensor:
    """Blank a rectangle in some of the pictures (n, c, rows, columns)."""
    n, rows, columns = len(pictures), pictures.shape[-2], pictures.shape[-1]
    middle, half = (
        torch.rand((n, 2), generator=generator),
        0.05 + 0.12 * torch.rand((n, 2), generator=generator),
    )
    down = (torch.arange(rows)[None] / rows - middle[:, :1]).abs() < half[:, :1]
    across = (torch.arange(columns)[None] / columns - middle[:, 1:]).abs() < half[:, 1:]
    hit = (torch.rand(n, generator=generator) < share)[:, None, None] & down[:, :, None] & across[:, None]
    return pictures.masked_fill(hit[:, None].to(pictures.device), 0.0)


def disturbed(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """All of it, for crops and slices (n, c, rows, columns) with values from 0 to 1."""
    return erased(repainted(turned(pictures, generator), generator), generator)


def warped(volumes: Tensor, generator: torch.Generator) -> Tensor:
    """Turn, scale and bend volumes (n, c, slices, rows, columns): an affine map plus a smooth random displacement."""
    n, device = len(volumes), volumes.device
    angle = _draw(n, -0.15, 0.15, generator)
    zoom = torch.exp(0.1 * torch.randn((n, 3), generator=generator).clamp(-2, 2))
    cos, sin, zero = torch.cos(angle), torch.sin(angle), torch.zeros(n)
    shift = 0.06 * (2 * torch.rand((n, 3), generator=generator) - 1)
    matrix = torch.stack(
        [
            torch.stack([cos * zoom[:, 0], -sin, zero, shift[:, 0]], 1),
            torch.stack([sin, cos * zoom[:, 1], zero, shift[:, 1]], 1),
            torch.stack([zero, zero, zoom[:, 2], shift[:, 2]], 1),
        ],
        1,
    )
    grid = functional.affine_grid(matrix.to(device), list(volumes.shape), align_corners=False)
    bend = 0.03 * torch.randn((n, 3, 3, 5, 5), generator=generator)
    bend = functional.interpolate(bend, volumes.shape[2:], mode="trilinear", align_corners=True)
    grid = grid + bend.permute(0, 2, 3, 4, 1).to(device)
    return functional.grid_sample(volumes, grid, padding_mode="border", align_corners=False)
