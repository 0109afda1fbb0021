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
_RULES = np.array([(NAN_IS_ZERO, NAN_IS_ZERO), (ZERO_RIGHT, ZERO_LEFT), (NAN_RIGHT, NAN_LEFT)])
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
    trees = _trees([_pairs(block) for block in blocks])
    output = np.arange(len(trees)) % outputs
    return join_trees(trees, output, np.zeros(outputs), width)


def _trees(blocks: list[dict[str, str]]) -> list[Tree]:
    """Read all trees at once, many times faster than one after the other.

    LightGBM counts inner nodes from 0 and leaves from -1 down; here the leaves of a tree come after its inner nodes.
    """
    leaves = np.array([_leaves(values) for values in blocks])
    inner = leaves - 1
    split, kind, *children = (
        _numbers(blocks, name, inner, int)
        for name in ("split_feature", "decision_type", "left_child", "right_child")
    )
    if (split < 0).any():
        raise ValueError("features that do not exist")
    if ((kind & _CATEGORICAL) != 0).any() or (kind < 0).any() or ((kind >> 2) > 2).any():
        raise ValueError("a kind of decision that these models never have")
    own = np.repeat(inner, inner)  # of each inner node: the number of those in its tree
    if not all(((child >= -own - 1) & (child < own)).all() for child in children):
        raise ValueError("children that do not exist")
    left, right = (np.where(child < 0, own - 1 - child, child) for child in children)
    threshold = _numbers(blocks, "threshold", inner, float)
    # LightGBM's infinity sends all that is known to the left: a split that asks only whether it is known.
    threshold = np.where(threshold == np.inf, np.finfo(np.float64).max, threshold)
    sizes = inner + leaves
    root = np.cumsum(sizes) - sizes
    at_inner, at_leaf = _places(root, inner), _places(root + inner, leaves)
    feature = np.full(sizes.sum(), LEAF)
    columns = [
        feature,
        *(np.zeros(len(feature), values.dtype) for values in (threshold, left, right, kind, threshold)),
    ]
    for column, values in zip(
        columns, (split, threshold, left, right, _RULES[kind >> 2, (kind & _DEFAULT_LEFT) // 2])
    ):
        column[at_inner] = values
    columns[-1][at_leaf] = _numbers(blocks, "leaf_value", leaves, float)
    return list(zip(*(np.split(column, root[1:]) for column in columns)))


def _leaves(values: dict[str, str]) -> int:
    """Count the leaves of a tree that has neither categories nor linear leaves."""
    leaves = _whole(values, "num_leaves")
    if _whole(values, "num_cat") or _whole(values, "is_linear", 0):
        raise ValueError("a tree with categories or linear leaves")
    if leaves < 1:
        raise ValueError("a tree without leaves")
    return leaves


def _places(first: NDArray, counts: NDArray) -> NDArray:
    """Return the places of so many nodes of each tree, from its first one on."""
    return np.arange(counts.sum()) + np.repeat(first - np.cumsum(counts) + counts, counts)


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


def _numbers(blocks: list[dict[str, str]], name: str, counts: NDArray, kind: type) -> NDArray:
    """Read so many numbers of each tree; whole ones must fit into 32 bits."""
    words: list[str] = []
    for values, count in zip(blocks, counts.tolist()):
        found = values.get(name, "").split(" ") if count else []
        if len(found) != count:
            raise ValueError(f"{name} has {len(found)} numbers instead of {count}")
        words += found
    numbers = np.array([kind(word) for word in words])
    if kind is int and (np.abs(numbers.astype(float)) >= 2**31).any():
        raise ValueError(f"{name} is out of range")
    return numbers.astype(np.int64 if kind is int else np.float64)
