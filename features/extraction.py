"""From a folder of studies to a feature store: locate, cut, embed; killed at any point, it resumes."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lsdc.cohort.discovery.sources import Cohort
from lsdc.cohort.discovery.study_ids import NamedBy, hashed, write_ids
from lsdc.features.array_files import ArrayFiles
from lsdc.features.assembly import assemble_store
from lsdc.features.crop_embedding import embed_crops
from lsdc.features.encoder import Encoder
from lsdc.features.extract_worker import StudyTask
from lsdc.features.extraction_plan import BUNDLED, ExtractionPlan, plan_extraction
from lsdc.features.extractor import Extractor
from lsdc.features.series_table import passed_over
from lsdc.features.sight import Sight
from lsdc.features.stage_clock import StageClock
from lsdc.features.store import FeatureStore
from lsdc.features.store_settings import DEFAULT, Settings
from lsdc.features.study_failures import extract_studies
from lsdc.features.study_selectors import make_selectors
from lsdc.runtime import ArtifactError
from lsdc.runtime.artifact import MANIFEST, claim, read_json
from lsdc.runtime.console import existing, say
from lsdc.runtime.device import pick_device
from lsdc.runtime.engine import check_workers
from lsdc.runtime.folder_lock import only_writer
from lsdc.runtime.paths import PathLike
from lsdc.runtime.whole_files import check_output_folder


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
        What located: `fitted` on this cohort's coordinates, `bundled`, or the path of what it is like.
    feature_fingerprint : str
        Stores and models fit each other where this is equal.
    status : dict of str to int
        Number of targets that are `seen`, `unsure` and `not seen`.
    summary : tuple of str
        What was not seen, what is unsure and which series were passed over, and why.
    seconds : dict of str to float
        Time per stage; empty when the store was already finished.
    """

    store: Path
    studies: int
    rows: int
    problems: int
    selector: str
    feature_fingerprint: str
    status: dict[str, int]
    summary: tuple[str, ...]
    seconds: dict[str, float]


def extract(
    data: PathLike,
    out: PathLike,
    settings: Settings = DEFAULT,
    *,
    like: PathLike | None = None,
    study_id: NamedBy | None = None,
    ids: PathLike | None = None,
    device: str = "auto",
    workers: int | None = None,
    cohort: Cohort | None = None,
) -> Extraction:
    """Locate the 25 targets of every study in a folder and write their features to a store.

    Resumes where an earlier run on the same `out` stopped. Labeled studies with annotated points teach the slice
    selector, cross-fitted by study. Without any, the bundled localizer and geometry find the targets, or, with
    `like`, the selector of another store or of a model.

    Parameters
    ----------
    data : path
        A folder in the competition's layout, any tree of DICOM files, or a ZIP archive of either.
    out : path
        The store's directory: new, empty, or begun by a run with the same arguments.
    settings : Settings
        Backbone, weights, folds and sizes. With `like` they are those of that store, and a value given here that
        is not the default must agree with it.
    like : path, optional
        A finished store or a model whose selector, encoder and sizes are used, so that models fitted with them read
        the new store; the word `bundled` for those of the model that is shipped.
    study_id : `uid`, `folder` or `hash`, optional
        How the studies of a tree are named in all that is made of them: by StudyInstanceUID (the default), by their
        folder, or by a hash of the UID; with `hash` no name, id, UID or path below `data` is written.
    ids : path, optional
        CSV to write that tells whose each study is: its folder, PatientID and StudyDate. Without it, no such thing is
        written anywhere.
    device : str
        Where the encoder runs: `auto` (the fastest that is there), `cpu`, `cuda`, `cuda:1` or `mps`.
    workers : int, optional
        Processes that read studies; by default one per core. Results do not depend on it. A study that cannot be
        read, makes its process die or takes too long becomes a problem of the store. It is tried again once when a
        run that was interrupted resumes; a finished store stays as it is.
    cohort : Cohort, optional
        What `discover` found in `data` with the same `study_id`, where that has been asked already.

    Returns
    -------
    Extraction
        Where the store is, counts of studies, rows and problems, and seconds per stage.

    Raises
    ------
    ArtifactError
        When `out` was begun with other settings, holds other files, or another process is writing to it, or `like` is
        neither a finished store nor a model.
    ConfigError
        When `workers` is below 1, `settings` contradict `like`, the backbone is unknown, the device is not there, or
        there are too few labeled studies for the folds.
    LsdcError
        When `data` holds no study or vanishes, a table in it is malformed, `out` cannot be a folder, or the encoder's
        weights cannot be had.
    OSError
        When the store cannot be written, as on a full disk; the same call resumes.

    Examples
    --------
    >>> import lsdc
    >>> extraction = lsdc.extract("cohort", "store")  # doctest: +SKIP
    >>> extraction.studies  # doctest: +SKIP
    60
    >>> lsdc.extract("new_patients", "new_store", like="store").selector  # doctest: +SKIP
    'store'
    """
    check_workers(workers)
    data, out = existing(Path(data), "data folder or archive"), check_output_folder(out)
    plan = plan_extraction(data, settings, _like(like), study_id, cohort)
    encoder = plan.settings.encoder(pick_device(device))
    configuration = plan.configuration(encoder)
    claim(
        out,
        configuration | {"data": _name_of(data, out), "content": _content_of(plan, out)},
        lambda: "studies or files may have changed; choose another directory, or delete it",
    )
    if ids is not None:
        say(f"{write_ids(plan.cohort, ids)}: whose each study is")
    if plan.selector == BUNDLED and plan.like is None:
        say(
            "no labeled coordinates and no store to be like: the bundled localizer and geometry find the targets"
        )
    if _is_finished(out):
        return _finished(plan, out)
    clock = StageClock()
    with only_writer(out):
        if _is_finished(out):  # by a run that has ended meanwhile
            return _finished(plan, out)
        store = _run_stages(plan, out, encoder, configuration, workers, clock)
    return _summary(store, plan, clock.seconds)


