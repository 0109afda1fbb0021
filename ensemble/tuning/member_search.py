"""Search a member's settings by cross-fitting it on a store, with Optuna."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsdc.ensemble.training_data import TrainingData
from lsdc.ensemble.tuning.member_problem import METRIC, MemberProblem, space_of
from lsdc.ensemble.tuning.search import Search, check_search, minimize
from lsdc.ensemble.tuning.settings_file import SETTINGS, read_settings, write_settings
from lsdc.ensemble.tuning.storage import JOURNAL, open_storage
from lsdc.models.examples import Examples
from lsdc.models.member import Member
from lsdc.models.options import Options
from lsdc.models.registry import MemberLike, resolve_members
from lsdc.models.search_space import Space, check_settings
from lsdc.runtime import ConfigError
from lsdc.runtime.console import say
from lsdc.runtime.folder_lock import only_writer

if TYPE_CHECKING:
    from optuna.storages import BaseStorage


@dataclass(frozen=True)
class TunedMember:
    """What a search for a member's settings has found so far.

    Parameters
    ----------
    member : str
        The member's name.
    settings : dict of str to float
        The best settings.
    loss : float
        The mean over the families of the weighted log loss with them, out of fold. They were chosen by it, so it
        flatters; the nested score of a `fit` with these settings does not cover how they were chosen.
    default_loss : float or None
        The same with the member's defaults; None where no trial had them.
    trials : int
        Number of finished trials of all workers, pruned ones included.
    file : Path
        JSON with the settings, for `fit`.
    """

    member: str
    settings: dict[str, float]
    loss: float
    default_loss: float | None
    trials: int
    file: Path


def search_member(
    data: Examples | TrainingData,
    member: MemberLike,
    out: Path,
    *,
    trials: int = 60,
    seed: int = 0,
    options: Options | None = None,
    timeout: float | None = None,
    storage: str | None = None,
) -> TunedMember:
    """Search the settings of a member that lead to the lowest loss out of fold.

    The defaults are tried first. Every trial cross-fits the member by study over the folds, shrinkage included, and is
    given up after a fold as soon as it is surely behind the best one. A killed search resumes.

    Parameters
    ----------
    data : Examples or TrainingData
        Labeled training studies with their folds, or where they are, which other machines need to know.
    member : str, type of Member or SklearnMember
        One that declares what can be searched in `space()`.
    out : Path
        Folder for `settings.json`, to which the best settings are written under the member's name, and without
        `storage` for the journal of the trials.
    trials : int
        Number of trials of all workers together, at least 1.
    seed : int
        Seed of the member and of the search.
    options : Options, optional
        Choices for deep members. Default: `Options()`.
    timeout : float, optional
        Seconds after which no further trial is begun; at least one is finished. Default: no limit.
    storage : str, optional
        URL of a database in which workers share the trials. Default: a journal in `out`.

    Returns
    -------
    TunedMember
        The best settings so far, and where they are written.

    Raises
    ------
    ConfigError
        When the member has nothing to search, `trials` or `timeout` cannot be used, or the storage has another search.
    ArtifactError
        When another process is writing to `out`.
    """
    check_search(trials, seed)
    if timeout is not None and timeout <= 0:
        raise ConfigError(f"timeout must be above 0 seconds, not {timeout:g}")
    options = (options or Options()).resolved()
    [(name, factory)] = resolve_members([member]).items()
    unfitted = factory(seed, options)
    unfitted.require()
    space, start = space_of(unfitted), _defaults_of(unfitted)
    problem = MemberProblem(data, factory, seed, options)
    search = Search(
        f"member {name}", METRIC, [space], [start] if _is_within(start, space) else [], trials, seed,
        problem=problem.hash, note=f"Settings of the member `{name}`, cross-fitted by study.", timeout=timeout,
    )  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    # With a storage, workers share the trials and the folder.
    with only_writer(out, owned=False) if storage is None else nullcontext():
        opened = open_storage(storage or out / JOURNAL)
        best = minimize(search, problem, opened, show=True)
        file = out / SETTINGS
        write_settings(file, {**(read_settings(file) if file.is_file() else {}), name: best})
        result = _result(name, best, search, opened, file)
    say(f"{name}: loss {result.loss:.4f} after {result.trials} trials; {file} holds the settings, for fit")
    return result


def _defaults_of(member: Member) -> Mapping[str, float]:
    """Ask a member for the settings that it has; none where it does not say."""
    defaults: Any = getattr(member, "defaults", dict)
    found: Mapping[str, float] = defaults()
    return found


def _is_within(start: Mapping[str, float], space: Space) -> bool:
    """Tell whether the settings that a member has can be a trial: all of the space's, and in their ranges."""
    if start.keys() != space.keys():
        return False
    try:
        check_settings(start, space, "member")
    except ConfigError:
        return False
    return True


def _result(
    name: str, best: dict[str, float], search: Search, storage: BaseStorage, file: Path
) -> TunedMember:
    """Read from the storage what the search came to."""
    import optuna
    from optuna.trial import TrialState

    study = optuna.load_study(study_name=search.study, storage=storage)
    done = study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])
    pruned = study.get_trials(deepcopy=False, states=[TrialState.PRUNED])
    default = [trial.value for trial in done if search.starts and trial.params == dict(search.starts[0])]
    return TunedMember(
        name, best, study.best_value, default[0] if default else None, len(done) + len(pruned), file
    )
