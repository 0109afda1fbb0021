"""What extraction costs: beside decoding alone, by stage, beside the naive way, and with one and two workers.

    python benchmarks/extract.py                              # 100 simulated studies; half an hour on two cores
    python benchmarks/extract.py --data cohort --store store  # a labeled cohort, and a store made of it
    python benchmarks/extract.py --linked 1975                # as many as the competition has: what fitting takes then

Stages are timed in this process on one thread, in seconds of the processor; the commands in processes of their own, in
seconds of the clock. Ratios are of one run: machines differ, and are noisy.
"""

from __future__ import annotations

import gc
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import numpy as np
import pydicom
from linked_cohort import link_cohort
from naive_extract import describe, embed_crop_by_crop, look_slice_by_slice, rank_row_by_row, read_twice
from pipeline import run as run_command

from lsdc.cohort.discovery.sources import StudySource
from lsdc.cohort.discovery.studies import discover, read_study
from lsdc.cohort.vocabulary import Family
from lsdc.features.array_files import ArrayFiles
from lsdc.features.encoder import Encoder
from lsdc.features.extract_worker import StudyTask
from lsdc.features.located_study import LocatedStudy
from lsdc.features.metadata import metadata_of
from lsdc.features.row_columns import complete_rows
from lsdc.features.store import FeatureStore
from lsdc.features.store_settings import DEFAULT
from lsdc.features.study_images import cut_images
from lsdc.features.study_rows import rows_of, write_study_rows
from lsdc.features.weights_source import load_network
from lsdc.phantom.writer import simulate
from lsdc.runtime.commands import Reporting, run_program
from lsdc.runtime.console import say, table
from lsdc.runtime.worker_process import on_one_thread
from lsdc.slice_selector.descriptors import describe as our_describe
from lsdc.slice_selector.selector import SliceSelector

T = TypeVar("T")
MEDIAN_IMAGES = 63
"""Slices of the competition's median study: 17 and 17 sagittal ones, 29 axial ones."""


@dataclass(frozen=True)
class Extract:
    """Time extraction.

    Examples
    --------
        python benchmarks/extract.py --studies 20 --naive 1
    """

    data: Path | None = None
    """a labeled cohort in the competition's layout; by default a simulated one"""
    store: Path | None = None
    """a finished store with fitted selectors; by default one is made of the cohort, which times the fitting"""
    studies: int = 100
    """simulated studies; a second look needs about 75"""
    linked: int = 0
    """link the labeled studies under more names until there are so many, and time the whole extraction of these"""
    timed: int = 20
    """studies whose stages are timed, evenly spread"""
    naive: int = 3
    """of these, how many are also extracted the naive way"""
    commands: bool = True
    """also extract the cohort again with one worker and with two"""
    reporting: Reporting = Reporting()

    def run(self) -> dict[str, Any]:
        """Measure."""
        with TemporaryDirectory() as folder:
            return measure(self, Path(folder))


@dataclass
class Clock:
    """Seconds of the processor by stage."""

    seconds: dict[str, float] = field(default_factory=dict)

    def time(self, stage: str, work: Callable[[], T]) -> T:
        """Do something, and add what it took to the stage."""
        begun = time.process_time()
        result = work()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.process_time() - begun
        return result


def measure(options: Extract, folder: Path) -> dict[str, Any]:
    """Take all figures."""
    data, store = options.data, options.store
    if data is None:
        data = folder / "cohort"
        simulate(data, options.studies, seed=5)
    result: dict[str, Any] = {}
    if options.linked:
        with TemporaryDirectory(dir=data.parent) as beside:  # links cannot lead to another disk
            link_cohort(data, Path(beside) / "cohort", options.linked)
            result["linked"] = time_fit(Path(beside) / "cohort", Path(beside) / "store")
    if store is None:
        store = folder / "store"
        result |= time_fit(data, store)
    sources = list(discover(data).studies)
    if options.commands:
        result |= time_commands(data, store, folder, len(sources))
    spread = np.unique(np.linspace(0, len(sources) - 1, options.timed).round().astype(int))
    with on_one_thread():  # as in a worker
        result |= time_stages([sources[k] for k in spread], store, folder, options.naive)
    return result


