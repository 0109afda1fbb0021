"""Search with Optuna: seeded, beginning at good points, in a storage that killed or parallel workers share."""

from __future__ import annotations

import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from lsdc.ensemble.tuning.elsewhere import Drawn, Tried, make_pruner, try_each
from lsdc.ensemble.tuning.journal_check import check_trials as check_journal_trials
from lsdc.ensemble.tuning.storage import ignore_experimental_warnings
from lsdc.models.search_space import Range
from lsdc.runtime import ArtifactError, ConfigError
from lsdc.runtime.console import say, track
from lsdc.runtime.engine_choice import Engine, chosen_engine
from lsdc.runtime.seeds import check_seed

if TYPE_CHECKING:
    import optuna
    from optuna.storages import BaseStorage

    from lsdc.ensemble.tuning.block_sampler import BlockSampler

Point = Mapping[str, float]
"""A value for each parameter of a search, by name."""
ReportStep = Callable[[int, float], None]
"""Called by an objective with the number of a step and the loss on it, so that hopeless trials end early."""
Objective = Callable[[Point, ReportStep], Mapping[str, float]]
"""From a point to losses by name, among them the one to minimize, `Search.metric`; reports each step's loss."""


@dataclass(frozen=True)
class Search:
    """Where to search, and how long.

    Parameters
    ----------
    study : str
        Name of the Optuna study in the storage.
    metric : str
        Name of the loss that is minimized, among those that the objective returns.
    blocks : sequence of mapping of str to Range
        All parameters, in groups. After the starts one block at a time is searched while the others stay at the
        best point: losses that are sums over the blocks need no more.
    starts : sequence of mapping of str to float
        Points to try first, with a value for every parameter.
    trials : int
        Number of points to try, starts included.
    seed : int
        Seed of the sampler.
    problem : str
        Hash of what the objective depends on; a storage that holds the study with another hash is refused.
    note : str
        Explanation of the study for the dashboard, in Markdown.
    timeout : float, optional
        Seconds after which no further trial is begun by this call, once there is a finished one. Default: no limit.
    """

    study: str
    metric: str
    blocks: Sequence[Mapping[str, Range]]
    starts: Sequence[Point]
    trials: int
    seed: int = 0
    problem: str = ""
    note: str = ""
    timeout: float | None = None

    @property
    def ranges(self) -> dict[str, Range]:
        """All parameters of all blocks."""
        return {name: bounds for block in self.blocks for name, bounds in block.items()}


def check_search(trials: int, seed: int) -> None:
    """Refuse a search without a trial, or with a seed that is none.

    Parameters
    ----------
    trials : int
        Number of trials asked for.
    seed : int
        Seed of the sampler.

    Raises
    ------
    ConfigError
        When there is to be no trial, or the seed is below 0.
    """
    if trials < 1:
        raise ConfigError(f"trials must be at least 1, not {trials}")
    check_seed(seed)


def minimize(
    search: Search, objective: Objective, storage: BaseStorage, show: bool = False
) -> dict[str, float]:
    """Search until enough trials are finished, and return the best point.

    Within `working_on`, as many trials are tried at once as there are workers; they do not know each other's losses.
    Workers that share a database share the study, and each returns the best point when enough trials are finished,
    also where another is still at one. One worker with the same seed finds the same point, whether or not it was
    interrupted; what is finished is not repeated, what a killed worker had begun is tried again.

    Parameters
    ----------
    search : Search
        Parameters, starts and number of trials.
    objective : callable
        Losses by name at a point; see `Objective`.
    storage : BaseStorage
        Made by `open_storage`; trials that it already holds count.
    show : bool
        Draw a progress bar.

    Returns
    -------
    dict of str to float
        The point with the lowest loss, a value for every parameter.

    Raises
    ------
    ConfigError
        When the storage holds another search of the same name.
    ArtifactError
        When as many trials failed as were asked for, because no loss is a number.
    """
    import optuna

    from lsdc.ensemble.tuning.block_sampler import BlockSampler

    optuna.logging.set_verbosity(optuna.logging.ERROR)  # it warns of Ctrl-C with a traceback
    with warnings.catch_warnings():
        ignore_experimental_warnings()
        study = _open_study(search, storage)
        remaining = max(0, search.trials - _finished(_count_states(study)))
        sampler = study.sampler = BlockSampler(search.blocks, search.starts, search.seed)
        trials = _trials_to_begin(search, study)
        engine = chosen_engine()
        if engine is not None:
            _run_elsewhere(search, objective, study, sampler, trials, engine)
        for _ in track(trials, "tuning", remaining) if show else trials:
            try:
                study.optimize(
                    partial(_evaluate, search=search, objective=objective, sampler=sampler), n_trials=1
                )
            except AssertionError as error:  # of Optuna, where its journal takes nothing more
                if isinstance(error.__context__, OSError):
                    raise error.__context__ from None
                raise
        return dict(study.best_params)


