"""Make the graphs without weights that are shipped: `python -m lsdc.pretraining.graphs`, once per architecture.

They change only when a network's architecture does; a test holds them against torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lsdc.features.encoder import Encoder
from lsdc.features.encoder_export import AXES
from lsdc.features.onnx_encoder import GRAPHS as ENCODER_GRAPHS
from lsdc.features.torch_encoder import TorchEncoder
from lsdc.features.weights_source import load_network
from lsdc.pretraining.reduced_graph import write_reduced
from lsdc.pretraining.wide_network import WideFeaturesOfCrops
from lsdc.runtime.console import say
from lsdc.runtime.json_files import write_json
from lsdc.runtime.onnx_export import to_onnx, write_weightless
from lsdc.slice_selector.network import PointNetwork, make_network, normalize
from lsdc.slice_selector.point_model import ARCHITECTURES
from lsdc.slice_selector.point_model import GRAPHS as POINT_GRAPHS

BACKBONES = ("regnetx_002",)
"""The timm models for which graphs of encoders are shipped."""
_NETWORK = "network."
"""What a wrapped network's weights are named behind."""


class PointsOfImages(nn.Module):  # type: ignore[misc]
    """Points on images of any scale.

    Parameters
    ----------
    network : PointNetwork
        What finds them.
    """

    def __init__(self, network: PointNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Give what `PointModel.logits` does.

        Parameters
        ----------
        images : (n, size, size) float32
            Gray values.

        Returns
        -------
        tuple of Tensor
            The logits of the points and, where the network has classes, those of the classes.
        """
        points, classes = self.network(normalize(images))
        return (points,) if self.network.regions is None else (points, classes)


def make_graphs(points: Path = POINT_GRAPHS, encoders: Path = ENCODER_GRAPHS) -> list[Path]:
    """Write the graphs and their descriptions.

    Parameters
    ----------
    points : Path
        Folder for those of the localizers and of the second look.
    encoders : Path
        Folder for those of encoders.

    Returns
    -------
    list of Path
        The ONNX files.

    Raises
    ------
    ConfigError
        When the packages onnx and onnxscript are not installed.
    """
    made = []
    for name, (channels, backbone, classes, _) in ARCHITECTURES.items():
        network = make_network(channels, backbone, classes)
        outputs = ["points", "classes"] if classes else ["points"]
        axes = {"images": {0: "n", 1: "side", 2: "side"}}
        model = to_onnx(PointsOfImages(network), {"images": torch.rand(2, 96, 96)}, outputs, axes)
        made.append(_write(model, network, points / f"{name}.onnx", {}))
    for backbone in BACKBONES:
        encoder = TorchEncoder.of(load_network(backbone, "random"), "cpu")
        crops = torch.randint(0, 255, (2, 3, 96, 96), dtype=torch.uint8)
        features = WideFeaturesOfCrops(encoder)
        about = {**encoder.about(), **features.wide.about(encoder.network)}
        model = to_onnx(features, {"images": crops}, ["features"], AXES)
        made.append(_write(model, encoder.network, encoders / f"{backbone}.onnx", about))
        reduced = encoders / f"{backbone}_int8.onnx"
        write_json(reduced.with_suffix(".json"), write_reduced(Encoder.build(backbone, "bundled"), reduced))
        made.append(reduced)
    return made


def _write(model: Any, network: nn.Module, path: Path, about: Mapping[str, Any]) -> Path:
    """Write a graph whose initializers are named as the network's weights, and what it needs."""
    for value in list(model.graph.initializers.values()):
        value.name = value.name.removeprefix(_NETWORK)
    state = network.state_dict()
    path.parent.mkdir(exist_ok=True)
    taken = write_weightless(model, path, list(state))
    shapes = {name: list(value.shape) for name, value in state.items()}
    unused = [name for name in shapes if name not in taken]
    write_json(path.with_suffix(".json"), {**about, "unused": unused, "weights": shapes})
    say(f"{path}: {path.stat().st_size} bytes, {len(taken)} weights")
    return path


if __name__ == "__main__":
    make_graphs()
