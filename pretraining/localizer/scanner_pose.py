"""Where on a label map a scanner's image lies, and where the label map's points are on the image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from lsdc.pretraining.localizer.elastic import Warp, draw_warp
from lsdc.slice_selector.affine_sampler import AffineSampler

_ANGLE = {"sagittal": 0.12, "axial": 0.06}
"""Standard deviation of the angle, radians."""
_ZOOM = {"sagittal": (0.22, 0.1), "axial": (0.17, 0.03)}
"""Spread of the logarithms of size and of each side: patients differ, and files err about their spacing."""
MIDDLE_MM = {"sagittal": (18.0, 18.0), "axial": (0.0, 5.0)}
_SHIFT_MM = {"sagittal": (26.0, 24.0), "axial": (8.0, 14.0)}
"""Mean and standard deviation of the image's place on the label map (column, row), mm."""


@dataclass(frozen=True)
class ScannerPose(AffineSampler):
    """Where on label maps n images lie: an affine map, and a warp of what it reaches.

    Parameters
    ----------
    matrix : (n, 2, 2) Tensor of float
        Linear part; image and label map both reach from -1 to 1, columns first.
    shift : (n, 2) Tensor of float
        Place on the label map of the image's middle.
    half : (2,) Tensor of float
        Half of the label maps' sides (columns, rows), mm.
    warp : Warp, optional
        Deformation of the patients; by default none.
    """

    warp: Warp | None = None

    def grid(self, size: int) -> Tensor:
        """Compute where the pixels of the images are taken from, as `torch.nn.functional.grid_sample` takes it.

        Parameters
        ----------
        size : int
            Side of the images, px; even.

        Returns
        -------
        (n, size, size, 2) Tensor of float
            Column and row on the label map, from -1 to 1 at its edges (`align_corners=False`).
        """
        grid = super().grid(size)
        if self.warp is None:
            return grid
        # The warp is smooth: every other pixel of it is enough.
        coarse = functional.avg_pool2d(grid.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)
        bent = (self.warp(coarse.flatten(1, 2) * self.half) / self.half).view_as(coarse)
        fine = functional.interpolate(bent.permute(0, 3, 1, 2), (size, size), mode="bilinear")
        return fine.permute(0, 2, 3, 1)

    def moved(self, points: Tensor, size: int) -> Tensor:
        """Compute where points of the label maps are on the images.

        Parameters
        ----------
        points : (n, m, 2) Tensor of float
            Column and row from the label map's middle, mm; NaN stays NaN.
        size : int
            Side of the images, px.

        Returns
        -------
        (n, m, 2) Tensor of float
            Column and row, px; (0, 0) is the center of the first pixel.
        """
        return super().moved(points if self.warp is None else self.warp.back(points), size)


def draw_pose(points: Tensor, half: Tensor, kind: str, mm: float, rng: np.random.Generator) -> ScannerPose:
    """Draw where on label maps the images of some scanner lie.

    Parameters
    ----------
    points : (n, m, 2) Tensor of float
        Column and row on the label maps, mm from their middles; sagittal: the canal's five come first.
    half : (2,) Tensor of float
        Half of the label maps' sides (columns, rows), mm.
    kind : str
        `sagittal` (these are warped) or `axial` (half of these are mirrored).
    mm : float
        Usual side of the images, mm.
    rng : numpy Generator
        Source of randomness.

    Returns
    -------
    ScannerPose
        Of n images.
    """
    n, sides = len(points), half.numpy()
    angle, (sizes, shapes) = rng.normal(0, _ANGLE[kind], n), _ZOOM[kind]
    zoom = mm / 2 * np.exp(rng.normal(0, sizes, n))[:, None] * np.exp(rng.normal(0, shapes, (n, 2)))
    if kind == "axial":
        zoom[:, 0] *= np.where(rng.random(n) < 0.5, -1, 1)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]).transpose(2, 0, 1)
    matrix = turn * zoom[:, None] / sides[:, None]
    shift = rng.normal(MIDDLE_MM[kind], _SHIFT_MM[kind], (n, 2)) / sides
    warp = draw_warp(points[:, :5], half, rng) if kind == "sagittal" else None
    return ScannerPose(torch.from_numpy(matrix).float(), torch.from_numpy(shift).float(), half, warp)
