"""Weights laid out for graphs whose convolutions have wider groups than the network that was trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lsdc.runtime.onnx_networks import ShippedGraph


def wide_weights(weights: Mapping[str, NDArray[Any]], graph: ShippedGraph) -> dict[str, NDArray[Any]]:
    """Bring weights to the shapes of a widened graph, which then computes the same.

    Added channels are zero throughout, and so is what groups that were merged into one would take from each
    other.

    Parameters
    ----------
    weights : mapping of str to array
        A network's, by name.
    graph : ShippedGraph
        Its description has under `wide` the shape of each array that differs, and under `groups` the number of groups
        of each convolution of the network that has more than one, and gives as many channels as it takes.

    Returns
    -------
    dict of str to array
        All weights, each in its own precision; those that do not differ are not copied.
    """
    groups, wide = graph.description["groups"], dict(weights)
    for name, shape in graph.description["wide"].items():
        values = weights[name]
        neutral = 1 if name.endswith("running_var") else 0
        made = wide[name] = np.full(shape, neutral, values.dtype)
        if values.ndim != 4:
            made[: len(values)] = values
            continue
        inputs = values.shape[1]
        for part in np.split(np.arange(len(values)), groups.get(name, 1)):
            start = part[0] % shape[1]
            made[part, start : start + inputs] = values[part]
    return wide
