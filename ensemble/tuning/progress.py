"""How the search of a stack went, read from its trials."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from lsdc.ensemble.tuning.storage import ignore_experimental_warnings, open_storage

if TYPE_CHECKING:
    import optuna


def finished_losses(where: Path | str, study: str) -> list[float]:
    """List the losses of the finished trials.

    Parameters
    ----------
    where : Path or str
        Journal file or database URL.
    study : str
        Name of the Optuna study.

    Returns
    -------
    list of float
        In the order of the trials; infinite where one was given up early. Empty where there is no such study.
    """
    import optuna

    with warnings.catch_warnings():
        ignore_experimental_warnings()
        try:
            opened = optuna.load_study(study_name=study, storage=open_storage(where))
        except KeyError:
            return []
        return losses_of(opened)


def losses_of(study: optuna.Study) -> list[float]:
    """List the losses of the finished trials of an opened study.

    Parameters
    ----------
    study : optuna.Study
        The study.

    Returns
    -------
    list of float
        In the order of the trials; infinite where one was given up early.
    """
    from optuna.trial import TrialState

    trials = study.get_trials(deepcopy=False, states=[TrialState.COMPLETE, TrialState.PRUNED])
    # A trial that was given up has the loss of its last step as its value.
    return [
        float("inf") if trial.state is TrialState.PRUNED or trial.value is None else float(trial.value)
        for trial in trials
    ]
