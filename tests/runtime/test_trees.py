"""Trees as arrays predict what the libraries do, and files that were edited are refused instead of followed."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import lightgbm
import numpy as np
import pytest
import xgboost
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from scipy.special import softmax

from lsdc.runtime.lightgbm_text import read_lightgbm
from lsdc.runtime.tree_nodes import DEEPEST
from lsdc.runtime.trees import Trees
from lsdc.runtime.ubjson import read_ubjson
from lsdc.runtime.xgboost_model import read_xgboost

Rows = tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]


@pytest.fixture(scope="module")
def rows() -> Rows:
    """Rows to fit on and rows to predict: zeros, steps, unknown values where none was, and a constant column."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 8)).astype(np.float32)
    X[:, 1] = rng.integers(-1, 2, 400)
    X[:, 7] = 3
    y = np.digitize(np.nan_to_num(X[:, 0] + X[:, 1]), [0.3, 1.2])
    X[:, 2:5][rng.random((400, 3)) < 0.2] = np.nan
    new = rng.permutation(X)
    new[rng.random(new.shape) < 0.1] = np.nan
    new[rng.random(new.shape) < 0.1] = 0
    new[::7, 3] = np.nextafter(new[::7, 3], np.float32(np.inf))
    return X, y, np.concatenate([new, X])


def fit_lightgbm(X: NDArray[Any], y: NDArray[Any], **settings: Any) -> lightgbm.Booster:
    options = {"objective": "multiclass", "num_class": 3, "num_leaves": 8, "verbose": -1, "num_threads": 1}
    return lightgbm.train(options | settings, lightgbm.Dataset(X, y), 20)


@pytest.mark.parametrize(
    "settings", [{}, {"zero_as_missing": True}, {"use_missing": False}, {"min_data_in_leaf": 300}]
)
def test_lightgbm(rows: Rows, settings: dict[str, Any]) -> None:
    X, y, new = rows
    booster = fit_lightgbm(X, y, **settings)
    trees = read_lightgbm(booster.model_to_string())
    assert_allclose(softmax(trees.sums(new), axis=1), booster.predict(new), atol=1e-12)


@pytest.mark.parametrize(
    "settings", [{}, {"max_depth": 1}, {"max_depth": 6, "gamma": 0.5}, {"tree_method": "exact"}]
)
def test_xgboost(rows: Rows, settings: dict[str, Any]) -> None:
    X, y, new = rows
    options = {"objective": "multi:softprob", "num_class": 3, "nthread": 1} | settings
    booster = xgboost.train(options, xgboost.DMatrix(X, y), 20)
    trees = read_xgboost(booster.save_raw("ubj"))
    assert_allclose(softmax(trees.sums(new), axis=1), booster.predict(xgboost.DMatrix(new)), atol=1e-6)


def test_a_row_on_a_threshold_goes_where_the_library_sends_it(rows: Rows) -> None:
    X, y, _ = rows
    booster = xgboost.train(
        {"objective": "multi:softprob", "num_class": 3, "nthread": 1}, xgboost.DMatrix(X, y), 5
    )
    on_thresholds = np.tile(X[:1], (50, 1))
    whole = read_ubjson(bytes(booster.save_raw("ubj")))
    for tree in whole["learner"]["gradient_booster"]["model"]["trees"]:
        inner = tree["left_children"] != -1
        for feature, threshold in zip(tree["split_indices"][inner], tree["split_conditions"][inner]):
            on_thresholds[:25, feature] = threshold
    trees = read_xgboost(booster.save_raw("ubj"))
    found = softmax(trees.sums(on_thresholds), axis=1)
    assert_allclose(found, booster.predict(xgboost.DMatrix(on_thresholds)), atol=1e-6)


