"""A check of what compiled code of scikit-learn would trust in a fitted estimator: indices, shapes, and counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lsdc.runtime.plain_skops import TRUSTING, Plain
from lsdc.runtime.tree_nodes import LEAF, check_nodes

_WIDEST = 2**31 - 1


def check_estimator(value: Any, width: int = _WIDEST) -> None:
    """Refuse trees and support vectors by which compiled code would read elsewhere, or never end.

    Parameters
    ----------
    value : object
        What `read_plain` gave.
    width : int
        Number of columns of the estimator around it; by default nobody has said.

    Raises
    ------
    ValueError
        With what is wrong.
    """
    if isinstance(value, Plain):
        kind, content = value.kind.rpartition(".")[2], value.content
        if isinstance(content, dict):
            width = _columns(content, width)
            if kind == "Tree":
                _check_tree(content, width)
            elif kind == "TreePredictor":
                _check_predictor(content, width)
            elif "_n_support" in content:
                _check_support(content, width)
        elif kind in TRUSTING[2:]:
            _check_neighbors(content)
        elif kind in TRUSTING:
            raise ValueError("a tree without nodes")
        check_estimator(content, width)
    elif isinstance(value, Mapping):
        for one in value.values():
            check_estimator(one, width)
    elif isinstance(value, list):
        for one in value:
            check_estimator(one, width)


def _columns(content: Mapping[str, Any], width: int) -> int:
    """Read how many columns an estimator says it takes."""
    found = content.get("n_features_in_", width)
    if isinstance(found, np.ndarray):
        found = int(found) if found.ndim == 0 and found.dtype.kind in "iu" else None
    if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found <= _WIDEST:
        raise ValueError("a number of columns that cannot be")
    return found


def _records(value: Any, *names: str) -> NDArray[Any]:
    """Take an array of records that has certain fields."""
    if not isinstance(value, np.ndarray) or value.ndim != 1 or not len(value):
        raise ValueError("a tree without nodes")
    if value.dtype.names is None or not set(names) <= set(value.dtype.names):
        raise ValueError("a tree whose nodes lack a field")
    return value


def _check_tree(content: Mapping[str, Any], width: int) -> None:
    """Check one tree of a forest."""
    nodes = _records(content.get("nodes"), "left_child", "right_child", "feature", "threshold")
    values = content.get("values")
    if (
        content.get("node_count") != len(nodes)
        or not isinstance(values, np.ndarray)
        or len(values) != len(nodes)
    ):
        raise ValueError("a tree with another number of nodes")
    inner = nodes["left_child"] != LEAF
    if ((nodes["right_child"] != LEAF) != inner).any():
        raise ValueError("a node with one child")
    _check_links(nodes["feature"], nodes["left_child"], nodes["right_child"], inner, width)


def _check_predictor(content: Mapping[str, Any], width: int) -> None:
    """Check one tree of histogram boosting."""
    nodes = _records(
        content.get("nodes"), "left", "right", "feature_idx", "is_leaf", "is_categorical", "bitset_idx"
    )
    sets = content.get("raw_left_cat_bitsets")
    categorical = nodes["is_categorical"] != 0
    if categorical.any() and (
        not isinstance(sets, np.ndarray) or sets.ndim != 2 or sets.shape[1] != 8
        or (nodes["bitset_idx"][categorical] >= len(sets)).any()
    ):  # fmt: skip
        raise ValueError("categories that are not there")
    inner = nodes["is_leaf"] == 0
    _check_links(nodes["feature_idx"], nodes["left"], nodes["right"], inner, width)


def _check_links(
    feature: NDArray[Any], left: NDArray[Any], right: NDArray[Any], inner: NDArray[np.bool_], width: int
) -> None:
    """Check features and children of the nodes that are no leaves."""
    parts = []
    for values in (feature, left, right):
        wide = values.astype(np.int64)
        if ((wide < 0) | (wide > _WIDEST))[inner].any():
            raise ValueError("indices that are out of range")
        parts.append(np.where(inner, wide, 0).astype(np.int32))
    root = np.zeros(1, np.int32)
    check_nodes(np.where(inner, parts[0], LEAF).astype(np.int32), parts[1], parts[2], root, width)


def _check_support(content: Mapping[str, Any], width: int) -> None:
    """Check that the arrays of a support vector machine have the lengths that its compiled code counts on."""
    wanted = ("_n_support", "support_", "support_vectors_", "_dual_coef_", "_intercept_", "_probA", "_probB")
    arrays = {name: content.get(name) for name in wanted}
    if content.get("_sparse") is not False or not all(isinstance(one, np.ndarray) for one in arrays.values()):
        raise ValueError("a support vector machine that is sparse, or lacks an array")
    known: dict[str, NDArray[Any]] = {name: np.asarray(one) for name, one in arrays.items()}
    counts, support, vectors, dual, offset = (known[name] for name in wanted[:5])
    classes = content.get("classes_")
    several = len(classes) if isinstance(classes, np.ndarray) and len(classes) > 1 else 2
    pairs = several * (several - 1) // 2
    right = (
        counts.ndim == 1 and counts.dtype.kind in "iu" and (counts >= 0).all()
        and support.shape == (len(vectors),) and vectors.ndim == 2 and vectors.shape[1] == width
        and dual.shape == (several - 1, len(vectors)) and offset.shape == (pairs,)
        and counts[: several if several == len(counts) else None].sum() in (len(vectors), 2 * len(vectors))
        and len(counts) in (several, 2)
        and all(known[name].shape in ((0,), (pairs,)) for name in ("_probA", "_probB"))
    )  # fmt: skip
    if not right:
        raise ValueError("arrays of a support vector machine that do not fit each other")


def _check_neighbors(state: Any) -> None:
    """Check the tree of a search for neighbors: each node is a part of the rows, and each row is in it once."""
    if not isinstance(state, list) or len(state) != 13:
        raise ValueError("a tree of neighbors without its parts")
    data, index, nodes, bounds, leaf, levels, count = state[:7]
    arrays = all(isinstance(one, np.ndarray) for one in (data, index, nodes, bounds))
    wholes = all(
        isinstance(one, int) and not isinstance(one, bool) and one >= 1 for one in (leaf, levels, count)
    )
    if not arrays or not wholes or data.ndim != 2 or index.shape != (len(data),) or bounds.ndim != 3:
        raise ValueError("a tree of neighbors of another shape")
    nodes = _records(nodes, "idx_start", "idx_end", "is_leaf")
    if (
        count != len(nodes)
        or levels > 40
        or count != 2**levels - 1
        or bounds.shape[1:] != (count, data.shape[1])
    ):
        raise ValueError("a tree of neighbors with another number of nodes")
    if index.dtype.kind not in "iu" or not np.array_equal(np.sort(index), np.arange(len(data))):
        raise ValueError("rows of a tree of neighbors that do not exist")
    begin, end = nodes["idx_start"], nodes["idx_end"]
    if not ((begin >= 0) & (begin <= end) & (end <= len(data))).all() or state[12] is not None:
        raise ValueError("parts of a tree of neighbors that do not exist")
    last = np.arange(count) >= count // 2
    if (nodes["is_leaf"][last] == 0).any():
        raise ValueError("a tree of neighbors without leaves")
