"""A convex mix of stackers, weighted on studies that they did not see."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

import numpy as np

from lsdc.ensemble.predictions import Predictions, inner_folds, labeled
from lsdc.ensemble.stackers.contract import Stacker
from lsdc.ensemble.stackers.fixed import PlainMean
from lsdc.ensemble.stackers.pool import ContextPool, LogLinearPool
from lsdc.ensemble.stackers.prior import WeightedPrior
from lsdc.ensemble.stackers.rows import Boosted, Neural
from lsdc.ensemble.stackers.simplex import Simplex
from lsdc.metrics.official import Grades, Probabilities

MIXED_STACKERS: dict[str, Callable[[], Stacker]] = {
    stacker.name: stacker for stacker in (PlainMean, Simplex, LogLinearPool, ContextPool, Boosted, Neural)
}
"""The stackers that a `ConvexMix` mixes by default, by name."""


class ConvexMix:
    """Simplex weights, per family, of stackers that are cross-fitted inside.

    Parameters
    ----------
    parts : mapping of str to callable, optional
        Makers of fresh stackers, by their names. Default: all of `MIXED_STACKERS`.
    seed : int
        Seed of the inner folds.

    Attributes
    ----------
    members_ : tuple of str
        All members seen in `fit`.
    fitted_ : dict of str to Stacker
        The stackers, fitted on all studies.
    weights_ : Simplex
        Fitted on the stackers' cross-fitted predictions as if they were members.
    prior_ : WeightedPrior
        Fitted on the same grades, for rows that no member has.
    """

    name: ClassVar[str] = "mix"

    def __init__(self, parts: Mapping[str, Callable[[], Stacker]] | None = None, seed: int = 0) -> None:
        self.parts = parts
        self.seed = seed

    def fit(self, predictions: Predictions, grades: Grades) -> Self:
        """Weight cross-fitted stackers, then fit them on all studies.

        Parameters
        ----------
        predictions : Predictions
            The members' out-of-fold predictions of n studies.
        grades : (n, 5, 5) int8
            Grades of the same studies; -1 where unlabeled.

        Returns
        -------
        ConvexMix
            Itself.
        """
        parts = MIXED_STACKERS if self.parts is None else self.parts
        predictions, grades = labeled(predictions, grades)
        folds = inner_folds(len(grades), self.seed)
        cubes = np.empty((len(parts), *predictions.cubes.shape[1:]))
        for fold in np.unique(folds):
            seen, held_out = folds != fold, folds == fold
            for k, make in enumerate(parts.values()):
                fitted = make().fit(predictions.where(seen), grades[seen])
                cubes[k, held_out] = fitted.predict(predictions.where(held_out))
        self.members_ = predictions.members
        self.prior_ = WeightedPrior().fit(predictions, grades)
        self.weights_ = Simplex().fit(Predictions(tuple(parts), predictions.studies, cubes), grades)
        self.fitted_ = {name: make().fit(predictions, grades) for name, make in parts.items()}
        return self

    def predict(self, predictions: Predictions) -> Probabilities:
        """Average what the stackers predict by their weights.

        Parameters
        ----------
        predictions : Predictions
            Of any n studies, by any of the members.

        Returns
        -------
        (n, 5, 5, 3) float
            Probabilities; the prior where no member has the row.
        """
        given = predictions.of(self.members_)
        cubes = np.stack([part.predict(given) for part in self.fitted_.values()])
        mixed = self.weights_.predict(Predictions(tuple(self.fitted_), given.studies, cubes))
        return given.or_prior(mixed, self.prior_.fractions_)

    def state(self) -> dict[str, Any]:
        """Give what was fitted.

        Returns
        -------
        dict
            `members`, and the states of the `weights`, of the `parts` by name, and of the `prior`.
        """
        parts = {name: part.state() for name, part in self.fitted_.items()}
        return {
            "members": list(self.members_),
            "weights": self.weights_.state(),
            "parts": parts,
            "prior": self.prior_.state(),
        }

    @classmethod
    def restore(cls, state: dict[str, Any]) -> Self:
        """Make a fitted mix from its state; the stackers in it must be among `MIXED_STACKERS`.

        Parameters
        ----------
        state : dict
            What `state` returned.

        Returns
        -------
        ConvexMix
            Predicts the same.
        """
        known: dict[str, Any] = MIXED_STACKERS
        mix = cls()
        mix.members_ = tuple(state["members"])
        mix.prior_ = WeightedPrior.restore(state["prior"])
        mix.weights_ = Simplex.restore(state["weights"])
        mix.fitted_ = {name: known[name].restore(fitted) for name, fitted in state["parts"].items()}
        return mix
