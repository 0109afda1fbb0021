"""Stackers that learn from rows with context: boosted trees, and a small neural network."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import Grade
from lsdc.ensemble.stackers.row_stacker import RowStacker
from lsdc.runtime.lightgbm_text import read_lightgbm
from lsdc.runtime.trees import Trees


class Boosted(RowStacker):
    """Shallow, strongly shrunk LightGBM trees on the log probabilities of a row and its neighbors.

    Parameters
    ----------
    seed : int
        Seed of the drawing of rows and features.
    """

    name: ClassVar[str] = "lightgbm_context"

    def fit_rows(self, features: NDArray, grades: NDArray, weights: NDArray) -> dict[str, Any]:
        """Fit 150 small steps of boosting.

        Parameters
        ----------
        features : (n, f) float
            A row per labeled target.
        grades : (n,) int8
            0 to 2, none missing.
        weights : (n,) float
            How much each row counts.

        Returns
        -------
        dict
            `trees`: the arrays of `lsdc.runtime.trees.Trees` as lists.
        """
        import lightgbm

        parameters = {
            "objective": "multiclass",
            "num_class": len(Grade),
            "learning_rate": 0.03,
            "max_depth": 3,
            "num_leaves": 8,
            "min_data_in_leaf": 40,
            "lambda_l2": 20.0,
            "feature_fraction": 0.5,
            "bagging_fraction": 0.7,
            "bagging_freq": int(len(features) > 1),  # LightGBM takes no part of a single row
            "num_threads": 1,
            "deterministic": True,
            "seed": self.seed,
            "verbosity": -1,
        }
        data = lightgbm.Dataset(features, grades, weight=weights)
        # Kept as it is: by default the library writes it as text and reads that again.
        booster = lightgbm.train(parameters, data, num_boost_round=150, keep_training_booster=True)
        return {"trees": read_lightgbm(booster.model_to_string()).to_lists()}

    @staticmethod
    def predict_rows(state: dict[str, Any], features: NDArray) -> NDArray[np.float64]:
        """Predict rows with the boosted trees.

        Parameters
        ----------
        state : dict
            What `fit_rows` returned.
        features : (n, f) float
            A row per target.

        Returns
        -------
        (n, 3) float
            Probabilities; rows sum to 1.
        """
        sums = _trees(state["trees"]).sums(features)
        odds = np.exp(sums - sums.max(axis=1, keepdims=True))
        return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def _trees(found: Any) -> Trees:
    """Check the trees of a state; version 0.1 kept LightGBM's text, which the library must not read itself."""
    trees = read_lightgbm(found) if isinstance(found, str) else Trees.from_lists(found)
    if len(trees.base) != len(Grade):
        raise ValueError("not as many outputs as grades")
    return trees


class Neural(RowStacker):
    """A neural network with one hidden layer of 16 units on the log probabilities of a row and its neighbors.

    Parameters
    ----------
    seed : int
        Seed of the initial weights.
    """

    name: ClassVar[str] = "neural_context"

    def fit_rows(self, features: NDArray, grades: NDArray, weights: NDArray) -> dict[str, Any]:
        """Fit with strong weight decay on standardized features.

        Parameters
        ----------
        features : (n, f) float
            A row per labeled target.
        grades : (n,) int8
            0 to 2, none missing.
        weights : (n,) float
            How much each row counts.

        Returns
        -------
        dict
            `center` and `scale` of the features, `layers` and `biases` of the network, as lists of numbers.
        """
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.neural_network import MLPClassifier

        center, scale = features.mean(axis=0), features.std(axis=0) + 1e-6
        # scikit-learn divides alpha by the number of rows.
        network = MLPClassifier(
            (16,), activation="tanh", alpha=30.0, solver="lbfgs", max_iter=60, random_state=self.seed
        )
        # Each grade once, weighing next to nothing, so that no fold misses one.
        rows = np.concatenate([(features - center) / scale, np.zeros((len(Grade), features.shape[1]))])
        labels = np.concatenate([grades, np.arange(len(Grade))])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a budget, not a failure
            network.fit(rows, labels, sample_weight=np.append(weights, np.full(len(Grade), 1e-3)))
        return {
            "center": center.tolist(),
            "scale": scale.tolist(),
            "layers": [weight.tolist() for weight in network.coefs_],
            "biases": [bias.tolist() for bias in network.intercepts_],
        }

    @staticmethod
    def predict_rows(state: dict[str, Any], features: NDArray) -> NDArray[np.float64]:
        """Predict rows with the neural network.

        Parameters
        ----------
        state : dict
            What `fit_rows` returned.
        features : (n, f) float
            A row per target.

        Returns
        -------
        (n, 3) float
            Probabilities; rows sum to 1.
        """
        from scipy.special import softmax

        (first, last), (one, two) = map(np.array, state["layers"]), map(np.array, state["biases"])
        hidden = np.tanh((features - np.array(state["center"])) / np.array(state["scale"]) @ first + one)
        return np.asarray(softmax(hidden @ last + two, axis=1), float)
