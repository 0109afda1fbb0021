"""timm backbones as parts of members: images to pooled features, or to maps of features."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from lsdc.features.weights_source import load_network
from lsdc.models.options import Options


class Backbone(nn.Module):
    """A timm network that takes gray images of any size.

    Parameters
    ----------
    options : Options
        Names the backbone and its weights.
    seed : int
        Seed of random weights; pretrained ones do not depend on it.

    Raises
    ------
    LsdcError
        When timm has no such network, or the weights are not there or do not fit.
    """

    def __init__(self, options: Options, seed: int) -> None:
        super().__init__()
        self.network = load_network(options.backbone, options.weights, seed)
        config = self.network.pretrained_cfg
        self.fixed_px = int(config["input_size"][-1]) if config.get("fixed_input_size") else None
        self.register_buffer("mean", torch.tensor(config["mean"]).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(config["std"]).view(1, -1, 1, 1), persistent=False)
        self.width = int(getattr(self.network, "head_hidden_size", None) or self.network.num_features)

    def normalized(self, images: Tensor) -> Tensor:
        """Bring images to the channels, the scale and, where it is fixed, the size that the network expects.

        Parameters
        ----------
        images : (n, 1 or 3, rows, columns) float Tensor
            Values from 0 to 1; a single channel is repeated.

        Returns
        -------
        (n, 3, rows, columns) float Tensor
            In channels-last layout; `fixed_px` wide and high for networks that take one size only.
        """
        if self.fixed_px is not None:
            images = functional.interpolate(images, (self.fixed_px, self.fixed_px), mode="bilinear")
        three = images if images.shape[1] == 3 else images.expand(-1, 3, -1, -1)
        return ((three - self.mean) / self.std).contiguous(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> Tensor:
        """Return one vector of features per image.

        Parameters
        ----------
        images : (n, 1 or 3, rows, columns) float Tensor
            Values from 0 to 1.

        Returns
        -------
        (n, width) float Tensor
            Features pooled over the image.
        """
        return self.network(self.normalized(images))

    def feature_map(self, images: Tensor, stride: int) -> Tensor:
        """Return the finest features whose cells are at least `stride` px wide.

        Parameters
        ----------
        images : (n, 1 or 3, rows, columns) float Tensor
            Values from 0 to 1.
        stride : int
            Least width of a cell, px; a network whose cells are all narrower gives its coarsest features.

        Returns
        -------
        (n, channels, rows, columns) float Tensor
            A vector of `channels(stride)` features per cell.
        """
        return self.feature_maps(images, [stride])[0]

    def feature_maps(self, images: Tensor, strides: Sequence[int]) -> list[Tensor]:
        """Return `feature_map` for several strides from one pass through the network.

        Parameters
        ----------
        images : (n, 1 or 3, rows, columns) float Tensor
            Values from 0 to 1.
        strides : sequence of int
            Least widths of a cell, px.

        Returns
        -------
        list of (n, channels, rows, columns) float Tensor
            One per stride.
        """
        wanted = [self._depth(stride) for stride in strides]
        indices = sorted(set(wanted))
        found = self.network.forward_intermediates(
            self.normalized(images), indices=indices, intermediates_only=True
        )
        return [found[indices.index(depth)] for depth in wanted]

    def channels(self, stride: int) -> int:
        """Return how many features a cell of `feature_map` has.

        Parameters
        ----------
        stride : int
            Least width of a cell, px.

        Returns
        -------
        int
            Number of channels.
        """
        return int(self.network.feature_info[self._depth(stride)]["num_chs"])

    def _depth(self, stride: int) -> int:
        """Return the index of the deepest block whose cells are the narrowest of at least `stride` px."""
        reductions = [int(item["reduction"]) for item in self.network.feature_info]
        nearest = min((each for each in reductions if each >= stride), default=max(reductions))
        # Transformers keep one reduction throughout: the deepest block of it knows most.
        return max(k for k, each in enumerate(reductions) if each == nearest)


def spine_strip(images: Tensor, px: int) -> Tensor:
    """Cut out the middle half of the columns, where the spine is, and resize it.

    Parameters
    ----------
    images : (n, c, rows, columns) float Tensor
        Whole slices.
    px : int
        Height of the result, px.

    Returns
    -------
    (n, c, px, px // 2) float Tensor
        The strips.
    """
    columns = images.shape[-1]
    middle = images[..., columns // 4 : columns - columns // 4]
    return functional.interpolate(middle, (px, px // 2), mode="bilinear", align_corners=False, antialias=True)


def resized(images: Tensor, px: int) -> Tensor:
    """Resize images to a square.

    Parameters
    ----------
    images : (n, c, rows, columns) float Tensor
        Images.
    px : int
        Side of the result, px.

    Returns
    -------
    (n, c, px, px) float Tensor
        The images themselves where they have that size.
    """
    if images.shape[-1] == px and images.shape[-2] == px:
        return images
    return functional.interpolate(images, (px, px), mode="bilinear", align_corners=False, antialias=True)
