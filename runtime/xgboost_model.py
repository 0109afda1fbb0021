"""XGBoost's model read into arrays by a strict reader: the library's own one crashes on edited files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lsdc.runtime.joined_trees import Tree, join_trees
from lsdc.runtime.tree_nodes import LEAF, NAN_LEFT, NAN_RIGHT
from lsdc.runtime.trees import Trees
from lsdc.runtime.ubjson import read_ubjson

_PLAIN = ("multi:softprob", "reg:squarederror")
"""Objectives whose sums of leaves begin with the base score as it is."""


def read_xgboost(content: bytes | bytearray) -> Trees:
    """Read a model of trees, such as `Booster.save_raw("ubj")` gives.

    Parameters
    ----------
    content : bytes or bytearray
        Universal Binary JSON.

    Returns
    -------
    Trees
        One output per class, before the softmax; one for a regression. They take rows in single precision.

    Raises
    ------
    ValueError
        When the bytes are not such a model, or have what these models never have: categories, dropped or linear
        trees, several targets.
    """
    whole = read_ubjson(bytes(content))
    # `Booster.__getstate__` wraps the model; `save_raw` does not.
    model = whole["Model"] if isinstance(whole, dict) and "Model" in whole else whole
    learner = _at(model, "learner", dict)
    booster, parameters = _at(learner, "gradient_booster", dict), _at(learner, "learner_model_param", dict)
    if _at(booster, "name", str) != "gbtree":
        raise ValueError("another booster than gbtree")
    if _at(_at(learner, "objective", dict), "name", str) not in _PLAIN:
        raise ValueError("another objective")
    if _whole(parameters.get("num_target", "1")) != 1:
        raise ValueError("several targets")
    outputs, width = max(1, _whole(parameters["num_class"])), _whole(parameters["num_feature"])
    if outputs > 1000:
        raise ValueError("too many classes")
    content_of = _at(booster, "model", dict)
    output = _indices(content_of["tree_info"])
    trees = [_tree(tree, width) for tree in _at(content_of, "trees", list)]
    if not trees or len(output) != len(trees):
        raise ValueError("no trees")
    return join_trees(trees, output, _base(parameters.get("base_score"), outputs), width)


def _base(text: Any, outputs: int) -> NDArray[np.float64]:
    """Read the base score: one number, or since version 3.1 one for each output in brackets."""
    if not isinstance(text, str) or not re.fullmatch(r"\[?[-+0-9.,eE]{1,100000}\]?", text):
        raise ValueError("a base score that is no number")
    values = np.array([float(word) for word in text.strip("[]").split(",")], np.float32).astype(float)
    if len(values) not in (1, outputs):
        raise ValueError("not as many base scores as outputs")
    return np.broadcast_to(values, (outputs,)).copy()


def _tree(tree: Any, width: int) -> Tree:
    """Read one tree; nodes are counted anew from the root, so that children come after their parents."""
    left, right = _indices(_at(tree, "left_children")), _indices(_at(tree, "right_children"))
    split, default = _indices(_at(tree, "split_indices")), _indices(_at(tree, "default_left"))
    threshold = np.asarray(_at(tree, "split_conditions"), np.float32)
    count = len(left)
    if any(values.shape != (count,) for values in (right, split, default, threshold)):
        raise ValueError("arrays of different lengths")
    if len(_indices(tree.get("categories", []))) or _indices(tree.get("split_type", [])).any():
        raise ValueError("a tree with categories")
    order, place = [0], np.full(count, -1)
    for number, node in enumerate(order):  # grows while it is walked
        if not 0 <= node < count or place[node] >= 0:
            raise ValueError("children that are no later nodes")
        place[node] = number
        if left[node] != LEAF:
            order += [int(left[node]), int(right[node])]
    kept = np.array(order)
    inner = left[kept] != LEAF
    if ((split[kept][inner] < 0) | (split[kept][inner] >= width)).any():
        raise ValueError("features that do not exist")
    # XGBoost goes left below a threshold, in single precision: at most the number before it.
    before = np.nextafter(threshold[kept], np.float32(-np.inf)).astype(float)
    return (
        np.where(inner, split[kept], LEAF),
        np.where(inner, before, 0.0),
        np.where(inner, place[left[kept]], 0),
        np.where(inner, place[right[kept]], 0),
        np.where(inner & (default[kept] == 0), NAN_RIGHT, NAN_LEFT),
        np.where(inner, 0.0, threshold[kept].astype(float)),
    )


def _at(value: Any, name: str, kind: type | None = None) -> Any:
    """Look up a part of a type."""
    if not isinstance(value, Mapping) or name not in value or not isinstance(value[name], kind or object):
        raise ValueError(f"{name} is missing")
    return value[name]


def _whole(text: Any) -> int:
    """Read a whole number that XGBoost keeps as text."""
    if not isinstance(text, str) or not re.fullmatch(r"[0-9]{1,9}", text):
        raise ValueError("a parameter that is no whole number")
    return int(text)


def _indices(values: Any) -> NDArray[np.int64]:
    """Take whole numbers; a list holds small ones."""
    found = np.asarray(values)
    if not found.size:
        return np.zeros(0, np.int64)
    if found.ndim != 1 or found.dtype.kind not in "iu":
        raise ValueError("indices that are no whole numbers")
    return found.astype(np.int64)
