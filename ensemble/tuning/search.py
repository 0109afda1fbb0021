"""Search with Optuna: seeded, from good points on, in a storage that killed or parallel workers share."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsdc.runtime import ArtefactError, ConfigError
from lsdc.runtime.console import track

if TYPE_CHECKING:
    import optuna
    from optuna.storages import BaseStorage

JOURNAL = "optuna.journal"
Report = Callable[[int, float], None]
Objective = Callable[[Mapping[str, float], Report], Mapping[str, float]]
"""Losses by name at a point, the one to minimize under `Search.metric`; tells how it stands at each step."""


@dataclass(frozen=True)
class Range:
    """Bounds of a parameter; `log` for scales."""

    low: float = 0.0
    high: float = 1.0
    log: bool = False


@dataclass(frozen=True)
class Search:
    """What to search.

    Parameters
    ----------
    study : str
        Name of the Optuna study.
    metric : str
        Name of what is minimized.
    blocks : sequence of mapping of str to Range
        Parameters. After the starts one block at a time is searched, the others stay at the best point: losses
        that are sums over the blocks need no more.
    starts : sequence of mapping of str to float
        Points to try first.
    trials : int
        Points to try altogether.
    seed : int
        For the sampler.
    problem : str
        Hash of what the objective depends on; a storage with another one is refused.
    note : str
        What the dashboard says of the study, Markdown.
    """

    study: str
    metric: str
    blocks: Sequence[Mapping[str, Range]]
    starts: Sequence[Mapping[str, float]]
    trials: int
    seed: int = 0
    problem: str = ""
    note: str = ""

    @property
    def ranges(self) -> dict[str, Range]:
        """All parameters."""
        return {name: bounds for block in self.blocks for name, bounds in block.items()}


def open_storage(where: Path | str | None, heartbeat: int = 15) -> BaseStorage:
    """Storage for trials.

    Parameters
    ----------
    where : Path, str or None
        A journal file, a database's URL (`postgresql://user@host/name`, `sqlite:///file`), or memory.
    heartbeat : int
        Seconds between a worker's signs of life in a database; after four without one its trial is tried again.

    Raises
    ------
    ArtefactError
        When the journal is damaged.
    ConfigError
        When the database cannot be reached.
    """
    from optuna.storages import InMemoryStorage, JournalStorage, RDBStorage, RetryHeartbeatStaleTrialCallback
    from optuna.storages.journal import JournalFileBackend

    if where is None:
        return InMemoryStorage()
    with warnings.catch_warnings():
        _quiet(warnings)
        if isinstance(where, str):
            try:
                return RDBStorage(
                    _with_driver(where),
                    heartbeat_interval=heartbeat,
                    grace_period=4 * heartbeat,
                    heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(max_retry=3),
                )
            except Exception as error:  # every driver fails in its own way
                reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
                raise ConfigError(f"--storage: cannot open the database ({reason})") from error
        if where.is_file():
            _drop_unfinished_line(where)
        try:
            return JournalStorage(JournalFileBackend(str(where)))
        except (KeyError, ValueError) as error:
            raise ArtefactError(
                f"{where}: a damaged Optuna journal ({error}); fit to a new folder"
            ) from error


def minimize(
    search: Search, objective: Objective, storage: BaseStorage, show: bool = False
) -> dict[str, float]:
    """Search until enough trials are finished, and return the best point.

    Workers that share a database share the study. One worker with the same seed finds the same point, whether
    or not it was interrupted; what is finished is not repeated, what a killed worker had begun is tried again.
    `show` draws a progress bar.

    Raises
    ------
    ConfigError
        When the storage holds another search of the same name.
    """
    import optuna
    from optuna.trial import TrialState

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    finished = (TrialState.COMPLETE, TrialState.PRUNED)

    def ask(trial: optuna.Trial) -> float:
        point = {
            name: trial.suggest_float(name, bounds.low, bounds.high, log=bounds.log)
            for name, bounds in search.ranges.items()
        }

        def report(step: int, value: float) -> None:
            trial.report(value, step)
            if trial.number >= len(search.starts) and trial.should_prune():
                raise optuna.TrialPruned

        losses = objective(point, report)
        for name, value in losses.items():
            trial.set_user_attr(name, value)
        return losses[search.metric]

    def steps(study: optuna.Study) -> Iterator[None]:
        while True:
            trials = study.get_trials(deepcopy=False)
            if sum(trial.state == TrialState.FAIL for trial in trials) > search.trials:
                raise ArtefactError(
                    f"the search {search.study!r} failed {search.trials} times; no loss is a number"
                )
            if sum(trial.state in finished for trial in trials) >= search.trials:
                return
            # A sampler per trial: what is drawn depends on the trials so far, not on when the process began.
            begun = sum(trial.state in (*finished, TrialState.RUNNING) for trial in trials)
            if begun < len(search.starts) and not any(t.state == TrialState.WAITING for t in trials):
                study.enqueue_trial(dict(search.starts[begun]))
            study.sampler = _sampler(search, study, begun)
            yield

    with warnings.catch_warnings():
        _quiet(warnings)
        study = _open_study(search, storage)
        done = sum(trial.state in finished for trial in study.get_trials(deepcopy=False))
        todo = steps(study)
        for _ in track(todo, "tuning", max(0, search.trials - done)) if show else todo:
            study.optimize(ask, n_trials=1)
        return dict(study.best_params)


def _open_study(search: Search, storage: BaseStorage) -> optuna.Study:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.trial import TrialState

    pruner = optuna.pruners.WilcoxonPruner(p_threshold=0.1, n_startup_steps=2)
    study = optuna.create_study(storage=storage, study_name=search.study, load_if_exists=True, pruner=pruner)
    if study.user_attrs.get("problem", search.problem) != search.problem:
        raise ConfigError(
            f"the storage holds a search {search.study!r} over other predictions, labels or settings; "
            "give another storage or name"
        )
    if "problem" not in study.user_attrs:
        study.set_metric_names([search.metric])
        if search.note:
            study.set_user_attr("note", search.note)
        study.set_user_attr("problem", search.problem)
    if isinstance(storage, JournalStorage):  # it knows no heartbeat, and one worker at a time
        for trial in study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
            study.tell(trial.number, state=TrialState.FAIL)
            if trial.params.keys() == search.ranges.keys():
                study.enqueue_trial(trial.params)
    return study


def _sampler(search: Search, study: optuna.Study, begun: int) -> optuna.samplers.BaseSampler:
    import optuna

    base = optuna.samplers.TPESampler(seed=search.seed * 100_003 + begun, multivariate=True)
    if begun < len(search.starts) or len(search.blocks) < 2:
        return base
    searched = search.blocks[begun % len(search.blocks)]
    best: dict[str, Any] = study.best_params
    fixed = {name: value for name, value in best.items() if name not in searched}
    return optuna.samplers.PartialFixedSampler(fixed, base)


def _with_driver(url: str) -> str:
    """SQLAlchemy's default driver for PostgreSQL is not among this toolkit's dependencies; pg8000 is."""
    plain = "postgresql://"
    if url.startswith(plain) and importlib.util.find_spec("psycopg2") is None:
        if importlib.util.find_spec("pg8000") is None:
            raise ConfigError("--storage: PostgreSQL needs a driver; `pip install 'lsdc[postgres]'`")
        return "postgresql+pg8000://" + url.removeprefix(plain)
    return url


def _quiet(filters: Any) -> None:
    import optuna

    filters.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)


def _drop_unfinished_line(journal: Path) -> None:
    """Cut off what a killed process left of its last line; Optuna would stumble over it."""
    content = journal.read_bytes()
    end = content.rfind(b"\n") + 1
    if end < len(content):
        with journal.open("r+b") as stream:
            stream.truncate(end)
