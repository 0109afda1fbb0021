"""Make the graph that computes an encoder in 8-bit integers, with scales that simulated crops ask for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from lsdc.features.encoder import Encoder
from lsdc.features.encoder_export import export_encoder
from lsdc.features.extraction import extract
from lsdc.features.store import FeatureStore
from lsdc.phantom.writer import simulate
from lsdc.runtime.onnx_export import write_weightless

_CROPS, _BATCH = 300, 10
_QUANTIZED = ("Conv", "Add", "Relu", "ReduceMean")
"""Operators that compute in integers."""
_PREFIX, _SUFFIX = "network.", "_quantized"


def simulated_crops(studies: int, seed: int) -> NDArray[np.uint8]:
    """Cut crops of simulated studies.

    Parameters
    ----------
    studies : int
        Number of studies.
    seed : int
        Decides the patients.

    Returns
    -------
    (n, 3, P, P) uint8
        All that show something.
    """
    with TemporaryDirectory() as work:
        folder = Path(work)
        simulate(folder / "cohort", studies=studies, seed=seed)
        extract(folder / "cohort", folder / "store", like="bundled", device="cpu")
        crops = np.concatenate(np.array(FeatureStore.open(folder / "store").crops))
    return crops[crops.any(axis=(1, 2, 3))]


def write_reduced(encoder: Encoder, path: Path, studies: int = 6, seed: int = 77) -> dict[str, Any]:
    """Write the graph without weights; they are rounded when they are loaded.

    Parameters
    ----------
    encoder : Encoder
        Whose convolutions are each followed by a batch normalization.
    path : Path
        The file; what is there is replaced.
    studies : int
        Simulated studies whose crops tell how large values become.
    seed : int
        Decides the patients.

    Returns
    -------
    dict of str to JSON value
        What `reduced_weights` and `reduced_graph_of` need to know.
    """
    from onnx_ir import load
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    crops = simulated_crops(studies, seed)
    chosen = crops[np.random.default_rng(seed).permutation(len(crops))[:_CROPS]]

    class Crops(CalibrationDataReader):  # type: ignore[misc]
        """Gives the crops, batch by batch."""

        def __init__(self) -> None:
            self.batches: Iterator[NDArray[np.uint8]] = iter(np.array_split(chosen, len(chosen) // _BATCH))

        def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
            batch = next(self.batches, None)
            return None if batch is None else {"images": batch}

    with TemporaryDirectory() as work:
        whole, folded, reduced = (Path(work) / f"{name}.onnx" for name in ("whole", "folded", "reduced"))
        export_encoder(encoder, whole)
        quant_pre_process(str(whole), str(folded), skip_symbolic_shape=True)
        quantize_static(
            str(folded), str(reduced), Crops(), quant_format=QuantFormat.QDQ, per_channel=True,
            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, op_types_to_quantize=list(_QUANTIZED),
        )  # fmt: skip
        model = load(reduced)
        norms = _normalizations(encoder.network)
        for value in list(model.graph.initializers.values()):
            whole_name = str(value.name)
            name = whole_name.removeprefix(_PREFIX).removesuffix(_SUFFIX)
            if name in norms and whole_name.endswith(_SUFFIX):
                value.name = name
        taken = write_weightless(model, path, list(norms), simplify=False)
    assert taken == norms.keys()
    shapes = {name: list(value.shape) for name, value in encoder.state().items() if name in norms}
    epsilon = {module.eps for module in encoder.network.modules() if isinstance(module, nn.BatchNorm2d)}
    digest = Encoder.build(encoder.backbone, "bundled").digest
    return {"digest": digest, "epsilon": epsilon.pop(), "folded": norms, "unused": [], "weights": shapes}


def _normalizations(network: nn.Module) -> dict[str, str]:
    """Name the normalization behind each convolution, by the name of its weight."""
    names = {name for name, _ in network.named_modules()}
    norms = {}
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            norm = f"{name.removesuffix('conv')}bn"
            assert norm in names, f"nothing normalizes {name}"
            norms[f"{name}.weight"] = norm
    return norms
