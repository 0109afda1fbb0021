"""Embedding by ONNX Runtime, on the CPU, of backbones for which a graph is shipped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lsdc.features.reduced_weights import reduced_weights
from lsdc.features.wide_groups import wide_weights
from lsdc.runtime.errors import ConfigError
from lsdc.runtime.onnx_networks import OnnxNetwork, ShippedGraph

GRAPHS = Path(__file__).with_name("graphs")
"""Where the graphs of encoders lie, which `python -m lsdc.pretraining.graphs` makes."""


def graph_of(backbone: str) -> ShippedGraph | None:
    """Find the graph of a backbone.

    Parameters
    ----------
    backbone : str
        A timm model's name.

    Returns
    -------
    ShippedGraph or None
        Takes images (n, 3, P, P) uint8, gives features (n, F). None where none is shipped.
    """
    path = GRAPHS / f"{backbone}.onnx"
    return ShippedGraph(path) if backbone.replace("_", "").isalnum() and path.is_file() else None


def reduced_graph_of(backbone: str, digest: str) -> ShippedGraph:
    """Find the graph of a backbone that computes in 8-bit integers.

    Its scales were measured with certain weights, and are wrong for others.

    Parameters
    ----------
    backbone : str
        A timm model's name.
    digest : str
        Hash of the weights; see `Encoder.digest`.

    Returns
    -------
    ShippedGraph
        Takes and gives what that of `graph_of` does.

    Raises
    ------
    ConfigError
        When there is none for these weights.
    """
    graph = graph_of(f"{backbone}_int8")
    if graph is None or graph.description["digest"] != digest:
        raise ConfigError(
            "precision: 'int8' is for the bundled weights of the backbone 'regnetx_002', for which it was measured; "
            "use 'float32' for others"
        )
    return graph


@dataclass(frozen=True)
class OnnxEncoder:
    """The weights of a backbone, and its graph.

    Parameters
    ----------
    graph : ShippedGraph
        That of the backbone.
    weights : mapping of str to array
        Named and shaped as the network's; `wide_weights` lays them out for the graph.
    reduced : ShippedGraph, optional
        What computes with the weights as 8-bit integers; by default the first graph computes with them as they are.
    """

    graph: ShippedGraph
    weights: Mapping[str, NDArray[Any]]
    reduced: ShippedGraph | None = None

    @property
    def mean(self) -> tuple[float, ...]:
        """Mean that the backbone expects, of gray values in 0 to 1."""
        return tuple(self.graph.description["mean"])

    @property
    def std(self) -> tuple[float, ...]:
        """Standard deviation that the backbone expects."""
        return tuple(self.graph.description["std"])

    @property
    def width(self) -> int:
        """Number of features F per image."""
        return int(self.graph.description["width"])

    @property
    def head_width(self) -> int:
        """How many of the features the network itself pools; they come last."""
        return int(self.graph.description["head_width"])

    def state(self) -> dict[str, NDArray[Any]]:
        """Give the weights.

        Returns
        -------
        dict of str to array
            Named as in the network's `state_dict`.
        """
        return dict(self.weights)

    def features(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed images.

        Parameters
        ----------
        images : (n, 3, P, P) uint8
            Three neighboring slices as channels; n is at least 1.

        Returns
        -------
        (n, F) float32
            The features, to about 1e-6 of what torch computes in single precision.
        """
        return self._network.run(images)[0]

    @cached_property
    def _network(self) -> OnnxNetwork:
        if self.reduced is None:
            return OnnxNetwork(self.graph, wide_weights(self.weights, self.graph))
        return OnnxNetwork(self.reduced, reduced_weights(self.weights, self.reduced))

    def __getstate__(self) -> dict[str, Any]:
        """Leave the laid-out weights behind where this is sent to another process."""
        return {"graph": self.graph, "weights": self.weights, "reduced": self.reduced}
