"""The ranker is a scikit-learn estimator and combines its parts well."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

from lsdc.cohort.vocabulary import Family
from lsdc.runtime import ArtifactError
from lsdc.runtime.estimators import SKLEARN_TYPES, load_estimator, save_estimator
from lsdc.runtime.tensor_files import read_arrays, write_tensors
from lsdc.slice_selector.fitted_ranker import FittedRanker
from lsdc.slice_selector.former_ranker import read_former
from lsdc.slice_selector.ranker import EnsembleRanker
from lsdc.slice_selector.ranking import SliceRanking

Rows = tuple[NDArray, NDArray, NDArray]
XGBOOST = ("xgboost.core.Booster", "xgboost.sklearn.XGBRegressor")


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


@pytest.fixture(scope="module")
def fitted(rows: Rows) -> tuple[EnsembleRanker, PCA]:
    """A ranker of compressed descriptors, whose features are a number and two components."""
    X, y, groups = rows
    pca = PCA(2, random_state=0).fit(X[:, 1:].astype(np.float32))
    features = np.hstack([X[:, :1], pca.transform(X[:, 1:].astype(np.float32))])
    return EnsembleRanker(n_trees=10, svm_rows=200, random_state=1).fit(features, y, groups), pca


def test_its_arrays_predict_what_the_libraries_do(
    fitted: tuple[EnsembleRanker, PCA], rows: Rows, tmp_path: Path
) -> None:
    ranker, pca = fitted
    ranker.fitted(pca).save(tmp_path / "new.safetensors")
    trusted = (*SKLEARN_TYPES, "lsdc.slice_selector.ranker.EnsembleRanker", *XGBOOST)
    save_estimator(tmp_path / "ranker.skops", ranker, trusted)
    save_estimator(tmp_path / "pca.skops", pca)
    descriptors = rows[0][:, 1:].astype(np.float32)
    features = np.hstack([rows[0][:, :1], pca.transform(descriptors)])
    for found in (
        FittedRanker.load(tmp_path / "new.safetensors"),
        read_former(tmp_path / "ranker.skops", tmp_path / "pca.skops"),
    ):
        np.testing.assert_allclose(found.transform(descriptors), pca.transform(descriptors), atol=1e-5)
        np.testing.assert_allclose(found.predict(features), ranker.predict(features), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "value"),
    [("scale", np.nan), ("gamma", np.inf), ("forest.left", 0), ("xgboost.feature", 10**6), ("weights", None)],
)
def test_edited_arrays_are_refused(
    fitted: tuple[EnsembleRanker, PCA], tmp_path: Path, name: str, value: float | None
) -> None:
    path = tmp_path / f"{Family.SPINAL}_ranker.safetensors"
    fitted[0].fitted(fitted[1]).save(path)
    arrays = read_arrays(path)
    if value is None:
        arrays[name] = arrays[name][:2]
    else:
        arrays[name][0] = value
    write_tensors(path, arrays)
    with pytest.raises(
        ArtifactError, match=r"spinal_ranker.safetensors: damaged \(.*make the selector again"
    ):
        SliceRanking.load(tmp_path, Family.SPINAL)


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
