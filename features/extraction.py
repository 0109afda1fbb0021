"""From a folder of studies to a feature store: locate, cut, embed; killed at any point, it resumes."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lsdc.features.array_files import ArrayFiles
from lsdc.features.assembly import assemble_store, embed_crops
from lsdc.features.encoder import Encoder
from lsdc.features.extract_worker import StudyTask, extract_study
from lsdc.features.extraction_plan import ExtractionPlan, plan_extraction
from lsdc.features.stage_clock import StageClock
from lsdc.features.store import FeatureStore
from lsdc.features.store_settings import DEFAULT, Settings
from lsdc.features.study_selectors import make_selectors
from lsdc.runtime import ArtifactError
from lsdc.runtime.artifact import MANIFEST, claim
from lsdc.runtime.console import existing, say
from lsdc.runtime.device import pick_device
from lsdc.runtime.engine import for_each
from lsdc.runtime.paths import PathLike


@dataclass(frozen=True)
class Extraction:
    """What `extract` did.

    Parameters
    ----------
    store : Path
        The finished store.
    studies, rows, problems : int
        Counts of studies, of targets (25 per study), and of what was left out (listed in the store's problems.csv).
    selector : str
        What located: `fitted` on this cohort's coordinates, `bundled`, or the path of the `like` store.
    feature_fingerprint : str
        Stores and models fit each other where this is equal.
    seconds : dict of str to float
        Time per stage; empty when the store was already finished.
    """

    store: Path
    studies: int
    rows: int
    problems: int
    selector: str
    feature_fingerprint: str
    seconds: dict[str, float]


def extract(
    data: PathLike,
    out: PathLike,
    settings: Settings = DEFAULT,
    *,
    like: PathLike | None = None,
    device: str = "auto",
    workers: int | None = None,
) -> Extraction:
    """Locate the 25 targets of every study in a folder and write their features to a store.

    Resumes where an earlier run on the same `out` stopped. Labeled studies with annotated points teach the slice
    selector, cross-fitted by study. Without any, the bundled localizer and geometry find the targets, or, with
    `like`, the selector of another store.

    Parameters
    ----------
    data : path
        A folder in the competition's layout, or any tree of DICOM files.
    out : path
        The store's directory: new, empty, or begun by a run with the same arguments.
    settings : Settings
        Backbone, weights, folds and sizes. With `like` they are those of that store, and a value given here that
        is not the default must agree with it.
    like : path, optional
        A finished store whose selector, encoder and sizes are used, so that models fitted on it read the new one.
    device : str
        Where the encoder runs: `auto` (the fastest that is there), `cpu`, `cuda`, `cuda:1` or `mps`.
    workers : int, optional
        Processes that read studies; by default one per core. Results do not depend on it.

    Returns
    -------
    Extraction
        Where the store is, counts of studies, rows and problems, and seconds per stage.

    Raises
    ------
    ArtifactError
        When `out` was begun with other settings or holds other files, or `like` is no finished store.
    ConfigError
        When `settings` contradict `like`, the backbone is unknown, the device is not there, or there are too few
        labeled studies for the folds.
    LsdcError
        When `data` holds no study, a table in it is malformed, or the encoder's weights cannot be had.

    Examples
    --------
    >>> import lsdc
    >>> extraction = lsdc.extract("cohort", "store")  # doctest: +SKIP
    >>> extraction.studies  # doctest: +SKIP
    60
    >>> lsdc.extract("new_patients", "new_store", like="store").selector  # doctest: +SKIP
    'store'
    """
    data, out = existing(Path(data), "data folder"), Path(out)
    plan = plan_extraction(data, settings, None if like is None else FeatureStore.open(like))
    encoder = plan.settings.encoder(pick_device(device))
    if plan.selector == "bundled":
        say(
            "no labeled coordinates and no store to be like: the bundled localizer and geometry find the targets"
        )
    configuration = plan.configuration(encoder)
    claim(
        out,
        configuration | {"data": str(data.resolve()), "content": plan.content()},
        lambda: "choose another directory, or delete it",
    )
    if (out / MANIFEST).is_file():
        store = FeatureStore.open(out)
        _check_labels(store, plan)
        shutil.rmtree(out / "work", ignore_errors=True)  # a kill may have left it
        say(f"{out}: already finished")
        return _summary(store, plan, {})
    clock = StageClock()
    store = _run_stages(plan, out, encoder, configuration, workers, clock)
    return _summary(store, plan, clock.seconds)


def _run_stages(
    plan: ExtractionPlan,
    out: Path,
    encoder: Encoder,
    configuration: Mapping[str, Any],
    workers: int | None,
    clock: StageClock,
) -> FeatureStore:
    """Do what an earlier run left undone; every stage finds what is finished by its files."""
    if not (out / "encoder.safetensors").is_file():
        encoder.save(out / "encoder.safetensors")
    selectors = make_selectors(plan, out, workers, clock)
    sources, work = plan.sources, out / "work"
    arrays = ArrayFiles(out, len(sources), plan.settings.sizes)
    tasks = [
        StudyTask(source, index, selectors.folder_for(source.study_id), arrays, work)
        for index, source in enumerate(sources)
    ]
    with clock.stage("extract"):
        arrays.create()
        todo = [task for task in tasks if not task.rows_path.is_file()]
        for_each(extract_study, todo, "extracting", workers)
    with clock.stage("embed"):
        chunks = embed_crops(encoder, out / "crops.npy", len(tasks), work)
    with clock.stage("write"):
        store = assemble_store(out, plan, tasks, chunks, configuration)
        shutil.rmtree(work)
    return store


def _check_labels(store: FeatureStore, plan: ExtractionPlan) -> None:
    """Refuse a finished store whose grades are no longer those of the labels."""
    changed = 0
    for study, rows in store.rows.groupby("study_id", sort=False):
        now = rows.copy()
        plan.add_labels(now, str(study))
        changed += int((now["grade"] != rows["grade"]).sum())
    if changed:
        raise ArtifactError(
            f"{store.path}: {changed} grades have changed in the table of labels since it was made; "
            "extract to another directory, or delete it"
        )


def _summary(store: FeatureStore, plan: ExtractionPlan, seconds: dict[str, float]) -> Extraction:
    """Announce the finished store, and describe it."""
    problems = int(store.manifest["n_problems"])
    if problems:
        say(f"{problems} problems are listed in {store.path / 'problems.csv'}")
    rows, studies = int(store.manifest["n_rows"]), int(store.manifest["n_studies"])
    say(f"{store.path}: {studies} studies, {rows} rows")
    selector = plan.selector if plan.like is None else str(plan.like.path)
    return Extraction(store.path, studies, rows, problems, selector, store.feature_fingerprint, seconds)
