"""Whether more studies would help: a fast member fitted on a part of the studies, and scored on the same folds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lsdc.cohort.vocabulary import GRADES, TARGETS
from lsdc.metrics.bootstrap import Interval, bootstrap_interval
from lsdc.metrics.official import study_losses
from lsdc.metrics.prediction_tables import SHAPE
from lsdc.models.examples import Examples
from lsdc.models.fold_model import fit_shrunk, make_splits, predict_shrunk
from lsdc.models.heads.members import Logistic
from lsdc.runtime.console import track

FRACTIONS: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0)
"""Parts of the training studies."""
_RESAMPLES, _FEWEST = 1000, 30


@dataclass(frozen=True)
class CurvePoint:
    """The score at one size.

    Parameters
    ----------
    studies : int
        Studies from which each fold's model learned, in the mean over the folds.
    score : Interval
        Official score of the folds, with a 95 % interval over studies.
    """

    studies: int
    score: Interval


def learning_curve(training: Examples, seed: int = 0) -> tuple[CurvePoint, ...]:
    """Fit the logistic member on growing parts of the studies outside each fold, and predict the fold.

    Parameters
    ----------
    training : Examples
        Labeled studies with a fold.
    seed : int
        Draws the parts; a larger one holds the smaller ones.

    Returns
    -------
    tuple of CurvePoint
        One for each of `FRACTIONS`; empty for fewer than 30 studies.
    """
    n = len(training) // len(TARGETS)
    if n < _FEWEST:
        return ()
    fold = training.rows["fold"].to_numpy()[:: len(TARGETS)]
    place = np.random.default_rng(seed).permutation(n)
    rank = np.empty(n)
    for one in np.unique(fold):  # within each fold, so that the parts of all folds grow alike
        own = np.flatnonzero(fold == one)
        rank[own[np.argsort(place[own])]] = (np.arange(len(own)) + 0.5) / len(own)
    grades = training.grades.reshape(n, *SHAPE).astype(np.int8)
    found = []
    for fraction in track(FRACTIONS, "learning curve"):
        predicted = np.full((n, len(TARGETS), len(GRADES)), np.nan)
        sizes = []
        for split in make_splits(training):
            taken = (rank <= fraction) | (fold == split.fold)
            part = training.where(np.repeat(taken, len(TARGETS)))
            member, shrinkage = fit_shrunk(Logistic(seed), part, split)
            inside = fold == split.fold
            held_out = training.where(np.repeat(inside, len(TARGETS)))
            predicted[inside] = predict_shrunk(member, shrinkage, held_out).reshape(
                -1, len(TARGETS), len(GRADES)
            )
            sizes.append(int((taken & ~inside).sum()))
        losses = study_losses(grades, predicted.reshape(n, *SHAPE, len(GRADES)))
        found.append(
            CurvePoint(round(float(np.mean(sizes))), bootstrap_interval(losses.totals, n, seed, _RESAMPLES))
        )
    return tuple(found)
