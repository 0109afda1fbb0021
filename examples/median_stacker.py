"""A stacker of your own: the median of the members; own_stacker.py measures it."""

from typing import Any, ClassVar, Self

import numpy as np

from lsdc.ensemble import STACKERS, Predictions


class Median:
    """The median of the members' probabilities; where no member has a row, the weighted prior."""

    name: ClassVar[str] = "median"

    def fit(self, predictions: Predictions, grades: np.ndarray) -> Self:
        """Keep the members' names and the prior."""
        self.members_, self.prior_ = (
            predictions.members,
            STACKERS["weighted_prior"]().fit(predictions, grades),
        )
        return self

    def predict(self, predictions: Predictions) -> np.ndarray:
        """Probabilities (n, 5, 5, 3) by study, condition, level and grade."""
        known = predictions.of(self.members_)
        middle = np.ma.median(np.ma.masked_invalid(known.cubes), axis=0).filled(1 / 3)
        return known.or_prior(middle / middle.sum(axis=-1, keepdims=True), self.prior_.predict(known))

    def state(self) -> dict[str, Any]:
        """What JSON holds of it."""
        return {"members": list(self.members_), "prior": self.prior_.state()}

    @classmethod
    def restore(cls, state: dict[str, Any]) -> Self:
        """A fitted stacker from its state."""
        stacker, prior = cls(), STACKERS["weighted_prior"].restore(state["prior"])
        stacker.members_, stacker.prior_ = tuple(state["members"]), prior
        return stacker
