"""How doubtful the labels of some studies are, told by predictions that only these studies were used for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import TARGETS, Family, Grade
from lsdc.ensemble.predictions import inner_folds
from lsdc.ensemble.suspects.decisions import one_hot
from lsdc.ensemble.suspects.reader_noise import ReaderNoise
from lsdc.models.examples import Examples
from lsdc.models.heads.members import LightGBM
from lsdc.models.heads.prepare import families
from lsdc.models.member import Member

FEWEST_ROWS = 100
"""A family with fewer labeled rows says nothing about its reader, and all its labels are believed."""


def inner_posterior(
    examples: Examples, seed: int = 0, judge: type[Member] = LightGBM, folds: int = 5
) -> NDArray[np.float64]:
    """Tell the probability of each true grade of labeled rows, from these studies alone.

    A reader's errors are estimated beside `inner_predictions`, for each family alone.

    Parameters
    ----------
    examples : Examples
        Whole studies, n rows; in a cross-fit the training studies of one fold, so that nothing of the fold to predict
        takes part.
    seed : int
        Deals the folds and seeds the member.
    judge : type of Member
        The member that predicts.
    folds : int
        Number of folds.

    Returns
    -------
    (n, 3) float64
        Rows sum to 1; the label itself where a family has fewer than `FEWEST_ROWS` labels, all 0 where unlabeled.
    """
    grades, posterior = examples.grades, one_hot(examples.grades)
    found = inner_predictions(examples, seed, judge, folds)
    family_of = families(examples.rows)
    for number in range(len(Family)):
        rows = (family_of == number) & (grades >= 0)
        if rows.sum() >= FEWEST_ROWS:
            noise = ReaderNoise.fit(found[rows], grades[rows])
            posterior[rows] = noise.posterior(found[rows], grades[rows])
    return posterior


def inner_predictions(
    examples: Examples, seed: int = 0, judge: type[Member] = LightGBM, folds: int = 5
) -> NDArray[np.float64]:
    """Predict each fold of some studies by a quick member that was fitted on the other ones.

    Parameters
    ----------
    examples : Examples
        Whole studies, n rows; they are dealt into folds here.
    seed : int
        Deals the folds and seeds the member.
    judge : type of Member
        The member that predicts.
    folds : int
        Number of folds.

    Returns
    -------
    (n, 3) float64
        Probabilities of the grades for the official metric.
    """
    study_of = np.arange(len(examples)) // len(TARGETS)
    fold = inner_folds(len(examples) // len(TARGETS), seed, folds)[study_of]
    nothing = examples.where(np.zeros(len(examples), bool))
    found = np.empty((len(examples), len(Grade)))
    for number in np.unique(fold):
        held_out = fold == number
        fitted = judge(seed).fit(examples.where(~held_out), nothing)
        found[held_out] = fitted.predict_proba(examples.where(held_out))
    return found
