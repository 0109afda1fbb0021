"""Checked trees written as LightGBM's text, so that the library explains what it and XGBoost have grown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lsdc.runtime.tree_nodes import LEAF, NAN_IS_ZERO, NAN_LEFT, NAN_RIGHT, ZERO_LEFT, ZERO_RIGHT
from lsdc.runtime.trees import Trees

_DECISIONS = {
    NAN_IS_ZERO: 0,
    ZERO_RIGHT: 1 << 2,
    ZERO_LEFT: (1 << 2) | 2,
    NAN_RIGHT: 2 << 2,
    NAN_LEFT: (2 << 2) | 2,
}
"""LightGBM's code for what a node does with what is missing."""
_FOOT = "end of trees\n\nfeature_importances:\n\nparameters:\nend of parameters\n\npandas_categorical:null\n"


def lightgbm_text(trees: Trees, covers: NDArray[np.float64]) -> str:
    """Write trees as a multiclass model of LightGBM.

    Parameters
    ----------
    trees : Trees
        Checked; one output per class, and as many trees for each.
    covers : (nodes,) float
        How many training rows reach each node; what SHAP weighs unknown features by.

    Returns
    -------
    str
        What `lightgbm.Booster(model_str=...)` reads.
    """
    outputs, width = len(trees.base), trees.num_feature()
    head = [
        "tree", "version=v4", f"num_class={outputs}", f"num_tree_per_iteration={outputs}", "label_index=0",
        f"max_feature_idx={width - 1}", f"objective=multiclass num_class:{outputs}",
        f"feature_names={_words(f'f{k}' for k in range(width))}",
        f"feature_infos={_words(['[-inf:inf]'] * width)}", "",
    ]  # fmt: skip
    order = np.argsort(_turns(trees.output), kind="stable")
    blocks = [f"Tree={k}\n{_block(trees, int(trees.root[tree]), covers)}\n" for k, tree in enumerate(order)]
    return "\n".join([*head, *blocks, _FOOT])


def node_covers(trees: Trees, X: NDArray[Any]) -> NDArray[np.float64]:
    """Count the rows that reach each node.

    Parameters
    ----------
    trees : Trees
        Checked.
    X : (n, width) float
        Features; NaN where unknown.

    Returns
    -------
    (nodes,) float
        A little more than the count, so that no node is without any.
    """
    import lightgbm

    even = np.ones(len(trees.feature))
    booster = lightgbm.Booster(model_str=lightgbm_text(trees, even))
    reached = np.asarray(booster.predict(X, pred_leaf=True), int).reshape(len(X), -1)
    covers = np.full(len(trees.feature), 0.0)
    for column, tree in enumerate(np.argsort(_turns(trees.output), kind="stable")):
        leaves = np.array(
            [node for node in _nodes(trees, int(trees.root[tree])) if trees.feature[node] == LEAF]
        )
        covers[leaves] = np.bincount(reached[:, column], minlength=len(leaves)) + 0.01
    for node in range(len(covers) - 1, -1, -1):  # children come after their parents
        if trees.feature[node] != LEAF:
            covers[node] = covers[trees.left[node]] + covers[trees.right[node]]
    return covers


def _turns(output: NDArray[np.int32]) -> NDArray[np.float64]:
    """Order trees as LightGBM does: one for each class in turn, (trees,)."""
    turn = np.zeros(len(output))
    for one in np.unique(output):
        own = output == one
        turn[own] = np.arange(own.sum())
    return turn * (output.max() + 1) + output


def _nodes(trees: Trees, root: int) -> list[int]:
    """List the nodes of a tree, parents first."""
    found = [root]
    for node in found:
        if trees.feature[node] != LEAF:
            found += [int(trees.left[node]), int(trees.right[node])]
    return found


def _block(trees: Trees, root: int, covers: NDArray[np.float64]) -> str:
    """Write one tree; LightGBM counts inner nodes from 0 and leaves from -1 down."""
    nodes = _nodes(trees, root)
    inner = [node for node in nodes if trees.feature[node] != LEAF]
    leaves = [node for node in nodes if trees.feature[node] == LEAF]
    name = {node: k for k, node in enumerate(inner)} | {node: -k - 1 for k, node in enumerate(leaves)}
    count = {node: max(1, round(100 * covers[node])) for node in nodes}
    for node in reversed(inner):
        count[node] = count[int(trees.left[node])] + count[int(trees.right[node])]
    lines = [f"num_leaves={len(leaves)}", "num_cat=0"]
    if inner:
        lines += [
            f"split_feature={_words(trees.feature[inner])}",
            f"split_gain={_words([1] * len(inner))}",
            f"threshold={_words(repr(float(value)) for value in trees.threshold[inner])}",
            f"decision_type={_words(_DECISIONS[int(rule)] for rule in trees.missing[inner])}",
            f"left_child={_words(name[int(node)] for node in trees.left[inner])}",
            f"right_child={_words(name[int(node)] for node in trees.right[inner])}",
        ]
    lines.append(f"leaf_value={_words(repr(float(value)) for value in trees.value[leaves])}")
    if inner:
        lines += [
            f"leaf_weight={_words(count[node] for node in leaves)}",
            f"leaf_count={_words(count[node] for node in leaves)}",
            f"internal_value={_words([0] * len(inner))}",
            f"internal_weight={_words(count[node] for node in inner)}",
            f"internal_count={_words(count[node] for node in inner)}",
        ]
    return "\n".join([*lines, "is_linear=0", "shrinkage=1", "", ""])


def _words(values: Iterable[Any] | Iterator[Any]) -> str:
    return " ".join(str(value) for value in values)