def time_fit(data: Path, store: Path) -> dict[str, float]:
    """Make a store of a labeled cohort: seconds of the clock a study."""
    stages = run_command("lsdc-features", "extract", data, "--out", store, quiet=True)
    seconds, count = stages.result["seconds"], stages.result["studies"]
    fit = seconds["read examples"] + seconds["fit selector"]
    return {
        "studies": count,
        "read_examples_seconds": round(seconds["read examples"]),
        "fit_selector_seconds": round(seconds["fit selector"]),
        "fit_selector_seconds_per_study": round(fit / count, 3),
        "all_seconds": round(stages.seconds),
        "mebibytes_of_the_largest_process": round(stages.mebibytes),
    }


def time_commands(data: Path, store: Path, folder: Path, count: int) -> dict[str, Any]:
    """Extract the cohort again as the store was extracted, with one worker and with two."""
    seconds = {}
    for workers in (1, 2):
        out = folder / f"again_{workers}"
        flags = "--out", out, "--like", store, "--workers", workers
        stages = run_command("lsdc-features", "extract", data, *flags, quiet=True)
        seconds[workers] = stages.result["seconds"], stages.seconds
        shutil.rmtree(out)
    whole = {workers: found[1] for workers, found in seconds.items()}
    return {
        "studies": count,
        "seconds_per_study": round(whole[2] / count, 3),
        "two_workers_over_one": round(whole[1] / whole[2], 2),
        "two_workers_over_one_extracting": round(seconds[1][0]["extract"] / seconds[2][0]["extract"], 2),
        "two_processes_over_one_decoding": round(time_machine(data), 2),
    }


def time_machine(data: Path) -> float:
    """Measure what the machine itself allows: two processes that share nothing decode what one does; best of three."""
    files = [path for source in discover(data).studies for series in source.series for path in series.files]
    least = {1: float("inf"), 2: float("inf")}
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        list(pool.map(decode_alone, [files, files]))  # both have started, and have read all files once
        for _ in range(3):
            for count in least:
                begun = time.perf_counter()
                list(pool.map(decode_alone, [files[k::count] for k in range(count)]))
                least[count] = min(least[count], time.perf_counter() - begun)
    return least[1] / least[2]


def time_stages(sources: Sequence[StudySource], store: Path, folder: Path, naive: int) -> dict[str, Any]:
    """Time each stage of some studies, decoding alone, and for a few the naive way."""
    opened = FeatureStore.open(store)
    selectors = {name: SliceSelector.load(opened.path / "selector" / name) for name in selector_names(opened)}
    selector = selectors["all"] if "all" in selectors else next(iter(selectors.values()))
    encoder = Encoder.build("regnetx_002", "bundled")
    arrays = ArrayFiles(folder / "arrays", len(sources), DEFAULT.sizes)
    arrays.path.mkdir()
    arrays.create()
    (folder / "work").mkdir()
    clock, slow, beside, images = Clock(), Clock(), Clock(), 0
    extract_one(
        sources[0], selector, encoder, Clock(), partial(task_of, sources[0], 0, store, arrays, folder)
    )
    gc.collect()
    gc.freeze()
    for index, source in enumerate(sources):
        files = [path for series in source.series for path in series.files]
        images += len(files)
        beside.time("decoding alone", partial(decode_alone, files))
        before = sum(clock.seconds.values())
        extract_one(source, selector, encoder, clock, partial(task_of, source, index, store, arrays, folder))
        if index < naive:
            beside.seconds["ours"] = beside.seconds.get("ours", 0.0) + sum(clock.seconds.values()) - before
            extract_naively(source, selector, slow)
    count, decoding = len(sources), beside.seconds["decoding alone"]
    total = sum(clock.seconds.values())
    rows = [("decoding alone", decoding), *clock.seconds.items(), ("all stages", total)]
    table(
        f"a study of {images / count:.0f} images, one thread",
        ["stage", "ms", "times decoding", "share"],
        [
            (name, f"{1000 * s / count:.0f}", f"{s / decoding:.2f}", f"{100 * s / total:.0f} %")
            for name, s in rows
        ],
    )
    result = {
        "images_per_study": round(images / count, 1),
        "decode_ms": round(1000 * decoding / count, 1),
        "stage_ms": {name: round(1000 * s / count, 1) for name, s in clock.seconds.items()},
        "times_decode_only": round(total / decoding, 2),
        "processor_seconds_per_median_study": round(total / images * MEDIAN_IMAGES, 3),
    }
    if naive:
        lost = sum(slow.seconds.values())
        table(
            "the naive way",
            ["stage", "s a study"],
            [(k, f"{v / naive:.2f}") for k, v in slow.seconds.items()],
        )
        result["naive_over_ours"] = round(lost / beside.seconds["ours"], 1)
    say(f"extraction takes {result['times_decode_only']} times what decoding takes")
    return result


