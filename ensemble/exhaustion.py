"""Whether a stack is exhausted: what each member adds, how alike they err, and what would still help."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lsdc.ensemble.exhaustion_report import Exhaustion
from lsdc.ensemble.likeness import FamilyErrors
from lsdc.ensemble.nested_scoring import cross_fit_stacker
from lsdc.ensemble.predictions import Predictions
from lsdc.ensemble.stackers.pool import LogLinearPool
from lsdc.ensemble.stacking_data import StackingData
from lsdc.metrics.bootstrap import Interval, bootstrap_interval
from lsdc.metrics.official import (
    CONDITIONS_OF,
    EPS,
    FAMILIES,
    GRADE_WEIGHTS,
    Probabilities,
    StudyLosses,
    study_losses,
)
from lsdc.runtime.console import track

NEWCOMER = "newcomer"
_DRAWS = 3


def measure_exhaustion(
    data: StackingData, nested: Probabilities, trial_losses: Sequence[float] = (), seed: int = 0
) -> Exhaustion:
    """Measure what would and would not make a stack better.

    Parameters
    ----------
    data : StackingData
        Out-of-fold predictions, grades and folds of n studies.
    nested : (n, 5, 5, 3) float
        What the stack predicts for them, fitted without their fold.
    trial_losses : sequence of float
        Losses of the finished trials of its search, in their order.
    seed : int
        Seed of the simulated members and of the bootstrap.

    Returns
    -------
    Exhaustion
        Without `added` where there is a single member.
    """
    errors = [FamilyErrors.of(data, family) for family in FAMILIES]
    errors = [one for one in errors if one.members]
    pool = study_losses(data.grades, cross_fit_stacker(LogLinearPool, data))
    cooled = study_losses(data.grades, _cooled(data, nested))
    return Exhaustion(
        _added(data, pool, seed),
        {one.family.value: _pairs(one) for one in errors},
        _newcomers(data, errors, pool, seed),
        _better(study_losses(data.grades, nested), [cooled], seed),
        last_third(trial_losses),
        len(trial_losses),
    )


def _better(now: StudyLosses, then: Sequence[StudyLosses], seed: int) -> Interval:
    """Compute how much lower the score of `then`, on average, is than that of `now`, paired by study."""
    known = np.isfinite(now.parts())
    if not known.any():
        return Interval(np.nan, np.nan, np.nan)

    def gain(counts: NDArray[np.float64]) -> NDArray[np.float64]:
        after = np.mean([one.parts(counts)[:, known] for one in then], axis=0)
        return np.asarray((now.parts(counts)[:, known] - after).mean(axis=1))

    return bootstrap_interval(gain, len(now.loss), seed)


def _added(data: StackingData, pool: StudyLosses, seed: int) -> dict[str, Interval]:
    """Leave out one member after the other."""
    members = data.predictions.members
    found = {}
    for name in track(members, "leaving members out") if len(members) > 1 else ():
        rest = data.predictions.of([other for other in members if other != name])
        without = cross_fit_stacker(LogLinearPool, StackingData(rest, data.grades, data.folds))
        found[name] = _better(study_losses(data.grades, without), [pool], seed)
    return found


def _pairs(errors: FamilyErrors) -> dict[str, float]:
    matrix = errors.correlations()
    names = errors.members
    return {f"{names[i]} / {names[k]}": float(matrix[i, k]) for k in range(len(names)) for i in range(k)}


def _newcomers(
    data: StackingData, errors: list[FamilyErrors], pool: StudyLosses, seed: int
) -> dict[str, Interval]:
    """Add simulated members of several likenesses to those that are there."""
    matrices = {one.family: one.correlations()[np.triu_indices(len(one.members), 1)] for one in errors}
    known = np.concatenate([*matrices.values(), np.zeros(0)])
    known = known[np.isfinite(known)]
    if not len(known):
        return {}
    found = {}
    for name in track(("mean", "lowest", "own"), "simulating further members"):
        losses = []
        for draw in range(_DRAWS):
            rng = np.random.default_rng([seed, draw])
            cube = np.full(data.predictions.cubes.shape[1:], np.nan)
            for one in errors:
                own = matrices[one.family][np.isfinite(matrices[one.family])]
                own = own if len(own) else known
                likeness = {"mean": own.mean(), "lowest": own.min(), "own": 0.0}[name]
                cube[:, CONDITIONS_OF[one.family]] = one.newcomer(float(likeness), rng)
            losses.append(study_losses(data.grades, cross_fit_stacker(LogLinearPool, _with(data, cube))))
        found[name] = _better(pool, losses, seed)
    return found


def _with(data: StackingData, cube: Probabilities) -> StackingData:
    """Add a member."""
    old = data.predictions
    more = Predictions((*old.members, NEWCOMER), old.studies, np.concatenate([old.cubes, cube[None]]))
    return StackingData(more, data.grades, data.folds)


def _cooled(data: StackingData, nested: Probabilities) -> Probabilities:
    """Refit a temperature per family on the other folds, and apply it to each fold."""
    logs = np.log(np.clip(nested, EPS, 1.0))
    out = nested.copy()
    for conditions in CONDITIONS_OF.values():
        for fold in np.unique(data.folds):
            inside, grades = data.folds == fold, data.grades[data.folds != fold][:, conditions]
            if not (grades >= 0).any():
                continue
            rows = logs[~inside][:, conditions][grades >= 0]
            temperature = _temperature(rows, grades[grades >= 0])
            raised = np.exp(logs[inside][:, conditions] / temperature)
            out[np.ix_(inside, conditions)] = raised / raised.sum(axis=-1, keepdims=True)
    return out


def _temperature(logs: NDArray[np.float64], grades: NDArray[np.int8]) -> float:
    """Find the temperature with the lowest weighted log loss of rows (r, 3)."""
    from scipy.optimize import minimize_scalar

    weight = GRADE_WEIGHTS[grades]

    def loss(log_temperature: float) -> float:
        scaled = logs / np.exp(log_temperature)
        given = np.take_along_axis(scaled, grades[:, None].astype(int), axis=1)[:, 0]
        return float(weight @ (np.log(np.exp(scaled).sum(axis=1)) - given) / weight.sum())

    return float(np.exp(minimize_scalar(loss, bounds=(-1.0, 1.0), method="bounded").x))


def last_third(losses: Sequence[float]) -> float:
    """Compute by how much the last third of the trials lowered the best loss.

    Parameters
    ----------
    losses : sequence of float
        Of the trials that were not given up, in their order.

    Returns
    -------
    float
        At least 0; NaN with fewer than three trials.

    Examples
    --------
    >>> round(last_third([0.5, 0.4, 0.4, 0.3]), 3)
    0.1
    """
    before = list(losses)[: -(len(losses) // 3)] if len(losses) >= 3 else []
    return float(min(before) - min(losses)) if before else float("nan")
