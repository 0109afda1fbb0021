"""Optuna's dashboard on the trials of a model, with notes and pictures."""

from __future__ import annotations

import json
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from lsdc.ensemble.nested import NESTED
from lsdc.ensemble.tuning.mix_problem import STUDY
from lsdc.ensemble.tuning.search import JOURNAL, open_storage
from lsdc.runtime import ArtefactError, LsdcError
from lsdc.runtime.console import say

if TYPE_CHECKING:
    from optuna.artifacts import FileSystemArtifactStore
    from optuna.storages import BaseStorage


def serve(model: Path, host: str = "127.0.0.1", port: int = 8080, storage: str | None = None) -> None:
    """Serve the dashboard until interrupted; a fit that is still running can be watched.

    Parameters
    ----------
    model : Path
        A model's directory.
    host, port
        Where to listen.
    storage : str, optional
        URL of the database that holds the trials; default the journal in the model.

    Raises
    ------
    LsdcError
        When the extra is not installed, the model has no trials, or the port is in use.
    """
    journal = model / JOURNAL
    if storage is None and not journal.is_file():
        raise ArtefactError(
            f"{model}: no {JOURNAL} there; `lsdc-ensemble fit` and `blend` write it, unless given --storage"
        )
    try:
        import optuna_dashboard
    except ImportError:
        raise LsdcError(
            "the dashboard is not installed; install it with `pip install 'lsdc[dashboard]'`"
        ) from None
    opened = open_storage(storage or journal)
    store = decorate(model, opened)
    # Not the database's URL, which may hold a password.
    say(f"http://{host}:{port}/ shows the trials of {model}; stop with Ctrl-C")
    try:
        optuna_dashboard.run_server(opened, host=host, port=port, artifact_store=store)
    except (OSError, OverflowError) as error:
        raise LsdcError(f"cannot serve on {host}:{port} ({error}); choose another --port") from error


def decorate(model: Path, storage: BaseStorage) -> FileSystemArtifactStore:
    """Explain the study, and attach pictures of a finished model to its best trial; once."""
    import optuna
    from optuna.artifacts import FileSystemArtifactStore, get_all_artifact_meta, upload_artifact
    from optuna_dashboard import save_note

    from lsdc.report.plots import draw

    folder = model / "artifacts"
    folder.mkdir(exist_ok=True)
    store = FileSystemArtifactStore(str(folder))
    if STUDY not in optuna.get_all_study_names(storage):
        return store
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study = optuna.load_study(study_name=STUDY, storage=storage)
        save_note(study, str(study.user_attrs.get("note", "")))
        done = study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.COMPLETE])
        if not done or not (model / NESTED).is_file():
            return store
        if get_all_artifact_meta(study, storage=storage):
            return store
        best = study.best_trial
        with tempfile.TemporaryDirectory() as temporary:
            for path in draw(model, Path(temporary)):
                artifact = upload_artifact(
                    artifact_store=store,
                    file_path=str(path),
                    study_or_trial=study,
                    storage=storage,
                    mimetype="image/png",
                )
                meta = {
                    "artifact_id": artifact,
                    "filename": path.name,
                    "mimetype": "image/png",
                    "encoding": None,
                }
                # A finished trial cannot be written to; the dashboard also reads its artifacts from the study.
                key = f"dashboard:artifacts:{best._trial_id}:{artifact}"
                storage.set_study_system_attr(study._study_id, key, json.dumps(meta))
    return store
