"""From located studies to the shards of a store: each at most 1 GB, each finished by itself."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from lsdc.cohort.discovery.sources import Cohort, StudySource
from lsdc.features.array_files import ArrayFiles, ArraySizes
from lsdc.features.assembly import assemble_store
from lsdc.features.crop_embedding import embed_crops
from lsdc.features.encoder import Encoder
from lsdc.features.extract_worker import StudyTask
from lsdc.features.extraction_plan import ExtractionPlan
from lsdc.features.shard_manifest import array_tails, entry_of, write_shards
from lsdc.features.stage_clock import StageClock
from lsdc.features.store import FeatureStore
from lsdc.features.store_part import StorePart
from lsdc.features.store_shards import ROOT, SHARDS
from lsdc.features.study_failures import extract_studies
from lsdc.features.study_selectors import StudySelectors
from lsdc.runtime.archives import is_unpacked
from lsdc.runtime.artifact import MANIFEST, list_files
from lsdc.runtime.engine_choice import EngineName
from lsdc.runtime.errors import ConfigError

SHARD_BYTES = 10**9
"""A shard is at most so large."""
_BYTES_OF_ROWS = 2**18
"""What rows and embeddings of a study take at most, with the encoders that are usual."""


@dataclass(frozen=True)
class Shard:
    """Studies that go into one folder.

    Parameters
    ----------
    name : str
        The folder in the store: `shards/…`, or `.` for the store's own.
    sources : tuple of StudySource
        The studies, in the order of their ids.
    """

    name: str
    sources: tuple[StudySource, ...]


@dataclass(frozen=True)
class Tools:
    """What an extraction works with.

    Parameters
    ----------
    selectors : StudySelectors
        Which selector locates which study.
    encoder : Encoder
        What embeds the crops.
    configuration : mapping of str to JSON value
        How features are made, for manifests.
    workers : int or None
        Processes; None is one per core.
    clock : StageClock
        Notes the seconds of the stages.
    """

    selectors: StudySelectors
    encoder: Encoder
    configuration: Mapping[str, Any]
    workers: int | None
    clock: StageClock


def deal_studies(sources: Sequence[StudySource], sizes: ArraySizes, prefix: str) -> list[Shard]:
    """Deal studies over shards of at most `SHARD_BYTES`, as evenly as can be.

    Parameters
    ----------
    sources : sequence of StudySource
        The studies, in the order of their ids.
    sizes : ArraySizes
        What each of them takes.
    prefix : str
        What the names of the shards begin with.

    Returns
    -------
    list of Shard
        With consecutive studies, in the same order.

    Examples
    --------
    >>> studies = [StudySource(name, "new", ()) for name in ("a", "b", "c", "d")]
    >>> sizes = ArraySizes(crop_px=1000, volume_slices=16, volume_px=128, preview_px=192)
    >>> [(shard.name, len(shard.sources)) for shard in deal_studies(studies, sizes, "x-")]
    [('shards/x-00000', 4)]
    """
    most = max(1, SHARD_BYTES // (ArrayFiles(Path(), 1, sizes).n_bytes + _BYTES_OF_ROWS))
    count = math.ceil(len(sources) / most)
    ends = [len(sources) * k // count for k in range(count + 1)]
    return [
        Shard(f"{SHARDS}/{prefix}{k:05d}", tuple(sources[start:stop]))
        for k, (start, stop) in enumerate(pairwise(ends))
    ]


def extract_store(out: Path, plan: ExtractionPlan, tools: Tools) -> FeatureStore:
    """Extract the studies of a plan into a new store: its own folder, or shards where that would be too large.

    Parameters
    ----------
    out : Path
        The store's directory, with the extractor in place; what an earlier run finished there stays.
    plan : ExtractionPlan
        The studies, their labels and folds.
    tools : Tools
        What locates and embeds them.

    Returns
    -------
    FeatureStore
        The finished store.
    """
    shards = deal_studies(plan.sources, plan.settings.sizes, "")
    if len(shards) == 1 or (out / "crops.npy").is_file():  # which a run of an earlier version has begun
        shards = [Shard(ROOT, tuple(plan.sources))]
    parts = extract_shards(out, shards, plan, tools)
    if shards[0].name == ROOT:
        return FeatureStore.open(out)
    entries = [entry_of(part, shard.name) for part, shard in zip(parts, shards)]
    own = list_files(out, without=("work", SHARDS))
    write_shards(out, parts[0].manifest, entries, array_tails(parts[0]), own)
    return FeatureStore.open(out)


def extract_shards(out: Path, shards: Sequence[Shard], plan: ExtractionPlan, tools: Tools) -> list[StorePart]:
    """Extract studies into shards that no manifest lists yet; every stage finds what is finished by its files.

    Parameters
    ----------
    out : Path
        The store's directory, with the extractor in place.
    shards : sequence of Shard
        The studies, and where they go; problems of the cohort are noted in the first one.
    plan : ExtractionPlan
        Their labels and folds.
    tools : Tools
        What locates and embeds them.

    Returns
    -------
    list of StorePart
        The finished shards, in the same order.
    """
    undone = [shard for shard in shards if not _is_current(out / shard.name, plan)]
    tasks = [_tasks(out / shard.name, shard, plan, tools.selectors) for shard in undone]
    with tools.clock.stage("extract"):
        for several in tasks:
            several[0].arrays.create()
        extract_studies([task for several in tasks for task in several], tools.workers)
    for shard, several in zip(undone, tasks):
        folder = out / shard.name
        with tools.clock.stage("embed"):
            chunks = embed_crops(tools.encoder, folder / "crops.npy", len(several), folder / "work")
        with tools.clock.stage("write"):
            noted = (*plan.cohort.problems, *tools.selectors.problems) if shard is shards[0] else ()
            assemble_store(folder, plan, several, chunks, tools.configuration, noted)
    for shard in shards:
        shutil.rmtree(out / shard.name / "work", ignore_errors=True)
    shutil.rmtree(out / "work", ignore_errors=True)
    return [StorePart.open(out / shard.name) for shard in shards]


def check_reachable(cohort: Cohort, engine: EngineName) -> None:
    """Refuse a cluster for files that this process alone can read.

    Parameters
    ----------
    cohort : Cohort
        The studies.
    engine : {"local", "dask"}
        What is to read them.

    Raises
    ------
    ConfigError
        When they come from an archive, which is unpacked on this machine.
    """
    fetched = all(source.origin is not None for source in cohort.studies)
    if engine == "dask" and is_unpacked(cohort.root) and not fetched:
        raise ConfigError(
            "an archive is unpacked on this machine alone, where the workers of engine 'dask' may not see it; unpack "
            "it into a folder that all of them see, and give that"
        )


def _is_current(folder: Path, plan: ExtractionPlan) -> bool:
    """Tell whether a shard is finished, with the grades and folds of today; else it is finished no more."""
    if not (folder / MANIFEST).is_file():
        return False
    rows = StorePart.open(folder).rows
    now = plan.relabeled(rows)
    if ((now["grade"] == rows["grade"]) & (now["fold"] == rows["fold"])).all():
        return True
    (folder / MANIFEST).unlink()
    return False


def _tasks(folder: Path, shard: Shard, plan: ExtractionPlan, selectors: StudySelectors) -> list[StudyTask]:
    """Make the orders to extract the studies of a shard."""
    arrays = ArrayFiles(folder, len(shard.sources), plan.settings.sizes)
    return [
        StudyTask(source, index, selectors.folder_for(source.study_id), arrays, folder / "work")
        for index, source in enumerate(shard.sources)
    ]
