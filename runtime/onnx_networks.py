"""Networks on CPUs: ONNX Runtime computes a graph that is shipped, with weights that were read and checked apart."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lsdc.runtime.json_files import read_json
from lsdc.runtime.machine import default_workers

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

WEIGHTS = "weights"
"""What graphs name as the file of their weights; there is none."""
_AT_ONCE = 5
"""Images of a batch: larger ones are not faster, and smaller ones share more evenly among threads."""


def usable_threads() -> int:
    """Count the threads that numerical work may take in this process.

    Returns
    -------
    int
        What the environment variable OMP_NUM_THREADS says, as in a worker process; otherwise one per core.
    """
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, int(asked)) if asked.isdigit() else default_workers()


@dataclass(frozen=True)
class ShippedGraph:
    """A graph without weights that comes with the toolkit, beside a description of what it needs.

    Nothing of a stranger is ever parsed as a graph: models hold weights alone, whose names and shapes are checked.

    Parameters
    ----------
    path : Path
        The ONNX file; its description has the same name and ends in `.json`.
    """

    path: Path

    @cached_property
    def description(self) -> dict[str, Any]:
        """What the maker of the graph noted, as JSON holds it."""
        return dict(read_json(self.path.with_suffix(".json")))

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the weights by name, as the network's `state_dict` has them."""
        return {name: tuple(shape) for name, shape in self.description["weights"].items()}

    @property
    def unused(self) -> frozenset[str]:
        """Names of weights that only training needs."""
        return frozenset(self.description["unused"])


class OnnxNetwork:
    """A network that ONNX Runtime computes on the CPU; its session is made when it is first used.

    Every batch is computed on one thread, and batches side by side: results do not depend on the number of threads.

    Parameters
    ----------
    graph : ShippedGraph
        What is computed.
    weights : mapping of str to array
        As `read_weights` gives them, with the names and shapes of the graph.
    """

    def __init__(self, graph: ShippedGraph, weights: Mapping[str, NDArray[Any]]) -> None:
        self.graph, self.weights = graph, weights
        self._held: list[Any] = []

    def run(self, images: NDArray[Any]) -> list[NDArray[np.float32]]:
        """Compute all outputs for images.

        Parameters
        ----------
        images : (n, ...) array
            The graph's one input, of its type; n is at least 1.

        Returns
        -------
        list of (n, ...) float32
            One array per output.
        """
        session, (name,) = self._session, [item.name for item in self._session.get_inputs()]
        parts = [images[start : start + _AT_ONCE] for start in range(0, len(images), _AT_ONCE)]

        def compute(part: NDArray[Any]) -> Sequence[NDArray[np.float32]]:
            found: Sequence[NDArray[np.float32]] = session.run(None, {name: part})
            return found

        threads = min(usable_threads(), len(parts))
        if threads == 1:
            found = [compute(part) for part in parts]
        else:
            with ThreadPoolExecutor(threads) as pool:
                found = list(pool.map(compute, parts))
        return [np.concatenate(output) for output in zip(*found)]

    @cached_property
    def _session(self) -> InferenceSession:
        """Make the session, which must not outlive the weights that it computes with."""
        import onnxruntime

        onnxruntime.disable_telemetry_events()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        names = sorted(self.graph.shapes.keys() - self.graph.unused)
        arrays = [_ready(self.weights[name]) for name in names]
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(item) for item in arrays]
        options.add_external_initializers(names, values)
        self._held = [arrays, values]
        return onnxruntime.InferenceSession(str(self.graph.path), options, providers=["CPUExecutionProvider"])

    def __getstate__(self) -> dict[str, Any]:
        """Leave the session behind where this is sent to another process."""
        return {"graph": self.graph, "weights": self.weights, "_held": []}


def _ready(values: NDArray[Any]) -> NDArray[Any]:
    """Bring weights to the layout and the type that graphs take: single precision, or 8-bit integers."""
    return np.ascontiguousarray(values, None if values.dtype == np.int8 else np.float32)
