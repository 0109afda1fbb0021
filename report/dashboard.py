"""Optuna's dashboard on the trials of a model, with notes and plots."""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lsdc.ensemble.nested import NESTED
from lsdc.ensemble.tuning.mix_problem import OPTUNA_STUDY
from lsdc.ensemble.tuning.storage import JOURNAL, open_storage
from lsdc.runtime.console import say
from lsdc.runtime.errors import ArtifactError, LsdcError
from lsdc.runtime.paths import PathLike

if TYPE_CHECKING:
    import optuna
    from optuna.artifacts import FileSystemArtifactStore
    from optuna.storages import BaseStorage


def serve(model: PathLike, host: str = "127.0.0.1", port: int = 8080, storage: str | None = None) -> None:
    """Serve the dashboard of a model's search until interrupted; a fit that is still running can be watched.

    Parameters
    ----------
    model : path
        A model's directory; notes and plots are kept in its folder `artifacts`.
    host : str
        Address to listen on; by default only this machine can open the page.
    port : int
        TCP port to listen on.
    storage : str, optional
        URL of the database that holds the trials; by default the journal in the model.

    Raises
    ------
    ArtifactError
        When the model has no journal and no `storage` is given.
    LsdcError
        When the extra is not installed, or the port is in use.
    """
    model = Path(model)
    journal = model / JOURNAL
    if storage is None and not journal.is_file():
        raise ArtifactError(
            f"{model}: no {JOURNAL} there; `lsdc-ensemble fit` and `blend` write it, unless given another storage"
        )
    try:
        import optuna_dashboard
    except ImportError:
        raise LsdcError(
            "the dashboard is not installed; install it with `pip install 'lsdc-toolkit[dashboard]'`"
        ) from None
    opened = open_storage(storage or journal)
    store = decorate(model, opened)
    # Not the database's URL, which may hold a password.
    say(f"http://{host}:{port}/ shows the trials of {model}; stop with Ctrl-C")
    try:
        optuna_dashboard.run_server(opened, host=host, port=port, artifact_store=store)
    except (OSError, OverflowError) as error:
        raise LsdcError(f"cannot serve on {host}:{port} ({error}); choose another port") from error


def decorate(model: PathLike, storage: BaseStorage) -> FileSystemArtifactStore:
    """Explain the search of a model, and attach plots of the finished model to its best trial, once.

    Parameters
    ----------
    model : path
        A model's directory; the plots are kept in its folder `artifacts`.
    storage : BaseStorage
        The opened storage of the trials; notes and links to the plots are written to it.

    Returns
    -------
    FileSystemArtifactStore
        The folder of plots, as the dashboard takes it.
    """
    import optuna
    from optuna.artifacts import FileSystemArtifactStore, get_all_artifact_meta
    from optuna_dashboard import save_note

    from lsdc.report.plots import draw_plots

    model = Path(model)
    folder = model / "artifacts"
    folder.mkdir(exist_ok=True)
    store = FileSystemArtifactStore(str(folder))
    if OPTUNA_STUDY not in optuna.get_all_study_names(storage):
        return store
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study = optuna.load_study(study_name=OPTUNA_STUDY, storage=storage)
        save_note(study, str(study.user_attrs.get("note", "")))
        done = study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.COMPLETE])
        attached = get_all_artifact_meta(study, storage=storage)
        if done and (model / NESTED).is_file() and not attached:
            with tempfile.TemporaryDirectory() as temporary:
                _attach(draw_plots(model, temporary).paths, study, storage, store)
    return store


def _attach(
    paths: Sequence[Path], study: optuna.Study, storage: BaseStorage, store: FileSystemArtifactStore
) -> None:
    """Upload PNG files to a search, and link them to its best trial."""
    from optuna.artifacts import upload_artifact

    best = study.best_trial
    for path in paths:
        artifact = upload_artifact(
            artifact_store=store,
            file_path=str(path),
            study_or_trial=study,
            storage=storage,
            mimetype="image/png",
        )
        meta = {"artifact_id": artifact, "filename": path.name, "mimetype": "image/png", "encoding": None}
        # A finished trial cannot be written to; the dashboard also reads its artifacts from the study.
        key = f"dashboard:artifacts:{best._trial_id}:{artifact}"
        storage.set_study_system_attr(study._study_id, key, json.dumps(meta))
