"""From torch networks to ONNX graphs: with their weights, or without, for `onnx_networks`."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsdc.runtime.errors import ConfigError
from lsdc.runtime.onnx_networks import WEIGHTS
from lsdc.runtime.whole_files import atomic

if TYPE_CHECKING:
    from onnx_ir import Model
    from torch import Tensor, nn

_NOISY = ("onnx_ir", "onnxscript", "torch.onnx")
_OPSET = 18
"""Of the older exporter: the newest that knows all that is needed."""


def to_onnx(
    network: nn.Module,
    examples: Mapping[str, Tensor],
    outputs: Sequence[str],
    dynamic: Mapping[str, Mapping[int, str]],
) -> Model:
    """Translate a network as it predicts, without changing any weight.

    Parameters
    ----------
    network : Module
        On the CPU.
    examples : mapping of str to Tensor
        Its inputs by name, in order, of two items or more.
    outputs : sequence of str
        Names of what it gives.
    dynamic : mapping of str to mapping of int to str
        For each input the axes that may have any length, and a name for it.

    Returns
    -------
    onnx_ir.Model
        Its initializers carry the names of the network's `state_dict`.

    Raises
    ------
    ConfigError
        When the packages onnx and onnxscript are not installed.
    """
    check_installed()
    import torch

    dims: dict[str, Any] = {}
    shapes = tuple(
        {axis: dims.setdefault(name, torch.export.Dim(name)) for axis, name in dynamic.get(key, {}).items()}
        for key in examples
    )
    network.eval()
    with _quietly(), torch.no_grad():
        network(
            *examples.values()
        )  # what is made at the first use must not be made while the network is followed
        program = torch.onnx.export(
            network, tuple(examples.values()), dynamo=True, optimize=False, verbose=False,
            dynamic_shapes=shapes, input_names=list(examples), output_names=list(outputs),
        )  # fmt: skip
    assert program is not None
    return program.model


def check_installed() -> None:
    """Ask for the packages that networks are translated with.

    Raises
    ------
    ConfigError
        When they are not installed.
    """
    try:
        import onnx
        import onnxscript
    except ImportError as error:
        raise ConfigError(
            f"ONNX files are written with the packages onnx and onnxscript ({error}); "
            "install them: pip install 'lsdc-toolkit[onnx]'"
        ) from None
    del onnx, onnxscript


def write_traced(
    network: nn.Module, examples: Mapping[str, Tensor], output: str, path: Path, **notes: str
) -> None:
    """Translate a network that computes what its inputs ask for, such as parts that are there, into one file.

    torch's older exporter follows the network on examples, whose shapes are then the only ones; the newer one refuses
    lengths that depend on values.

    Parameters
    ----------
    network : Module
        On the CPU; takes the inputs in order, and gives one tensor.
    examples : mapping of str to Tensor
        Its inputs by name.
    output : str
        Name of what it gives.
    path : Path
        The file; what is there is replaced.
    **notes
        Text that the file keeps as metadata.

    Raises
    ------
    ConfigError
        When the packages onnx and onnxscript are not installed.
    """
    check_installed()
    import onnx
    import torch

    content = io.BytesIO()
    with _quietly():
        torch.onnx.export(
            network.eval(), tuple(examples.values()), content, dynamo=False, opset_version=_OPSET,
            input_names=list(examples), output_names=[output],
        )  # fmt: skip
    model = onnx.load_from_string(content.getvalue())
    onnx.helper.set_model_props(model, notes)
    with atomic(path) as temporary:
        temporary.write_bytes(model.SerializeToString(deterministic=True))


def write_whole(model: Model, path: Path, **notes: str) -> None:
    """Simplify a graph, and write it with its weights into one file.

    Parameters
    ----------
    model : onnx_ir.Model
        What `to_onnx` gave.
    path : Path
        The file; what is there is replaced.
    **notes
        Text that the file keeps as metadata.
    """
    import onnxscript.optimizer
    from onnx_ir import to_proto

    with _quietly():
        onnxscript.optimizer.optimize(model)
    _forget_sources(model)
    model.metadata_props.update(notes)
    with atomic(path) as temporary:
        temporary.write_bytes(to_proto(model).SerializeToString(deterministic=True))


def write_weightless(
    model: Model, path: Path, weights: Sequence[str], simplify: bool = True
) -> frozenset[str]:
    """Simplify a graph without looking at its weights, and write it without them.

    Parameters
    ----------
    model : onnx_ir.Model
        What `to_onnx` gave; it loses its weights.
    path : Path
        The file; what is there is replaced.
    weights : sequence of str
        Names of the initializers that are left out; what else is constant stays.
    simplify : bool
        False leaves every operator as it is.

    Returns
    -------
    frozenset of str
        Names of the weights that the graph takes.
    """
    import numpy as np
    import onnxscript.optimizer
    from onnx_ir import ExternalTensor, to_proto

    initializers, names = model.graph.initializers, set(weights)
    for name in names & set(initializers):
        initializers[name].const_value = None  # what nobody knows is not folded into anything
    if simplify:
        with _quietly():
            onnxscript.optimizer.optimize(model)
    taken = frozenset(names & set(initializers))
    for name in taken:
        shape, dtype = initializers[name].shape, initializers[name].dtype
        assert shape is not None and dtype is not None
        length = int(np.prod(shape.numpy()) * dtype.itemsize)
        initializers[name].const_value = ExternalTensor(WEIGHTS, 0, length, dtype, shape=shape, name=name)
    _forget_sources(model)
    proto = to_proto(model)
    proto.graph.ClearField("value_info")
    with atomic(path) as temporary:
        temporary.write_bytes(proto.SerializeToString(deterministic=True))
    return taken


def _forget_sources(model: Model) -> None:
    """Take out the names of nodes, and the lines of code that they come from."""
    graph = model.graph
    for node in graph.all_nodes():
        node.metadata_props.clear()
        node.name = node.doc_string = None
        for value in node.outputs:
            value.metadata_props.clear()
    for value in (*graph.inputs, *graph.outputs, *graph.initializers.values()):
        value.metadata_props.clear()
    graph.metadata_props.clear()
    model.metadata_props.clear()


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep the translators from telling what they do."""
    loggers = [logging.getLogger(name) for name in _NOISY]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, before):
            logger.setLevel(level)
