"""How long stores of many studies take to make of shards, merge, open and read.

    python benchmarks/scale.py --work /tmp/scale                    # 100,000 study records: .4 GB of disk, minutes
    python benchmarks/scale.py --work /tmp/scale --studies 10000

The records are made up: rows and embeddings are numbers of their own for each study, crops, volumes and previews are
holes of the real sizes, which take no space, and one file of each stands for all shards.
"""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.lib.format import open_memmap

from lsdc.cohort.vocabulary import TARGETS
from lsdc.features.array_files import ArrayFiles
from lsdc.features.merging import merge
from lsdc.features.row_columns import complete_rows
from lsdc.features.shard_extraction import SHARD_BYTES
from lsdc.features.shard_manifest import array_tails, entry_of, write_shards
from lsdc.features.store import FeatureStore
from lsdc.features.store_part import StorePart
from lsdc.features.store_settings import Settings
from lsdc.features.store_shards import SHARDS
from lsdc.features.writer import finish_store, writing_rows
from lsdc.models.examples import Examples
from lsdc.models.options import Options
from lsdc.models.registry import resolve_members
from lsdc.runtime import file_list
from lsdc.runtime.artifact import file_hash
from lsdc.runtime.commands import Reporting, run_program
from lsdc.runtime.console import table, track

OPEN_SECONDS = 1.0
"""What opening a store of 100,000 studies may take."""


@dataclass(frozen=True)
class Scaled:
    """What was measured."""

    studies: int
    shards: int
    megabytes: float
    apparent_gigabytes: float
    make_seconds: float
    merge_seconds: float
    open_seconds: float
    ids_seconds: float
    rows_seconds: float
    batch_seconds: float
    sampled: int
    sample_seconds: float
    fit_seconds: float
    peak_gigabytes: float


@dataclass(frozen=True)
class Scale:
    """Make two stores of half the records each, merge them, open the result, read it, and fit on some of it."""

    work: Path
    """folder for the stores: new, or left by an earlier run"""
    studies: int = 100_000
    """made-up studies"""
    width: int = 24
    """numbers of an embedding (1,104 with the bundled encoder)"""
    sample: int = 2_000
    """studies on which a member is fitted"""
    reporting: Reporting = Reporting()

    def run(self) -> Scaled:
        """Measure."""
        file_list.file_hash = hash_once
        begun = time.perf_counter()
        half = self.studies // 2
        for name, first, count in (("a", 0, half), ("b", half, self.studies - half)):
            make_store(self.work / name, first, count, self.width)
        made = time.perf_counter()
        merge([self.work / "a", self.work / "b"], self.work / "both")
        merged = time.perf_counter()
        store = FeatureStore.open(self.work / "both")
        opened = time.perf_counter()
        ids = store.parts.ids
        named = time.perf_counter()
        rows = store.rows
        read = time.perf_counter()
        chosen = np.random.default_rng(0).choice(len(ids), min(self.sample, len(ids)), replace=False)
        batch = store.array("volumes/axial_t2.npy")[chosen[:8]]
        batched = time.perf_counter()
        assert len(rows) == len(TARGETS) * self.studies and batch.shape[0] == min(8, len(chosen))
        mask = rows["study_id"].isin(ids[chosen]).to_numpy()
        examples = Examples.from_store(store).where(mask)
        sampled = time.perf_counter()
        (factory,) = resolve_members(["lightgbm"]).values()
        fold = examples.rows["fold"]
        factory(0, Options()).fit(examples.where(fold != 0), examples.where(fold == 0))
        fitted = time.perf_counter()
        found = Scaled(
            studies=self.studies,
            shards=len(store.parts.all),
            megabytes=round(sum(path.stat().st_blocks for path in unique_files(self.work)) / 2048, 1),
            apparent_gigabytes=round(
                sum(path.stat().st_size for path in (self.work / "both").rglob("*")) / 1e9, 1
            ),
            make_seconds=round(made - begun, 1),
            merge_seconds=round(merged - made, 2),
            open_seconds=round(opened - merged, 4),
            ids_seconds=round(named - opened, 2),
            rows_seconds=round(read - named, 2),
            batch_seconds=round(batched - read, 3),
            sampled=len(chosen),
            sample_seconds=round(sampled - batched, 2),
            fit_seconds=round(fitted - sampled, 1),
            peak_gigabytes=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        )
        table(
            f"{self.studies} study records",
            ["", "value"],
            [(name.replace("_", " "), value) for name, value in vars(found).items()],
        )
        return found


def hash_once(path: Path, known: dict[int, str] = {}) -> str:  # noqa: B006 - kept between calls
    """Hash a file once, however many names it has: the holes are in all shards."""
    inode = path.stat().st_ino
    if inode not in known:
        known[inode] = file_hash(path)
    return known[inode]


def make_store(path: Path, first: int, count: int, width: int) -> None:
    """Write a store in shards as `extract` would, of records with consecutive ids."""
    if (path / "manifest.json").is_file():
        return
    sizes = Settings().sizes
    most = SHARD_BYTES // ArrayFiles(path, 1, sizes).n_bytes
    starts = range(first, first + count, most)
    parts, names = [], []
    for k, start in enumerate(track(starts, "making shards")):
        names.append(f"{SHARDS}/{k:05d}")
        n = min(most, first + count - start)
        parts.append(make_shard(path, path / names[-1], start, n, width))
    entries = [entry_of(part, name) for part, name in zip(parts, names)]
    write_shards(path, parts[0].manifest, entries, array_tails(parts[0]), {})


def make_shard(path: Path, folder: Path, start: int, n: int, width: int) -> StorePart:
    """Write one shard; its arrays are links to those of the first one of its length."""
    arrays = ArrayFiles(folder, n, Settings().sizes)
    for name, shape in arrays.shapes.items():
        hole = path.parent / "holes" / f"{n}-{name.replace('/', '-')}"
        if not hole.is_file():
            hole.parent.mkdir(parents=True, exist_ok=True)
            open_memmap(hole, "w+", np.uint8, shape).flush()
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).unlink(missing_ok=True)
        (folder / name).hardlink_to(hole)
    rng = np.random.default_rng(start)
    ids = np.repeat([f"{start + k:08d}" for k in range(n)], len(TARGETS))
    targets = list(TARGETS) * n
    rows = pd.DataFrame(
        {
            "study_id": ids,
            "condition": [target.condition.value for target in targets],
            "level": [target.level.value for target in targets],
            "grade": rng.integers(0, 3, len(ids)),
            "fold": np.repeat(rng.integers(0, 5, n), len(TARGETS)),
            "confidence": rng.random(len(ids)).astype(np.float32),
        }
    )
    filled = complete_rows(rows)
    with writing_rows(folder) as writer:
        writer.add(filled, rng.normal(size=(len(rows), width)).astype(np.float32))
    studies = filled.loc[:: len(TARGETS), ["study_id", "split", "fold"]].reset_index(drop=True)
    finish_store(folder, writer, studies, Settings().content())
    return StorePart.open(folder)


def unique_files(folder: Path) -> list[Path]:
    """All files below a folder, those with several names once."""
    found = {path.stat().st_ino: path for path in folder.rglob("*") if path.is_file()}
    return list(found.values())


if __name__ == "__main__":
    sys.exit(run_program(Scale, "scale.py"))
