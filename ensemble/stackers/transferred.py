"""The plain mean of the members, believed as far as it deserves on patients unlike those that they were fitted on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import Family, Grade
from lsdc.ensemble.predictions import Predictions
from lsdc.ensemble.stackers.fixed import PlainMean
from lsdc.metrics.official import CONDITIONS_OF, FAMILIES, Grades, Probabilities, study_losses

_SEVERITY = np.linspace(0, 1, len(Grade))
"""How severe each grade is, for a shift."""
_MOST_TRUST, _MOST_SHIFT = 1.5, 4.0
_LARGEST = 10.0
"""A trust or a shift that a file gives and that is larger is damage."""
_LEAST_GAIN = 2.0
"""A transfer must gain so many standard errors over the prior; else the prior is what is known."""


@dataclass(frozen=True)
class Transfer:
    """How predictions for one kind of patients become predictions for another.

    With the members' mean p and the prior q, the probability of grade k becomes q (p / q)^trust exp(shift s_k),
    divided by the sum over the grades, where s is 0, 1/2 and 1.

    Parameters
    ----------
    trust : float
        1 where members are to be believed as they are, 0 where they know nothing of such patients.
    shift : float
        Below 0 where all such patients look more severe to the members than they are.
    """

    trust: float = 1.0
    shift: float = 0.0

    def __post_init__(self) -> None:
        """Refuse numbers that no fit gives."""
        if not (0 <= float(self.trust) <= _LARGEST and abs(float(self.shift)) <= _LARGEST):
            raise ValueError(f"trust {self.trust} or shift {self.shift} is out of range")

    def apply(self, mean: NDArray[np.float64], prior: NDArray[np.float64]) -> NDArray[np.float64]:
        """Transfer probabilities.

        Parameters
        ----------
        mean : (..., 3) float
            What the members predict.
        prior : (..., 3) float
            The weighted prior, all above 0.

        Returns
        -------
        (..., 3) float
            Rows sum to 1.

        Examples
        --------
        >>> Transfer(trust=0).apply(np.array([0.1, 0.1, 0.8]), np.array([0.5, 0.3, 0.2])).round(3).tolist()
        [0.5, 0.3, 0.2]
        """
        evidence = np.log(np.maximum(mean, np.finfo(float).tiny)) - np.log(prior)
        found = np.log(prior) + self.trust * evidence + self.shift * _SEVERITY
        found -= np.logaddexp.reduce(found, axis=-1, keepdims=True)
        return np.exp(found)

    @classmethod
    def fit(cls, family: Family, mean: Probabilities, prior: Probabilities, grades: Grades) -> Self:
        """Choose trust and shift on labeled patients of the other kind, by the official loss.

        Parameters
        ----------
        family : Family
            The family of conditions.
        mean : (n, 5, 5, 3) float
            What the members predict for n studies.
        prior : (5, 5, 3) float
            The weighted prior of the patients that the members were fitted on.
        grades : (n, 5, 5) int8
            Grades of the n studies; -1 where unlabeled.

        Returns
        -------
        Transfer
            With trust and shift 0, which is the prior, where nothing surely beats it.
        """
        conditions, column = CONDITIONS_OF[family], FAMILIES.index(family)
        only = np.full_like(grades, -1)
        only[:, conditions] = grades[:, conditions]

        def losses(values: NDArray[np.float64]) -> NDArray[np.float64]:
            shown = study_losses(only, cls(*values).apply(mean, prior))
            return shown.loss[:, column] / shown.weight[:, column].sum()

        from scipy.optimize import minimize

        best = minimize(
            lambda values: float(losses(values).sum()),
            np.array([0.5, 0.0]),
            method="L-BFGS-B",
            bounds=[(0.0, _MOST_TRUST), (-_MOST_SHIFT, _MOST_SHIFT)],
        )
        gain = losses(np.zeros(2)) - losses(best.x)
        error = gain.std() * np.sqrt(len(gain))
        if not gain.sum() > _LEAST_GAIN * error:
            return cls(0.0, 0.0)
        # One digit: how far to believe is a choice that patients help to make, not a weight that is fitted to them.
        trust, shift = (round(float(value), 1) for value in best.x)
        return cls(trust, shift)


class TransferredMean(PlainMean):
    """The mean of the members, for patients unlike those that they were fitted on, such as real ones.

    No fit can find on the studies at hand how far the mean is to be believed on others; it is chosen on labeled
    patients of the other kind.

    Parameters
    ----------
    transfers : mapping of Family to Transfer, optional
        By family; where one is absent the mean is left as it is.
    """

    name: ClassVar[str] = "transferred_mean"

    def __init__(self, transfers: Mapping[Family, Transfer] | None = None) -> None:
        self.transfers = dict(transfers or {})

    def predict(self, predictions: Predictions) -> Probabilities:
        """Average the members, and transfer the result.

        Parameters
        ----------
        predictions : Predictions
            Of any n studies, by any of the members.

        Returns
        -------
        (n, 5, 5, 3) float
            Probabilities; the prior, shifted, where no member has the row.
        """
        mean, prior = super().predict(predictions), self.prior_.fractions_
        out = np.empty_like(mean)
        for family, conditions in CONDITIONS_OF.items():
            transfer = self.transfers.get(family, Transfer())
            out[:, conditions] = transfer.apply(mean[:, conditions], prior[conditions])
        return out

    def state(self) -> dict[str, Any]:
        """Give what was fitted, and the transfers.

        Returns
        -------
        dict
            The state of the mean, and `transfers` by family.
        """
        return super().state() | {
            "transfers": {family.value: asdict(one) for family, one in self.transfers.items()}
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
        TransferredMean
            Predicts the same.
        """
        stacker = super().restore(state)
        stacker.transfers = {Family(family): Transfer(**one) for family, one in state["transfers"].items()}
        return stacker
