"""Weights of convolutions as 8-bit integers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lsdc.runtime.onnx_networks import ShippedGraph

_LARGEST = 127


def reduced_weights(weights: Mapping[str, NDArray[Any]], graph: ShippedGraph) -> dict[str, NDArray[np.int8]]:
    """Round the weights of convolutions, after multiplying them with what the normalization behind them does.

    Parameters
    ----------
    weights : mapping of str to array
        A network's, by name.
    graph : ShippedGraph
        Takes the rounded weights; its description tells which normalization is behind which convolution.

    Returns
    -------
    dict of str to array of int8
        By the names of the graph: each output channel in units of a 127th of its largest weight.
    """
    about = graph.description
    found = {}
    for name, norm in about["folded"].items():
        gain = weights[f"{norm}.weight"] / np.sqrt(weights[f"{norm}.running_var"] + about["epsilon"])
        values = weights[name] * gain.reshape(-1, 1, 1, 1)
        unit = np.abs(values).max(axis=(1, 2, 3), keepdims=True) / _LARGEST
        found[name] = np.rint(values / np.maximum(unit, 1e-30)).astype(np.int8)
    return found
