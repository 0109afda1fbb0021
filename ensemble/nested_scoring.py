"""What a stack is worth: nested cross-validation by study, beside the baselines, with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from lsdc.cohort.vocabulary import Level
from lsdc.ensemble.leak_warnings import fold_leak_warnings, leak_warnings
from lsdc.ensemble.nested_report import NestedReport
from lsdc.ensemble.predictions import Predictions
from lsdc.ensemble.stack_progress import StackProgress
from lsdc.ensemble.stackers.contract import Stacker
from lsdc.ensemble.stackers.fixed import BestSingle, PlainMean
from lsdc.ensemble.stackers.prior import WeightedPrior
from lsdc.ensemble.stacking_data import StackingData
from lsdc.metrics.bootstrap import Interval, bootstrap_interval
from lsdc.metrics.official import (
    CONDITIONS_OF,
    FAMILIES,
    PARTS,
    Grades,
    Probabilities,
    StudyLosses,
    official_score,
    study_losses,
)
from lsdc.runtime.console import track
from lsdc.runtime.engine import fan_out


def cross_fit_stacker(
    make: Callable[[], Stacker],
    data: StackingData,
    show: str = "",
    progress: StackProgress | None = None,
    workers: int | None = 1,
) -> Probabilities:
    """Predict each fold with a stacker fitted without it.

    Parameters
    ----------
    make : callable
        Makes a fresh stacker.
    data : StackingData
        Of n studies.
    show : str
        Words beside a progress bar; no bar when empty.
    progress : StackProgress, optional
        Keeps what is predicted for each fold, and has what an earlier run predicted. By default nothing is kept.
    workers : int, optional
        Processes; one works in this one. None takes one per core.

    Returns
    -------
    (n, 5, 5, 3) float
        Probabilities, none of them from a stacker that saw the study's grades.
    """
    out = np.full(data.predictions.cubes.shape[1:], np.nan)
    waiting = []
    for fold in np.unique(data.folds).tolist():
        found = None if progress is None else progress.find(fold, data)
        if found is None:
            waiting.append(fold)
        else:
            out[data.folds == fold] = found
    predict = partial(_predict_fold, make, data)
    done = fan_out(predict, waiting, show, workers) if show else ((fold, predict(fold)) for fold in waiting)
    for fold, found in done:
        out[data.folds == fold] = found
        if progress is not None:
            progress.keep(fold, found)
    return out


def _predict_fold(make: Callable[[], Stacker], data: StackingData, fold: int) -> Probabilities:
    """Predict the studies of a fold with a stacker fitted on the others."""
    inside = data.folds == fold
    stacker = make().fit(data.predictions.where(~inside), data.grades[~inside])
    return stacker.predict(data.predictions.where(inside))


def score_nested(
    make: Callable[[], Stacker],
    fitted: Stacker,
    data: StackingData,
    seed: int = 0,
    progress: StackProgress | None = None,
    workers: int | None = 1,
) -> tuple[NestedReport, Probabilities]:
    """Score a stacker and the baselines by nested cross-validation.

    Parameters
    ----------
    make : callable
        Makes a fresh stacker.
    fitted : Stacker
        The same fitted on all studies.
    data : StackingData
        Of n studies.
    seed : int
        Seed of the bootstrap.
    progress : StackProgress, optional
        Keeps what is predicted for each fold, and has what an earlier run predicted. By default nothing is kept.
    workers : int, optional
        Processes that work on the folds; one works in this one. None takes one per core.

    Returns
    -------
    report : NestedReport
        The scores.
    nested : (n, 5, 5, 3) float
        The nested predictions that were scored.
    """
    grades, n = data.grades, len(data.grades)
    nested = cross_fit_stacker(make, data, "scoring the stack by nested folds", progress, workers)
    baselines = [cross_fit_stacker(maker, data) for maker in (PlainMean, BestSingle, WeightedPrior)]
    alone = _members_alone(data)
    has = dict(zip(data.predictions.members, data.predictions.present))
    singles = {
        name: official_score(np.where(has[name], grades, np.int8(-1)), cube) for name, cube in alone.items()
    }
    stack, mean, best, prior = (study_losses(grades, cube) for cube in (nested, *baselines))
    report = NestedReport(
        nested=stack.scores(),
        mean=mean.scores(),
        best_single=best.scores(),
        prior=prior.scores(),
        singles=singles,
        interval=bootstrap_interval(stack.totals, n, seed),
        versus_mean=bootstrap_interval(lambda c: stack.totals(c) - mean.totals(c), n, seed),
        versus_best_single=bootstrap_interval(lambda c: stack.totals(c) - best.totals(c), n, seed),
        versus_mean_by_part=differences(grades, nested, baselines[0], seed),
        versus_best_single_by_part=differences(grades, nested, baselines[1], seed),
        in_sample=official_score(grades, fitted.predict(data.predictions)),
        missing=missing_rows(data.predictions, grades),
        warnings=(*leak_warnings(singles, prior.scores()), *fold_leak_warnings(alone, data)),
        rows={name: int((there & (grades >= 0)).sum()) for name, there in has.items()},
        labeled=int((grades >= 0).sum()),
    )
    return report, nested


def _members_alone(data: StackingData) -> dict[str, Probabilities]:
    """Predict with each member alone; where it has no row, with the prior of the other folds."""
    alone = {}
    for name in track(data.predictions.members, "scoring each member"):
        one = StackingData(data.predictions.of([name]), data.grades, data.folds)
        alone[name] = cross_fit_stacker(PlainMean, one)
    return alone


def differences(
    grades: Grades, ours: Probabilities, theirs: Probabilities, seed: int = 0
) -> dict[str, Interval]:
    """Compare two predictions of the same studies part by part, paired by study.

    Parameters
    ----------
    grades : (n, 5, 5) int8
        Grades of the studies; -1 where unlabeled.
    ours, theirs : (n, 5, 5, 3) float
        The two predictions.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    dict of str to Interval
        Our loss minus theirs, by part of the score (`spinal`), and by family and level (`spinal l4_l5`).
    """

    def interval(one: StudyLosses, other: StudyLosses, column: int) -> Interval:
        return bootstrap_interval(
            lambda counts: one.parts(counts)[:, column] - other.parts(counts)[:, column], len(grades), seed
        )

    whole = study_losses(grades, ours), study_losses(grades, theirs)
    found = {part: interval(*whole, k) for k, part in enumerate(PARTS)}
    for k, level in enumerate(track(list(Level), "comparing with the baselines")):
        only = np.where(np.arange(len(Level)) == k, grades, np.int8(-1))
        here = study_losses(only, ours), study_losses(only, theirs)
        found |= {f"{family} {level}": interval(*here, j) for j, family in enumerate(FAMILIES)}
    return found


def missing_rows(predictions: Predictions, grades: Grades) -> dict[str, int]:
    """Count the labeled rows that each member lacks, of the families it covers.

    Parameters
    ----------
    predictions : Predictions
        Of all members, for n studies.
    grades : (n, 5, 5) int8
        Grades of the studies; -1 where unlabeled.

    Returns
    -------
    dict of str to int
        By member. A family of which a member has no row at all does not count.
    """
    counts = {}
    for name, present in zip(predictions.members, predictions.present):
        covered = [c for family in CONDITIONS_OF.values() if present[:, family].any() for c in family]
        counts[name] = int(((grades >= 0) & ~present)[:, covered].sum())
    return counts
