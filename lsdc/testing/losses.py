"""Whether a member has learned something: its loss beside that of the best constant prediction."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import Grade
from lsdc.metrics.official import GRADE_WEIGHTS
from lsdc.models.examples import Examples
from lsdc.models.member import Member


def weighted_loss(grades: NDArray[np.int64], probabilities: NDArray[np.float64]) -> float:
    """Compute the log loss with rows weighted 1, 2, 4 by grade.

    Parameters
    ----------
    grades : (n,) int64
        Grades 0, 1, 2.
    probabilities : (n, 3) float64
        Predicted probabilities.

    Returns
    -------
    float
        The weighted mean of the negative log probability of the true grade.
    """
    weights = GRADE_WEIGHTS[grades]
    losses = -np.log(probabilities[np.arange(len(grades)), grades])
    return float((weights * losses).sum() / weights.sum())


def fraction_of_prior(member: Member, learned: Examples, new: Examples) -> float:
    """Compare a member's loss on new studies with that of the best constant prediction.

    Parameters
    ----------
    member : Member
        Fitted on `learned`.
    learned : Examples
        Labeled studies, whose weighted fractions of grades are the constant.
    new : Examples
        Labeled studies that the member has not seen.

    Returns
    -------
    float
        The ratio of the losses: below 1 where the member has learned something.
    """
    prior = np.bincount(learned.grades, minlength=len(Grade)) * GRADE_WEIGHTS[: len(Grade)]
    constant = np.tile(prior / prior.sum(), (len(new), 1))
    return weighted_loss(new.grades, member.predict_proba(new)) / weighted_loss(new.grades, constant)
