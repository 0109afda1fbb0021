"""How the search of a stack went, read from its trials."""

from __future__ import annotations

import warnings
from pathlib import Path

from lsdc.ensemble.tuning.storage import ignore_experimental_warnings, open_storage


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
        In the order of the trials; those that ended early have none. Empty where there is no such study.
    """
    import optuna
    from optuna.trial import TrialState

    with warnings.catch_warnings():
        ignore_experimental_warnings()
        try:
            opened = optuna.load_study(study_name=study, storage=open_storage(where))
        except KeyError:
            return []
        trials = opened.get_trials(deepcopy=False, states=[TrialState.COMPLETE])
        return [float(trial.value) for trial in trials if trial.value is not None]
