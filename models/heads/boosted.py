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
from lsdc.models.search_space import Range, Settings, Space
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

    Parameters
    ----------
    settings : mapping of str to float, optional
        Values for some of `space`, under the library's names; by default those of `defaults`.
    """

    suffix: ClassVar[str]
    space: ClassVar[Space]
    defaults: ClassVar[Settings]
    booster: Any
    """The library's model."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = {**self.defaults, **(settings or {})}

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
        stop = _Rows(stop_X, stop_y) if len(stop_y) else None
        rounds = _ROUNDS_WITHOUT_STOPPING if stop is None else _ROUNDS
        self.booster = self._boosted(_Rows(X, y), stop, rounds, seed)
        return self

    def refit(self, X: Features, y: Labels, seed: int) -> Self:
        """Fit anew on more rows, with as many trees as the last fit kept.

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
        BoostedHead
            Itself.
        """
        self.booster = self._boosted(_Rows(X, y), None, max(1, self._kept_rounds()), seed)
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
    def _boosted(self, train: _Rows, stop: _Rows | None, rounds: int, seed: int) -> Any:
        """Fit the library's model; `stop` is None where there are no rows that decide when to stop."""

    @abstractmethod
    def _kept_rounds(self) -> int:
        """Count the rounds of trees that predict."""

    @abstractmethod
    def _predicted(self, X: Features) -> Any:
        """Let the library predict probabilities (n, 3)."""

    @staticmethod
    @abstractmethod
    def _read(path: Path) -> Any:
        """Let the library read its file."""


class LightGBMHead(BoostedHead):
    """Gradient-boosted trees by LightGBM, saved as its text.

    Parameters
    ----------
    settings : mapping of str to float, optional
        Values for some of `space`, under the library's names; by default those of `defaults`.
    """

    suffix = "lightgbm.txt"
    space: ClassVar[Space] = {
        "learning_rate": Range(0.01, 0.2, log=True),
        "num_leaves": Range(2, 32, log=True, whole=True),
        "min_data_in_leaf": Range(3, 200, log=True, whole=True),
        "feature_fraction": Range(0.03, 1.0, log=True),
        "lambda_l2": Range(0.1, 300.0, log=True),
    }
    defaults: ClassVar[Settings] = {
        "learning_rate": 0.05, "num_leaves": 8, "min_data_in_leaf": 20, "feature_fraction": 0.3, "lambda_l2": 5.0
    }  # fmt: skip

    def _boosted(self, train: _Rows, stop: _Rows | None, rounds: int, seed: int) -> Any:
        import lightgbm

        parameters = {
            "objective": "multiclass",
            "num_class": len(Grade),
            "max_depth": 4,
            "bagging_fraction": 0.8,
            "bagging_freq": 1,
            "verbose": -1,
            "num_threads": 1,
            "seed": seed,
            "deterministic": True,
            "force_row_wise": True,
            **self.settings,
        }
        data = lightgbm.Dataset(train.X, train.y, weight=train.weights)
        if stop is None:
            return lightgbm.train(parameters, data, rounds)
        judge = lightgbm.Dataset(stop.X, stop.y, weight=stop.weights, reference=data)
        quiet = lightgbm.early_stopping(_PATIENCE, verbose=False)
        return lightgbm.train(parameters, data, rounds, [judge], callbacks=[quiet])

    def _kept_rounds(self) -> int:
        best = int(self.booster.best_iteration)
        return best if best > 0 else int(self.booster.current_iteration())

    def _predicted(self, X: Features) -> Any:
        return self.booster.predict(X)

    @staticmethod
    def _read(path: Path) -> Any:
        import lightgbm

        return lightgbm.Booster(model_file=path)


class XGBoostHead(BoostedHead):
    """Gradient-boosted trees by XGBoost, saved as UBJSON.

    Parameters
    ----------
    settings : mapping of str to float, optional
        Values for some of `space`, under the library's names; by default those of `defaults`.
    """

    suffix = "xgboost.ubj"
    space: ClassVar[Space] = {
        "eta": Range(0.01, 0.2, log=True),
        "max_depth": Range(1, 6, whole=True),
        "min_child_weight": Range(1.0, 100.0, log=True),
        "colsample_bytree": Range(0.03, 1.0, log=True),
        "lambda": Range(0.1, 300.0, log=True),
    }
    defaults: ClassVar[Settings] = {
        "eta": 0.05, "max_depth": 3, "min_child_weight": 8.0, "colsample_bytree": 0.3, "lambda": 8.0
    }  # fmt: skip

    def _boosted(self, train: _Rows, stop: _Rows | None, rounds: int, seed: int) -> Any:
        import xgboost

        parameters = {
            "objective": "multi:softprob",
            "num_class": len(Grade),
            "subsample": 0.8,
            "tree_method": "hist",
            "nthread": 1,
            "seed": seed,
            **self.settings,
        }
        data = xgboost.DMatrix(train.X, train.y, weight=train.weights)
        if stop is None:
            return xgboost.train(parameters, data, rounds, verbose_eval=False)
        judge = xgboost.DMatrix(stop.X, stop.y, weight=stop.weights)
        booster = xgboost.train(
            parameters, data, rounds, evals=[(judge, "stop")], early_stopping_rounds=_PATIENCE, verbose_eval=False
        )  # fmt: skip
        return booster[: booster.best_iteration + 1]

    def _kept_rounds(self) -> int:
        return int(self.booster.num_boosted_rounds())

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
