"""Trees as arrays beside the libraries that fitted them: the largest difference, and how much longer they take.

python benchmarks/trees.py                 # 400 rounds of trees for three grades, half a minute
python benchmarks/trees.py --rows 10000 --json
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from lsdc.runtime.commands import Reporting, run_program
from lsdc.runtime.console import table
from lsdc.runtime.lightgbm_text import read_lightgbm
from lsdc.runtime.xgboost_model import read_xgboost

COLUMNS = ("library", "nodes", "largest difference", "library, s", "arrays, s", "times as long")


@dataclass(frozen=True)
class TreesAsArrays:
    """Predict rows by LightGBM and XGBoost and by the arrays, on one core."""

    rows: int = 3000
    """rows to predict"""
    columns: int = 130
    """columns, a tenth of whose values are unknown"""
    rounds: int = 400
    """rounds of boosting"""
    repeats: int = 3
    """the fastest of so many counts"""
    reporting: Reporting = Reporting()

    def run(self) -> list[dict[str, Any]]:
        """Fit both, and compare them."""
        import lightgbm
        import xgboost

        rng = np.random.default_rng(0)
        X = rng.normal(size=(self.rows, self.columns)).astype(np.float32)
        y = np.digitize(X[:, 0] + X[:, 1], [0.7, 1.8])
        X[rng.random(X.shape) < 0.1] = np.nan
        common = {"num_class": 3, "seed": 0}
        light = lightgbm.train(
            {**common, "objective": "multiclass", "num_leaves": 8, "max_depth": 4, "verbose": -1, "num_threads": 1},
            lightgbm.Dataset(X, y), self.rounds,
        )  # fmt: skip
        extreme = xgboost.train(
            {**common, "objective": "multi:softprob", "max_depth": 3, "nthread": 1},
            xgboost.DMatrix(X, y), self.rounds,
        )  # fmt: skip
        new = rng.permutation(X)
        found = []
        for name, library, trees in (
            (
                "LightGBM",
                lambda: np.asarray(light.predict(new, num_threads=1)),
                read_lightgbm(light.model_to_string()),
            ),
            (
                "XGBoost",
                lambda: extreme.predict(xgboost.DMatrix(new)),
                read_xgboost(extreme.save_raw("ubj")),
            ),
        ):
            theirs, took = self._fastest(library)
            ours, taken = self._fastest(lambda trees=trees: softmax(trees.sums(new), axis=1))  # type: ignore[misc]
            difference = float(np.abs(ours - theirs).max())
            row = (
                name,
                len(trees.feature),
                difference,
                round(took, 4),
                round(taken, 4),
                round(taken / took, 1),
            )
            found.append(dict(zip(COLUMNS, row)))
        table(f"{self.rows} rows", list(COLUMNS), [tuple(map(str, row.values())) for row in found])
        return found

    def _fastest(self, predict: Callable[[], NDArray[Any]]) -> tuple[NDArray[Any], float]:
        """Predict some times; the result, and the seconds of the fastest."""
        seconds = []
        for _ in range(self.repeats):
            begun = time.perf_counter()
            result = predict()
            seconds.append(time.perf_counter() - begun)
        return result, min(seconds)


if __name__ == "__main__":
    sys.exit(run_program(TreesAsArrays, "trees.py"))
