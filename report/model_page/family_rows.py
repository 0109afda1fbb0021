"""Labeled rows of one family of conditions, with what was predicted for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import Family, Grade
from lsdc.ensemble.weighting import Weighting, reweighted
from lsdc.metrics.graded import GradedPredictions
from lsdc.metrics.official import CONDITIONS_OF, GRADE_WEIGHTS, Grades, Probabilities

EVENTS: dict[str, int] = {"moderate or worse": 1, "severe": 2}
"""What is told from the rest, with the least grade that counts as it."""


@dataclass(frozen=True)
class FamilyRows:
    """The r labeled rows of a family that have a prediction.

    Parameters
    ----------
    family : Family
        The family.
    truth : (r,) int
        Grades that readers gave, 0 to 2.
    probabilities : (r, 3) float
        Predicted probabilities; rows sum to 1.
    weighting : `competition` or `none`
        What the probabilities are for.
    """

    family: Family
    truth: NDArray[np.int_]
    probabilities: Probabilities
    weighting: Weighting = "competition"

    @classmethod
    def all_of(cls, grades: Grades, probabilities: Probabilities) -> tuple[Self, ...]:
        """Take the rows of all families.

        Parameters
        ----------
        grades : (n, 5, 5) int8
            -1 where unlabeled.
        probabilities : (n, 5, 5, 3) float
            NaN where there is no prediction; such rows are left out.

        Returns
        -------
        tuple of FamilyRows
            One per family that has a row, in the order of `Family`.
        """
        there = (grades >= 0) & np.isfinite(probabilities).all(axis=-1)
        found = []
        for family, conditions in CONDITIONS_OF.items():
            own = np.zeros_like(there)
            own[:, conditions] = there[:, conditions]
            if own.any():
                found.append(cls(family, grades[own].astype(int), probabilities[own]))
        return tuple(found)

    @classmethod
    def of_predictions(cls, predictions: GradedPredictions) -> tuple[Self, ...]:
        """Take the rows of predictions that have labels beside them.

        Parameters
        ----------
        predictions : GradedPredictions
            As `evaluate` reads them.

        Returns
        -------
        tuple of FamilyRows
            As `all_of` gives them.
        """
        return cls.all_of(predictions.grades, predictions.probabilities)

    def weighted(self, weighting: Weighting) -> Self:
        """Turn probabilities for the competition into those of the grades.

        Parameters
        ----------
        weighting : `competition` or `none`
            What is wanted of probabilities for the competition.

        Returns
        -------
        FamilyRows
            The same rows.
        """
        return replace(self, probabilities=reweighted(self.probabilities, weighting), weighting=weighting)

    @property
    def row_weights(self) -> NDArray[np.float64]:
        """What each row counts, (r,): 1, 2, 4 by grade for the competition, else 1."""
        if self.weighting == "none":
            return np.ones(len(self.truth))
        return np.asarray(GRADE_WEIGHTS[self.truth])

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of rows of each grade."""
        return tuple(np.bincount(self.truth, minlength=len(Grade)).tolist())

    def events(self) -> Iterator[tuple[str, NDArray[np.bool_], NDArray[np.float64]]]:
        """Go through what is told from the rest.

        Yields
        ------
        str
            `moderate or worse`, then `severe`.
        (r,) bool
            In which rows it is true.
        (r,) float
            How probable it was said to be.
        """
        for name, least in EVENTS.items():
            yield name, self.truth >= least, self.probabilities[:, least:].sum(axis=1)
