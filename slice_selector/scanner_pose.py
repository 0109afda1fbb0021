"""Where in a sheet the picture of a scanner lies, and where the sheet's points are on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from lsdc.slice_selector.elastic import Warp, draw_warp

_ANGLE = {"sagittal": 0.12, "axial": 0.06}
_ZOOM = {"sagittal": (0.22, 0.1), "axial": (0.17, 0.03)}
"""Spread of the logarithms of size and of each side: patients differ, and files err about their spacing."""
_MIDDLE_MM = {"sagittal": (18.0, 18.0), "axial": (0.0, 5.0)}
_SHIFT_MM = {"sagittal": (26.0, 24.0), "axial": (8.0, 14.0)}


@dataclass(frozen=True)
class Pose:
    """An affine map from n pictures to the planes they are taken from, and a warp of what it reaches.

    Parameters
    ----------
    matrix, shift : (n, 2, 2), (n, 2) Tensor
        From the picture to the plane, both in units from -1 to 1.
    half : (2,) Tensor
        Half of the plane's sides (columns, rows), in any unit; mm where there is a warp.
    warp : Warp or None
        In mm.
    """

    matrix: Tensor
    shift: Tensor
    half: Tensor
    warp: Warp | None = None

    @property
    def mirrored(self) -> Tensor:
        """Whether left and right have changed sides, (n,)."""
        return self.matrix[:, 0, 0] < 0

    def grid(self, size: int) -> Tensor:
        """Where the pixels of pictures of a side of `size` px are taken from, (n, size, size, 2), from -1 to 1."""
        both = torch.cat([self.matrix, self.shift[..., None]], 2)
        grid = functional.affine_grid(both, [len(both), 1, size, size], align_corners=False)
        if self.warp is None:
            return grid
        # The warp is smooth: every other pixel of it is enough.
        coarse = functional.avg_pool2d(grid.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)
        bent = (self.warp(coarse.flatten(1, 2) * self.half) / self.half).view_as(coarse)
        return functional.interpolate(bent.permute(0, 3, 1, 2), (size, size), mode="bilinear").permute(
            0, 2, 3, 1
        )

    def moved(self, points: Tensor, size: int) -> Tensor:
        """Where points of the planes (n, m, 2; from their middles, in the unit of `half`) are on the pictures, px."""
        if self.warp is not None:
            points = self.warp.back(points)
        away = points / self.half - self.shift[:, None]
        return (torch.linalg.solve(self.matrix[:, None], away[..., None])[..., 0] + 1) * size / 2 - 0.5


def draw_pose(points: Tensor, half: Tensor, kind: str, mm: float, rng: np.random.Generator) -> Pose:
    """Draw poses of pictures.

    Parameters
    ----------
    points : (n, m, 2) Tensor
        Column and row on the sheets, mm from their middles; sagittal: the canal's come first.
    half : (2,) Tensor
        Half of the sheets' sides (columns, rows), mm.
    kind : str
        `sagittal` (these are warped) or `axial` (half of these are mirrored).
    mm : float
        Side of the pictures.
    rng : numpy Generator
        Source of chance.
    """
    n, sides = len(points), half.numpy()
    angle, (sizes, shapes) = rng.normal(0, _ANGLE[kind], n), _ZOOM[kind]
    zoom = mm / 2 * np.exp(rng.normal(0, sizes, n))[:, None] * np.exp(rng.normal(0, shapes, (n, 2)))
    if kind == "axial":
        zoom[:, 0] *= np.where(rng.random(n) < 0.5, -1, 1)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]).transpose(2, 0, 1)
    matrix = turn * zoom[:, None] / sides[:, None]
    shift = rng.normal(_MIDDLE_MM[kind], _SHIFT_MM[kind], (n, 2)) / sides
    warp = draw_warp(points[:, :5], half, rng) if kind == "sagittal" else None
    return Pose(torch.from_numpy(matrix).float(), torch.from_numpy(shift).float(), half, warp)
