"""Where the trials of a search are kept: a journal file, a database that workers share, or memory."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from lsdc.ensemble.tuning.journal_check import check_journal
from lsdc.runtime import ArtifactError, ConfigError

if TYPE_CHECKING:
    from optuna.storages import BaseStorage, RDBStorage

JOURNAL = "optuna.journal"
"""Name of the journal file in a model directory."""

_DAMAGE = (LookupError, ValueError, TypeError, AttributeError, AssertionError, RuntimeError)


def open_storage(where: Path | str | None, heartbeat: int = 15) -> BaseStorage:
    """Open a storage for trials, new or begun.

    Parameters
    ----------
    where : Path, str or None
        A journal file (`Path`), the URL of a database (`str`, such as `postgresql://user@host/name` or
        `sqlite:///file`), or None for memory, which is gone with the process.
    heartbeat : int
        Seconds between a worker's signs of life in a database; after four without one its trial is tried again.

    Returns
    -------
    BaseStorage
        For `minimize` and for Optuna itself.

    Raises
    ------
    ArtifactError
        When the journal is damaged.
    ConfigError
        When the database cannot be reached, or its driver is not installed.
    """
    import optuna
    from optuna.storages import InMemoryStorage, JournalStorage
    from optuna.storages.journal import JournalFileBackend

    if where is None:
        return InMemoryStorage()
    with warnings.catch_warnings():
        ignore_experimental_warnings()
        if isinstance(where, str):
            return _open_database(where, heartbeat)
        try:
            if where.is_file():
                _drop_unfinished_line(where)
                check_journal(where)
            return JournalStorage(JournalFileBackend(str(where)))
        except (*_DAMAGE, optuna.exceptions.OptunaError) as error:
            raise ArtifactError(
                f"{where}: a damaged Optuna journal ({ascii(str(error))[1:300]}); fit to a new folder"
            ) from error


def ignore_experimental_warnings() -> None:
    """Silence Optuna's notes on experimental classes; call it inside `warnings.catch_warnings`."""
    import optuna

    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)


def _open_database(url: str, heartbeat: int) -> RDBStorage:
    from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback

    try:
        return RDBStorage(
            _with_driver(url),
            heartbeat_interval=heartbeat,
            grace_period=4 * heartbeat,
            heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(max_retry=3),
        )
    except ConfigError:
        raise
    except Exception as error:  # every driver fails in its own way
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ConfigError(f"storage: cannot open the database ({reason})") from error


def _with_driver(url: str) -> str:
    """Name pg8000 in the URL: SQLAlchemy's default driver for PostgreSQL is no dependency of this toolkit."""
    plain = "postgresql://"
    if url.startswith(plain) and importlib.util.find_spec("psycopg2") is None:
        if importlib.util.find_spec("pg8000") is None:
            raise ConfigError(
                "storage: PostgreSQL needs a driver; install it with `pip install 'lsdc-toolkit[postgres]'`"
            )
        return "postgresql+pg8000://" + url.removeprefix(plain)
    return url


def _drop_unfinished_line(journal: Path) -> None:
    """Cut off what a killed process left of its last line; Optuna would stumble over it."""
    content = journal.read_bytes()
    end = content.rfind(b"\n") + 1
    if end < len(content):
        with journal.open("r+b") as stream:
            stream.truncate(end)
