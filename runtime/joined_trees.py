"""Trees of a library laid one behind the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lsdc.runtime.tree_nodes import LEAF
from lsdc.runtime.trees import Trees

Tree = tuple[NDArray, NDArray, NDArray, NDArray, NDArray, NDArray]
"""Feature, threshold, left, right, missing and value of the nodes of one tree, the root first."""


def join_trees(
    trees: list[Tree], output: NDArray[np.integer], base: NDArray[np.float64], width: int
) -> Trees:
    """Lay trees one behind the other.

    Parameters
    ----------
    trees : list of tuple
        Feature, threshold, left, right, missing and value of each tree's nodes, the root first.
    output : (trees,) int
        The output that each adds to.
    base : (outputs,) float64
        What the outputs begin with.
    width : int
        Number of columns.

    Returns
    -------
    Trees
        Checked.

    Raises
    ------
    ValueError
        When they are no trees.
    """
    sizes = np.array([len(tree[0]) for tree in trees])
    root = np.cumsum(sizes) - sizes
    if sizes.sum() >= 2**31:
        raise ValueError("too many nodes")
    feature, threshold, left, right, missing, value = (np.concatenate(part) for part in zip(*trees))
    inner, first = feature != LEAF, np.repeat(root, sizes)
    for child in (left, right):  # within each tree, or the shift would hide what is out of range
        if not ((child >= 0) & (child < np.repeat(sizes, sizes))).all():
            raise ValueError("children that are no later nodes")
    return Trees(
        feature.astype(np.int32), threshold.astype(float), np.where(inner, left + first, 0).astype(np.int32),
        np.where(inner, right + first, 0).astype(np.int32), missing.astype(np.uint8), value.astype(float),
        root.astype(np.int32), output.astype(np.int32), base.astype(float), np.array([width], np.int64),
    )  # fmt: skip


def join_forest(nodes: Sequence[tuple[Any, ...]], width: int) -> Trees:
    """Lay the trees of a random forest one behind the other.

    Parameters
    ----------
    nodes : sequence of tuple
        Feature, threshold, left child, right child and value of each tree's nodes, as scikit-learn has them.
    width : int
        Number of columns.

    Returns
    -------
    Trees
        Whose sum is the forest's mean.

    Raises
    ------
    ValueError
        When they are no trees.
    """
    trees = []
    for feature, threshold, left, right, value in nodes:
        inner = left >= 0
        none = np.zeros(len(left), np.int64)
        trees.append(
            (np.where(inner, feature, LEAF), np.where(inner, threshold, 0.0), np.where(inner, left, 0),
             np.where(inner, right, 0), none, np.where(inner, 0.0, value / len(nodes)))
        )  # fmt: skip
    return join_trees(trees, np.zeros(len(trees), np.int64), np.zeros(1), width)
