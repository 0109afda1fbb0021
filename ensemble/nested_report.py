"""What a stack is worth: nested cross-validation by study, beside the baselines, with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import Level
from lsdc.ensemble.predictions import Predictions
from lsdc.ensemble.stackers.contract import Stacker
from lsdc.ensemble.stackers.fixed import BestSingle, PlainMean
from lsdc.ensemble.stackers.prior import WeightedPrior
from lsdc.metrics.official import (
    CONDITIONS_OF,
    FAMILIES,
    PARTS,
    Grades,
    Probabilities,
    Scores,
    StudyLosses,
    official_score,
    study_losses,
)
from lsdc.runtime.console import track

# Real members of medal-winning teams reach a third of the prior's loss in their best family.
LEAK_SHARE = 0.15
# In one fold a member may be lucky, but not by so much more than the other members are.
FOLD_SHARE = 0.5


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
        The stack, fitted and tuned anew without each fold.
    mean, best_single, prior : Scores
        Plain mean; the best member per family, chosen without the scored fold; weighted prior, counted
        without it.
    singles : dict of str to Scores
        Each member alone; where it has no row, the prior.
    interval : Interval
        Of the stack's total.
    versus_mean, versus_best_single : Interval
        The stack's total minus theirs, paired by study; below zero the stack is better.
    versus_mean_by_part, versus_best_single_by_part : dict of str to Interval
        The same per part of the score, and per family and level.
    in_sample : Scores
        The stack on the studies it was fitted on: what tuning would seem to gain.
    missing : dict of str to int
        Labeled rows that a member does not have, of the families it covers.
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
    versus_mean_by_part: dict[str, Interval]
    versus_best_single_by_part: dict[str, Interval]
    in_sample: Scores
    missing: dict[str, int]
    warnings: tuple[str, ...]


def cross_fit_stacker(
    make: Callable[[], Stacker],
    predictions: Predictions,
    grades: Grades,
    folds: NDArray[np.int_],
    show: str = "",
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
    show : str
        Words beside a progress bar; none by default.
    """
    out = np.full(predictions.cubes.shape[1:], np.nan)
    names = np.unique(folds)
    for fold in track(names, show, len(names)) if show else names:
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
    fitted: Stacker,
    predictions: Predictions,
    grades: Grades,
    folds: NDArray[np.int_],
    seed: int = 0,
) -> tuple[Report, Probabilities]:
    """Score a stacker and the baselines by nested cross-validation.

    Parameters
    ----------
    make : callable
        A fresh stacker.
    fitted : Stacker
        The same fitted on all studies.
    predictions, grades, folds
        As in `cross_fit_stacker`.
    seed : int
        For the bootstrap.

    Returns
    -------
    Report
        The scores.
    (n, 5, 5, 3) float
        The nested predictions that were scored.
    """

    def cube(maker: Callable[[], Stacker], given: Predictions = predictions) -> Probabilities:
        return cross_fit_stacker(maker, given, grades, folds)

    nested = cross_fit_stacker(make, predictions, grades, folds, "scoring the stack by nested folds")
    cubes = [nested, *(cube(maker) for maker in (PlainMean, BestSingle, WeightedPrior))]
    stack, mean, best, prior = (study_losses(grades, one) for one in cubes)
    alone = {name: cube(PlainMean, predictions.of([name])) for name in predictions.members}
    singles = {name: official_score(grades, one) for name, one in alone.items()}
    n = len(grades)
    found = Report(
        nested=stack.scores(),
        mean=mean.scores(),
        best_single=best.scores(),
        prior=prior.scores(),
        singles=singles,
        interval=bootstrap(stack.totals, n, seed),
        versus_mean=bootstrap(lambda counts: stack.totals(counts) - mean.totals(counts), n, seed),
        versus_best_single=bootstrap(lambda counts: stack.totals(counts) - best.totals(counts), n, seed),
        versus_mean_by_part=differences(grades, nested, cubes[1], seed),
        versus_best_single_by_part=differences(grades, nested, cubes[2], seed),
        in_sample=official_score(grades, fitted.predict(predictions)),
        missing=missing_rows(predictions, grades),
        warnings=(*leaks(singles, prior.scores()), *fold_leaks(alone, grades, folds)),
    )
    return found, nested


def differences(grades: Grades, ours: Probabilities, theirs: Probabilities, seed: int) -> dict[str, Interval]:
    """Our loss minus theirs, paired by study, for each part of the score and for each family and level."""

    def interval(one: StudyLosses, other: StudyLosses, column: int) -> Interval:
        return bootstrap(lambda c: one.parts(c)[:, column] - other.parts(c)[:, column], len(grades), seed)

    whole = study_losses(grades, ours), study_losses(grades, theirs)
    found = {part: interval(*whole, k) for k, part in enumerate(PARTS)}
    for k, level in enumerate(Level):
        only = np.where(np.arange(len(Level)) == k, grades, np.int8(-1))
        here = study_losses(only, ours), study_losses(only, theirs)
        found |= {f"{family} {level}": interval(*here, j) for j, family in enumerate(FAMILIES)}
    return found


def missing_rows(predictions: Predictions, grades: Grades) -> dict[str, int]:
    """How many labeled rows of the families it covers each member lacks."""
    counts = {}
    for name, present in zip(predictions.members, predictions.present):
        covered = [c for own in CONDITIONS_OF.values() if present[:, own].any() for c in own]
        counts[name] = int(((grades >= 0) & ~present)[:, covered].sum())
    return counts


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


def fold_leaks(alone: Mapping[str, Probabilities], grades: Grades, folds: NDArray[np.int_]) -> list[str]:
    """Words about members that are far better in one fold than elsewhere, next to the other members."""
    if len(alone) < 2:
        return []
    found = []
    for column, family in enumerate(FAMILIES):
        losses = np.array([
            [study_losses(grades[folds == fold], cube[folds == fold]).parts()[column] for fold in np.unique(folds)]
            for cube in alone.values()
        ])  # fmt: skip
        # By the median over the others, so that what leaks is not its own yardstick.
        others = np.array([np.median(np.delete(losses, k, axis=0), axis=0) for k in range(len(losses))])
        share = losses / others
        usual = np.median(share, axis=1, keepdims=True)
        for member, fold in np.argwhere(share < FOLD_SHARE * usual):
            found.append(
                f"member {list(alone)[member]}: {family} loss {losses[member, fold]:.3f} in fold "
                f"{np.unique(folds)[fold]} is {share[member, fold] / usual[member, 0]:.0%} of what its other folds "
                "suggest; check that it has not seen the studies it predicts there"
            )
    return found
