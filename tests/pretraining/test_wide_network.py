"""Networks of wider groups: they compute what the network computes that they were made of."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from lsdc.features.encoder import Encoder
from lsdc.features.onnx_encoder import graph_of
from lsdc.features.torch_encoder import TorchEncoder
from lsdc.features.weights_source import network_of
from lsdc.features.wide_groups import wide_weights
from lsdc.pretraining.wide_network import WideFeaturesOfCrops, WideNetwork
from lsdc.runtime.onnx_networks import ShippedGraph


def described(wide: WideNetwork, network: nn.Module, folder: Path) -> ShippedGraph:
    """What stands for a graph."""
    (folder / "graph.json").write_text(json.dumps(wide.about(network)))
    return ShippedGraph(folder / "graph.onnx")


@pytest.mark.parametrize("groups", [1, 3, 6, 12, 24])
def test_a_widened_network_computes_the_same(groups: int, tmp_path: Path) -> None:
    torch.manual_seed(groups)
    network = nn.Sequential(
        nn.Conv2d(3, 24, 1, bias=False), nn.BatchNorm2d(24), nn.ReLU(),
        nn.Conv2d(24, 24, 3, groups=groups, bias=False), nn.BatchNorm2d(24), nn.ReLU(),
        nn.Conv2d(24, 20, 1, bias=False), nn.BatchNorm2d(20),
    ).eval()  # fmt: skip
    with torch.no_grad():
        for value in network.state_dict().values():
            if value.is_floating_point():
                value.uniform_(0.1, 1)
    wide = WideNetwork.of(network)
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    laid_out = wide_weights(weights, described(wide, network, tmp_path))
    wide.network.load_state_dict({name: torch.from_numpy(value) for name, value in laid_out.items()})
    images = torch.rand(2, 3, 9, 9)
    with torch.no_grad():
        expected, found = network(images), wide.network(images)
    torch.testing.assert_close(found[:, :20], expected)
    assert found.shape[1] == 32 and not found[:, 20:].any()


@pytest.mark.parametrize(
    ("channels", "words"),
    [((24, 24, 2), "no groups of 0 fill a block"), ((16, 32, 2), "0 changes the number")],
)
def test_what_cannot_be_widened_is_named(channels: tuple[int, int, int], words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        WideNetwork.of(nn.Sequential(nn.Conv2d(*channels[:2], 3, groups=channels[2], bias=False)))


def test_the_shipped_graph_is_described_as_it_would_be_made() -> None:
    encoder = Encoder.build("regnetx_002", "bundled")
    graph = graph_of("regnetx_002")
    assert graph is not None
    copy = TorchEncoder.of(network_of("regnetx_002", encoder.state()), "cpu")
    features = WideFeaturesOfCrops(copy)
    assert {**graph.description, **features.wide.about(copy.network)} == graph.description
    laid_out = wide_weights(encoder.state(), graph)
    features.network.load_state_dict({name: torch.from_numpy(value) for name, value in laid_out.items()})
    images = np.random.default_rng(0).integers(0, 255, (3, 3, 64, 64), dtype=np.uint8)
    with torch.no_grad():
        found = features.eval()(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(found, encoder.features(images), atol=1e-5)
    assert {name: value.shape for name, value in encoder.state().items()} == graph.shapes
