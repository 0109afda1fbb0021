"""Encoders of volumes, from MONAI."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from lsdc.models.deep.padding import pad_to_multiple
from lsdc.models.options import VolumeArch
from lsdc.runtime import ConfigError


def monai_networks() -> Any:
    """Return the module of MONAI's networks.

    Returns
    -------
    module
        `monai.networks.nets`.

    Raises
    ------
    ConfigError
        When MONAI is not installed.
    """
    try:
        from monai.networks import nets
    except ImportError:
        raise ConfigError(
            "the member `volume` needs MONAI; install it with `pip install 'lsdc-toolkit[volume]'`"
        ) from None
    return nets


class Encoder3d(nn.Module):
    """The encoder of a 3-D network: volumes to one vector of features each.

    Parameters
    ----------
    arch : str
        `resnet` (ResNet-10), `swin_unetr`, `segresnet`, `dynunet` (their encoders), or `vit`.
    px, depth : int
        Size of the volumes, depth x px x px // 2; sides that 32 (`swin_unetr`) or 16 (the others) does not divide are
        filled up with zeros.
    channels : int
        Channels of the first level.

    Raises
    ------
    ConfigError
        When MONAI is not installed.
    """

    def __init__(self, arch: VolumeArch, px: int, depth: int, channels: int) -> None:
        super().__init__()
        size = (depth, px, px // 2)
        self.arch, self.multiple = arch, 32 if arch == "swin_unetr" else 16
        self.network = _network(arch, size, channels)
        with torch.no_grad():
            self.width = int(self.eval()(torch.zeros(1, 1, *size)).shape[1])
        self.train()

    def forward(self, volumes: Tensor) -> Tensor:
        """Return one vector of features per volume.

        Parameters
        ----------
        volumes : (n, 1, depth, px, px // 2) float Tensor
            Values from 0 to 1.

        Returns
        -------
        (n, width) float Tensor
            Features pooled over the volume.
        """
        volumes = pad_to_multiple(volumes, self.multiple, centered=True)
        if self.arch == "swin_unetr":
            return self.network(volumes)[-1].mean((2, 3, 4))
        if self.arch == "segresnet":
            return self.network.encode(volumes)[0].mean((2, 3, 4))
        if self.arch == "vit":
            return self.network(volumes)[0].mean(1)
        found = self.network(volumes)
        return found if found.ndim == 2 else found.mean((2, 3, 4))


def _network(arch: VolumeArch, size: tuple[int, int, int], channels: int) -> nn.Module:
    """Make MONAI's network without the parts that only a decoder needs."""
    nets = monai_networks()
    widths = [channels, 2 * channels, 4 * channels, 8 * channels]
    if arch == "resnet":
        return nets.ResNet(
            "basic", [1, 1, 1, 1], widths, n_input_channels=1, conv1_t_stride=2, feed_forward=False
        )
    if arch == "swin_unetr":
        whole = nets.SwinUNETR(in_channels=1, out_channels=1, feature_size=max(12, channels // 12 * 12))
        return whole.swinViT
    if arch == "segresnet":
        whole = nets.SegResNet(init_filters=channels, in_channels=1, out_channels=1, blocks_down=(1, 1, 1, 1))
        del whole.up_layers, whole.up_samples, whole.conv_final
        return whole
    if arch == "dynunet":
        whole = nets.DynUNet(
            3, 1, 1, kernel_size=[3] * 4, strides=[1, 2, 2, 2], upsample_kernel_size=[2] * 3, filters=widths
        )
        return nn.Sequential(whole.input_block, *whole.downsamples, whole.bottleneck)
    return nets.ViT(
        1, size, (8, 16, 16), hidden_size=8 * channels, mlp_dim=16 * channels, num_layers=4, num_heads=4
    )
