"""Decision trees as plain arrays: checked before use, and predicted in NumPy, so that no library reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lsdc.runtime.tree_nodes import LEAF, NAN_IS_ZERO, NAN_LEFT, ZERO_LEFT, ZERO_RIGHT, check_nodes

_ZERO = 1e-35
"""LightGBM's zero: what is not farther from it."""
_LARGEST = np.finfo(np.float64).max
_AT_ONCE = 2**16
"""Pairs of a row and a tree that are walked together: what they touch fits into the cache of a processor."""


@dataclass(frozen=True)
class Trees:
    """Boosted or averaged trees whose leaves are numbers; made by a reader of a library's model, or read from arrays.

    A row goes left where its value is at most the threshold.

    Parameters
    ----------
    feature : (nodes,) int32
        The column that a node asks for; -1 for a leaf.
    threshold : (nodes,) float64
        Finite; 0 for leaves.
    left, right : (nodes,) int32
        Children, which come after their parent; 0 for leaves.
    missing : (nodes,) uint8
        One of `NAN_LEFT` to `ZERO_RIGHT`; 0 for leaves.
    value : (nodes,) float64
        What a leaf adds, finite; 0 for other nodes.
    root : (trees,) int32
        The first node of each tree.
    output : (trees,) int32
        The output that each tree adds to.
    base : (outputs,) float64
        What the outputs begin with.
    width : (1,) int64
        Number of columns that the trees were fitted on.

    Raises
    ------
    ValueError
        When an array has another type or length, or an index or a number is out of range.

    Examples
    --------
    >>> trees = Trees.from_lists(
    ...     {"feature": [0, -1, -1], "threshold": [0.5, 0, 0], "left": [1, 0, 0], "right": [2, 0, 0],
    ...      "missing": [0, 0, 0], "value": [0, -1.0, 1.0], "root": [0], "output": [0], "base": [10.0], "width": [1]}
    ... )
    >>> trees.sums(np.array([[0.5], [0.6], [np.nan]])).tolist()
    [[9.0], [11.0], [9.0]]
    """

    feature: NDArray[np.int32]
    threshold: NDArray[np.float64]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    missing: NDArray[np.uint8]
    value: NDArray[np.float64]
    root: NDArray[np.int32]
    output: NDArray[np.int32]
    base: NDArray[np.float64]
    width: NDArray[np.int64]

    def __post_init__(self) -> None:
        """Refuse what cannot be walked."""
        if self.width.shape != (1,) or not 0 <= self.width[0] < 2**31:
            raise ValueError("a number of columns that cannot be")
        self._depth  # noqa: B018  # computing it checks the nodes
        for name, dtype in _DTYPES.items():
            if getattr(self, name).dtype != dtype:
                raise ValueError(f"{name} that is no {np.dtype(dtype)}")
        nodes = (len(self.feature),)
        if any(getattr(self, name).shape != nodes for name in ("threshold", "missing", "value")):
            raise ValueError("arrays of different lengths")
        if self.output.shape != self.root.shape or self.base.ndim != 1:
            raise ValueError("arrays of different lengths")
        if not ((self.output >= 0) & (self.output < len(self.base))).all():
            raise ValueError("outputs that do not exist")
        if not (self.missing <= ZERO_RIGHT).all():
            raise ValueError("an unknown way to treat what is missing")
        for name in ("threshold", "value", "base"):
            if not np.isfinite(getattr(self, name)).all():
                raise ValueError(f"{name} that is no number")

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Make trees of arrays by name.

        Parameters
        ----------
        arrays : mapping of str to array
            What `arrays` gave; others are ignored.

        Returns
        -------
        Trees
            Checked.

        Raises
        ------
        KeyError
            When an array is missing.
        ValueError
            When they make no trees.
        """
        return cls(**{item.name: arrays[item.name] for item in fields(cls)})

    @classmethod
    def from_lists(cls, lists: Mapping[str, Any]) -> Self:
        """Make trees of lists of numbers by name, as JSON holds them.

        Parameters
        ----------
        lists : mapping of str to list
            What `to_lists` gave; others are ignored.

        Returns
        -------
        Trees
            Checked.

        Raises
        ------
        KeyError
            When a list is missing.
        TypeError, ValueError, OverflowError
            When they make no trees.
        """
        arrays = {}
        for name, dtype in _DTYPES.items():
            values = np.array(lists[name], np.float64)
            with np.errstate(invalid="ignore"):
                arrays[name] = values.astype(dtype)
            if not np.array_equal(arrays[name], values, equal_nan=dtype is np.float64):
                raise ValueError(f"{name} that is no {np.dtype(dtype)}")
        return cls.from_arrays(arrays)

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """All arrays by name."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    def to_lists(self) -> dict[str, list[Any]]:
        """Give all arrays as lists, for JSON.

        Returns
        -------
        dict of str to list
            By name.
        """
        return {name: values.tolist() for name, values in self.arrays.items()}

    def num_feature(self) -> int:
        """Count the columns that the trees were fitted on, under LightGBM's name for it.

        Returns
        -------
        int
            Number of columns.
        """
        return int(self.width[0])

    num_features = num_feature
    """The same under XGBoost's name."""

    @cached_property
    def _depth(self) -> int:
        """Questions on the longest way to a leaf."""
        return check_nodes(self.feature, self.left, self.right, self.root, int(self.width[0]))

    def sums(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Add what the leaves say that rows fall into.

        Parameters
        ----------
        X : (n, width) float
            Features; NaN where unknown.

        Returns
        -------
        (n, outputs) float64
            With the `base`.

        Raises
        ------
        ValueError
            When X has another number of columns.
        """
        if X.ndim != 2 or X.shape[1] != self.width[0]:
            raise ValueError(f"{X.shape[-1]} columns instead of {self.width[0]}")
        found = np.empty((len(X), len(self.base)))
        step = max(1, _AT_ONCE // len(self.root))
        adds = np.zeros((len(self.root), len(self.base)))
        adds[np.arange(len(self.root)), self.output] = 1.0
        for first in range(0, len(X), step):
            rows = slice(first, first + step)
            found[rows] = self.value[self._walk(X[rows])] @ adds
        return found + self.base

    def _walk(self, X: NDArray[Any]) -> NDArray[np.intp]:
        """Find the leaf of each row in each tree, (n, trees)."""
        code, threshold, child, features, rules = self._plan
        columns = np.empty((len(features), len(X)))
        for k, (feature, rule) in enumerate(zip(features, rules)):
            columns[k] = _column(X[:, feature], rule)
        flat, row = columns.ravel(), np.arange(len(X))[:, None]
        code = code * len(X)
        node = np.broadcast_to(self.root.astype(np.intp), (len(X), len(self.root)))
        for _ in range(self._depth):
            right = flat.take(code.take(node) + row) > threshold.take(node)
            node = child.take(2 * node + right)
        return node

    @cached_property
    def _plan(self) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.intp], NDArray, NDArray]:
        """Columns of nodes, thresholds and pairs of children as `_walk` takes them; leaves lead to themselves."""
        inner = self.feature != LEAF
        pairs = self.feature[inner].astype(np.int64) * (ZERO_RIGHT + 1) + self.missing[inner]
        wanted, place = np.unique(pairs, return_inverse=True)
        if not len(wanted):
            wanted = np.zeros(0, np.int64)
        code = np.zeros(len(self.feature), np.intp)
        code[inner] = place
        self_ = np.arange(len(self.feature))
        child = np.stack([np.where(inner, self.left, self_), np.where(inner, self.right, self_)], axis=1)
        return (
            code, self.threshold, child.astype(np.intp).ravel(),
            wanted // (ZERO_RIGHT + 1), wanted % (ZERO_RIGHT + 1),
        )  # fmt: skip


_DTYPES: dict[str, Any] = {
    "feature": np.int32, "threshold": np.float64, "left": np.int32, "right": np.int32, "missing": np.uint8,
    "value": np.float64, "root": np.int32, "output": np.int32, "base": np.float64, "width": np.int64,
}  # fmt: skip


def _column(values: NDArray[Any], rule: int) -> NDArray[np.float64]:
    """Replace what is missing by what goes where the rule says: infinity is beyond every threshold and every value."""
    found = np.clip(values.astype(np.float64), -_LARGEST, _LARGEST)
    unknown = np.isnan(found)
    if rule == NAN_IS_ZERO:
        return np.where(unknown, 0.0, found)
    if rule in (ZERO_LEFT, ZERO_RIGHT):
        unknown |= np.abs(found) <= _ZERO
    return np.where(unknown, -np.inf if rule in (NAN_LEFT, ZERO_LEFT) else np.inf, found)
