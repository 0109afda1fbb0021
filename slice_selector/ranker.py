"""The ranker: four kinds of regressors, averaged with weights found out of fold."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import nnls
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GroupKFold
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data
from xgboost import XGBRegressor

from lsdc.runtime.joined_trees import join_forest
from lsdc.runtime.xgboost_model import read_xgboost
from lsdc.slice_selector.fitted_ranker import REGRESSORS, FittedRanker


class EnsembleRanker(RegressorMixin, BaseEstimator):
    """Predicts the relevance of rows as the mean of a random forest, an SVM, a neural network and boosted trees.

    The weights of the mean are non-negative, sum to 1, and minimize the squared error of predictions for rows that
    the parts did not see.

    Parameters
    ----------
    n_trees : int
        Trees of the forest; the boosted ones are twice as many.
    svm_rows : int
        The SVM, whose cost grows with the square of the rows, is fitted on at most so many, chosen at random.
    folds : int
        For the out-of-fold predictions that the weights are fitted to; with fewer than four groups per fold the
        weights are equal.
    random_state : int, RandomState or None
        As in scikit-learn.

    Attributes
    ----------
    weights_ : (4,) float64
        Of the parts in the order of `REGRESSORS`.
    parts_ : list
        The fitted parts.
    scaler_ : StandardScaler
        Of the features.
    n_features_in_ : int
        Number of features.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> features = rng.standard_normal((200, 3))
    >>> ranker = EnsembleRanker(n_trees=5, random_state=0).fit(features, features[:, 0])
    >>> int(ranker.predict(np.diag([2.0, 0.0, 0.0])).argmax())
    0
    """

    def __init__(
        self, n_trees: int = 40, svm_rows: int = 1500, folds: int = 2, random_state: Any = None
    ) -> None:
        self.n_trees = n_trees
        self.svm_rows = svm_rows
        self.folds = folds
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None) -> Self:
        """Fit the parts and their weights.

        Parameters
        ----------
        X : (n, d) float
            Features.
        y : (n,) float
            Relevance; larger ranks higher.
        groups : (n,) array, optional
            Rows of one group (a study) are never on both sides of a fold; by default each row is a group by itself.

        Returns
        -------
        EnsembleRanker
            Itself.

        Raises
        ------
        ValueError
            When arrays are empty, not finite, or of different lengths.
        """
        checked: tuple[NDArray, NDArray] = validate_data(self, X, y, y_numeric=True, dtype=np.float64)
        features, relevance = checked
        random = check_random_state(self.random_state)
        seed = int(random.randint(2**31 - 1))
        self.scaler_ = StandardScaler().fit(features)
        scaled = self.scaler_.transform(features)
        names = np.arange(len(relevance)) if groups is None else np.asarray(groups)
        self.weights_ = self._weigh(scaled, relevance, names, seed)
        self.parts_ = self._fit_parts(scaled, relevance, seed)
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """Predict the relevance of rows.

        Parameters
        ----------
        X : (n, d) float
            Features, as many as in `fit`.

        Returns
        -------
        (n,) float64
            Larger ranks higher.

        Raises
        ------
        NotFittedError
            When `fit` was not called.
        """
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=np.float64)
        return self._predict_parts(self.parts_, self.scaler_.transform(X)) @ self.weights_

    def fitted(self, pca: PCA) -> FittedRanker:
        """Give what was fitted as plain arrays, which need no library to predict from.

        Parameters
        ----------
        pca : PCA
            Fitted, without whitening: the compression of the descriptors.

        Returns
        -------
        FittedRanker
            Predicts the same to about seven digits.
        """
        forest, svm, network, boosted = self.parts_
        (hidden, out), (hidden_bias, out_bias) = network.coefs_, network.intercepts_
        arrays: Mapping[str, Any] = {
            "pca_mean": pca.mean_, "components": pca.components_,
            "mean": self.scaler_.mean_, "scale": self.scaler_.scale_, "weights": self.weights_,
            "support": svm.support_vectors_, "dual": svm.dual_coef_[0], "offset": svm.intercept_,
            "gamma": np.array([svm._gamma]), "hidden": hidden, "hidden_bias": hidden_bias, "out": out[:, 0],
            "out_bias": out_bias,
        }  # fmt: skip
        trees = [estimator.tree_ for estimator in forest.estimators_]
        nodes = [(t.feature, t.threshold, t.children_left, t.children_right, t.value[:, 0, 0]) for t in trees]
        floats = {name: np.array(values, order="C") for name, values in arrays.items()}
        return FittedRanker(
            floats,
            join_forest(nodes, len(floats["mean"])),
            read_xgboost(boosted.get_booster().save_raw("ubj")),
        )

    def _weigh(self, X: NDArray, y: NDArray, groups: NDArray, seed: int) -> NDArray[np.float64]:
        """Fit the weights of the parts to their predictions for groups that they did not see."""
        equal = np.full(len(REGRESSORS), 1 / len(REGRESSORS))
        if len(np.unique(groups)) < 4 * self.folds:
            return equal
        seen, predictions = [], []
        for train, test in GroupKFold(self.folds).split(X, y, groups):
            predictions.append(self._predict_parts(self._fit_parts(X[train], y[train], seed), X[test]))
            seen.append(y[test])
        weights, _ = nnls(np.concatenate(predictions), np.concatenate(seen))
        return weights / weights.sum() if weights.sum() > 0 else equal

    def _fit_parts(self, X: NDArray, y: NDArray, seed: int) -> list[Any]:
        few = np.random.default_rng(seed).permutation(len(y))[: self.svm_rows]
        forest = RandomForestRegressor(
            self.n_trees, min_samples_leaf=3, max_features=0.4, random_state=seed, n_jobs=1
        )
        network = MLPRegressor(
            hidden_layer_sizes=(32,), alpha=1e-2, max_iter=60, early_stopping=len(y) >= 100, random_state=seed
        )
        boosted = XGBRegressor(
            n_estimators=2 * self.n_trees,
            max_depth=4,
            learning_rate=0.1,
            subsample=0.8,
            colsample_bytree=0.6,
            random_state=seed,
            n_jobs=1,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a budget, not a failure
            return [
                forest.fit(X, y),
                SVR(C=1.0, epsilon=0.05).fit(X[few], y[few]),
                network.fit(X, y),
                boosted.fit(X, y),
            ]

    @staticmethod
    def _predict_parts(parts: list[Any], X: NDArray) -> NDArray[np.float64]:
        return np.stack([np.asarray(part.predict(X), float).ravel() for part in parts], axis=1)
