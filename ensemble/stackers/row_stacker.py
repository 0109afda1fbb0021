"""What stackers share that learn a classifier from single rows with their neighbors."""

from __future__ import annotations

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

    Parameters
    ----------
    seed : int
        Seed of the classifiers.

    Attributes
    ----------
    names_ : tuple of str
        All members seen in `fit`.
    members_ : dict of Family to tuple of str
        The members that have rows of the family.
    states_ : dict of Family to dict
        The fitted classifiers, as JSON holds them.
    prior_ : WeightedPrior
        Fitted on the same grades, for rows that no member has.
    """

    name: ClassVar[str]

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    @abstractmethod
    def fit_rows(self, features: NDArray, grades: NDArray, weights: NDArray) -> dict[str, Any]:
        """Fit a classifier.

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
            The classifier, as JSON holds it.
        """

    @staticmethod
    @abstractmethod
    def predict_rows(state: dict[str, Any], features: NDArray) -> NDArray[np.float64]:
        """Predict rows with a fitted classifier.

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

    def fit(self, predictions: Predictions, grades: Grades) -> Self:
        """Fit a classifier per family.

        Parameters
        ----------
        predictions : Predictions
            The members' out-of-fold predictions of n studies.
        grades : (n, 5, 5) int8
            Grades of the same studies; -1 where unlabeled.

        Returns
        -------
        RowStacker
            Itself.
        """
        predictions, grades = labeled(predictions, grades)
        self.prior_ = WeightedPrior().fit(predictions, grades)
        self.names_ = predictions.members
        self.members_ = {family: members_of(predictions, family) for family in FAMILIES}
        self.states_: dict[Family, dict[str, Any]] = {}
        for family, conditions in CONDITIONS_OF.items():
            of_family = grades[:, conditions]
            known = of_family >= 0
            if not known.any():
                continue
            features = self._features(predictions, family)[known]
            self.states_[family] = self.fit_rows(features, of_family[known], GRADE_WEIGHTS[of_family[known]])
        return self

    def predict(self, predictions: Predictions) -> Probabilities:
        """Predict every row with its family's classifier.

        Parameters
        ----------
        predictions : Predictions
            Of any n studies, by any of the members.

        Returns
        -------
        (n, 5, 5, 3) float
            Probabilities; the prior where no member has the row.
        """
        given = predictions.of(self.names_)
        out = self.prior_.predict(given)
        for family, state in self.states_.items():
            features = self._features(given, family)
            flat = self.predict_rows(state, features.reshape(-1, features.shape[-1]))
            out[:, CONDITIONS_OF[family]] = flat.reshape(*features.shape[:3], len(Grade))
        return given.or_prior(out, self.prior_.fractions_)

    def _features(self, predictions: Predictions, family: Family) -> NDArray[np.float64]:
        """Make (n, c, 5, f) features: two log ratios for each piece of evidence, and the level."""
        members = self.members_[family]
        evidence = gather(predictions, self.prior_.fractions_, family, members, context=True)
        shape = evidence.values.shape[1:4]
        logs = np.moveaxis(evidence.values[..., 1:] - evidence.values[..., :1], 0, -2).reshape(*shape, -1)
        levels = np.broadcast_to(np.eye(len(Level)), (*shape, len(Level)))
        return np.concatenate([logs, levels], axis=-1)

    def state(self) -> dict[str, Any]:
        """Give what was fitted.

        Returns
        -------
        dict
            The classifiers by family, members, seed and the state of the prior.
        """
        return {
            "seed": self.seed,
            "names": list(self.names_),
            "members": {family.value: list(names) for family, names in self.members_.items()},
            "families": {family.value: state for family, state in self.states_.items()},
            "prior": self.prior_.state(),
        }

    @classmethod
    def restore(cls, state: dict[str, Any]) -> Self:
        """Make a fitted stacker from its state.

        Parameters
        ----------
        state : dict
            What `state` returned.

        Returns
        -------
        RowStacker
            Of the class that was asked; it predicts the same.
        """
        stacker = cls(int(state["seed"]))
        stacker.prior_ = WeightedPrior.restore(state["prior"])
        stacker.names_ = tuple(state["names"])
        stacker.members_ = {Family(name): tuple(members) for name, members in state["members"].items()}
        stacker.states_ = {Family(name): fitted for name, fitted in state["families"].items()}
        return stacker
