"""Search with Optuna: seeded, started from good points, in a journal file that a killed run goes on with."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lsdc.runtime import ArtefactError

JOURNAL = "optuna.journal"


@dataclass(frozen=True)
class Search:
    """What to search.

    Parameters
    ----------
    study : str
        Name of the Optuna study.
    metric : str
        Name of what is minimized.
    parameters : sequence of str
        Each between 0 and 1.
    starts : sequence of mapping of str to float
        Points to try first.
    trials : int
        Points to try altogether.
    seed : int
        For the sampler.
    """

    study: str
    metric: str
    parameters: Sequence[str]
    starts: Sequence[Mapping[str, float]]
    trials: int
    seed: int = 0


def minimize(
    search: Search, objective: Callable[[Mapping[str, float]], float], journal: Path | None = None
) -> dict[str, float]:
    """Search and return the best point.

    Parameters
    ----------
    search : Search
        What to search.
    objective : callable
        Point to loss.
    journal : Path, optional
        Optuna journal file; trials that are there already are not repeated. Default: in memory.

    Returns
    -------
    dict of str to float
        The best point. The same search gives the same point, whether or not it was interrupted.

    Raises
    ------
    ArtefactError
        When the journal is damaged.
    """
    import optuna
    from optuna.storages import InMemoryStorage, JournalStorage
    from optuna.storages.journal import JournalFileBackend
    from optuna.trial import TrialState

    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def ask(trial: optuna.Trial) -> float:
        return objective({name: trial.suggest_float(name, 0.0, 1.0) for name in search.parameters})

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if journal and journal.is_file():
            _drop_unfinished_line(journal)
        try:
            storage = JournalStorage(JournalFileBackend(str(journal))) if journal else InMemoryStorage()
            study = optuna.create_study(storage=storage, study_name=search.study, load_if_exists=True)
        except (KeyError, ValueError) as error:
            raise ArtefactError(
                f"{journal}: a damaged Optuna journal ({error}); fit to a new folder"
            ) from error
        study.set_metric_names([search.metric])
        for trial in study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
            study.tell(trial.number, state=TrialState.FAIL)
        tried = study.get_trials(deepcopy=False, states=[TrialState.COMPLETE, TrialState.WAITING])
        points = [trial.params or trial.system_attrs.get("fixed_params") for trial in tried]
        for start in search.starts:
            if dict(start) not in points:
                study.enqueue_trial(dict(start))
                points.append(dict(start))
        done = sum(trial.state == TrialState.COMPLETE for trial in tried)
        for number in range(done, search.trials):
            # A sampler per trial: what is drawn depends on the trials so far, not on when the process began.
            study.sampler = optuna.samplers.TPESampler(seed=search.seed * 100_003 + number, multivariate=True)
            study.optimize(ask, n_trials=1)
        return dict(study.best_params)


def _drop_unfinished_line(journal: Path) -> None:
    """Cut off what a killed process left of its last line; Optuna would stumble over it."""
    content = journal.read_bytes()
    end = content.rfind(b"\n") + 1
    if end < len(content):
        with journal.open("r+b") as stream:
            stream.truncate(end)
