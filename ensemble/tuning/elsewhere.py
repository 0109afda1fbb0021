"""Trials of a search on other machines: several at once, drawn and judged here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lsdc.runtime.engine import fan_out

if TYPE_CHECKING:
    import optuna

Objective = Callable[[Mapping[str, float], Callable[[int, float], None]], Mapping[str, float]]
"""As in `lsdc.ensemble.tuning.search`; one that is sent to other processes is small."""


@dataclass(frozen=True)
class Drawn:
    """A trial that has begun.

    Parameters
    ----------
    trial : optuna.Trial
        The trial.
    point : mapping of str to float
        A value for each parameter.
    spared : bool
        Whether it is never given up.
    """

    trial: optuna.Trial
    point: Mapping[str, float]
    spared: bool


@dataclass(frozen=True)
class TrialTask:
    """The order to compute the losses at a point.

    Parameters
    ----------
    number : int
        Of the trial.
    objective : callable
        Losses by name at a point.
    point : mapping of str to float
        A value for each parameter.
    rival : mapping of int to float or None
        Losses of the best finished trial by step, against which this one is given up early; None where it is not.
    rival_loss : float
        The loss of that trial.
    """

    number: int
    objective: Objective
    point: Mapping[str, float]
    rival: Mapping[int, float] | None
    rival_loss: float


@dataclass(frozen=True)
class Tried:
    """What a trial came to.

    Parameters
    ----------
    steps : dict of int to float
        The loss of each step.
    losses : mapping of str to float or None
        Losses by name; None where the trial was given up.
    """

    steps: dict[int, float] = field(default_factory=dict)
    losses: Mapping[str, float] | None = None


def try_each(
    study: optuna.Study, objective: Objective, drawn: Sequence[Drawn]
) -> Iterator[tuple[optuna.Trial, Tried]]:
    """Compute the losses of some trials wherever the work is fanned out to.

    Parameters
    ----------
    study : optuna.Study
        The study, with its finished trials.
    objective : callable
        Losses by name at a point.
    drawn : sequence of Drawn
        The trials and their points.

    Yields
    ------
    tuple
        A trial and what it came to, in the order of `drawn`.
    """
    rival, rival_loss = _rival(study)
    tasks = [
        TrialTask(one.trial.number, objective, dict(one.point), None if one.spared else rival, rival_loss)
        for one in drawn
    ]
    results = {task.number: tried for task, tried in fan_out(try_point, tasks, "trials")}
    for one in drawn:
        yield one.trial, results[one.trial.number]


def try_point(task: TrialTask) -> Tried:
    """Compute the losses at a point, and give up as the pruner of the search would.

    Parameters
    ----------
    task : TrialTask
        The point.

    Returns
    -------
    Tried
        The losses.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(pruner=make_pruner())
    if task.rival is not None:
        best: Any = optuna.trial.create_trial(value=task.rival_loss, intermediate_values=dict(task.rival))
        study.add_trial(best)
    trial = study.ask()
    steps: dict[int, float] = {}

    def report_step(step: int, value: float) -> None:
        steps[step] = value
        trial.report(value, step)
        if task.rival is not None and trial.should_prune():
            raise optuna.TrialPruned

    try:
        return Tried(steps, dict(task.objective(task.point, report_step)))
    except optuna.TrialPruned:
        return Tried(steps)


def make_pruner() -> optuna.pruners.BasePruner:
    """Make what gives a trial up as soon as it is surely behind the best one.

    Returns
    -------
    optuna.pruners.BasePruner
        The pruner of every search.
    """
    import optuna

    return optuna.pruners.WilcoxonPruner(p_threshold=0.1, n_startup_steps=2)


def _rival(study: optuna.Study) -> tuple[Mapping[int, float] | None, float]:
    """Take the steps and the loss of the best finished trial."""
    try:
        best = study.best_trial
    except ValueError:
        return None, float("nan")
    return dict(best.intermediate_values), float(best.value or 0.0)
