"""The nodes of decision trees as arrays of indices, and the check that makes them safe to walk."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAF = -1
"""The feature of a node that has no children."""
NAN_LEFT, NAN_RIGHT, NAN_IS_ZERO, ZERO_LEFT, ZERO_RIGHT = range(5)
"""What a node does with NaN; in the last two, zero is unknown too."""
DEEPEST = 512
"""More questions than this on the way to a leaf are damage: they would only cost time."""


def check_nodes(
    feature: NDArray[Any], left: NDArray[Any], right: NDArray[Any], root: NDArray[Any], width: int
) -> int:
    """Refuse arrays that do not make trees: a walk could read elsewhere, or never end.

    Parameters
    ----------
    feature : (nodes,) int32
        The column that a node asks for, or `LEAF`.
    left, right : (nodes,) int32
        Children of the nodes that are no leaves; a child comes after its parent.
    root : (trees,) int32
        The first node of each tree.
    width : int
        Number of columns.

    Returns
    -------
    int
        Number of questions on the longest way to a leaf.

    Raises
    ------
    ValueError
        With what is wrong.
    """
    nodes, arrays = len(feature), (feature, left, right, root)
    if any(values.dtype != np.int32 or values.ndim != 1 for values in arrays):
        raise ValueError("indices that are no whole numbers")
    if len(left) != nodes or len(right) != nodes:
        raise ValueError("arrays of different lengths")
    if len(root) == 0 or not ((root >= 0) & (root < nodes)).all():
        raise ValueError("roots that are no nodes")
    if not ((feature >= LEAF) & (feature < width)).all():
        raise ValueError("features that do not exist")
    inner, depth = np.flatnonzero(feature != LEAF), np.zeros(nodes, np.int64)
    children = np.concatenate([left[inner], right[inner]])
    if not ((children > np.tile(inner, 2)) & (children < nodes)).all():
        raise ValueError("children that are no later nodes")
    if len(np.unique(np.concatenate([children, root]))) != len(children) + len(root):
        raise ValueError("nodes with two parents")
    deepest, level = 0, root[feature[root] != LEAF]
    while len(level):
        deepest += 1
        if deepest > DEEPEST:
            raise ValueError(f"trees deeper than {DEEPEST}")
        below = np.concatenate([left[level], right[level]])
        depth[below] = deepest
        level = below[feature[below] != LEAF]
    return deepest
