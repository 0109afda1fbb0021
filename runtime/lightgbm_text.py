"""LightGBM's text model read into arrays by a strict reader: the library's own one crashes on edited files."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from lsdc.runtime.joined_trees import Tree, join_trees
from lsdc.runtime.tree_nodes import LEAF, NAN_IS_ZERO, NAN_LEFT, NAN_RIGHT, ZERO_LEFT, ZERO_RIGHT
from lsdc.runtime.trees import Trees

_MOST_BYTES = 256 * 2**20
_CATEGORICAL, _DEFAULT_LEFT = 1, 2
_RULES = {0: (NAN_IS_ZERO, NAN_IS_ZERO), 1: (ZERO_RIGHT, ZERO_LEFT), 2: (NAN_RIGHT, NAN_LEFT)}
"""By LightGBM's type of missing values: what a node does whose default is right, and whose default is left."""


def read_lightgbm(text: str) -> Trees:
    """Read a multiclass model, such as `Booster.model_to_string` gives.

    Parameters
    ----------
    text : str
        LightGBM's text, version 3 or 4.

    Returns
    -------
    Trees
        One output per class, before the softmax.

    Raises
    ------
    ValueError
        When the text is not such a model, or has what these models never have: categories, linear leaves.
    """
    if len(text) > _MOST_BYTES:
        raise ValueError("too long")
    body, end, _ = text.partition("\nend of trees")
    head, *blocks = re.split(r"\n+Tree=\d+\n", body)
    if not end or not blocks:
        raise ValueError("no trees")
    values = _pairs(head)
    if not head.startswith("tree\n") or values.get("version") not in ("v3", "v4"):
        raise ValueError("not LightGBM's text")
    outputs, width = _whole(values, "num_tree_per_iteration"), _whole(values, "max_feature_idx") + 1
    objective = values.get("objective", "").split()
    if objective[:1] != ["multiclass"] or outputs != _whole(values, "num_class") or not 1 <= outputs <= 1000:
        raise ValueError("another objective than multiclass")
    if len(blocks) % outputs:
        raise ValueError("not as many trees for each class")
    trees = [_tree(_pairs(block)) for block in blocks]
    output = np.arange(len(trees)) % outputs
    return join_trees(trees, output, np.zeros(outputs), width)


def _tree(values: dict[str, str]) -> Tree:
    """Read one tree: LightGBM counts inner nodes from 0 and leaves from -1 down; here the leaves come last."""
    leaves = _whole(values, "num_leaves")
    if _whole(values, "num_cat") or _whole(values, "is_linear", 0):
        raise ValueError("a tree with categories or linear leaves")
    leaf_value = _numbers(values, "leaf_value", leaves, float)
    inner = leaves - 1
    if inner < 0:
        raise ValueError("a tree without leaves")
    if not inner:
        none = np.zeros(1, np.int64)
        return np.full(1, LEAF), none.astype(float), none, none, none, leaf_value
    split, kind = (_numbers(values, name, inner, int) for name in ("split_feature", "decision_type"))
    if (split < 0).any():
        raise ValueError("features that do not exist")
    if ((kind & _CATEGORICAL) != 0).any() or (kind < 0).any() or ((kind >> 2) > 2).any():
        raise ValueError("a kind of decision that these models never have")
    rules = np.array([_RULES[int(value) >> 2][(int(value) & _DEFAULT_LEFT) > 0] for value in kind])
    left, right = (_children(values, name, inner) for name in ("left_child", "right_child"))
    threshold = _numbers(values, "threshold", inner, float)
    # LightGBM's infinity sends all that is known to the left: a split that asks only whether it is known.
    threshold = np.where(threshold == np.inf, np.finfo(np.float64).max, threshold)
    return (
        np.concatenate([split, np.full(leaves, LEAF)]),
        np.concatenate([threshold, np.zeros(leaves)]),
        left,
        right,
        np.concatenate([rules, np.zeros(leaves, int)]),
        np.concatenate([np.zeros(inner), leaf_value]),
    )


def _children(values: dict[str, str], name: str, inner: int) -> NDArray:
    """Read the children of the inner nodes, then zeros for the leaves."""
    child = _numbers(values, name, inner, int)
    if not ((child >= -inner - 1) & (child < inner)).all():
        raise ValueError("children that do not exist")
    return np.concatenate([np.where(child < 0, inner - 1 - child, child), np.zeros(inner + 1, int)])


def _pairs(block: str) -> dict[str, str]:
    """Read lines of name=value; other lines say nothing that is needed."""
    return {name: value for name, sign, value in _split(block) if sign}


def _split(block: str) -> Iterator[tuple[str, str, str]]:
    """Split each line at the first sign of equality."""
    return (line.partition("=") for line in block.split("\n"))


def _whole(values: dict[str, str], name: str, absent: int | None = None) -> int:
    """Read a whole number."""
    found = values.get(name, None if absent is None else str(absent))
    if found is None or not re.fullmatch(r"-?[0-9]{1,9}", found):
        raise ValueError(f"{name} is no whole number")
    return int(found)


def _numbers(values: dict[str, str], name: str, count: int, kind: type) -> NDArray:
    """Read so many numbers; whole ones must fit into 32 bits."""
    words = values.get(name, "").split(" ")
    if len(words) != count:
        raise ValueError(f"{name} has {len(words)} numbers instead of {count}")
    found = np.array([kind(word) for word in words])
    if kind is int and (np.abs(found.astype(float)) >= 2**31).any():
        raise ValueError(f"{name} is out of range")
    return found
