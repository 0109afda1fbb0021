"""Search the settings of a member on a feature store."""

from __future__ import annotations

import contextlib
from functools import partial
from pathlib import Path

from lsdc.ensemble.training_data import TrainingData
from lsdc.ensemble.tuning.member_search import TunedMember, search_member
from lsdc.ensemble.tuning.storage import JOURNAL, open_storage
from lsdc.features.store import FeatureStore
from lsdc.models.options import Options
from lsdc.models.registry import MemberLike
from lsdc.runtime import ConfigError, LsdcError
from lsdc.runtime.engine_choice import EngineName, check_engine, working_on
from lsdc.runtime.folder_lock import only_writer
from lsdc.runtime.paths import PathLike
from lsdc.runtime.whole_files import check_output_folder


def tune_member(
    store: PathLike,
    member: MemberLike,
    out: PathLike,
    *,
    trials: int = 60,
    seed: int = 0,
    options: Options | None = None,
    timeout: float | None = None,
    storage: str | None = None,
    engine: EngineName = "local",
    scheduler: str | None = None,
) -> TunedMember:
    """Search the settings of a member that lead to the lowest loss on a store's training studies, out of fold.

    The defaults are tried first. A trial is given up after a fold as soon as it is surely behind the best one. A
    killed search resumes when it is called again; `lsdc-ensemble dashboard OUT` shows it.

    Parameters
    ----------
    store : path
        A finished feature store.
    member : str, type of Member or SklearnMember
        One that declares what can be searched, such as `lightgbm`; see `HeadMember.space`.
    out : path
        Folder for `settings.json`, to which the best settings are written under the member's name, beside those of
        members that were tuned before; without `storage` also for the journal of the trials.
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
    engine : {"local", "dask"}
        What runs the trials: this process, one after the other, or the workers of a Dask scheduler, which must see
        `store` at the same path. With one worker of one thread they are the same trials; with more, those that run at
        once are drawn without knowing each other's losses, so the number of threads decides what is found.
    scheduler : str, optional
        Address of the Dask scheduler, such as `tcp://host:8786`.

    Returns
    -------
    TunedMember
        The best settings so far, and where they are written.

    Raises
    ------
    ConfigError
        When the member is unknown or has nothing to search, `trials`, `timeout` or `storage` cannot be used, or the
        scheduler cannot be reached.
    ArtifactError
        When the store is damaged or has too few labeled studies, or the journal is damaged.

    Examples
    --------
    >>> tuned = tune_member("store", "lightgbm", "tuned", trials=40)  # doctest: +SKIP
    >>> fit("store", "model", ["lightgbm"], settings={"lightgbm": tuned.settings})  # doctest: +SKIP
    """
    check_engine(engine, scheduler)
    if engine != "local" and storage is not None:
        raise ConfigError(
            "storage lets several searches share trials; with the engine 'dask' one search gives its trials to all "
            "workers: leave it out"
        )
    out, store = check_output_folder(out), Path(store)
    data = TrainingData.of(FeatureStore.open(store))
    with working_on(engine, scheduler, reads=[store], unused=partial(_forget_unused, out / JOURNAL)):
        return search_member(
            data,
            member,
            out,
            trials=trials,
            seed=seed,
            options=options,
            timeout=timeout,
            storage=storage,
        )


def _forget_unused(journal: Path) -> None:
    """Remove a journal without a finished trial, as it was not there before; not while another run writes to it."""
    with contextlib.suppress(LsdcError), only_writer(journal.parent, owned=False):
        if journal.is_file():
            storage = open_storage(journal)
            trials = [
                trial for one in storage.get_all_studies() for trial in storage.get_all_trials(one._study_id)
            ]
            if not any(trial.state.is_finished() for trial in trials):
                journal.unlink()
