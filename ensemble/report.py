"""What a stack is worth: nested cross-validation by study, beside the baselines, with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lsdc.ensemble.metric import FAMILIES, Grades, Probabilities, Scores, StudyLosses, study_losses
from lsdc.ensemble.predictions import Predictions
from lsdc.ensemble.stackers import BestSingle, PlainMean, Stacker, WeightedPrior

# Real members of medal-winning teams reach a third of the prior's loss in their best family.
LEAK_SHARE = 0.15


@dataclass(frozen=True)
class Interval:
    """A difference or a score, with its 95 % bootstrap interval over studies."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Report:
    """Official scores on studies that what is scored was not fitted on.

    Parameters
    ----------
    nested : Scores
        The stack, fitted anew without each fold.
    mean, best_single, prior : Scores
        Plain mean; the best member per family, chosen without the scored fold; weighted prior, counted
        without it.
    singles : dict of str to Scores
        Each member alone; where it has no row, the prior.
    interval : Interval
        Of the stack's total.
    versus_mean, versus_best_single : Interval
        The stack's total minus theirs, paired by study; below zero the stack is better.
    in_sample : Scores
        The stack on the studies it was fitted on: what tuning would seem to gain.
    warnings : tuple of str
        Members whose predictions are too good to be out of fold.
    """

    nested: Scores
    mean: Scores
    best_single: Scores
    prior: Scores
    singles: dict[str, Scores]
    interval: Interval
    versus_mean: Interval
    versus_best_single: Interval
    in_sample: Scores
    warnings: tuple[str, ...]


def cross_fit_stacker(
    make: Callable[[], Stacker], predictions: Predictions, grades: Grades, folds: NDArray[np.int_]
) -> Probabilities:
    """Predict each fold with a stacker fitted without it.

    Parameters
    ----------
    make : callable
        A fresh stacker.
    predictions : Predictions
        Out-of-fold predictions of n studies.
    grades : (n, 5, 5) int8
        -1 where unlabeled.
    folds : (n,) int
        Fold of each study.
    """
    out = np.full(predictions.cubes.shape[1:], np.nan)
    for fold in np.unique(folds):
        inside, outside = folds == fold, folds != fold
        stacker = make().fit(predictions.where(outside), grades[outside])
        out[inside] = stacker.predict(predictions.where(inside))
    return out


def bootstrap(totals: Callable[[NDArray[np.float64]], NDArray[np.float64]], n: int, seed: int) -> Interval:
    """A statistic of all n studies and the interval in which it falls in 2,000 resamples."""
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(n, np.full(n, 1 / n), size=2000).astype(float)
    low, high = np.nanquantile(totals(counts), [0.025, 0.975])
    return Interval(float(totals(np.ones((1, n)))[0]), float(low), float(high))


def report(
    make: Callable[[], Stacker],
    predictions: Predictions,
    grades: Grades,
    folds: NDArray[np.int_],
    seed: int = 0,
) -> Report:
    """Score a stacker and the baselines by nested cross-validation.

    Parameters
    ----------
    make : callable
        A fresh stacker.
    predictions, grades, folds
        As in `cross_fit_stacker`.
    seed : int
        For the bootstrap.
    """

    def losses(maker: Callable[[], Stacker], given: Predictions = predictions) -> StudyLosses:
        return study_losses(grades, cross_fit_stacker(maker, given, grades, folds))

    stack, mean, best, prior = map(losses, (make, PlainMean, BestSingle, WeightedPrior))
    singles = {name: losses(PlainMean, predictions.of([name])).scores() for name in predictions.members}
    n = len(grades)
    fitted = make().fit(predictions, grades)
    return Report(
        nested=stack.scores(),
        mean=mean.scores(),
        best_single=best.scores(),
        prior=prior.scores(),
        singles=singles,
        interval=bootstrap(stack.totals, n, seed),
        versus_mean=bootstrap(lambda counts: stack.totals(counts) - mean.totals(counts), n, seed),
        versus_best_single=bootstrap(lambda counts: stack.totals(counts) - best.totals(counts), n, seed),
        in_sample=study_losses(grades, fitted.predict(predictions)).scores(),
        warnings=tuple(leaks(singles, prior.scores())),
    )


def leaks(singles: Mapping[str, Scores], prior: Scores) -> list[str]:
    """Words about members that are too good to be true."""
    found = []
    for name, scores in singles.items():
        for family in FAMILIES:
            loss, without_looking = getattr(scores, family), getattr(prior, family)
            if loss < LEAK_SHARE * without_looking:
                found.append(
                    f"member {name}: {family} loss {loss:.3f} is {loss / without_looking:.0%} of the prior's; "
                    "check that it has not seen the studies it predicts"
                )
    return found
