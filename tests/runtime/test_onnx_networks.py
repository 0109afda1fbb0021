"""Networks by ONNX Runtime: a graph without weights, weights from a checked file, one thread for every batch."""

from __future__ import annotations

from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from lsdc.runtime import machine
from lsdc.runtime.errors import ConfigError
from lsdc.runtime.json_files import write_json
from lsdc.runtime.onnx_export import check_installed, to_onnx, write_weightless, write_whole
from lsdc.runtime.onnx_networks import OnnxNetwork, ShippedGraph, usable_threads
from lsdc.runtime.tensor_files import read_weights, write_weights

onnx = pytest.importorskip("onnx", reason="the extra lsdc-toolkit[onnx] is not installed")


def small_network(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 2, 1)
    ).eval()


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> ShippedGraph:
    path, network = tmp_path_factory.mktemp("graphs") / "small.onnx", small_network(0)
    model = to_onnx(network, {"images": torch.rand(2, 1, 16, 16)}, ["maps"], {"images": {0: "n"}})
    state = network.state_dict()
    taken = write_weightless(model, path, list(state))
    shapes = {name: list(value.shape) for name, value in state.items()}
    write_json(path.with_suffix(".json"), {"unused": sorted(set(shapes) - taken), "weights": shapes})
    return ShippedGraph(path)


def of(graph: ShippedGraph, network: nn.Module) -> OnnxNetwork:
    return OnnxNetwork(graph, {name: value.numpy() for name, value in network.state_dict().items()})


@pytest.mark.parametrize("seed", [0, 1])
def test_any_weights_give_what_torch_gives(graph: ShippedGraph, seed: int) -> None:
    network, images = small_network(seed), torch.rand(7, 1, 16, 16)
    with torch.inference_mode():
        expected = network(images).numpy()
    [found] = of(graph, network).run(images.numpy())
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_a_graph_holds_no_weight(graph: ShippedGraph) -> None:
    assert graph.unused == {"1.num_batches_tracked"}
    initializers = onnx.load(graph.path, load_external_data=False).graph.initializer
    assert {item.name for item in initializers} == graph.shapes.keys() - graph.unused
    assert not any(item.raw_data or item.float_data for item in initializers)


def test_results_depend_neither_on_threads_nor_on_neighbors(
    graph: ShippedGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, images = of(graph, small_network(3)), np.random.default_rng(0).random((23, 1, 16, 16), np.float32)
    found = []
    for threads in ("1", "2", "3"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        found.append(made.run(images)[0])
    found.append(np.concatenate([made.run(images[k : k + 1])[0] for k in range(23)]))
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])


def test_threads_are_those_of_a_worker_or_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert usable_threads() == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "some")
    assert usable_threads() == machine.default_workers()
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert usable_threads() == machine.default_workers()


def test_a_network_travels_to_another_process(graph: ShippedGraph) -> None:
    made, images = of(graph, small_network(4)), np.ones((1, 1, 16, 16), np.float32)
    expected = made.run(images)[0]
    again = ForkingPickler.loads(ForkingPickler.dumps(made))
    np.testing.assert_array_equal(again.run(images)[0], expected)


def test_weights_are_read_as_single_precision_and_checked(tmp_path: Path) -> None:
    path, state = tmp_path / "w.safetensors", small_network(5).state_dict()
    write_weights(path, state)
    shapes = {name: tuple(value.shape) for name, value in state.items()}
    found = read_weights(path, shapes)
    for name, value in state.items():
        rounded = (value.half().float() if value.is_floating_point() else value).numpy()
        assert found[name].dtype == rounded.dtype
        np.testing.assert_array_equal(found[name], rounded)
    with pytest.raises(ValueError, match=r"'0\.weight' is absent, or not of the shape"):
        read_weights(path, {**shapes, "0.weight": (8, 1, 5, 5)})
    state["3.bias"][0] = torch.nan
    write_weights(path, state)
    with pytest.raises(ValueError, match=r"'3\.bias' has values that are no numbers"):
        read_weights(path)


def test_weights_in_bfloat16_are_read(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    values = torch.tensor([1.5, -2.25, 3e38]).bfloat16()
    save_file({"w": values}, tmp_path / "w.safetensors")
    np.testing.assert_array_equal(read_weights(tmp_path / "w.safetensors")["w"], values.float().numpy())


def test_a_whole_file_is_run_by_itself(tmp_path: Path) -> None:
    import onnxruntime

    network, images = small_network(6), torch.rand(3, 1, 16, 16)
    model = to_onnx(network, {"images": images}, ["maps"], {"images": {0: "n"}})
    write_whole(model, tmp_path / "whole.onnx", about="a test")
    session = onnxruntime.InferenceSession(str(tmp_path / "whole.onnx"), providers=["CPUExecutionProvider"])
    assert session.get_modelmeta().custom_metadata_map == {"about": "a test"}
    with torch.inference_mode():
        expected = network(images).numpy()
    [found] = session.run(None, {"images": images.numpy()})
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxscript", None)
    with pytest.raises(ConfigError, match=r"pip install 'lsdc-toolkit\[onnx\]'"):
        check_installed()
