"""The competition's official metric on arrays, and what each study adds to it.

Everywhere in lsdc, grades are an int8 array [study, condition, level] with -1 where unlabeled, and probabilities a
float array [study, condition, level, grade], in the order of `Condition`, `Level` and `Grade`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import Condition, Family, Grade

Grades = NDArray[np.int8]
"""(studies, 5, 5): index of the grade of each condition and level, -1 where unlabeled."""
Probabilities = NDArray[np.float64]
"""(studies, 5, 5, 3): probability of each grade, by condition and level."""

FAMILIES: tuple[Family, ...] = tuple(Family)
CONDITIONS_OF: dict[Family, list[int]] = {
    family: [k for k, condition in enumerate(Condition) if condition.family is family] for family in Family
}
"""Indices along the condition axis of the conditions of each family."""
PARTS: tuple[str, ...] = (*FAMILIES, "any_severe")
"""The four losses that the score averages."""

GRADE_WEIGHTS = np.array([grade.weight for grade in Grade] + [0], float)
"""Weight of a row by its grade, (4,); the last one, 0, is that of -1, unlabeled."""
EPS = np.finfo(np.float64).eps
"""Probabilities are clipped to this distance from 0 and 1 before the logarithm, as the competition does."""
CANAL = CONDITIONS_OF[Family.SPINAL][0]
"""Index of the canal along the condition axis."""
SEVERE = list(Grade).index(Grade.SEVERE)
"""Index of severe along the grade axis."""


@dataclass(frozen=True, repr=False)
class Scores:
    """Losses of one set of predictions; lower is better, NaN where nothing was labeled.

    Parameters
    ----------
    spinal, foraminal, subarticular : float
        Weighted log loss over the labeled rows of the family, left and right pooled.
    any_severe : float
        Weighted binary log loss of "the canal is severe at some level", per study.
    total : float
        The mean of the four: the competition's score. Uniform predictions get 0.925 where all is normal.
    """

    spinal: float
    foraminal: float
    subarticular: float
    any_severe: float
    total: float

    def __repr__(self) -> str:
        """All losses to four decimals."""
        return (
            f"Scores({', '.join(f'{field.name}={getattr(self, field.name):.4f}' for field in fields(self))})"
        )


@dataclass(frozen=True)
class StudyLosses:
    """What each study adds to the four losses; the score of any (re)sample of studies is a ratio of sums.

    Parameters
    ----------
    loss, weight : (n, 4) float64
        Sum of weighted losses and sum of weights of each study; columns as `PARTS`.
    """

    loss: NDArray[np.float64]
    weight: NDArray[np.float64]

    def parts(self, counts: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Divide the summed losses by the summed weights, for all studies or for resamples of them.

        Parameters
        ----------
        counts : (b, n) or (n,) float, optional
            How often each study counts, as `lsdc.metrics.bootstrap.study_counts` draws it; by default each once.

        Returns
        -------
        (b, 4) or (4,) float64
            The losses in the order of `PARTS`; NaN where no study that counts has a label.
        """
        if counts is None:
            counts = np.ones(len(self.loss))
        with np.errstate(invalid="ignore", divide="ignore"):
            return (counts @ self.loss) / (counts @ self.weight)

    def totals(self, counts: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Average the four losses to the competition's score.

        Parameters
        ----------
        counts : (b, n) or (n,) float, optional
            As in `parts`.

        Returns
        -------
        (b,) or () float64
            The score; NaN where one of its parts is.
        """
        return self.parts(counts).mean(axis=-1)

    def scores(self, any_severe_scalar: float = 1.0) -> Scores:
        """Score all studies together.

        Parameters
        ----------
        any_severe_scalar : float
            Weight of `any_severe` in the total beside the 1 of each family; the competition's is 1.

        Returns
        -------
        Scores
            The four losses and their weighted mean.
        """
        parts = self.parts()
        total = np.average(parts, weights=[1.0, 1.0, 1.0, any_severe_scalar])
        return Scores(*map(float, [*parts, total]))


def study_losses(grades: Grades, probabilities: Probabilities) -> StudyLosses:
    """Sum the official losses and weights of each study, from which every resample is scored without its rows.

    Parameters
    ----------
    grades : (n, 5, 5) int8
        -1 where unlabeled; such rows are not scored.
    probabilities : (n, 5, 5, 3) float
        Rows that sum to 1; anything, also NaN, where unlabeled.

    Returns
    -------
    StudyLosses
        Of the n studies, in their order.

    Raises
    ------
    ValueError
        When the shapes do not fit each other.
    """
    if probabilities.shape != (*grades.shape, len(Grade)):
        raise ValueError(f"grades {grades.shape} and probabilities {probabilities.shape} do not fit")
    labeled = grades >= 0
    weight = GRADE_WEIGHTS[grades]
    given = np.take_along_axis(probabilities, np.maximum(grades, 0)[..., None], axis=-1)[..., 0]
    loss = np.where(labeled, -weight * np.log(np.clip(given, EPS, 1 - EPS)), 0.0).sum(axis=2)
    per_condition = weight.sum(axis=2)
    severe, severe_weight = any_severe_losses(grades[:, CANAL], probabilities[:, CANAL, :, SEVERE])
    groups = list(CONDITIONS_OF.values())
    return StudyLosses(
        np.column_stack([*(loss[:, group].sum(axis=1) for group in groups), severe]),
        np.column_stack([*(per_condition[:, group].sum(axis=1) for group in groups), severe_weight]),
    )


def any_severe_losses(
    grades: Grades, severe: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute the loss of each study for "the canal is severe at some level".

    The prediction is the largest probability of severe over the labeled levels; the weight is that of the worst
    grade, so that a study whose worst level is moderate is a negative of weight 2.

    Parameters
    ----------
    grades : (n, 5) int8
        Of the canal, by level; -1 where unlabeled.
    severe : (n, 5) float
        Probability that each level is severe.

    Returns
    -------
    loss : (n,) float64
        Weighted binary log loss; 0 for a study without a label.
    weight : (n,) float64
        1, 2 or 4; 0 for a study without a label.
    """
    worst = grades.max(axis=1)
    highest = np.clip(np.where(grades >= 0, severe, 0.0).max(axis=1), EPS, 1 - EPS)
    weight = GRADE_WEIGHTS[worst]
    return -weight * np.log(np.where(worst == SEVERE, highest, 1 - highest)), weight


def official_score(grades: Grades, probabilities: Probabilities, any_severe_scalar: float = 1.0) -> Scores:
    """Score predictions as the RSNA 2024 competition does, from arrays; `lsdc.metrics.score` does it from files.

    Parameters
    ----------
    grades : (n, 5, 5) int8
        -1 where unlabeled; such rows are not scored.
    probabilities : (n, 5, 5, 3) float
        Rows that sum to 1.
    any_severe_scalar : float
        Weight of the fourth loss; 1 in the competition.

    Returns
    -------
    Scores
        The four losses and the total; lower is better.

    Raises
    ------
    ValueError
        When the shapes do not fit each other.

    Examples
    --------
    >>> third = np.full((1, 5, 5, 3), 1 / 3)
    >>> official_score(np.zeros((1, 5, 5), np.int8), third)
    Scores(spinal=1.0986, foraminal=1.0986, subarticular=1.0986, any_severe=0.4055, total=0.9253)
    """
    return study_losses(grades, probabilities).scores(any_severe_scalar)