def _like(like: PathLike | None) -> Extractor | Literal["bundled"] | None:
    """Open what the new store is to be like."""
    if like is None:
        return None
    return BUNDLED if str(like) == BUNDLED else Extractor.of(like)


def _name_of(data: Path, out: Path) -> str:
    """Stand for the place of the data in the configuration: a hash, as a path may name a person."""
    place, mark = str(data.resolve()), out / "config.json"
    # Version 0.1 wrote the path itself; its runs must be found again.
    written = read_json(mark) if mark.is_file() else {}
    return place if isinstance(written, dict) and written.get("data") == place else hashed(place)


def _content_of(plan: ExtractionPlan, out: Path) -> str:
    """Hash the studies and their files; runs of earlier versions, which looked at no files, must be found again."""
    before, mark = plan.content_before(), out / "config.json"
    written = read_json(mark) if mark.is_file() else {}
    return before if isinstance(written, dict) and written.get("content") == before else plan.content()


def _is_finished(out: Path) -> bool:
    """Tell whether a run has come to its end."""
    return (out / MANIFEST).is_file()


def _finished(plan: ExtractionPlan, out: Path) -> Extraction:
    """Check and describe the store of an earlier run."""
    store = FeatureStore.open(out)
    _check_labels(store, plan)
    shutil.rmtree(out / "work", ignore_errors=True)  # a kill may have left it
    say(f"{out}: already finished")
    return _summary(store, plan, {})


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
        extract_studies(tasks, workers)
    with clock.stage("embed"):
        chunks = embed_crops(encoder, out / "crops.npy", len(tasks), work)
    with clock.stage("write"):
        store = assemble_store(out, plan, tasks, chunks, configuration, selectors.problems)
        shutil.rmtree(work, ignore_errors=True)
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
    sight = Sight.of(store.rows, store.studies["study_id"].tolist())
    summary = (*sight.summary(), *passed_over(store.path))
    for sentence in summary:
        say(sentence)
    rows, studies = int(store.manifest["n_rows"]), int(store.manifest["n_studies"])
    say(f"{store.path}: {studies} studies, {rows} rows")
    selector = str(plan.like.path) if isinstance(plan.like, Extractor) else plan.selector
    known = store.feature_fingerprint, sight.counts(), summary
    return Extraction(store.path, studies, rows, problems, selector, *known, seconds)
