"""The localizer's network: one point per channel, or none."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

STRIDE = 4
"""Pixels of the picture per cell of a heatmap."""


class PointNetwork(nn.Module):
    """A timm backbone with a feature pyramid; each channel is a distribution over cells and "absent".

    Parameters
    ----------
    channels : int
        Number of points.
    backbone : str
        A timm model that offers `features_only`.
    regions : int
        How many kinds of cells it tells apart besides, 0 none.
    width : int
        Of the pyramid.
    """

    def __init__(self, channels: int, backbone: str, regions: int = 0, width: int = 24) -> None:
        import timm

        super().__init__()
        self.backbone = timm.create_model(
            backbone, pretrained=False, features_only=True, in_chans=1, out_indices=(1, 2, 3, 4)
        )
        sizes = self.backbone.feature_info.channels()
        self.sides = nn.ModuleList(nn.Conv2d(size, width, 1) for size in sizes)
        self.smooth = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True),
        )  # fmt: skip
        self.points = nn.Conv2d(width, channels, 1)
        self.absent = nn.Linear(sizes[-1], channels)
        self.regions = nn.Conv2d(width, regions, 1) if regions else None

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Score every cell, absence, and regions.

        Parameters
        ----------
        pictures : (n, 1, size, size) float
            Zero mean, unit variance; size divisible by 32.

        Returns
        -------
        points : (n, channels, cells * cells + 1) float
            Logits; the last is for "absent".
        regions : (n, regions, cells, cells) float
            Logits.
        """
        features = self.backbone(pictures)
        top = self.sides[-1](features[-1])
        for side, feature in zip(reversed(list(self.sides)[:-1]), reversed(features[:-1])):
            top = side(feature) + functional.interpolate(top, size=feature.shape[-2:], mode="nearest")
        cells = self.smooth(top)
        absent = self.absent(features[-1].mean(dim=(2, 3)))[..., None]
        regions = cells[:, :0] if self.regions is None else self.regions(cells)
        return torch.cat([self.points(cells).flatten(2), absent], dim=-1), regions


def normalize(pictures: Tensor) -> Tensor:
    """Bring (n, size, size) gray values to (n, 1, size, size) with zero mean and unit variance each."""
    pictures = pictures.float()[:, None]
    mean = pictures.mean(dim=(2, 3), keepdim=True)
    scaled = (pictures - mean) / (pictures.std(dim=(2, 3), keepdim=True) + 1e-3)
    # Convolutions on a CPU are half again as fast in this order, which they hand on.
    return scaled.to(memory_format=torch.channels_last)


def soft_targets(points: Tensor, state: Tensor, size: int, sigma: float = 0.8) -> Tensor:
    """The distributions that the network should give.

    Parameters
    ----------
    points : (n, channels, 2) float
        Column and row, px of the picture; anything where the point is not present.
    state : (n, channels) int
        0 unknown, 1 present, 2 absent.
    size : int
        Side of the picture, px.
    sigma : float
        Spread around the point, cells.

    Returns
    -------
    (n, channels, cells * cells + 1) float
        Sums to 1; zero where unknown.
    """
    n = size // STRIDE
    centers = torch.arange(n, device=points.device) * STRIDE + (STRIDE - 1) / 2
    steps = (centers - points[..., None].nan_to_num(-1e4)) / (STRIDE * sigma)
    bell = torch.exp(-0.5 * steps**2)
    cells = (bell[..., 1, :, None] * bell[..., 0, None, :]).flatten(-2)
    cells = cells / cells.sum(-1, keepdim=True).clamp_min(1e-6)
    outside = cells.sum(-1) < 0.5
    present, absent = (state == 1) & ~outside, (state == 2) | ((state == 1) & outside)
    return torch.cat([cells * present[..., None], absent[..., None].float()], dim=-1)


def point_loss(network: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
    """Cross-entropy of the known points and, where the batch has them, of the regions.

    Parameters
    ----------
    network : PointNetwork
        Its module, or it compiled.
    batch : tuple of Tensor
        Pictures, points, states as in `soft_targets`, and maybe regions (n, cells, cells), -1 unknown; cells of the
        spine (above 0) and other cells weigh the same in sum.
    """
    pictures, points, state = batch[:3]
    target = soft_targets(points, state, pictures.shape[-1])
    scores, region_scores = network(pictures)
    known = state > 0
    loss = -(target * scores.float().log_softmax(-1)).sum(-1)
    total = (loss * known).sum() / known.sum().clamp_min(1)
    if len(batch) == 3:
        return total
    regions = batch[3]
    each = functional.cross_entropy(region_scores.float(), regions.clamp_min(0), reduction="none")
    for chosen in (regions > 0, regions == 0):
        total = total + (each * chosen).sum() / chosen.sum().clamp_min(1) / 2
    return total
