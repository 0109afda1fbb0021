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
    """

    name: ClassVar[str]

    def fit(self, predictions: Predictions, grades: Grades) -> Self:
        """Fit on out-of-fold predictions and grades (n, 5, 5) of the same studies."""
        ...

    def predict(self, predictions: Predictions) -> Probabilities:
        """Probabilities (n, 5, 5, 3): finite, rows sum to 1."""
        ...

    def state(self) -> dict[str, Any]:
        """What was fitted, as JSON holds it."""
        ...

    @classmethod
    def restore(cls, state: dict[str, Any]) -> Self:
        """A fitted stacker from its state."""
        ...
