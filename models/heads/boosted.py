"""Gradient-boosted heads: shallow trees by LightGBM and by XGBoost, kept as arrays once they are fitted."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import Grade
from lsdc.metrics.official import GRADE_WEIGHTS
from lsdc.models.heads.head import Features, Labels, Probabilities
from lsdc.models.search_space import Range, Settings, Space
from lsdc.runtime import ArtifactError, LsdcError
from lsdc.runtime.lightgbm_text import read_lightgbm
from lsdc.runtime.tensor_files import read_arrays, write_tensors
from lsdc.runtime.trees import Trees
from lsdc.runtime.xgboost_model import read_xgboost

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

    Without such rows there is a quarter of the largest number of trees. Rows weigh 1, 2, 4 by grade. A library fits;
    what is kept, saved and predicted from are checked arrays, because the libraries crash on edited files.

    Parameters
    ----------
    settings : mapping of str to float, optional
        Values for some of `space`, under the library's names; by default those of `defaults`.
    """

    suffix: ClassVar[str]
    former_suffix: ClassVar[str]
    """The end of the library's own file, which version 0.1 wrote; it is not the library that reads it."""
    space: ClassVar[Space]
    defaults: ClassVar[Settings]
    booster: Trees
    """The fitted trees."""

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

        Raises
        ------
        LsdcError
            When X has another number of columns than in `fit`.
        """
        try:
            sums = self.booster.sums(X)
        except ValueError as error:
            raise LsdcError(f"the model was fitted on other features ({error}); fit it again") from error
        odds = np.exp(sums - sums.max(axis=1, keepdims=True))
        return np.asarray(odds / odds.sum(axis=1, keepdims=True))

    def save(self, path: Path) -> None:
        """Write the trees as safetensors, whole or not at all.

        Parameters
        ----------
        path : Path
            The file.
        """
        write_tensors(path, self.booster.arrays)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the trees, and check that they can be walked.

        Parameters
        ----------
        path : Path
            What `save` wrote, or the library's file of an earlier version, which ends with `former_suffix`.

        Returns
        -------
        BoostedHead
            The fitted head.

        Raises
        ------
        ArtifactError
            When the file does not hold such trees.
        """
        head = cls()
        try:
            if path.name.endswith((cls.former_suffix, Path(cls.former_suffix).suffix)):
                head.booster = cls._read(path.read_bytes())
            else:
                head.booster = Trees.from_arrays(read_arrays(path))
            if len(head.booster.base) != len(Grade):
                raise ValueError("not as many outputs as grades")
        except (OSError, LookupError, TypeError, ValueError, OverflowError) as error:
            raise ArtifactError(f"{path}: damaged model file ({error}); fit the model again") from error
        return head

    @abstractmethod
    def _boosted(self, train: _Rows, stop: _Rows | None, rounds: int, seed: int) -> Trees:
        """Let the library fit; `stop` is None where there are no rows that decide when to stop."""

    def _kept_rounds(self) -> int:
        """Count the rounds of trees that predict."""
        return len(self.booster.root) // len(Grade)

    @staticmethod
    @abstractmethod
    def _read(content: bytes) -> Trees:
        """Read the library's format."""


class LightGBMHead(BoostedHead):
    """Gradient-boosted trees by LightGBM.

    Parameters
    ----------
    settings : mapping of str to float, optional
        Values for some of `space`, under the library's names; by default those of `defaults`.
    """

    suffix = "lightgbm.safetensors"
    former_suffix = "lightgbm.txt"
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

    def _boosted(self, train: _Rows, stop: _Rows | None, rounds: int, seed: int) -> Trees:
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
            return read_lightgbm(lightgbm.train(parameters, data, rounds).model_to_string())
        judge = lightgbm.Dataset(stop.X, stop.y, weight=stop.weights, reference=data)
        quiet = lightgbm.early_stopping(_PATIENCE, verbose=False)
        booster = lightgbm.train(parameters, data, rounds, [judge], callbacks=[quiet])
        # The library writes the rounds up to the best one.
        return read_lightgbm(booster.model_to_string())

    @staticmethod
    def _read(content: bytes) -> Trees:
        return read_lightgbm(content.decode("utf-8"))


class XGBoostHead(BoostedHead):
    """Gradient-boosted trees by XGBoost.

    Parameters
    ----------
    settings : mapping of str to float, optional
        Values for some of `space`, under the library's names; by default those of `defaults`.
    """

    suffix = "xgboost.safetensors"
    former_suffix = "xgboost.ubj"
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

    def _boosted(self, train: _Rows, stop: _Rows | None, rounds: int, seed: int) -> Trees:
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
            return read_xgboost(xgboost.train(parameters, data, rounds, verbose_eval=False).save_raw("ubj"))
        judge = xgboost.DMatrix(stop.X, stop.y, weight=stop.weights)
        booster = xgboost.train(
            parameters, data, rounds, evals=[(judge, "stop")], early_stopping_rounds=_PATIENCE, verbose_eval=False
        )  # fmt: skip
        return read_xgboost(booster[: booster.best_iteration + 1].save_raw("ubj"))

    @staticmethod
    def _read(content: bytes) -> Trees:
        return read_xgboost(content)
