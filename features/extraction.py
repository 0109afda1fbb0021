"""From a folder of studies to a feature store: locate, cut, embed; killed at any point, it goes on."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lsdc.cohort.discovery.sources import Cohort
from lsdc.cohort.discovery.studies import discover
from lsdc.cohort.folds import make_folds
from lsdc.cohort.vocabulary import TARGETS
from lsdc.features.encoder import Encoder
from lsdc.features.extract_worker import (
    ExampleTask,
    StudyTask,
    extract_study,
    problems_of,
    write_example,
)
from lsdc.features.store import FeatureStore
from lsdc.features.store_settings import Settings
from lsdc.features.writer import Arrays, finish_store, writing_rows
from lsdc.runtime import ArtefactError, LsdcError
from lsdc.runtime.artefact import MANIFEST, atomic, claim, fingerprint, read_json
from lsdc.runtime.console import existing, say, track
from lsdc.runtime.device import pick_device
from lsdc.runtime.engine import for_each
from lsdc.slice_selector.fitting import SelectorConfig, cross_fit_selector, folder_of
from lsdc.slice_selector.selector import SliceSelector
from lsdc.slice_selector.training_example import SelectorExample

STUDIES_PER_CHUNK = 16


@dataclass(frozen=True)
class Extraction:
    """What `extract` did.

    Parameters
    ----------
    store : Path
        The finished store.
    studies, rows, problems : int
        Counts.
    selector : str
        `fitted` on this cohort's coordinates, `bundled`, or the store given with --like.
    feature_fingerprint : str
        Stores and models fit each other where this is equal.
    seconds : dict
        Time per stage; empty when the store was already finished.
    """

    store: Path
    studies: int
    rows: int
    problems: int
    selector: str
    feature_fingerprint: str
    seconds: dict[str, float]


@dataclass
class Extractor:
    """One run of `lsdc-features extract`.

    Parameters
    ----------
    data, out : Path
        Where from and where to.
    settings : Settings
        What decides the store's content.
    like : FeatureStore or None
        The store whose selector and configuration are used.
    device : str
        For the encoder.
    workers : int or None
        Processes; None is one per core.
    """

    data: Path
    out: Path
    settings: Settings
    like: FeatureStore | None = None
    device: str = "auto"
    workers: int | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    def run(self) -> Extraction:
        """Extract, or go on where an earlier run stopped."""
        existing(self.data, "data folder")
        cohort = discover(self.data)
        if not cohort.studies:
            raise LsdcError(f"{self.data}: holds no study; give a folder with DICOM files")
        if self.like is not None:
            self.settings = self.settings.like(self.like)
        encoder = self.settings.encoder(pick_device(self.device))
        sources = sorted(cohort.studies, key=lambda source: source.study_id)
        labels = _labels(cohort)
        folds: dict[str, int] = {}
        if labels is not None and (self.like is None or len(labels) > 1):
            folds = make_folds(labels, self.settings.folds, self.settings.seed)
        how = self._how(cohort, folds)
        configuration = self._configuration(encoder, how)
        content = {"studies": [(item.study_id, item.split) for item in sources], "folds": folds}
        claim(
            self.out,
            configuration | {"data": str(self.data.resolve()), "content": fingerprint(content)},
            lambda: "give another --out, or delete it",
        )
        if (self.out / MANIFEST).is_file():
            say(f"{self.out}: already finished")
            return self._report(FeatureStore.open(self.out), how)
        if not (self.out / "encoder.safetensors").is_file():
            encoder.save(self.out / "encoder.safetensors")
        selectors = self._selectors(cohort, folds, how)
        arrays = Arrays(self.out, len(sources), *self.settings.sizes)
        work = self.out / "work"
        tasks = [
            StudyTask(source, index, selectors(source.study_id), arrays, work)
            for index, source in enumerate(sources)
        ]
        with self._stage("extract"):
            arrays.create()
            for_each(extract_study, _open(tasks), "extracting", self.workers)
        with self._stage("embed"):
            chunks = self._embed(encoder, arrays, len(tasks))
        with self._stage("write"):
            store = self._assemble(cohort, tasks, chunks, labels, folds, configuration)
            shutil.rmtree(work)
        return self._report(store, how)

    def _how(self, cohort: Cohort, folds: Mapping[str, int]) -> str:
        if self.like is not None:
            return "like"
        known = set() if cohort.coordinates is None else set(cohort.coordinates["study_id"])
        if known & set(folds):
            return "fitted"
        say("no labeled coordinates here and no --like: the bundled localizer and geometry find the targets")
        return "bundled"

    def _configuration(self, encoder: Encoder, how: str) -> dict[str, Any]:
        reference = None if self.like is None else self.like.feature_fingerprint
        return self.settings.content() | {"encoder": encoder.digest, "selector": how, "like": reference}

    def _selectors(self, cohort: Cohort, folds: Mapping[str, int], how: str) -> Callable[[str], Path]:
        """A function from study id to the folder, in the store, of the selector that locates it."""
        target = self.out / "selector"
        bundled = target / "bundled"
        if how == "bundled":
            # Kept in the store: what is gone on with later, and what `--like` does, is of the same weights.
            if not bundled.is_dir():
                with atomic(bundled) as temporary:
                    SliceSelector.bundled().save(temporary)
        elif how == "like":
            assert self.like is not None
            source = self.like.path / "selector"
            if not source.is_dir():
                raise ArtefactError(
                    f"{source}: no such folder; a store of an older version is to be extracted again"
                )
            if not target.is_dir():
                with atomic(target) as temporary:
                    shutil.copytree(source, temporary)
            known = self.like.studies
            folds = dict(zip(known["study_id"], (int(fold) for fold in known["fold"])))
        else:
            self._fit_selectors(cohort, folds, target)
        if bundled.is_dir():
            return lambda study: bundled
        return lambda study: folder_of(target, folds.get(study, -1))

    def _fit_selectors(self, cohort: Cohort, folds: Mapping[str, int], target: Path) -> None:
        assert cohort.coordinates is not None
        coordinates = dict(iter(cohort.coordinates.groupby("study_id")))
        work = self.out / "work" / "examples"
        tasks = [
            ExampleTask(source, coordinates[source.study_id], work / f"{source.study_id}.npz")
            for source in cohort.studies
            if source.study_id in folds and source.study_id in coordinates
        ]
        with self._stage("read examples"):
            todo = [task for task in tasks if not task.out.is_file()]
            for_each(write_example, todo, "reading", self.workers)
        with self._stage("fit selector"):
            examples = [SelectorExample.load(path) for path in sorted(work.glob("*.npz"))]
            cross_fit_selector(examples, folds, SelectorConfig(seed=self.settings.seed), target, self.workers)

    def _embed(self, encoder: Encoder, arrays: Arrays, n_studies: int) -> list[tuple[int, int, Path]]:
        """Embed chunk by chunk; (first study, last study + 1, file) of each."""
        crops = np.load(arrays.path / "crops.npy", mmap_mode="r")
        starts = range(0, n_studies, STUDIES_PER_CHUNK)
        chunks = [
            (
                start,
                min(start + STUDIES_PER_CHUNK, n_studies),
                self.out / "work" / f"embedding_{start:06d}.npy",
            )
            for start in starts
        ]
        n = len(TARGETS)
        for start, stop, path in track([item for item in chunks if not item[2].is_file()], "embedding"):
            embedding = encoder.embed(np.asarray(crops[start * n : stop * n]))
            with atomic(path) as temporary:
                np.save(temporary, embedding)
        return chunks

    def _assemble(
        self,
        cohort: Cohort,
        tasks: Sequence[StudyTask],
        chunks: Sequence[tuple[int, int, Path]],
        labels: pd.DataFrame | None,
        folds: Mapping[str, int],
        configuration: Mapping[str, Any],
    ) -> FeatureStore:
        records, problems = [], list(cohort.problems)
        with writing_rows(self.out) as writer:
            for start, stop, path in chunks:
                tables = []
                for task in tasks[start:stop]:
                    rows = pd.read_parquet(task.rows_path)
                    study = task.source.study_id
                    rows["fold"] = folds.get(study, -1)
                    rows["grade"] = -1
                    if labels is not None and study in labels.index:
                        rows["grade"] = labels.loc[study, [target.slug for target in TARGETS]].to_numpy()
                    tables.append(rows)
                    record = read_json(task.record_path)
                    found = problems_of(task.record_path)
                    problems += found
                    counts = {key: value for key, value in record.items() if key != "problems"}
                    records.append(counts | {"fold": folds.get(study, -1), "n_problems": len(found)})
                writer.add(pd.concat(tables, ignore_index=True), np.load(path))
        return finish_store(self.out, writer, pd.DataFrame(records), configuration, problems)

    def _report(self, store: FeatureStore, how: str) -> Extraction:
        n_problems = int(store.manifest["n_problems"])
        if n_problems:
            say(f"{n_problems} problems are listed in {store.path / 'problems.csv'}")
        rows, studies = int(store.manifest["n_rows"]), int(store.manifest["n_studies"])
        say(f"{store.path}: {studies} studies, {rows} rows")
        selector = str(self.like.path) if how == "like" and self.like is not None else how
        return Extraction(
            store.path, studies, rows, n_problems, selector, store.feature_fingerprint, self.seconds
        )

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - start, 2)


def _open(tasks: Sequence[StudyTask]) -> list[StudyTask]:
    return [task for task in tasks if not task.rows_path.is_file()]


def _labels(cohort: Cohort) -> pd.DataFrame | None:
    """The labels of the train studies that are there; nothing of the test part."""
    if cohort.labels is None:
        return None
    train = {source.study_id for source in cohort.studies if source.split == "train"}
    labels = cohort.labels[cohort.labels.index.isin(train)]
    return labels if len(labels) else None
