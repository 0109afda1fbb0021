"""Affine maps from images to the planes that they are taken from, and where the planes' points are on the images."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class AffineSampler:
    """Affine maps from n images to the planes that they are taken from.

    Parameters
    ----------
    matrix : (n, 2, 2) Tensor of float
        Linear part; image and plane both reach from -1 to 1, columns first.
    shift : (n, 2) Tensor of float
        Place in the plane of the image's middle.
    half : (2,) Tensor of float
        Half of the plane's sides (columns, rows), in the unit of the points.
    """

    matrix: Tensor
    shift: Tensor
    half: Tensor

    @property
    def mirrored(self) -> Tensor:
        """Whether left and right have changed sides, (n,) bool."""
        return self.matrix[:, 0, 0] < 0

    def grid(self, size: int) -> Tensor:
        """Compute where the pixels of the images are taken from, as `torch.nn.functional.grid_sample` takes it.

        Parameters
        ----------
        size : int
            Side of the images, px.

        Returns
        -------
        (n, size, size, 2) Tensor of float
            Column and row in the plane, from -1 to 1 at its edges (`align_corners=False`).
        """
        both = torch.cat([self.matrix, self.shift[..., None]], 2)
        return functional.affine_grid(both, [len(both), 1, size, size], align_corners=False)

    def moved(self, points: Tensor, size: int) -> Tensor:
        """Compute where points of the planes are on the images.

        Parameters
        ----------
        points : (n, m, 2) Tensor of float
            Column and row from the plane's middle, in the unit of `half`; NaN stays NaN.
        size : int
            Side of the images, px.

        Returns
        -------
        (n, m, 2) Tensor of float
            Column and row, px; (0, 0) is the center of the first pixel.
        """
        from_middle = points / self.half - self.shift[:, None]
        place = torch.linalg.solve(self.matrix[:, None], from_middle[..., None])[..., 0]
        return (place + 1) * size / 2 - 0.5


def rotation(angle: Tensor) -> Tensor:
    """Make rotation matrices that turn from columns towards rows.

    Parameters
    ----------
    angle : (n,) Tensor of float
        Radians.

    Returns
    -------
    (n, 2, 2) Tensor of float
        To be scaled by rows or columns.
    """
    cos, sin = torch.cos(angle), torch.sin(angle)
    return torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)
