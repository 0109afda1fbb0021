"""The rankings that version 0.1 wrote as skops files, read as arrays: no object of the file is made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lsdc.runtime.joined_trees import join_forest
from lsdc.runtime.plain_skops import Plain, numbers, read_plain
from lsdc.runtime.xgboost_model import read_xgboost
from lsdc.slice_selector.fitted_ranker import FittedRanker


def read_former(ranker: Path, pca: Path) -> FittedRanker:
    """Read a ranking of an earlier version.

    Parameters
    ----------
    ranker, pca : Path
        The two skops files.

    Returns
    -------
    FittedRanker
        Checked.

    Raises
    ------
    KeyError, ValueError, TypeError
        When a file is damaged, or holds something else.
    """
    whole, compression = _state(read_plain(ranker), "EnsembleRanker"), _state(read_plain(pca), "PCA")
    if compression["whiten"] is not False:
        raise ValueError("a compression that these rankings never have")
    scaler, (forest, svm, network, boosted) = _state(whole["scaler_"], "StandardScaler"), whole["parts_"]
    svm, network = _state(svm, "SVR"), _state(network, "MLPRegressor")
    if svm["kernel"] != "rbf" or network["activation"] != "relu":
        raise ValueError("a kernel or an activation that these rankings never have")
    mean = numbers(scaler["mean_"], None)
    hidden, out = network["coefs_"]
    gamma = svm["_gamma"]
    arrays = {
        "pca_mean": numbers(compression["mean_"], None, dtype=compression["mean_"].dtype),
        "components": numbers(compression["components_"], None, None, dtype=compression["components_"].dtype),
        "mean": mean,
        "scale": numbers(scaler["scale_"], None),
        "weights": numbers(whole["weights_"], None),
        "support": numbers(svm["support_vectors_"], None, None),
        "dual": numbers(svm["dual_coef_"], 1, None)[0],
        "offset": numbers(svm["intercept_"], 1),
        "gamma": np.array([gamma], np.float64) if isinstance(gamma, float) else numbers(gamma).reshape(1),
        "hidden": numbers(hidden, None, None),
        "hidden_bias": numbers(network["intercepts_"][0], None),
        "out": numbers(out, None, 1)[:, 0],
        "out_bias": numbers(network["intercepts_"][1], 1),
    }
    estimators = _state(forest, "RandomForestRegressor")["estimators_"]
    trees = [_nodes(_state(one, "DecisionTreeRegressor")["tree_"]) for one in estimators]
    handle = _state(_state(boosted, "XGBRegressor")["_Booster"], "Booster")["handle"]
    return FittedRanker(arrays, join_forest(trees, len(mean)), read_xgboost(handle))


def _state(value: Any, kind: str) -> dict[str, Any]:
    """Take the state of an object of a type."""
    if (
        not isinstance(value, Plain)
        or value.kind.rpartition(".")[2] != kind
        or not isinstance(value.content, dict)
    ):
        raise ValueError(f"something else instead of a {kind}")
    return value.content


def _nodes(tree: Any) -> tuple[Any, ...]:
    """Take the arrays of one of scikit-learn's trees."""
    state = _state(tree, "Tree")
    nodes, values = state["nodes"], numbers(state["values"], None, 1, 1)
    if not isinstance(nodes, np.ndarray) or nodes.ndim != 1 or len(nodes) != len(values):
        raise ValueError("a tree without nodes")
    feature, left, right = (
        numbers(nodes[name], None, dtype=np.int64) for name in ("feature", "left_child", "right_child")
    )
    return feature, numbers(nodes["threshold"], None), left, right, values[:, 0, 0]
