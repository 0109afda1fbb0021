"""A random forest as a head, kept as plain arrays: no code of a file is run, and no library reads it."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import Grade
from lsdc.metrics.official import GRADE_WEIGHTS
from lsdc.models.heads.array_head import ArrayHead, Arrays
from lsdc.models.heads.head import Features, Labels, Probabilities
from lsdc.models.search_space import Range, Settings, Space
from lsdc.runtime.tree_nodes import LEAF, check_nodes

_MOST_ROWS = 3000
"""Rows that a tree sees: more cost time, and the trees become more alike."""


class ForestHead(ArrayHead):
    """The mean of many trees, each grown on drawn rows and columns; rows weigh 1, 2, 4 by grade.

    It needs no rows to stop on and little of the data, so it is hard to beat where there are few studies. An unknown
    feature counts as the median of the known ones.

    Parameters
    ----------
    settings : mapping of str to float, optional
        Values for some of `space`; by default those of `defaults`.

    Attributes
    ----------
    arrays : dict of str to array
        After `fit`: `median` (d,); `root` (trees,); and for all nodes of all trees `feature`, `threshold`, `left`,
        `right` (nodes,) and `value` (nodes, 3). A leaf has the feature -1, and children have larger indices.
    """

    suffix: ClassVar[str] = "forest.safetensors"
    space: ClassVar[Space] = {
        "trees": Range(50, 500, whole=True),
        "min_rows": Range(1, 30, log=True, whole=True),
        "columns": Range(0.03, 0.6, log=True),
    }
    defaults: ClassVar[Settings] = {"trees": 100, "min_rows": 3, "columns": 0.2}

    def refit(self, X: Features, y: Labels, seed: int) -> Self:
        """Grow new trees on more rows.

        Parameters
        ----------
        X : (n, d) float32
            Features; NaN where unknown.
        y : (n,) int64
            Grades 0, 1, 2.
        seed : int
            Decides which rows and columns each tree sees.

        Returns
        -------
        ForestHead
            Itself.
        """
        from sklearn.ensemble import RandomForestClassifier

        median = np.zeros(X.shape[1], np.float32)
        known = np.isfinite(X).any(axis=0)
        median[known] = np.nanmedian(X[:, known], axis=0)
        forest = RandomForestClassifier(
            int(self.settings["trees"]), min_samples_leaf=int(self.settings["min_rows"]),
            max_features=float(self.settings["columns"]), max_samples=_MOST_ROWS if len(y) > _MOST_ROWS else None,
            random_state=seed, n_jobs=-1,
        )  # fmt: skip
        forest.fit(_filled(X, median), y, sample_weight=GRADE_WEIGHTS[y])
        trees = [estimator.tree_ for estimator in forest.estimators_]
        self.arrays = {"median": median, **_flattened(trees, forest.classes_)}
        return self

    def predict(self, X: Features) -> Probabilities:
        """Average the leaves that rows fall into.

        Parameters
        ----------
        X : (n, d) float32
            Features as in `fit`.

        Returns
        -------
        (n, 3) float64
            Probabilities of the grades.
        """
        filled, rows, arrays = _filled(X, self.arrays["median"]), np.arange(len(X)), self.arrays
        total = np.zeros((len(X), len(Grade)))
        for root in arrays["root"]:
            node = np.full(len(X), root)
            while (inner := arrays["feature"][node] != LEAF).any():
                at, which = node[inner], rows[inner]
                left = filled[which, arrays["feature"][at]] <= arrays["threshold"][at]
                node[inner] = np.where(left, arrays["left"][at], arrays["right"][at])
            total += arrays["value"][node]
        return total / total.sum(axis=1, keepdims=True)

    @staticmethod
    def _check(arrays: Arrays) -> None:
        """Refuse arrays that do not make trees."""
        feature = arrays["feature"]
        if (
            arrays["threshold"].shape != feature.shape or arrays["value"].shape != (len(feature), len(Grade))
            or arrays["median"].ndim != 1
        ):  # fmt: skip
            raise ValueError("arrays of different lengths")
        check_nodes(feature, arrays["left"], arrays["right"], arrays["root"], len(arrays["median"]))
        if not all(np.isfinite(arrays[name]).all() for name in ("threshold", "median")):
            raise ValueError("thresholds that are no numbers")
        if not (arrays["value"] >= 0).all() or not np.allclose(arrays["value"].sum(axis=1), 1, atol=1e-3):
            raise ValueError("leaves without probabilities")


def _filled(X: Features, median: NDArray[np.float32]) -> Features:
    """Replace what is unknown."""
    return np.where(np.isfinite(X), X, median).astype(np.float32)


def _flattened(trees: list[Any], grades: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """Lay the nodes of scikit-learn's trees one behind the other."""
    counts = np.array([tree.node_count for tree in trees])
    root = np.cumsum(counts) - counts
    value = np.zeros((counts.sum(), len(Grade)), np.float32)
    value[:, grades] = np.concatenate([tree.value[:, 0] for tree in trees])
    feature = np.concatenate([tree.feature for tree in trees])
    leaf = feature < 0
    children = {
        name: np.concatenate([getattr(tree, f"children_{name}") + first for tree, first in zip(trees, root)])
        for name in ("left", "right")
    }
    return {
        "root": root.astype(np.int32),
        "feature": np.where(leaf, LEAF, feature).astype(np.int32),
        "threshold": np.concatenate([tree.threshold for tree in trees]),
        **{name: np.where(leaf, 0, found).astype(np.int32) for name, found in children.items()},
        "value": value / np.maximum(value.sum(axis=1, keepdims=True), 1e-12),
    }
