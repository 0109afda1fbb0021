"""New studies for a store that is there: extracted like it into shards beside what it holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lsdc.cohort.discovery.sources import Cohort, StudySource
from lsdc.cohort.discovery.studies import data_place, discover
from lsdc.cohort.discovery.study_content import content_of
from lsdc.cohort.discovery.study_ids import NamedBy, hide_paths, write_ids
from lsdc.features.extraction_plan import ExtractionPlan, plan_extraction
from lsdc.features.extractor import ENCODER, Extractor
from lsdc.features.shard_extraction import Shard, Tools, check_reachable, deal_studies, extract_shards
from lsdc.features.shard_manifest import array_tails, check_columns, entry_of, write_shards
from lsdc.features.stage_clock import StageClock
from lsdc.features.store import FeatureStore
from lsdc.features.store_settings import DEFAULT, Settings
from lsdc.features.store_shards import ROOT, SHARDS
from lsdc.features.study_selectors import StudySelectors
from lsdc.runtime.artifact import MANIFEST
from lsdc.runtime.console import say, warn
from lsdc.runtime.device import device_name
from lsdc.runtime.engine import check_workers
from lsdc.runtime.engine_choice import EngineName, check_engine, working_on
from lsdc.runtime.errors import ArtifactError, ConfigError, Problem
from lsdc.runtime.first_names import first_of
from lsdc.runtime.folder_lock import only_writer
from lsdc.runtime.paths import PathLike
from lsdc.runtime.remote_output import OutputFolder
from lsdc.runtime.whole_files import check_output_file

_MOST_NAMED = 5


@dataclass(frozen=True)
class Appended:
    """What `append` did.

    Parameters
    ----------
    store : Path or str
        The store that has grown, as it was given.
    appended : int
        Number of new studies.
    skipped : int
        Number of studies that the store holds already.
    changed : tuple of str
        Those of them whose files are others now; what the store holds of them stays.
    studies, rows, problems : int
        Counts of the store as it is now.
    seconds : dict of str to float
        Time per stage; empty where nothing was new.
    """

    store: Path | str
    appended: int
    skipped: int
    changed: tuple[str, ...]
    studies: int
    rows: int
    problems: int
    seconds: dict[str, float]


def append(
    data: PathLike,
    store: PathLike,
    settings: Settings = DEFAULT,
    *,
    study_id: NamedBy | None = None,
    ids: PathLike | None = None,
    device: str = "auto",
    workers: int | None = None,
    cohort: Cohort | None = None,
    engine: EngineName = "local",
    scheduler: str | None = None,
) -> Appended:
    """Extract the studies that a store does not hold yet, and add them to it.

    They are located and embedded by the store's own selector and encoder, which are not fitted again: models that were
    fitted on the store read what it has become. New studies with labels get them, and folds of their own, so that
    models can be fitted on them too. What the store holds is not written again, and readers see it as it was until all
    is done: a run that is killed leaves it whole, and the same call resumes.

    Parameters
    ----------
    data : path
        A folder, archive or URL as `extract` takes it; studies whose id the store knows are skipped and counted.
    store : path
        A finished store that `extract` made, or the URL of one: what is new is then made here and uploaded.
    settings : Settings
        A value that is not the default must agree with the store's.
    study_id : `uid`, `folder` or `hash`, optional
        How the studies of a tree are named; as when the store was made, or all of them are new.
    ids : path, optional
        CSV to write that tells whose each study of `data` is.
    device : str
        Where the encoder runs.
    workers : int, optional
        Processes that read studies; by default one per core.
    cohort : Cohort, optional
        What `discover` found in `data`, where that has been asked already.
    engine : {"local", "dask"}
        What reads studies.
    scheduler : str, optional
        Address of the Dask scheduler.

    Returns
    -------
    Appended
        What was added and skipped, and what the store holds now.

    Raises
    ------
    ArtifactError
        When the store is not finished, was not made by `extract` of this version, or another process writes to it.
    ConfigError
        When an argument cannot work, or `settings` contradict the store.
    LsdcError
        When `data` holds no study or vanishes, or a table in it is malformed.
    OSError
        When the store cannot be written, as on a full disk; the same call resumes.

    Examples
    --------
    >>> append("february", "store").appended  # doctest: +SKIP
    60
    """
    check_workers(workers)
    check_engine(engine, scheduler, workers)
    data, place = data_place(data), OutputFolder.of(store)
    if ids is not None:
        check_output_file(ids, [data])  # before studies are searched
    FeatureStore.open(store)  # a lock in a folder that is no store would be litter
    place.folder.mkdir(parents=True, exist_ok=True)
    with only_writer(place.folder):
        opened = _growing(FeatureStore.open(store))
        cohort = cohort or discover(data, study_id=study_id)
        extractor = Extractor.of(opened)
        settings.matched_to(extractor)  # what contradicts the store is said also where nothing is new
        known = set(opened.parts.ids)
        new = tuple(source for source in cohort.studies if source.study_id not in known)
        old = [source for source in cohort.studies if source.study_id in known]
        changed = _changed(opened, old)
        say(f"{len(new)} of {len(cohort.studies)} studies are new to {place.place}")
        if changed:
            warn(
                f"{len(changed)} studies have other files than when they were extracted, and stay in the store as "
                f"they were: {first_of(changed, _MOST_NAMED)}; to read them again, extract to another directory"
            )
        if ids is not None:
            say(f"{write_ids(cohort, ids)}: whose each study is")
        clock = StageClock()
        if new:
            fresh = replace(cohort, studies=new, problems=_unnoted(opened, cohort))
            _mention_copies(opened, new)
            plan = _with_folds(plan_extraction(data, settings, extractor, study_id, fresh), opened)
            check_reachable(plan.cohort, engine)
            with place.held(opened.path / MANIFEST):
                with working_on(engine, scheduler, reads=[data], writes=place.folder):
                    _grow(opened, plan, place.folder, device, workers, clock)
                place.publish((opened.path / MANIFEST).read_bytes())
    counts = FeatureStore.open(place.place).manifest
    say(f"{place.place}: {counts['n_studies']} studies, {len(new)} of them appended")
    return Appended(
        place.place, len(new), len(old), changed, counts["n_studies"], counts["n_rows"], counts["n_problems"],
        clock.seconds,
    )  # fmt: skip


def _growing(store: FeatureStore) -> FeatureStore:
    """Refuse a store that cannot take what is extracted like it."""
    if store.listed.entries is None or "rows_sha256" not in store.manifest:
        raise ArtifactError(
            f"{store.path}: made by an earlier version, which kept no digests; extract it again"
        )
    if not store.listed.has(ENCODER):
        raise ArtifactError(
            f"{store.path}: was not made by `lsdc-features extract`, so nothing can be extracted like it; make a "
            "store of the new studies as that one was made, and merge the two"
        )
    return store


def _changed(store: FeatureStore, sources: Sequence[StudySource]) -> tuple[str, ...]:
    """Name the studies that consist of other files than those from which the store was made."""
    if not sources or any("content" not in part.studies for part in store.parts.all):
        return ()
    then = dict(zip(store.studies["study_id"], store.studies["content"]))
    return tuple(one.study_id for one in sources if then[one.study_id] != content_of(one))


def _unnoted(store: FeatureStore, cohort: Cohort) -> tuple[Problem, ...]:
    """Leave out the problems of a folder that were noted when a part of it was extracted."""
    noted = set(map(tuple, store.problems[["path", "reason"]].to_numpy()))
    shown = hide_paths(cohort.problems, cohort)
    return tuple(
        problem for problem, one in zip(cohort.problems, shown) if (one.path, one.reason) not in noted
    )


def _mention_copies(store: FeatureStore, new: Sequence[StudySource]) -> None:
    """Say which new studies consist of the files of others: under two ids, one patient could be in two folds."""
    if any("content" not in part.studies for part in store.parts.all):
        return
    there = dict(zip(store.studies["content"], store.studies["study_id"]))
    again = [f"{one.study_id} ({there[found]})" for one in new if (found := content_of(one)) in there]
    if again:
        warn(
            f"{len(again)} new studies have files of the names and sizes of studies that the store holds under "
            f"another id: {first_of(again, _MOST_NAMED)}; name the studies as the store does (study_id), or one "
            "patient is in it twice"
        )


def _with_folds(plan: ExtractionPlan, store: FeatureStore) -> ExtractionPlan:
    """Deal labeled studies over the folds that the store has, each to that with the fewest, unless a table says."""
    counts = Counter(int(fold) for fold in store.studies.get("fold", ()) if fold >= 0)
    if plan.labels is None or not counts:
        return plan
    if not isinstance(plan.settings.folds, int):
        if other := sorted(set(plan.folds.values()) - counts.keys()):
            raise ConfigError(
                f"{plan.settings.folds}: fold {other[0]} is none of the store's, which has "
                f"{first_of([*map(str, sorted(counts))])}; give new studies one of these"
            )
        return plan
    folds = {}
    for study in sorted({source.study_id for source in plan.sources} & set(map(str, plan.labels.index))):
        fewest = min(sorted(counts), key=lambda fold: counts[fold])
        folds[study] = fewest
        counts[fewest] += 1
    return replace(plan, folds=folds)


def _grow(
    store: FeatureStore, plan: ExtractionPlan, out: Path, device: str, workers: int | None, clock: StageClock
) -> None:
    """Extract the new studies, and put the manifest that lists them in place of the old one."""
    encoder = plan.settings.encoder(device_name(device))
    # Named by what they are made of: the same call finds what it has begun, and no other call takes it for its own.
    prefix = f"{plan.content()}-"
    shards = deal_studies(plan.sources, plan.settings.sizes, prefix)
    _mention_leftovers(store, out, shards)
    assert isinstance(plan.like, Extractor)
    selectors = StudySelectors.like(plan.like, plan.sources, plan.like.selector)
    made = extract_shards(
        out, shards, plan, Tools(selectors, encoder, plan.configuration(encoder), workers, clock)
    )
    for part in made:
        if part.manifest["feature_fingerprint"] != store.feature_fingerprint:
            raise ArtifactError(
                f"{out}: this version makes other features than the store has; extract all studies again"
            )
    check_columns([store.parts.all[0], *made])
    before = store.manifest.get(SHARDS) or [entry_of(store.parts.all[0], ROOT)]
    entries = [*before, *(entry_of(part, shard.name) for part, shard in zip(made, shards))]
    assert store.listed.entries is not None
    tails = store.manifest.get("arrays") or array_tails(made[0])
    write_shards(out, store.manifest, entries, tails, store.listed.entries)


def _mention_leftovers(store: FeatureStore, out: Path, shards: Sequence[Shard]) -> None:
    """Say where runs with other data have ended before their time."""
    listed = {shard["name"] for shard in store.manifest.get(SHARDS, ())} | {shard.name for shard in shards}
    folder = out / SHARDS
    found = sorted(f"{SHARDS}/{path.name}" for path in folder.iterdir()) if folder.is_dir() else []
    for name in found:
        if name not in listed:
            say(f"{out / name}: left by an interrupted run; its command resumes, or delete the folder")