def decode_alone(files: Sequence[Path]) -> None:
    """Decode the pixels of files, and nothing else."""
    for path in files:
        pydicom.dcmread(path).pixel_array  # noqa: B018  # decoded where it is first asked for


def selector_names(store: FeatureStore) -> list[str]:
    """List the selectors of a store."""
    return sorted(path.name for path in (store.path / "selector").iterdir() if path.is_dir())


def task_of(source: StudySource, index: int, store: Path, arrays: ArrayFiles, folder: Path) -> StudyTask:
    """Make the order that a worker would get."""
    return StudyTask(source, index, store / "selector", arrays, folder / "work")


def extract_one(
    source: StudySource,
    selector: SliceSelector,
    encoder: Encoder,
    clock: Clock,
    task: Callable[[], StudyTask],
) -> None:
    """Do what a worker does with a study, and embed its crops."""
    study = clock.time("read", lambda: read_study(source))
    locations = clock.time("locate", lambda: selector.locate(study))
    located = clock.time("project", lambda: LocatedStudy.of(study, locations))
    images = clock.time("cut", lambda: cut_images(located, DEFAULT.sizes))
    rows = clock.time(
        "rows", lambda: complete_rows(rows_of(located, source.split, images).join(metadata_of(located)))
    )
    order = task()
    clock.time("write", lambda: order.arrays.write(order.index, images.arrays))
    clock.time("write", lambda: write_study_rows(order.rows_path, rows))
    clock.time("embed", lambda: encoder.embed(images.arrays.crops))


def extract_naively(source: StudySource, selector: SliceSelector, clock: Clock) -> None:
    """Do the same in the way of a notebook."""
    clock.time("read", lambda: read_twice(source))
    study = read_study(source)
    slices = [item for series in study.series for item in series.slices]
    described = clock.time("describe", lambda: [describe(item.pixels) for item in slices])
    assert len(described[0]) == len(our_describe(slices[0].pixels, slices[0].plane))
    ranker = selector.rankings[Family.FORAMINAL].ranker
    if ranker is not None:
        finite = [np.nan_to_num(row) for row in described]
        clock.time("rank", lambda: rank_row_by_row(ranker, finite))
    network = selector.localizers["sagittal"].network.eval()
    clock.time("localize", lambda: look_slice_by_slice(network, study))
    locations = selector.locate(study)
    encoder = load_network("regnetx_002", "bundled", 0).eval()
    clock.time("cut and embed", lambda: embed_crop_by_crop(encoder, study, locations))


main = partial(run_program, Extract, "extract")

if __name__ == "__main__":
    sys.exit(main())
