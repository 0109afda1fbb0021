"""Studies that fail, data that vanishes, and disks that take nothing more."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lsdc.cohort.discovery.sources import StudySource
from lsdc.cohort.discovery.studies import discover, read_study
from lsdc.cohort.study import Study
from lsdc.features import extract_worker, extraction, shard_extraction, study_failures, study_selectors
from lsdc.features.array_files import ArrayFiles
from lsdc.features.crop_embedding import embed_crops
from lsdc.features.extract_worker import ExampleTask, StudyTask, extract_study, write_example
from lsdc.features.extraction import extract
from lsdc.features.store import FeatureStore
from lsdc.features.store_settings import Settings
from lsdc.features.study_failures import example_problems, make_examples
from lsdc.features.study_selectors import StudySelectors, make_selectors
from lsdc.features.vanished_data import VanishedError
from lsdc.runtime.errors import Problem
from lsdc.runtime.output_faults import OutputError
from lsdc.runtime.remote_errors import BREAKS_OFF
from lsdc.slice_selector.example_files import ExampleFiles

SMALL = Settings("mobilenetv3_small_050", "random", folds=2, crop_px=32, volume_slices=4, volume_px=32)


@pytest.fixture(scope="module")
def data(small_cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three studies without labels, and with few slices; do not change it."""
    root = tmp_path_factory.mktemp("data") / "new"
    for study in sorted((small_cohort / "test_images").iterdir())[:3]:
        for series in study.iterdir():
            (root / study.name / series.name).mkdir(parents=True)
            for path in sorted(series.iterdir(), key=lambda path: int(path.stem))[::4]:
                shutil.copy(path, root / study.name / series.name)
    return root


def run(data: Path, out: Path, workers: int = 1) -> FeatureStore:
    extract(data, out, SMALL, workers=workers)
    return FeatureStore.open(out)


