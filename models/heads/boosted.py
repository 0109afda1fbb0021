"""Heads: classifiers of one family's rows, each saved in its library's own safe format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import Grade
from lsdc.runtime import ArtefactError
from lsdc.runtime.artefact import atomic, read_json, write_json

WEIGHTS = np.array([grade.weight for grade in Grade], float)
"""Weight of a row by its grade in the official metric."""
Features = NDArray[np.float32]
Labels = NDArray[np.int64]
Probabilities = NDArray[np.float64]
_ROUNDS, _PATIENCE = 400, 30


class Head(Protocol):
    """A classifier of three grades.

    `fit` minimizes the log loss weighted 1, 2, 4 and stops early on the second set.
    """

    suffix: ClassVar[str]

    def fit(self, X: Features, y: Labels, stop_X: Features, stop_y: Labels, seed: int) -> Self:
        """Fit on labeled rows; `stop_X` may be empty."""
        ...

    def predict(self, X: Features) -> Probabilities:
        """Probabilities, (n, 3)."""
        ...

    def save(self, path: Path) -> None:
        """Write one file."""
        ...

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read it."""
        ...


def weighted_shares(y: Labels) -> NDArray[np.float64]:
    """Shares of the three grades, weighted as in the official metric and smoothed; a third each without labels."""
    counts = np.bincount(y, minlength=3).astype(float) * WEIGHTS + 1.0
    return counts / counts.sum()


class PriorHead:
    """The weighted shares of the grades, smoothed: where there is nothing to learn from."""

    suffix: ClassVar[str] = "prior.json"

    def __init__(self) -> None:
        self.shares = np.full(3, 1 / 3)

    def fit(self, X: Features, y: Labels, stop_X: Features, stop_y: Labels, seed: int) -> Self:
        """Count the grades."""
        self.shares = weighted_shares(y)
        return self

    def predict(self, X: Features) -> Probabilities:
        """The shares for every row."""
        return np.tile(self.shares, (len(X), 1))

    def save(self, path: Path) -> None:
        """Write JSON."""
        write_json(path, self.shares.tolist())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read JSON."""
        head, shares = cls(), read_json(path)
        if not isinstance(shares, list) or len(shares) != 3:
            raise ArtefactError(f"{path}: damaged model file; fit the model again")
        head.shares = np.array(shares, float)
        return head


class LightGBMHead:
    """Gradient-boosted trees by LightGBM, saved as its text."""

    suffix: ClassVar[str] = "lightgbm.txt"

    def fit(self, X: Features, y: Labels, stop_X: Features, stop_y: Labels, seed: int) -> Self:
        """Boost shallow trees."""
        import lightgbm

        parameters = {
            "objective": "multiclass",
            "num_class": 3,
            "learning_rate": 0.05,
            "num_leaves": 8,
            "max_depth": 4,
            "min_data_in_leaf": 20,
            "feature_fraction": 0.3,
            "bagging_fraction": 0.8,
            "bagging_freq": 1,
            "lambda_l2": 5.0,
            "verbose": -1,
            "num_threads": 1,
            "seed": seed,
            "deterministic": True,
            "force_row_wise": True,
        }
        train = lightgbm.Dataset(X, y, weight=WEIGHTS[y])
        if len(stop_y):
            stop = lightgbm.Dataset(stop_X, stop_y, weight=WEIGHTS[stop_y], reference=train)
            quiet = lightgbm.early_stopping(_PATIENCE, verbose=False)
            self.booster = lightgbm.train(parameters, train, _ROUNDS, [stop], callbacks=[quiet])
        else:
            self.booster = lightgbm.train(parameters, train, _ROUNDS // 4)
        return self

    def predict(self, X: Features) -> Probabilities:
        """Probabilities at the best iteration."""
        return np.asarray(self.booster.predict(X), float)

    def save(self, path: Path) -> None:
        """Write text."""
        with atomic(path) as temporary:
            self.booster.save_model(temporary)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read text."""
        import lightgbm

        head = cls()
        try:
            head.booster = lightgbm.Booster(model_file=path)
        except lightgbm.basic.LightGBMError as error:
            raise ArtefactError(f"{path}: damaged model file ({error}); fit the model again") from error
        return head


class XGBoostHead:
    """Gradient-boosted trees by XGBoost, saved as UBJSON."""

    suffix: ClassVar[str] = "xgboost.ubj"

    def fit(self, X: Features, y: Labels, stop_X: Features, stop_y: Labels, seed: int) -> Self:
        """Boost shallow trees."""
        import xgboost

        parameters = {
            "objective": "multi:softprob",
            "num_class": 3,
            "eta": 0.05,
            "max_depth": 3,
            "min_child_weight": 8,
            "subsample": 0.8,
            "colsample_bytree": 0.3,
            "lambda": 8.0,
            "tree_method": "hist",
            "nthread": 1,
            "seed": seed,
        }
        train = xgboost.DMatrix(X, y, weight=WEIGHTS[y])
        rounds, watch, patience = _ROUNDS // 4, [], None
        if len(stop_y):
            watch = [(xgboost.DMatrix(stop_X, stop_y, weight=WEIGHTS[stop_y]), "stop")]
            rounds, patience = _ROUNDS, _PATIENCE
        booster = xgboost.train(
            parameters, train, rounds, evals=watch, early_stopping_rounds=patience, verbose_eval=False
        )
        self.booster = booster[: booster.best_iteration + 1] if patience else booster
        return self

    def predict(self, X: Features) -> Probabilities:
        """Probabilities at the best iteration."""
        import xgboost

        return np.asarray(self.booster.predict(xgboost.DMatrix(X)), float)

    def save(self, path: Path) -> None:
        """Write UBJSON."""
        with atomic(path) as temporary:
            self.booster.save_model(temporary)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read UBJSON."""
        import xgboost

        head = cls()
        head.booster = xgboost.Booster()
        try:
            head.booster.load_model(path)
            json.loads(head.booster.save_config())
        except (xgboost.core.XGBoostError, ValueError) as error:
            first = str(error).splitlines()[0]
            raise ArtefactError(f"{path}: damaged model file ({first}); fit the model again") from error
        return head
