"""Stackers that learn from rows with context: boosted trees, and a small neural network."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import Family, Grade, Level
from lsdc.ensemble.predictions import Predictions, labeled
from lsdc.ensemble.stackers.evidence import gather, members_of
from lsdc.ensemble.stackers.prior import WeightedPrior
from lsdc.metrics.official import CONDITIONS_OF, FAMILIES, GRADE_WEIGHTS, Grades, Probabilities


class RowStacker(ABC):
    """A classifier per family on the log probabilities of a row, of its neighbors, and its level.

    Rows weigh 1, 2, 4 by grade. A family without any label keeps the prior.
    """

    name: ClassVar[str]

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    @abstractmethod
    def fit_rows(self, features: NDArray, grades: NDArray, weights: NDArray) -> dict[str, Any]:
        """Fit on rows (n, f) with grades (n,); the state of the classifier as JSON holds it."""

    @staticmethod
    @abstractmethod
    def predict_rows(state: dict[str, Any], features: NDArray) -> NDArray[np.float64]:
        """Probabilities (n, 3)."""

    def fit(self, predictions: Predictions, grades: Grades) -> Self:
        """Fit a classifier per family."""
        predictions, grades = labeled(predictions, grades)
        self.prior_ = WeightedPrior().fit(predictions, grades)
        self.names_ = predictions.members
        self.members_ = {family: members_of(predictions, family) for family in FAMILIES}
        self.states_: dict[Family, dict[str, Any]] = {}
        for family, conditions in CONDITIONS_OF.items():
            own = grades[:, conditions]
            known = own >= 0
            if not known.any():
                continue
            features = self._features(predictions, family)[known]
            self.states_[family] = self.fit_rows(features, own[known], GRADE_WEIGHTS[own[known]])
        return self

    def predict(self, predictions: Predictions) -> Probabilities:
        """Probabilities of every row."""
        given = predictions.of(self.names_)
        out = self.prior_.predict(given)
        for family, state in self.states_.items():
            features = self._features(given, family)
            flat = self.predict_rows(state, features.reshape(-1, features.shape[-1]))
            out[:, CONDITIONS_OF[family]] = flat.reshape(*features.shape[:3], len(Grade))
        return given.or_prior(out, self.prior_.shares_)

    def _features(self, predictions: Predictions, family: Family) -> NDArray[np.float64]:
        """(n, c, 5, f): two log ratios for each piece of evidence, and the level."""
        evidence = gather(predictions, self.prior_.shares_, family, self.members_[family], context=True)
        shape = evidence.values.shape[1:4]
        logs = np.moveaxis(evidence.values[..., 1:] - evidence.values[..., :1], 0, -2).reshape(*shape, -1)
        levels = np.broadcast_to(np.eye(len(Level)), (*shape, len(Level)))
        return np.concatenate([logs, levels], axis=-1)

    def state(self) -> dict[str, Any]:
        """The classifiers and the prior."""
        return {
            "seed": self.seed,
            "names": list(self.names_),
            "members": {family.value: list(names) for family, names in self.members_.items()},
            "families": {family.value: state for family, state in self.states_.items()},
            "prior": self.prior_.state(),
        }

    @classmethod
    def restore(cls, state: dict[str, Any]) -> Self:
        """From `state`."""
        stacker = cls(int(state["seed"]))
        stacker.prior_ = WeightedPrior.restore(state["prior"])
        stacker.names_ = tuple(state["names"])
        stacker.members_ = {Family(name): tuple(members) for name, members in state["members"].items()}
        stacker.states_ = {Family(name): own for name, own in state["families"].items()}
        return stacker


class Boosted(RowStacker):
    """Shallow, strongly shrunk LightGBM trees."""

    name: ClassVar[str] = "lightgbm_context"

    def fit_rows(self, features: NDArray, grades: NDArray, weights: NDArray) -> dict[str, Any]:
        """Fit a fixed number of small steps."""
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
            "bagging_freq": 1,
            "num_threads": 1,
            "deterministic": True,
            "seed": self.seed,
            "verbosity": -1,
        }
        data = lightgbm.Dataset(features, grades, weight=weights)
        return {"trees": lightgbm.train(parameters, data, num_boost_round=150).model_to_string()}

    @staticmethod
    def predict_rows(state: dict[str, Any], features: NDArray) -> NDArray[np.float64]:
        """Probabilities (n, 3)."""
        import lightgbm

        return np.asarray(lightgbm.Booster(model_str=state["trees"]).predict(features, num_threads=1), float)


class Neural(RowStacker):
    """One hidden layer, fitted on all rows at once; its biases and weights are kept as numbers."""

    name: ClassVar[str] = "neural_context"

    def fit_rows(self, features: NDArray, grades: NDArray, weights: NDArray) -> dict[str, Any]:
        """Fit with strong weight decay; features are standardized."""
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
        """Probabilities (n, 3)."""
        from scipy.special import softmax

        (first, last), (one, two) = map(np.array, state["layers"]), map(np.array, state["biases"])
        hidden = np.tanh((features - np.array(state["center"])) / np.array(state["scale"]) @ first + one)
        return np.asarray(softmax(hidden @ last + two, axis=1), float)
