"""Gradient-boosted heads: shallow trees by LightGBM and by XGBoost."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import Grade
from lsdc.metrics.official import GRADE_WEIGHTS
from lsdc.models.heads.head import Features, Labels, Probabilities
from lsdc.runtime import ArtifactError
from lsdc.runtime.artifact import atomic

_ROUNDS, _PATIENCE = 400, 30
_ROUNDS_WITHOUT_STOPPING = _ROUNDS // 4


class _Rows(NamedTuple):
    """Rows of one family with their grades."""

    X: Features
    y: Labels

    @property
    def weights(self) -> NDArray[np.float64]:
        """The official weight of each row, (n,)."""
        return GRADE_WEIGHTS[self.y]


class BoostedHead(ABC):
    """Shallow trees that are added one after another until rows that none was fitted on get no better.

    Without such rows there is a quarter of the largest number of trees. Rows weigh 1, 2, 4 by grade.
    """

    suffix: ClassVar[str]
    booster: Any
    """The library's model."""

    def fit(self, X: Features, y: Labels, stop_X: Features, stop_y: Labels, seed: int) -> Self:
        """Add trees, and keep those up to the best one.

        Parameters
        ----------
        X : (n, d) float32
            Features; NaN where unknown.
        y : (n,) int64
            Grades 0, 1, 2.
        stop_X : (m, d) float32
            Features of rows that decide when to stop; m may be 0.
        stop_y : (m,) int64
            Their grades.
        seed : int
            Decides which rows and columns each tree sees.

        Returns
        -------
        BoostedHead
            Itself.
        """
        self.booster = self._boosted(_Rows(X, y), _Rows(stop_X, stop_y) if len(stop_y) else None, seed)
        return self

    def predict(self, X: Features) -> Probabilities:
        """Predict rows with the trees up to the best one.

        Parameters
        ----------
        X : (n, d) float32
            Features as in `fit`.

        Returns
        -------
        (n, 3) float64
            Probabilities of the grades.
        """
        return np.asarray(self._predicted(X), float)

    def save(self, path: Path) -> None:
        """Write the trees in the library's format, whole or not at all.

        Parameters
        ----------
        path : Path
            The file; it should end with `suffix`, from which XGBoost takes the format.
        """
        with atomic(path) as temporary:
            self.booster.save_model(temporary)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the trees.

        Parameters
        ----------
        path : Path
            What `save` wrote.

        Returns
        -------
        BoostedHead
            The fitted head.

        Raises
        ------
        ArtifactError
            When the library cannot read the file.
        """
        head = cls()
        try:
            head.booster = cls._read(path)
        except Exception as error:  # the two libraries have no common error
            first = (str(error).splitlines() or [""])[0]
            raise ArtifactError(f"{path}: damaged model file ({first}); fit the model again") from error
        return head

    @abstractmethod
    def _boosted(self, train: _Rows, stop: _Rows | None, seed: int) -> Any:
        """Fit the library's model; `stop` is None where there are no rows that decide when to stop."""

    @abstractmethod
    def _predicted(self, X: Features) -> Any:
        """Let the library predict probabilities (n, 3)."""

    @staticmethod
    @abstractmethod
    def _read(path: Path) -> Any:
        """Let the library read its file."""


class LightGBMHead(BoostedHead):
    """Gradient-boosted trees by LightGBM, saved as its text."""

    suffix = "lightgbm.txt"

    def _boosted(self, train: _Rows, stop: _Rows | None, seed: int) -> Any:
        import lightgbm

        parameters = {
            "objective": "multiclass",
            "num_class": len(Grade),
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
        data = lightgbm.Dataset(train.X, train.y, weight=train.weights)
        if stop is None:
            return lightgbm.train(parameters, data, _ROUNDS_WITHOUT_STOPPING)
        judge = lightgbm.Dataset(stop.X, stop.y, weight=stop.weights, reference=data)
        quiet = lightgbm.early_stopping(_PATIENCE, verbose=False)
        return lightgbm.train(parameters, data, _ROUNDS, [judge], callbacks=[quiet])

    def _predicted(self, X: Features) -> Any:
        return self.booster.predict(X)

    @staticmethod
    def _read(path: Path) -> Any:
        import lightgbm

        return lightgbm.Booster(model_file=path)


class XGBoostHead(BoostedHead):
    """Gradient-boosted trees by XGBoost, saved as UBJSON."""

    suffix = "xgboost.ubj"

    def _boosted(self, train: _Rows, stop: _Rows | None, seed: int) -> Any:
        import xgboost

        parameters = {
            "objective": "multi:softprob",
            "num_class": len(Grade),
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
        data = xgboost.DMatrix(train.X, train.y, weight=train.weights)
        if stop is None:
            return xgboost.train(parameters, data, _ROUNDS_WITHOUT_STOPPING, verbose_eval=False)
        judge = xgboost.DMatrix(stop.X, stop.y, weight=stop.weights)
        booster = xgboost.train(
            parameters, data, _ROUNDS, evals=[(judge, "stop")], early_stopping_rounds=_PATIENCE, verbose_eval=False
        )  # fmt: skip
        return booster[: booster.best_iteration + 1]

    def _predicted(self, X: Features) -> Any:
        import xgboost

        return self.booster.predict(xgboost.DMatrix(X))

    @staticmethod
    def _read(path: Path) -> Any:
        import xgboost

        booster = xgboost.Booster()
        booster.load_model(path)
        json.loads(booster.save_config())  # damage may show only where the content is used
        return booster
