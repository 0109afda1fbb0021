"""Optuna's dashboard on the trials of a model."""

from __future__ import annotations

from pathlib import Path

from lsdc.ensemble.tune import JOURNAL
from lsdc.runtime import ArtefactError, LsdcError
from lsdc.runtime.console import say


def serve(model: Path, host: str = "127.0.0.1", port: int = 8080) -> None:
    """Serve the dashboard until interrupted; a fit that is still running can be watched.

    Raises
    ------
    LsdcError
        When the extra is not installed, the model has no trials, or the port is in use.
    """
    journal = model / JOURNAL
    if not journal.is_file():
        raise ArtefactError(
            f"{model}: no {JOURNAL} there; `lsdc-ensemble fit STORE --out MODEL` with two members or more writes it"
        )
    try:
        import optuna_dashboard
    except ImportError:
        raise LsdcError(
            "the dashboard is not installed; install it with `pip install 'lsdc[dashboard]'`"
        ) from None
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    say(f"http://{host}:{port}/ shows {journal}; stop with Ctrl-C")
    try:
        optuna_dashboard.run_server(JournalStorage(JournalFileBackend(str(journal))), host=host, port=port)
    except (OSError, OverflowError) as error:
        raise LsdcError(f"cannot serve on {host}:{port} ({error}); choose another --port") from error