@pytest.mark.parametrize(
    ("pattern", "replacement", "message"),
    [
        (r"num_leaves=[0-9]+", "num_leaves=2000000000", "no whole number|numbers instead of 2000000000"),
        (r"num_cat=0", "num_cat=1000000", "categories"),
        (r"leaf_value=[^ \n]+", "leaf_value=nan", "value that is no number"),
        (r"num_tree_per_iteration=[0-9]+", "num_tree_per_iteration=0", "another objective"),
        (r"left_child=[^ \n]+", "left_child=99999999", "children that do not exist"),
        (r"(left_child|right_child)=[^ \n]+", r"\1=0", "children that are no later nodes|two parents"),
        (r"split_feature=[^ \n]+", "split_feature=2000000000", "features that do not exist"),
        (r"threshold=[^ \n]+", "threshold=-inf", "threshold that is no number"),
        (r"decision_type=[^ \n]+", "decision_type=1", "a kind of decision"),
        (r"is_linear=0", "is_linear=1", "linear leaves"),
        (r"end of trees", "end", "no trees"),
        (r"version=v4", "version=v9", "not LightGBM's text"),
        (r"threshold=", "threshold=1 ", "numbers instead of"),
    ],
)
def test_edited_lightgbm_text_is_refused(rows: Rows, pattern: str, replacement: str, message: str) -> None:
    """The same changes end LightGBM itself by a signal, or make it predict something else."""
    content = fit_lightgbm(rows[0], rows[1]).model_to_string()
    changed = re.sub(pattern, replacement, content, count=1)
    assert changed != content
    with pytest.raises(ValueError, match=message):
        read_lightgbm(changed)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the unknown type|cut short"),
        (b"[" * 100, "nested too deeply"),
        (b"[$d#l\x7f\xff\xff\xff", "a length beyond the end"),
        (b"[#L\x7f\xff\xff\xff\xff\xff\xff\xff", "a length beyond the end"),
        (b"[$Zd", "arrays of the type 'Z'"),
        (b"{U\x01aTU\x01aT}", "'a' comes twice"),
        (b"TT", "bytes behind the end"),
        (b"Sl\xff\xff\xff\xff", "a length beyond the end"),
    ],
)
def test_damaged_binary_json_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_ubjson(content)


def put(name: str, place: int, value: float) -> Callable[[dict[str, Any]], None]:
    """Change one number."""

    def change(lists: dict[str, Any]) -> None:
        lists[name][place] = value

    return change


STUMP: dict[str, list[Any]] = {
    "feature": [0, -1, 1, -1, -1], "threshold": [0.5, 0, 1, 0, 0], "left": [1, 0, 3, 0, 0], "right": [2, 0, 4, 0, 0],
    "missing": [0] * 5, "value": [0, 1.0, 0, 2.0, 3.0], "root": [0], "output": [0], "base": [0.0], "width": [2],
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("left", 0, 0), "children that are no later nodes"),
        (put("right", 2, 2), "children that are no later nodes"),
        (put("right", 2, 10**6), "children that are no later nodes"),
        (put("right", 0, 1), "two parents"),
        (put("feature", 0, 2), "features that do not exist"),
        (put("feature", 0, -2), "features that do not exist"),
        (put("feature", 0, 0.5), "feature that is no int32"),
        (put("root", 0, 9), "roots that are no nodes"),
        (put("output", 0, 1), "outputs that do not exist"),
        (put("missing", 0, 7), "an unknown way"),
        (put("threshold", 0, np.nan), "threshold that is no number"),
        (put("value", 1, np.inf), "value that is no number"),
        (put("width", 0, -1), "a number of columns that cannot be"),
        (lambda lists: lists["value"].pop(), "arrays of different lengths"),
    ],
)
def test_arrays_that_make_no_trees_are_refused(
    change: Callable[[dict[str, Any]], None], message: str
) -> None:
    lists = {name: list(values) for name, values in STUMP.items()}
    assert Trees.from_lists(lists).sums(np.array([[0.4, 9], [0.6, 1], [0.6, 1.1]])).ravel().tolist() == [
        1,
        2,
        3,
    ]
    change(lists)
    with pytest.raises(ValueError, match=message):
        Trees.from_lists(lists)


def test_a_chain_without_end_is_refused() -> None:
    """One question after the other for as many nodes as a file can hold would be time lost in every prediction."""
    index = np.arange(2 * DEEPEST + 3)
    inner = (index % 2 == 0) & (index < 2 * DEEPEST + 2)
    lists = {
        "feature": np.where(inner, 0, -1), "left": np.where(inner, index + 1, 0),
        "right": np.where(inner, index + 2, 0), "root": [0], "output": [0], "base": [0.0], "width": [1],
        **{name: np.zeros(len(index)) for name in ("threshold", "value", "missing")},
    }  # fmt: skip
    with pytest.raises(ValueError, match=f"trees deeper than {DEEPEST}"):
        Trees.from_lists(lists)


def test_other_columns_are_refused() -> None:
    with pytest.raises(ValueError, match="3 columns instead of 2"):
        Trees.from_lists(STUMP).sums(np.zeros((1, 3)))
