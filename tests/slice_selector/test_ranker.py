"""The ranker is a scikit-learn estimator and combines its parts well."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

from lsdc.runtime import ArtifactError
from lsdc.runtime.estimators import load_estimator, save_estimator
from lsdc.slice_selector.ranker import EnsembleRanker

Rows = tuple[NDArray, NDArray, NDArray]


@parametrize_with_checks([EnsembleRanker(n_trees=5, svm_rows=200, random_state=0)])
def test_scikit_learn_contract(estimator: EnsembleRanker, check: Callable[[EnsembleRanker], None]) -> None:
    check(estimator)


@pytest.fixture(scope="module")
def rows() -> Rows:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((600, 6))
    return X, np.exp(-(X[:, 0] ** 2)) + 0.1 * rng.standard_normal(600), np.repeat(np.arange(60), 10)


def test_weights_are_a_mix_and_the_mix_is_good(rows: Rows) -> None:
    X, y, groups = rows
    ranker = EnsembleRanker(random_state=1).fit(X[:400], y[:400], groups[:400])
    assert ranker.weights_.min() >= 0
    assert ranker.weights_.sum() == pytest.approx(1)
    alone = [
        np.mean((part.predict(ranker.scaler_.transform(X[400:])) - y[400:]) ** 2) for part in ranker.parts_
    ]
    together = np.mean((ranker.predict(X[400:]) - y[400:]) ** 2)
    assert together < 1.1 * min(alone)
    assert together < 0.5 * y[400:].var()


def test_it_is_saved_without_pickle(rows: Rows, tmp_path: Path) -> None:
    X, y, groups = rows
    ranker = EnsembleRanker(random_state=1).fit(X, y, groups)
    save_estimator(tmp_path / "ranker.skops", ranker)
    np.testing.assert_array_equal(load_estimator(tmp_path / "ranker.skops").predict(X), ranker.predict(X))


def test_foreign_types_and_damage_are_refused(tmp_path: Path) -> None:
    from skops.io import dump

    path = tmp_path / "evil.skops"
    dump(FunctionTransformer(np.testing.suppress_warnings), path)
    with pytest.raises(ArtifactError, match="which is not trusted; it was not loaded"):
        load_estimator(path)
    path.write_bytes(b"PK\x03\x04 no")
    with pytest.raises(ArtifactError, match="a damaged estimator file"):
        load_estimator(path)
    with pytest.raises(ArtifactError, match="no such file"):
        load_estimator(tmp_path / "absent.skops")
