"""Make the convolutions of a network wide enough for the blocks of channels that CPUs compute at once."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lsdc.features.encoder_export import FeaturesOfCrops
from lsdc.features.torch_encoder import TorchEncoder

BLOCK = 16
"""Channels that ONNX Runtime computes at once with AVX-512; a narrower group is computed the slow way."""
_COLORS = 3


@dataclass(frozen=True)
class WideNetwork:
    """A network of wider groups, and what tells how weights are laid out for it.

    Parameters
    ----------
    network : Module
        Its weights are named as those of the one it was made of, and are not set.
    groups : dict of str to int
        By the name of its weight, how many groups a convolution had that had more than one.
    """

    network: nn.Module
    groups: dict[str, int]

    @classmethod
    def of(cls, network: nn.Module) -> WideNetwork:
        """Fill up channels to whole blocks, and merge groups until each has a block.

        Parameters
        ----------
        network : Module
            Convolutions and batch normalizations over images of three channels; it stays as it is.

        Returns
        -------
        WideNetwork
            Computes the same with weights from `wide_weights`, and zeros in the added channels.
        """
        wide, groups = deepcopy(network), {}
        for name, module in wide.named_modules():
            if isinstance(module, nn.Conv2d):
                if module.groups > 1:
                    groups[f"{name}.weight"] = module.groups
                _widen_convolution(module, name)
            elif isinstance(module, nn.BatchNorm2d):
                _widen_normalization(module)
        return cls(wide, groups)

    def about(self, network: nn.Module) -> dict[str, Any]:
        """Describe what `wide_weights` needs to know.

        Parameters
        ----------
        network : Module
            What this was made of.

        Returns
        -------
        dict of str to JSON value
            The numbers of groups, and the shapes that differ.
        """
        known, wide = network.state_dict(), self.network.state_dict()
        shapes = {name: list(value.shape) for name, value in wide.items() if value.shape != known[name].shape}
        return {"groups": self.groups, "wide": shapes}


class WideFeaturesOfCrops(FeaturesOfCrops):
    """Features of crops by a widened network, without those of the channels that were added.

    Parameters
    ----------
    encoder : TorchEncoder
        Whose network is widened.
    """

    def __init__(self, encoder: TorchEncoder) -> None:
        self.wide = WideNetwork.of(encoder.network)
        super().__init__(TorchEncoder.of(self.wide.network, "cpu"))
        self.widths = (encoder.width - encoder.head_width, encoder.head_width)

    def forward(self, images: Tensor) -> Tensor:
        """Give what `Encoder.features` does.

        Parameters
        ----------
        images : (n, 3, P, P) Tensor of uint8
            Three neighboring slices as channels.

        Returns
        -------
        (n, F) Tensor of float32
            The features.
        """
        fine, head = self.widths
        levels = super().forward(images).split([filled(fine), filled(head)], dim=1)
        return torch.cat([levels[0][:, :fine], levels[1][:, :head]], dim=1)


def filled(channels: int) -> int:
    """Round a number of channels up to whole blocks.

    Parameters
    ----------
    channels : int
        The three of an image stay.

    Returns
    -------
    int
        As many or more.

    Examples
    --------
    >>> filled(152), filled(368), filled(3)
    (160, 368, 3)
    """
    return channels if channels == _COLORS else -(-channels // BLOCK) * BLOCK


def _widen_convolution(module: nn.Conv2d, name: str) -> None:
    """Give a convolution whole blocks of channels, and one block to each group where it has groups."""
    if module.groups > 1:
        assert module.in_channels == module.out_channels, f"{name} changes the number of channels"
        assert BLOCK % (module.in_channels // module.groups) == 0, f"no groups of {name} fill a block"
        module.groups = filled(module.in_channels) // BLOCK
    module.in_channels, module.out_channels = filled(module.in_channels), filled(module.out_channels)
    inputs = module.in_channels // module.groups
    module.weight = nn.Parameter(torch.zeros(module.out_channels, inputs, *module.kernel_size))


def _widen_normalization(module: nn.BatchNorm2d) -> None:
    """Give a normalization whole blocks of channels."""
    width = module.num_features = filled(module.num_features)
    module.weight, module.bias = nn.Parameter(torch.zeros(width)), nn.Parameter(torch.zeros(width))
    module.running_mean, module.running_var = torch.zeros(width), torch.ones(width)
