"""Encoders as ONNX files, for other programs."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from lsdc.features.encoder import Encoder
from lsdc.features.torch_encoder import TorchEncoder
from lsdc.features.weights_source import network_of
from lsdc.runtime.onnx_export import to_onnx, write_whole
from lsdc.runtime.paths import PathLike
from lsdc.runtime.whole_files import check_output_file

AXES = {"images": {0: "n", 2: "side", 3: "side"}}
"""The axes of an encoder's input that may have any length."""


class FeaturesOfCrops(nn.Module):  # type: ignore[misc]
    """Features of crops in gray values.

    Parameters
    ----------
    encoder : TorchEncoder
        What embeds.
    """

    def __init__(self, encoder: TorchEncoder) -> None:
        super().__init__()
        self.encoder, self.network = encoder, encoder.network

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
        return self.encoder.compute(images)


def export_encoder(encoder: Encoder, path: PathLike, px: int = 96) -> Path:
    """Write an encoder as an ONNX file that takes gray values: what normalizes and pools them is part of it.

    Parameters
    ----------
    encoder : Encoder
        Stays as it is.
    path : path
        The file; what is there is replaced.
    px : int, default 96
        Side of the crops that the graph is made on. Convolutional backbones take others too.

    Returns
    -------
    Path
        The file. Its input `images` is (n, 3, P, P) uint8, its output `features` (n, F) float32, as
        `Encoder.features` has them.

    Raises
    ------
    ConfigError
        When the packages onnx and onnxscript are not installed.
    """
    out = check_output_file(path)
    copy = TorchEncoder.of(network_of(encoder.backbone, encoder.state()), "cpu")
    crops = torch.randint(0, 255, (2, 3, px, px), dtype=torch.uint8)
    fixed = {"images": {0: "n"}}
    model = to_onnx(
        FeaturesOfCrops(copy), {"images": crops}, ["features"], fixed if copy.px is not None else AXES
    )
    write_whole(model, out, backbone=encoder.backbone, digest=encoder.digest)
    return out