@pytest.fixture(scope="module")
def sound(data: Path, tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    """The store of an undisturbed run; do not change it."""
    return run(data, tmp_path_factory.mktemp("sound") / "store")


def contents(store: Path) -> dict[str, Any]:
    """All that a store holds, except where its data was."""
    found: dict[str, Any] = {
        str(path.relative_to(store)): path.read_bytes() for path in store.rglob("*") if path.is_file()
    }
    found["manifest.json"] = json.loads(found["manifest.json"])
    del found["config.json"], found["manifest.json"]["files"]["config.json"]
    return found


def reasons(store: FeatureStore) -> list[str]:
    found = pd.read_csv(store.path / "problems.csv").reason
    return [text for text in found if text.startswith("study failed")]


def dies_or_fails(task: StudyTask) -> None:
    """The first study kills its process as a broken decoder does, the second one lacks memory."""
    if task.index == 0:
        os.kill(os.getpid(), signal.SIGSEGV)
    if task.index == 1:
        raise MemoryError
    extract_study(task)


@pytest.mark.processes
def test_a_decoder_that_dies_costs_its_study(
    data: Path, sound: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study_failures, "extract_study", dies_or_fails)
    store = run(data, tmp_path / "store", workers=2)
    assert reasons(store) == [
        "study failed: the process that worked on it died twice (signal SIGSEGV)",
        "study failed: it needs more memory than a worker may take (MemoryError)",
    ]
    assert store.rows.row_id.tolist() == sound.rows.row_id.tolist()
    assert (store.rows.located_by[:50] == "absent").all() and not store.crops[:50].any()
    assert set(store.rows.status[:50]) == {"not seen"}
    assert set(store.rows.reason[:50]) == {"its study could not be extracted"}
    pd.testing.assert_frame_equal(store.rows[50:], sound.rows[50:])
    for name in ("crops", "embedding"):
        np.testing.assert_array_equal(getattr(store, name)[50:], getattr(sound, name)[50:])


@pytest.mark.processes
def test_stores_do_not_depend_on_the_number_of_workers(
    data: Path, sound: FeatureStore, tmp_path: Path
) -> None:
    assert contents(run(data, tmp_path / "store", 3).path) == contents(sound.path)


def stopping(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let the run be stopped after its studies; give what undoes that."""
    real = embed_crops

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(shard_extraction, "embed_crops", stop)
    return lambda: monkeypatch.setattr(shard_extraction, "embed_crops", real)


def test_a_resume_tries_again_once(
    data: Path, sound: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = stopping(monkeypatch)
    tried: list[int] = []

    def fails(task: StudyTask) -> None:
        tried.append(task.index)
        if task.index == 1:
            raise ValueError("a name")
        extract_study(task)

    monkeypatch.setattr(study_failures, "extract_study", fails)
    for expected in ([0, 1, 2], [0, 1, 2, 1], [0, 1, 2, 1]):  # the third run leaves it alone
        with pytest.raises(KeyboardInterrupt):
            run(data, tmp_path / "fails")
        assert tried == expected
    go_on()
    store = run(data, tmp_path / "fails")
    assert tried == [0, 1, 2, 1]
    assert (
        len(reasons(store)) == 1 and "ValueError in" in reasons(store)[0] and "name" not in reasons(store)[0]
    )

    tried.clear()
    go_on = stopping(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        run(data, tmp_path / "mended")
    np.save(tmp_path / "mended" / "work" / "embedding_000000.npy", np.zeros(3))  # of the study without image
    monkeypatch.setattr(study_failures, "extract_study", extract_study)
    go_on()
    assert contents(run(data, tmp_path / "mended").path) == contents(sound.path)


def test_a_resume_tries_again_what_transfers_broke_off(
    data: Path, sound: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def breaks_off(source: StudySource) -> Study:
        read.append(source.study_id)
        study = read_study(source)
        if source.study_id != second:
            return study
        lost = Problem(study.study_id, f"cannot be fetched, {BREAKS_OFF}", "")
        return replace(study, series=study.series[1:], problems=(*study.problems, lost))

    second = sound.studies.study_id[1]
    monkeypatch.setattr(extract_worker, "read_study", breaks_off)
    go_on = stopping(monkeypatch)
    for count in (3, 4, 4):  # the third run leaves it alone
        with pytest.raises(KeyboardInterrupt):
            run(data, tmp_path / "breaks")
        assert len(read) == count
    go_on()
    store = run(data, tmp_path / "breaks")
    assert store.problems.reason.tolist() == [f"cannot be fetched, {BREAKS_OFF}"]
    assert set(store.rows.status[25:50]) != {"not seen"}

    go_on = stopping(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        run(data, tmp_path / "mended")
    np.save(tmp_path / "mended" / "work" / "embedding_000000.npy", np.zeros(3))  # of what had come
    monkeypatch.setattr(extract_worker, "read_study", read_study)
    go_on()
    assert contents(run(data, tmp_path / "mended").path) == contents(sound.path)


def test_data_that_vanishes_stops_the_run(
    data: Path, sound: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "data"
    shutil.copytree(data, here)
    real = read_study

    read: list[str] = []

    def vanishes(source: StudySource) -> Study:
        read.append(source.study_id)
        if len(read) == 2:
            here.rename(tmp_path / "gone")
        return real(source)

    monkeypatch.setattr(extract_worker, "read_study", vanishes)
    with pytest.raises(
        VanishedError, match=r"study .*: its files were there when the run began, and have gone; bring"
    ):
        run(here, tmp_path / "store")
    assert not (tmp_path / "store" / "manifest.json").exists()
    assert len(list((tmp_path / "store" / "work").glob("*.arrow"))) == 1
    (tmp_path / "gone").rename(here)
    monkeypatch.setattr(extract_worker, "read_study", real)
    assert contents(run(here, tmp_path / "store").path) == contents(sound.path)


def test_one_file_that_cannot_be_read_is_no_vanished_folder(data: Path, tmp_path: Path) -> None:
    here = tmp_path / "data"
    shutil.copytree(data, here)
    some = sorted(path for path in here.rglob("*") if path.is_file())[0]
    some.unlink()
    some.symlink_to("nowhere")
    store = run(here, tmp_path / "store")
    assert reasons(store) == [] and len(store.rows) == 75


def test_a_full_disk_is_no_studys_fault(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(ArrayFiles, "write", full)
        with pytest.raises(OutputError, match=r"No space left on device: '.*work'") as caught:
            run(data, tmp_path / "store")
    assert caught.value.errno == errno.ENOSPC
    assert not list((tmp_path / "store" / "work").glob("*.failed.json"))
    assert reasons(run(data, tmp_path / "store")) == []


def test_a_disk_that_is_too_small_is_known_before_the_work(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not hasattr(os, "posix_fallocate"):
        pytest.skip("the system reserves no space")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    monkeypatch.setattr(study_failures, "extract_study", lambda task: pytest.fail("there is no room"))
    with pytest.raises(OSError, match=r"No space left on device: '.*crops.*\.npy'"):
        run(data, tmp_path / "store")
    assert not list((tmp_path / "store").glob("*crops*"))


def test_a_study_that_cannot_teach_is_a_problem(
    few_studies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study_selectors, "cross_fit_selector", lambda *given: given[3].mkdir(exist_ok=True))
    tried: list[str] = []
    made: list[StudySelectors] = []

    def fails(task: ExampleTask) -> None:
        tried.append(task.source.study_id)
        if task.source.study_id == tried[0]:
            raise ValueError("a name")
        make_example(task)

    def stops(tasks: object, workers: object) -> None:
        raise KeyboardInterrupt

    def notes(*given: Any) -> StudySelectors:
        made.append(make_selectors(*given))
        return made[-1]

    make_example = write_example
    monkeypatch.setattr(study_failures, "write_example", fails)
    monkeypatch.setattr(extraction, "make_selectors", notes)
    monkeypatch.setattr(shard_extraction, "extract_studies", stops)
    for count in (4, 5, 5):
        with pytest.raises(KeyboardInterrupt):
            run(few_studies, tmp_path / "store")
        assert len(tried) == count
        (problem,) = made[-1].problems
        assert problem.path == tried[0] and "a name" not in problem.reason
        assert problem.reason.startswith("the slice selector does not learn from this study: ValueError in")


def test_half_an_example_of_a_killed_worker_is_passed_over(
    few_studies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_examples
    taught: list[str] = []

    def one_is_killed(tasks: Sequence[ExampleTask], workers: int | None) -> None:
        made(tasks, workers)
        tasks[0].out.with_name(".1.4711.part.npz").write_bytes(b"half")

    def stops(examples: ExampleFiles, *given: object) -> None:
        taught.extend(example.study_id for example in examples)
        raise KeyboardInterrupt

    monkeypatch.setattr(study_selectors, "make_examples", one_is_killed)
    monkeypatch.setattr(study_selectors, "cross_fit_selector", stops)
    with pytest.raises(KeyboardInterrupt):
        run(few_studies, tmp_path / "store")
    assert taught and taught == sorted(taught)


def test_marks_that_cannot_be_right_are_problems(small_cohort: Path, tmp_path: Path) -> None:
    cohort = discover(small_cohort)
    assert cohort.coordinates is not None
    source = next(study for study in cohort.studies if study.split == "train")
    marks = cohort.coordinates.query("study_id == @source.study_id").copy()
    marks.loc[marks.index[:2], "x"] = 5000.0
    task = ExampleTask(source, marks, tmp_path / f"{source.study_id}.npz")
    write_example(task)
    (problem,) = example_problems([task])
    assert problem.path == source.study_id and problem.reason.startswith(
        "2 annotated points lie outside of their image"
    )
