"""Differentiable steps from a slice to an enlarged crop: find a point, cut around it, enlarge."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from lsdc.models.deep.affine import sample

UPSCALE = 2
"""Factor by which crops are enlarged."""


class SuperResolution(nn.Module):
    """Twice the resolution by sub-pixel convolution, as a correction of bicubic interpolation.

    References
    ----------
    Shi et al., Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural
    Network, 2016.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 24, 5, padding=2), nn.GELU(), nn.Conv2d(24, 16, 3, padding=1), nn.GELU(),
            nn.Conv2d(16, 3 * UPSCALE**2, 3, padding=1), nn.PixelShuffle(UPSCALE),
        )  # fmt: skip

    def forward(self, crops: Tensor) -> Tensor:
        """Enlarge crops.

        Parameters
        ----------
        crops : (n, 3, p, p) float Tensor
            Three neighboring slices as channels.

        Returns
        -------
        (n, 3, 2 p, 2 p) float Tensor
            Differentiable in the crops and in the weights.
        """
        return bicubic(crops) + self.layers(crops)


def bicubic(crops: Tensor) -> Tensor:
    """Enlarge crops by bicubic interpolation.

    Parameters
    ----------
    crops : (n, 3, p, p) float Tensor
        Three neighboring slices as channels.

    Returns
    -------
    (n, 3, 2 p, 2 p) float Tensor
        Differentiable in the crops.
    """
    return functional.interpolate(crops, scale_factor=UPSCALE, mode="bicubic", align_corners=False)


def soft_argmax(heat: Tensor, inside: Tensor) -> Tensor:
    """Return centers of mass of heatmaps: a maximum that can be differentiated.

    Parameters
    ----------
    heat : (n, c, rows, columns) float Tensor
        Logits of the cells.
    inside : (n, rows, columns) bool Tensor
        Cells that count; the others are padding.

    Returns
    -------
    (n, c, 2) float Tensor
        Column and row, in cells; (0, 0) is the center of the first cell.

    Examples
    --------
    >>> heat = torch.zeros(1, 1, 3, 3)
    >>> heat[0, 0, 0, 2] = 50.0
    >>> soft_argmax(heat, torch.ones(1, 3, 3, dtype=torch.bool)).round()
    tensor([[[2., 0.]]])
    """
    heat = heat.masked_fill(~inside[:, None], -torch.inf)
    mass = heat.flatten(2).softmax(-1).view_as(heat)
    rows, columns = (torch.arange(size, device=heat.device, dtype=heat.dtype) for size in heat.shape[-2:])
    return torch.stack([(mass.sum(2) * columns).sum(-1), (mass.sum(3) * rows).sum(-1)], -1)


def cut(images: Tensor, points: Tensor, reach: Tensor, px: int) -> Tensor:
    """Cut squares around points; differentiable in the points.

    Parameters
    ----------
    images : (n, c, rows, columns) float Tensor
        An image per point.
    points : (n, 2) float Tensor
        Column and row of the centers, px of the images.
    reach : (n,) float Tensor
        Pixels of the image per pixel of the crop.
    px : int
        Side of the crops, px.

    Returns
    -------
    (n, c, px, px) float Tensor
        0 beyond the edges of the images.
    """
    size = torch.tensor([images.shape[-1], images.shape[-2]], device=images.device, dtype=images.dtype)
    steps = (torch.arange(px, device=images.device, dtype=images.dtype) - (px - 1) / 2)[None] * reach[:, None]
    columns, rows = points[:, :1] + steps, points[:, 1:] + steps
    grid = torch.stack([columns[:, None].expand(-1, px, -1), rows[:, :, None].expand(-1, -1, px)], -1)
    return sample(images, (2 * grid + 1) / size - 1)


def inside_shape(shape: Tensor, rows: int, columns: int) -> Tensor:
    """Return which cells of padded images lie inside their shapes.

    Parameters
    ----------
    shape : (n, 2) Tensor
        Rows and columns that count, from the first on; may be fractions of a cell.
    rows, columns : int
        Size of the padded images.

    Returns
    -------
    (n, rows, columns) bool Tensor
        False in the padding.
    """
    down, across = (torch.arange(size, device=shape.device) for size in (rows, columns))
    return (down[None, :, None] < shape[:, :1, None]) & (across[None, None] < shape[:, 1:, None])
