"""The shipped graphs of localizers and of the second look give what torch gives; trained weights take over."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lsdc.runtime.recipe import Recipe
from lsdc.slice_selector.localizer import CHANNELS, Localizer
from lsdc.slice_selector.network import make_network, predict_logits
from lsdc.slice_selector.point_model import ARCHITECTURES, PointModel, graph_of
from lsdc.slice_selector.selector import SliceSelector

SIDES = {"sagittal": 192, "axial": 128, "second_look": 64}


def pictures(name: str, n: int) -> NDArray[np.uint8]:
    """Images with large and small things on them."""
    rng, side = np.random.default_rng(n), SIDES[name]
    coarse = np.kron(rng.integers(0, 200, (n, side // 16, side // 16)), np.ones((16, 16)))
    return (coarse + rng.integers(0, 55, (n, side, side))).astype(np.uint8)


@pytest.mark.parametrize("n", [1, 7])
@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("weights", ["random", "bundled"])
def test_graphs_give_what_torch_gives(name: str, weights: str, n: int) -> None:
    if weights == "bundled" and name == "second_look":
        pytest.skip("no second look is bundled")
    made = ARCHITECTURES[name]
    if weights == "bundled":
        network = SliceSelector.bundled().localizers[name].network
    else:
        network = make_network(made.channels, made.backbone, made.classes)
        with torch.no_grad():
            for module in network.modules():
                if isinstance(module, torch.nn.BatchNorm2d):  # those of new networks are all alike
                    module.running_mean.normal_(0, 0.1)
                    module.running_var.uniform_(0.5, 2)
    state = {key: value.numpy() for key, value in network.state_dict().items()}
    images = pictures(name, n)
    expected, found = predict_logits(network, images), PointModel(name, state).logits(images)
    for theirs, ours in zip(expected, found):
        if theirs is None or ours is None:
            assert theirs is ours is None
        else:
            assert np.abs(ours - theirs).max() <= 1e-5 * np.abs(theirs).max()


def test_graphs_are_small_and_hold_no_weights() -> None:
    onnx = pytest.importorskip("onnx")
    for name in ARCHITECTURES:
        graph = graph_of(name)
        assert graph.path.stat().st_size < 60_000
        initializers = onnx.load(graph.path, load_external_data=False).graph.initializer
        outside = {item.name for item in initializers if item.data_location == onnx.TensorProto.EXTERNAL}
        assert outside == graph.shapes.keys() - graph.unused
        assert all(len(item.raw_data) < 100 for item in initializers)


@pytest.mark.parametrize("kind", CHANNELS)
def test_a_trained_localizer_predicts_with_its_new_weights(kind: str, tmp_path: Path) -> None:
    localizer, images = SliceSelector.bundled().localizers[kind], pictures(kind, 2)
    before = localizer.predict(images)[0]
    points = torch.full((2, CHANNELS[kind], 2), 40.0)
    batch = (torch.from_numpy(images), points, torch.ones((2, CHANNELS[kind]), dtype=torch.long))
    localizer.learn(lambda epoch: [batch], 1, Recipe(2, 1e-3))
    after = localizer.predict(images)[0]
    assert not np.allclose(after, before, rtol=0.1, atol=0)
    localizer.save(tmp_path / "w.safetensors")
    again = Localizer.load(tmp_path / "w.safetensors", kind)
    found = again.predict(images)[0]
    assert np.median(np.abs(np.log(found / after))) < 0.05  # half-precision weights
    assert np.median(np.abs(np.log(before / after))) > 0.1


def test_what_was_loaded_is_saved_without_a_change(tmp_path: Path) -> None:
    localizer = SliceSelector.bundled().localizers["axial"]
    localizer.save(tmp_path / "one.safetensors")
    assert localizer.network.training is False
    localizer.save(tmp_path / "two.safetensors")
    assert (tmp_path / "one.safetensors").read_bytes() == (tmp_path / "two.safetensors").read_bytes()
