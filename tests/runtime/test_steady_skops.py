"""The same estimator gives the same file, and nothing of what memory held before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.ensemble import RandomForestRegressor

from lsdc.runtime.estimators import load_estimator, save_estimator


def test_the_same_forest_is_the_same_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((60, 4)), rng.standard_normal(60)
    saved = []
    for name in ("one", "two"):
        forest = RandomForestRegressor(5, random_state=0).fit(X, y)
        save_estimator(tmp_path / f"{name}.skops", forest)
        read = load_estimator(tmp_path / f"{name}.skops")
        np.testing.assert_array_equal(read.predict(X), forest.predict(X))
        saved.append((tmp_path / f"{name}.skops").read_bytes())
    assert saved[0] == saved[1]
