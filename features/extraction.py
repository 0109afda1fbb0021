"""From a folder of studies to a feature store: locate, cut, embed; killed at any point, it resumes."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lsdc.cohort.discovery.sources import Cohort
from lsdc.cohort.discovery.studies import data_place
from lsdc.cohort.discovery.study_ids import NamedBy, hashed, write_ids
from lsdc.features.encoder import Encoder
from lsdc.features.extraction_plan import BUNDLED, ExtractionPlan, plan_extraction
from lsdc.features.extractor import Extractor
from lsdc.features.series_table import passed_over
from lsdc.features.shard_extraction import Tools, check_reachable, extract_store
from lsdc.features.sight import Sight
from lsdc.features.stage_clock import StageClock
from lsdc.features.store import FeatureStore
from lsdc.features.store_settings import DEFAULT, Settings
from lsdc.features.study_selectors import make_selectors
from lsdc.runtime import ArtifactError
from lsdc.runtime.artifact import MANIFEST, claim, read_json
from lsdc.runtime.console import say
from lsdc.runtime.device import device_name
from lsdc.runtime.engine import check_workers
from lsdc.runtime.engine_choice import EngineName, check_engine, working_on
from lsdc.runtime.folder_lock import only_writer
from lsdc.runtime.paths import PathLike
from lsdc.runtime.remote_output import OutputFolder
from lsdc.runtime.whole_files import check_output_file


@dataclass(frozen=True)
class Extraction:
    """What `extract` did.

    Parameters
    ----------
    store : Path or str
        The finished store; its URL where it was given one.
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

    store: Path | str
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
    engine: EngineName = "local",
    scheduler: str | None = None,
) -> Extraction:
    """Locate the 25 targets of every study in a folder and write their features to a store.

    Resumes where an earlier run on the same `out` stopped. Labeled studies with annotated points teach the slice
    selector, cross-fitted by study. Without any, the bundled localizer and geometry find the targets, or, with
    `like`, the selector of another store or of a model.

    Parameters
    ----------
    data : path
        A folder in the competition's layout, any tree of DICOM files, a ZIP archive of either, or a URL of one of
        these (`s3://`, `gs://`, `az://`, `file://`, `memory://`), from which studies are fetched one at a time.
    out : path
        The store's directory: new, empty, or begun by a run with the same arguments. Or a URL: the store is then made
        on this machine and uploaded when it is finished.
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
    engine : {"local", "dask"}
        What reads studies and fits selectors: processes of this machine, or the workers of a Dask scheduler, which
        must see `data` and `out` at the same paths. The store is the same. Crops are embedded here.
    scheduler : str, optional
        Address of the Dask scheduler, such as `tcp://host:8786`.

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
        When `workers` is below 1 or given with the engine `dask`, the scheduler cannot be reached, `settings`
        contradict `like`, the backbone is unknown, the device is not there, or there are too few labeled studies for
        the folds.
    LsdcError
        When `data` holds no study or vanishes, a table in it is malformed, `out` cannot be a folder, the encoder's
        weights cannot be had, or no Dask worker may work; the same call resumes.
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
    check_engine(engine, scheduler, workers)
    data, place = data_place(data), OutputFolder.of(out)
    if ids is not None:
        check_output_file(ids, [data])  # before studies are searched
    out = place.folder
    plan = plan_extraction(data, settings, _like(like), study_id, cohort)
    check_reachable(plan.cohort, engine)  # before the output is claimed
    encoder = plan.settings.encoder(device_name(device))
    configuration = plan.configuration(encoder)
    place.take("config.json")
    begun = claim(
        out,
        configuration | {"data": _name_of(data, out), "content": _content_of(plan, out)},
        lambda: (
            "studies, files or tables may have changed; append what is new to a finished store, choose another "
            "directory, or delete it"
        ),
        place.place,
    )
    if ids is not None:
        say(f"{write_ids(plan.cohort, ids)}: whose each study is")
    if plan.selector == BUNDLED and plan.like is None:
        say(
            "no labeled coordinates and no store to be like: the bundled localizer and geometry find the targets"
        )
    if place.is_finished():
        with contextlib.suppress(ArtifactError, OSError), only_writer(out):  # an append may be at work
            _remove_work(place)
        return _finished(plan, place)
    clock = StageClock()
    with only_writer(out):
        if place.is_finished():  # by a run that has ended meanwhile
            _remove_work(place)
            return _finished(plan, place)
        if (out / MANIFEST).is_file():  # and is still to be uploaded
            store = FeatureStore.open(out)
        else:
            undo = place.take_back if begun else None
            with working_on(engine, scheduler, reads=[data], writes=out, unused=undo):
                store = _run_stages(plan, out, encoder, configuration, workers, clock)
        made = _summary(store, plan, place, clock.seconds)
        place.publish()
    return made


def _like(like: PathLike | None) -> Extractor | Literal["bundled"] | None:
    """Open what the new store is to be like."""
    if like is None:
        return None
    return BUNDLED if str(like) == BUNDLED else Extractor.of(like)


def _name_of(data: Path | str, out: Path) -> str:
    """Stand for the place of the data in the configuration: a hash, as a path may name a person."""
    place, mark = data if isinstance(data, str) else str(data.resolve()), out / "config.json"
    # Version 0.1 wrote the path itself; its runs must be found again.
    written = read_json(mark) if mark.is_file() else {}
    return place if isinstance(written, dict) and written.get("data") == place else hashed(place)


def _content_of(plan: ExtractionPlan, out: Path) -> str:
    """Hash the studies and their files; runs of earlier versions, which looked at no files, must be found again."""
    before, mark = plan.content_before(), out / "config.json"
    written = read_json(mark) if mark.is_file() else {}
    return before if isinstance(written, dict) and written.get("content") == before else plan.content()


def _finished(plan: ExtractionPlan, place: OutputFolder) -> Extraction:
    """Check and describe the store of an earlier run."""
    store = FeatureStore.open(place.place)
    _check_labels(store, plan)
    say(f"{place.place}: already finished")
    return _summary(store, plan, place, {})


def _remove_work(place: OutputFolder) -> None:
    """Remove what a kill has left of a run that had finished its store."""
    shutil.rmtree(place.folder / "work", ignore_errors=True)
    place.remove_arrived()


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
    return extract_store(out, plan, Tools(selectors, encoder, configuration, workers, clock))


def _check_labels(store: FeatureStore, plan: ExtractionPlan) -> None:
    """Refuse a finished store whose grades are no longer those of the labels."""
    if changed := int((plan.relabeled(store.rows)["grade"] != store.rows["grade"]).sum()):
        raise ArtifactError(
            f"{store.path}: {changed} grades have changed in the table of labels since it was made; "
            "extract to another directory, or delete it"
        )


def _summary(
    store: FeatureStore, plan: ExtractionPlan, place: OutputFolder, seconds: dict[str, float]
) -> Extraction:
    """Announce the finished store, and describe it."""
    problems = int(store.manifest["n_problems"])
    if problems:
        say(f"{problems} problems are listed in {place.place}/problems.csv")
    sight = Sight.of(store.rows, store.studies["study_id"].tolist())
    summary = (*sight.summary(), *passed_over(store.series))
    for sentence in summary:
        say(sentence)
    rows, studies = int(store.manifest["n_rows"]), int(store.manifest["n_studies"])
    say(f"{place.place}: {studies} studies, {rows} rows")
    selector = str(plan.like.path) if isinstance(plan.like, Extractor) else plan.selector
    known = store.feature_fingerprint, sight.counts(), summary
    return Extraction(place.place, studies, rows, problems, selector, *known, seconds)