def _run_elsewhere(
    search: Search,
    objective: Objective,
    study: optuna.Study,
    sampler: BlockSampler,
    trials: Iterator[None],
    engine: Engine,
) -> None:
    """Run as many trials at a time as the engine has room for; those of a time do not know each other's losses."""
    for _ in trials:
        room = min(engine.slots(), search.trials - _finished(_count_states(study)))
        drawn = [_drawn(search, study, sampler)]
        drawn += [_drawn(search, study, sampler) for _ in islice(trials, room - 1)]
        for trial, tried in try_each(study, objective, drawn):
            _tell(search, study, trial, tried)
        say(f"tuning: {_finished(_count_states(study))} of {search.trials} trials")


def _drawn(search: Search, study: optuna.Study, sampler: BlockSampler) -> Drawn:
    """Begin a trial and draw its point."""
    trial = study.ask()
    return Drawn(trial, _point(trial, search), sampler.is_start)


def _point(trial: optuna.Trial, search: Search) -> Point:
    """Draw a value of every parameter."""
    return {name: _suggest(trial, name, bounds) for name, bounds in search.ranges.items()}


def _tell(search: Search, study: optuna.Study, trial: optuna.Trial, tried: Tried) -> None:
    """Write down what a trial came to elsewhere, as if it had been run here."""
    from optuna.trial import TrialState

    for step, value in tried.steps.items():
        trial.report(value, step)
    for name, value in (tried.losses or {}).items():
        trial.set_user_attr(name, value)
    if tried.losses is None:
        study.tell(trial, state=TrialState.PRUNED)
    elif tried.losses[search.metric] != tried.losses[search.metric]:
        study.tell(trial, state=TrialState.FAIL)
    else:
        study.tell(trial, tried.losses[search.metric])


def _suggest(trial: optuna.Trial, name: str, bounds: Range) -> float:
    """Draw a value of a parameter."""
    if bounds.whole:
        return trial.suggest_int(name, int(bounds.low), int(bounds.high), log=bounds.log)
    return trial.suggest_float(name, bounds.low, bounds.high, log=bounds.log)


def _evaluate(trial: optuna.Trial, search: Search, objective: Objective, sampler: BlockSampler) -> float:
    """Compute the loss at the trial's point, that of a start also where it is hopeless; all losses are noted."""
    import optuna

    spared = sampler.is_start

    def report_step(step: int, value: float) -> None:
        trial.report(value, step)
        if not spared and trial.should_prune():
            raise optuna.TrialPruned

    losses = objective(_point(trial, search), report_step)
    for name, value in losses.items():
        trial.set_user_attr(name, value)
    return losses[search.metric]


def _trials_to_begin(search: Search, study: optuna.Study) -> Iterator[None]:
    """Let one trial after the other begin, until enough are finished."""
    from optuna.trial import TrialState

    begun_at = time.monotonic()
    while True:
        count = _count_states(study)
        if _failed(search, study) > search.trials:
            raise ArtifactError(
                f"the search {search.study!r} failed {search.trials} times; no loss is a number"
            )
        if _finished(count) >= search.trials:
            return
        late = search.timeout is not None and time.monotonic() - begun_at > search.timeout
        if late and count[TrialState.COMPLETE]:
            return
        yield


def _failed(search: Search, study: optuna.Study) -> int:
    """Count the trials whose loss was no number; those that were interrupted have none, and say nothing."""
    from optuna.trial import TrialState

    failed = study.get_trials(deepcopy=False, states=[TrialState.FAIL])
    return sum(search.metric in trial.user_attrs for trial in failed)


def _count_states(study: optuna.Study) -> Counter[Any]:
    """Count the study's trials by state."""
    return Counter(trial.state for trial in study.get_trials(deepcopy=False))


def _finished(count: Counter[Any]) -> int:
    """Count the trials that need not be repeated."""
    from optuna.trial import TrialState

    return count[TrialState.COMPLETE] + count[TrialState.PRUNED]


def _open_study(search: Search, storage: BaseStorage) -> optuna.Study:
    """Create or load the study; what a killed process had begun in a journal is queued again."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.trial import TrialState

    study = optuna.create_study(
        storage=storage, study_name=search.study, load_if_exists=True, pruner=make_pruner()
    )
    if study.user_attrs.get("problem", search.problem) != search.problem:
        raise ConfigError(
            f"the storage holds a search {search.study!r} over other predictions, labels or settings; "
            "give another storage or name"
        )
    if isinstance(storage, JournalStorage) and study.get_trials(deepcopy=False):
        try:
            check_journal_trials(study, search.ranges, search.metric)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise ArtifactError(
                f"the journal of the search {search.study!r} is damaged ({str(error)[:300]}); fit to a new folder"
            ) from error
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
