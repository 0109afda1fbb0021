"""timm backbones as parts of members: pictures to pooled features, or to a map of features."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from lsdc.features.weights_source import load_network
from lsdc.models.options import Options


class Backbone(nn.Module):
    """A timm network that takes gray pictures of any size.

    Parameters
    ----------
    options : Options
        Name and weights.
    seed : int
        For random weights.
    """

    def __init__(self, options: Options, seed: int) -> None:
        super().__init__()
        self.network = load_network(options.backbone, options.weights, seed)
        config = self.network.pretrained_cfg
        self.fixed = int(config["input_size"][-1]) if config.get("fixed_input_size") else None
        self.register_buffer("mean", torch.tensor(config["mean"]).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(config["std"]).view(1, -1, 1, 1), persistent=False)
        self.width = int(getattr(self.network, "head_hidden_size", None) or self.network.num_features)

    def ready(self, pictures: Tensor) -> Tensor:
        """Pictures (n, 1 or 3, rows, columns), 0 to 1, as the network expects them."""
        if self.fixed is not None:
            pictures = functional.interpolate(pictures, (self.fixed, self.fixed), mode="bilinear")
        three = pictures if pictures.shape[1] == 3 else pictures.expand(-1, 3, -1, -1)
        return ((three - self.mean) / self.std).contiguous(memory_format=torch.channels_last)

    def forward(self, pictures: Tensor) -> Tensor:
        """Pooled features (n, width)."""
        return self.network(self.ready(pictures))

    def maps(self, pictures: Tensor, stride: int) -> Tensor:
        """The finest features whose cells are at least `stride` px: (n, channels, rows, columns)."""
        return self.levels(pictures, [stride])[0]

    def levels(self, pictures: Tensor, strides: Sequence[int]) -> list[Tensor]:
        """`maps` of several strides."""
        wanted = [self._level(stride) for stride in strides]
        indices = sorted(set(wanted))
        found = self.network.forward_intermediates(
            self.ready(pictures), indices=indices, intermediates_only=True
        )
        return [found[indices.index(level)] for level in wanted]

    def channels(self, stride: int) -> int:
        """Channels of `maps`."""
        return int(self.network.feature_info[self._level(stride)]["num_chs"])

    def _level(self, stride: int) -> int:
        reductions = [int(item["reduction"]) for item in self.network.feature_info]
        nearest = min((each for each in reductions if each >= stride), default=max(reductions))
        # Transformers keep one reduction throughout: the deepest block of it knows most.
        return max(k for k, each in enumerate(reductions) if each == nearest)


def strip(pictures: Tensor, px: int) -> Tensor:
    """The middle half of the columns, where the spine is, of pictures (n, c, rows, columns): (n, c, px, px // 2)."""
    columns = pictures.shape[-1]
    middle = pictures[..., columns // 4 : columns - columns // 4]
    return functional.interpolate(middle, (px, px // 2), mode="bilinear", align_corners=False, antialias=True)


def scaled(pictures: Tensor, px: int) -> Tensor:
    """Resize pictures (n, c, rows, columns) to a side of `px`."""
    if pictures.shape[-1] == px and pictures.shape[-2] == px:
        return pictures
    return functional.interpolate(pictures, (px, px), mode="bilinear", align_corners=False, antialias=True)
