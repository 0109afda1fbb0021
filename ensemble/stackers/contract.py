"""What every stacker offers."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol, Self, runtime_checkable

from lsdc.ensemble.predictions import Predictions
from lsdc.metrics.official import Grades, Probabilities


@runtime_checkable
class Stacker(Protocol):
    """Turns members' out-of-fold predictions into one; the constructor only stores its arguments.

    `predict` works for any studies and any subset of the members: the members present decide, and where
    there is none, the prior of the studies it was fitted on.

    Attributes
    ----------
    name : str
        Name in `STACKERS` and in saved files.
    """

    name: ClassVar[str]

    def fit(self, predictions: Predictions, grades: Grades) -> Self:
        """Fit on labeled studies.

        Parameters
        ----------
        predictions : Predictions
            The members' out-of-fold predictions of n studies.
        grades : (n, 5, 5) int8
            Grades of the same studies by condition and level; -1 where unlabeled.

        Returns
        -------
        Stacker
            Itself.
        """
        ...

    def predict(self, predictions: Predictions) -> Probabilities:
        """Join the predictions of the members.

        Parameters
        ----------
        predictions : Predictions
            Of any n studies, by any of the members.

        Returns
        -------
        (n, 5, 5, 3) float
            Probabilities by study, condition, level and grade: finite, rows sum to 1.
        """
        ...

    def state(self) -> dict[str, Any]:
        """Give everything that was fitted.

        Returns
        -------
        dict
            What JSON can hold; `restore` makes an equal stacker of it.
        """
        ...

    @classmethod
    def restore(cls, state: dict[str, Any]) -> Self:
        """Make a fitted stacker from its state.

        Parameters
        ----------
        state : dict
            What `state` returned, perhaps read from JSON.

        Returns
        -------
        Stacker
            Predicts the same, bit by bit.
        """
        ...
