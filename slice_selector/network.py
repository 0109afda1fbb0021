"""The localizer's network: one point per channel, or none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from lsdc.slice_selector.heatmap_decoding import STRIDE


class PointNetwork(nn.Module):
    """Gives each point a distribution over cells and "absent": a timm backbone with a feature pyramid.

    Parameters
    ----------
    channels : int
        Number of points.
    backbone : str
        A timm model that offers `features_only`.
    classes : int
        Number of classes that it also tells cells apart by (see `vertebra_classes`); 0 for none.
    width : int
        Channels of the pyramid.
    """

    def __init__(self, channels: int, backbone: str, classes: int = 0, width: int = 24) -> None:
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
        # `regions` is what the files of weights call the classes.
        self.regions = nn.Conv2d(width, classes, 1) if classes else None

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Score every cell and absence, by point, and every class, by cell.

        Parameters
        ----------
        images : (n, 1, size, size) float32
            Zero mean, unit variance; size divisible by 32.

        Returns
        -------
        points : (n, channels, cells * cells + 1) float32
            Logits, row by row; the last is for "absent".
        classes : (n, classes, cells, cells) float32
            Logits.
        """
        features = self.backbone(images)
        top = self.sides[-1](features[-1])
        for side, feature in zip(reversed(list(self.sides)[:-1]), reversed(features[:-1])):
            top = side(feature) + functional.interpolate(top, size=feature.shape[-2:], mode="nearest")
        cells = self.smooth(top)
        absent = self.absent(features[-1].mean(dim=(2, 3)))[..., None]
        classes = cells[:, :0] if self.regions is None else self.regions(cells)
        return torch.cat([self.points(cells).flatten(2), absent], dim=-1), classes


def make_network(
    channels: int, backbone: str, classes: int, weights: Mapping[str, NDArray[Any]] | None = None
) -> PointNetwork:
    """Make a network with given weights, or with random ones that are the same every time.

    Parameters
    ----------
    channels : int
        Number of points.
    backbone : str
        A timm model that offers `features_only`.
    classes : int
        Number of classes; 0 for none.
    weights : mapping of str to array, optional
        Named and shaped as its `state_dict`; by default they are random.

    Returns
    -------
    PointNetwork
        On the CPU, in single precision; with given weights it is set to predict.
    """
    torch.manual_seed(0)
    network = PointNetwork(channels, backbone, classes)
    if weights is not None:
        network.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in weights.items()})
        network.eval()
    return network


@torch.inference_mode()
def predict_logits(
    network: PointNetwork, images: NDArray[Any]
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Let a network predict, on the CPU.

    Parameters
    ----------
    network : PointNetwork
        Is moved there.
    images : (n, size, size) of any number type
        Gray values of any scale.

    Returns
    -------
    points : (n, channels, cells * cells + 1) float32
        Logits, as `forward` gives them.
    classes : (n, classes, cells, cells) float32 or None
        Logits; None where the network has no classes.
    """
    points, classes = network.eval().cpu()(normalize(torch.from_numpy(np.array(images))))
    return points.float().numpy(), None if network.regions is None else classes.float().numpy()


def normalize(images: Tensor) -> Tensor:
    """Bring images to what the network takes, whatever their gray scale.

    Parameters
    ----------
    images : (n, size, size) of any number type
        Gray values.

    Returns
    -------
    (n, 1, size, size) float32
        Zero mean and unit variance, each image by itself.
    """
    images = images.float()[:, None]
    mean = images.mean(dim=(2, 3), keepdim=True)
    scaled = (images - mean) / (images.std(dim=(2, 3), keepdim=True) + 1e-3)
    # Convolutions on a CPU are half again as fast in this order, which they hand on.
    return scaled.to(memory_format=torch.channels_last)


def soft_targets(points: Tensor, state: Tensor, size: int, sigma: float = 0.8) -> Tensor:
    """Make the distributions that the network should give.

    Parameters
    ----------
    points : (n, channels, 2) float32
        Column and row, px of the image; anything where the point is not present.
    state : (n, channels) int
        0 unknown, 1 present, 2 absent. A point that is present but outside the image counts as absent.
    size : int
        Side of the image, px.
    sigma : float
        Spread around the point, cells.

    Returns
    -------
    (n, channels, cells * cells + 1) float32
        Each sums to 1; zero where unknown.
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
    """Compute the cross-entropy of the known points and, where the batch has them, of the classes.

    Parameters
    ----------
    network : PointNetwork
        The module, or what wraps it: compiled, or parallel.
    batch : tuple of Tensor
        Images (n, 1, size, size) as `normalize` gives them; points and states as in `soft_targets`; and, for networks
        with classes, the class of each cell (n, cells, cells) int64, -1 unknown.

    Returns
    -------
    () float32
        Mean over the known points, plus half the mean over cells of the spine and half that over cells of nothing.
    """
    images, points, state = batch[:3]
    target = soft_targets(points, state, images.shape[-1])
    scores, class_scores = network(images)
    known = state > 0
    loss = -(target * scores.float().log_softmax(-1)).sum(-1)
    total = (loss * known).sum() / known.sum().clamp_min(1)
    if len(batch) == 3:
        return total
    classes = batch[3]
    each = functional.cross_entropy(class_scores.float(), classes.clamp_min(0), reduction="none")
    for chosen in (classes > 0, classes == 0):
        total = total + (each * chosen).sum() / chosen.sum().clamp_min(1) / 2
    return total
