"""The competition's official metric on arrays, and its parts per study.

Everywhere in this package grades are an int8 array [study, condition, level] with -1 where unlabeled, and
probabilities a float array [study, condition, level, grade], in the order of `Condition`, `Level`, `Grade`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import Condition, Family, Grade

Grades = NDArray[np.int8]
Probabilities = NDArray[np.float64]

FAMILIES: tuple[Family, ...] = tuple(Family)
CONDITIONS_OF: dict[Family, list[int]] = {
    family: [k for k, condition in enumerate(Condition) if condition.family is family] for family in Family
}
"""Indices along the condition axis."""

# Indexed by grade; -1 takes the last one.
GRADE_WEIGHTS = np.array([grade.weight for grade in Grade] + [0], float)
EPS = np.finfo(np.float64).eps
CANAL = CONDITIONS_OF[Family.SPINAL][0]
SEVERE = list(Grade).index(Grade.SEVERE)


@dataclass(frozen=True)
class Scores:
    """Losses of one set of predictions; lower is better, NaN where nothing was labeled.

    Parameters
    ----------
    spinal, foraminal, subarticular : float
        Weighted log loss over the rows of the family, left and right pooled.
    any_severe : float
        Weighted binary log loss of "some level of the canal is severe", per study.
    total : float
        Their weighted average, the competition's score.
    """

    spinal: float
    foraminal: float
    subarticular: float
    any_severe: float
    total: float


PARTS: tuple[str, ...] = (*FAMILIES, "any_severe")


@dataclass(frozen=True)
class StudyLosses:
    """What each study adds to the four losses; a score of any (re)sample of studies is a ratio of sums.

    Parameters
    ----------
    loss, weight : (n, 4) float
        Weighted loss and weight; columns as PARTS.
    """

    loss: NDArray[np.float64]
    weight: NDArray[np.float64]

    def parts(self, counts: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """The four losses, (4,); or (b, 4) for `counts`, (b, n) times that each study is drawn."""
        if counts is None:
            counts = np.ones(len(self.loss))
        with np.errstate(invalid="ignore", divide="ignore"):
            return (counts @ self.loss) / (counts @ self.weight)

    def totals(self, counts: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """The score, a scalar array; or (b,) for `counts` as in `parts`."""
        return self.parts(counts).mean(axis=-1)

    def scores(self, any_severe_scalar: float = 1.0) -> Scores:
        """The score of all studies together."""
        parts = self.parts()
        total = np.average(parts, weights=[1.0, 1.0, 1.0, any_severe_scalar])
        return Scores(*map(float, [*parts, total]))


def study_losses(grades: Grades, probabilities: Probabilities) -> StudyLosses:
    """Losses and weights per study.

    Parameters
    ----------
    grades : (n, 5, 5) int8
        -1 where unlabeled; such rows are not scored.
    probabilities : (n, 5, 5, 3) float
        Rows that sum to 1.
    """
    if probabilities.shape != (*grades.shape, len(Grade)):
        raise ValueError(f"grades {grades.shape} and probabilities {probabilities.shape} do not fit")
    labeled = grades >= 0
    weight = GRADE_WEIGHTS[grades]
    chance = np.take_along_axis(probabilities, np.maximum(grades, 0)[..., None], axis=-1)[..., 0]
    loss = np.where(labeled, -weight * np.log(np.clip(chance, EPS, 1 - EPS)), 0.0).sum(axis=2)
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
    """Weighted loss and weight per study of "some level of the canal is severe".

    Parameters
    ----------
    grades : (n, 5) int8
        Of the canal.
    severe : (n, 5) float
        Probability of severe.
    """
    worst = grades.max(axis=1)
    highest = np.clip(np.where(grades >= 0, severe, 0.0).max(axis=1), EPS, 1 - EPS)
    weight = GRADE_WEIGHTS[worst]
    return -weight * np.log(np.where(worst == SEVERE, highest, 1 - highest)), weight


def official_score(grades: Grades, probabilities: Probabilities, any_severe_scalar: float = 1.0) -> Scores:
    """Score predictions as the competition does.

    Parameters
    ----------
    grades : (n, 5, 5) int8
        -1 where unlabeled.
    probabilities : (n, 5, 5, 3) float
        Rows that sum to 1.
    any_severe_scalar : float
        Weight of the fourth loss; 1 in the competition.

    >>> third = np.full((1, 5, 5, 3), 1 / 3)
    >>> round(official_score(np.zeros((1, 5, 5), np.int8), third).total, 4)
    0.9253
    """
    return study_losses(grades, probabilities).scores(any_severe_scalar)
