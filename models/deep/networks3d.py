"""Encoders of volumes, from MONAI."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from lsdc.models.options import VolumeArch
from lsdc.runtime import ConfigError


def monai_networks() -> Any:
    """`monai.networks.nets`, or a ConfigError that says how to install it."""
    try:
        from monai.networks import nets
    except ImportError:
        raise ConfigError("the member `volume` needs MONAI; `pip install lsdc[volume]`") from None
    return nets


class Encoder3d(nn.Module):
    """Volumes (n, 1, depth, px, px // 2) to features (n, width).

    Parameters
    ----------
    arch : str
        `resnet` (ResNet-10), `swin_unetr`, `segresnet`, `dynunet` (their encoders), or `vit`.
    px, depth : int
        Size of the volumes, depth x px x px // 2; 32 must divide both for `swin_unetr`, 16 for the others.
    channels : int
        Of the first level.

    Raises
    ------
    ConfigError
        When MONAI is not installed.
    """

    def __init__(self, arch: VolumeArch, px: int, depth: int, channels: int) -> None:
        super().__init__()
        self.arch, nets, size = arch, monai_networks(), (depth, px, px // 2)
        self.multiple = 32 if arch == "swin_unetr" else 16
        if arch == "resnet":
            planes = [channels, 2 * channels, 4 * channels, 8 * channels]
            self.network = nets.ResNet(
                "basic", [1, 1, 1, 1], planes, n_input_channels=1, conv1_t_stride=2, feed_forward=False
            )
        elif arch == "swin_unetr":
            self.network = nets.SwinUNETR(
                in_channels=1, out_channels=1, feature_size=max(12, channels // 12 * 12)
            ).swinViT
        elif arch == "segresnet":
            self.network = nets.SegResNet(
                init_filters=channels, in_channels=1, out_channels=1, blocks_down=(1, 1, 1, 1)
            )
            del self.network.up_layers, self.network.up_samples, self.network.conv_final
        elif arch == "dynunet":
            whole = nets.DynUNet(
                3, 1, 1, kernel_size=[3] * 4, strides=[1, 2, 2, 2], upsample_kernel_size=[2] * 3,
                filters=[channels, 2 * channels, 4 * channels, 8 * channels],
            )  # fmt: skip
            self.network = nn.Sequential(whole.input_block, *whole.downsamples, whole.bottleneck)
        else:
            self.network = nets.ViT(
                1,
                size,
                (8, 16, 16),
                hidden_size=8 * channels,
                mlp_dim=16 * channels,
                num_layers=4,
                num_heads=4,
            )
        with torch.no_grad():
            self.width = int(self.eval()(torch.zeros(1, 1, *size)).shape[1])
        self.train()

    def forward(self, volumes: Tensor) -> Tensor:
        """Pooled features."""
        volumes = _filled_up(volumes, self.multiple)
        if self.arch == "swin_unetr":
            return self.network(volumes)[-1].mean((2, 3, 4))
        if self.arch == "segresnet":
            return self.network.encode(volumes)[0].mean((2, 3, 4))
        if self.arch == "vit":
            return self.network(volumes)[0].mean(1)
        found = self.network(volumes)
        return found if found.ndim == 2 else found.mean((2, 3, 4))


def _filled_up(volumes: Tensor, multiple: int) -> Tensor:
    """Zeros at the ends, so that `multiple` divides every side."""
    lack = [-size % multiple for size in volumes.shape[2:]]
    if not any(lack):
        return volumes
    pad = [part for size in reversed(lack) for part in (size // 2, size - size // 2)]
    return nn.functional.pad(volumes, pad)
