"""A store takes new studies, becomes what it would be if made in one go, and stays whole whatever happens."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.knowing import know
from support.store import fake_store

from lsdc.cohort.discovery import studies
from lsdc.cohort.tables import read_labels
from lsdc.commands.features import Extract
from lsdc.features import appending, extract_worker, shard_extraction
from lsdc.features.appending import Appended, append
from lsdc.features.extraction import extract
from lsdc.features.extraction_plan import plan_extraction
from lsdc.features.extractor import Extractor, selector_digest
from lsdc.features.store import FeatureStore
from lsdc.features.store_check import ARRAYS
from lsdc.features.store_settings import Settings
from lsdc.runtime.errors import ArtifactError, ConfigError
from lsdc.runtime.folder_lock import only_writer

SMALL = Settings("mobilenetv3_small_050", "random", folds=2, crop_px=32, volume_slices=4, volume_px=32)


@pytest.fixture(scope="module", autouse=True)
def knowing(few_studies: Path) -> Any:
    with pytest.MonkeyPatch.context() as monkeypatch:
        know(few_studies, monkeypatch)
        yield


def part_of(data: Path, folder: Path, train: slice, test: bool) -> Path:
    """Copy some studies of a cohort, as links, with its tables."""
    (folder / "train_images").mkdir(parents=True)
    for study in sorted((data / "train_images").iterdir())[train]:
        (folder / "train_images" / study.name).symlink_to(study.resolve())
    if test:
        (folder / "test_images").symlink_to((data / "test_images").resolve())
    for table in data.glob("t*.csv"):
        shutil.copy(table, folder)
    return folder


@pytest.fixture(scope="module")
def january(few_studies: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of the middle two training studies; do not change it."""
    folder = tmp_path_factory.mktemp("january")
    extract(
        part_of(few_studies, folder / "data", slice(1, 3), test=False),
        folder / "store",
        SMALL,
        like="bundled",
    )
    return folder / "store"


@pytest.fixture
def store(january: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(january, tmp_path / "store"))


@pytest.fixture(scope="module")
def whole(few_studies: Path, tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    """All studies extracted in one go."""
    out = tmp_path_factory.mktemp("whole") / "store"
    return FeatureStore.open(extract(few_studies, out, SMALL, like="bundled").store)


def content(path: Path) -> dict[str, bytes]:
    """Every file of a store but those that an unfinished append has made, by name."""
    files = (one for one in path.rglob("*") if one.is_file() and "shards" not in one.relative_to(path).parts)
    return {str(one.relative_to(path)): one.read_bytes() for one in files if one.name[0] != "."}


def same(one: FeatureStore, other: FeatureStore) -> None:
    """Compare all that readers see but the folds, which are dealt over other studies."""
    pd.testing.assert_frame_equal(one.rows.drop(columns="fold"), other.rows.drop(columns="fold"))
    drop = ["fold", "n_problems"]
    pd.testing.assert_frame_equal(one.studies.drop(columns=drop), other.studies.drop(columns=drop))
    np.testing.assert_array_equal(one.embedding, other.embedding)
    for name in ARRAYS:
        np.testing.assert_array_equal(one.array(name), other.array(name))
    assert one.series is not None and other.series is not None
    pd.testing.assert_frame_equal(one.series, other.series)
    assert one.feature_fingerprint == other.feature_fingerprint
    assert selector_digest(one) == selector_digest(other)


def test_a_store_becomes_what_it_would_be_in_one_go(
    few_studies: Path, store: Path, whole: FeatureStore
) -> None:
    before = content(store)
    found = append(few_studies, store)
    assert (found.appended, found.skipped, found.changed, found.studies, found.rows) == (3, 2, (), 5, 125)
    grown = FeatureStore.open(store)
    assert len(grown.parts.all) == 2
    same(grown, whole)
    assert content(store) | {"manifest.json": b""} == before | {
        "manifest.json": b""
    }  # nothing was written again
    assert set(grown.studies.fold[grown.studies.split == "train"]) == {0, 1}
    again = append(few_studies, store)
    assert (again.appended, again.skipped, again.seconds) == (0, 5, {})
    assert extract(few_studies, whole.path, SMALL, like="bundled").studies == 5


def test_a_single_labeled_study_gets_a_fold(few_studies: Path, store: Path, tmp_path: Path) -> None:
    one = part_of(few_studies, tmp_path / "one", slice(0, 1), test=False)
    assert append(one, store).appended == 1
    fold = FeatureStore.open(store).studies.fold
    assert fold.tolist() == [0, *fold[1:]] and (fold >= 0).all()


def test_what_is_new_comes_in_shards_of_bounded_size(
    few_studies: Path, store: Path, whole: FeatureStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(shard_extraction, "SHARD_BYTES", 2 * 10**6)
    append(few_studies, store)
    grown = FeatureStore.open(store)
    assert [part.n_studies for part in grown.parts.all] == [2, 1, 2]
    same(grown, whole)
    made = FeatureStore.open(extract(few_studies, tmp_path / "new", SMALL, like="bundled").store)
    assert [part.n_studies for part in made.parts.all] == [1, 2, 2]
    same(made, whole)
    assert made.problems.equals(whole.problems)
    assert made.rows.equals(whole.rows)


class Killed(BaseException):
    """Stands for kill -9."""


def test_at_every_moment_the_store_is_the_old_one_or_the_new(
    few_studies: Path, january: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, real, seen = content(store), Path.replace, []

    def looked_at(self: Path, target: Path) -> Path:
        """Look at the disk before and after a file takes its name, as one would find it after a power failure."""
        assert content(store) == before
        seen.append(FeatureStore.open(store).manifest["n_studies"])
        found = real(self, target)
        seen.append(FeatureStore.open(store).manifest["n_studies"])
        return found

    monkeypatch.setattr(Path, "replace", looked_at)
    append(few_studies, store)
    assert seen == [2] * (len(seen) - 1) + [5] and len(seen) > 20


def test_an_interrupted_append_resumes(
    few_studies: Path, january: Path, store: Path, whole: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, located = Path.replace, []
    for name in ("000001.arrow", "rows.parquet", "manifest.json", None):

        def dies(self: Path, target: Path, name: str | None = name) -> Path:
            if target.name == name:
                raise Killed
            return real(self, target)

        def noted(study: Any, find: Any = studies.read_study) -> Any:
            located.append(study.study_id)
            return find(study)

        monkeypatch.setattr(Path, "replace", dies)
        monkeypatch.setattr(extract_worker, "read_study", noted)
        (store / f".rows.{os.getpid()}.part.parquet").write_bytes(b"what a killed run leaves")
        if name is None:
            append(few_studies, store)
        else:
            with pytest.raises(Killed):
                append(few_studies, store)
            same(FeatureStore.open(store), FeatureStore.open(january))
        monkeypatch.undo()
        know(few_studies, monkeypatch)
    same(FeatureStore.open(store), whole)
    assert len(located) == 4  # the one that was lost with the first kill is read twice
    assert not list(store.rglob("*.part*")) and not list(store.rglob("work"))


def test_an_append_of_other_data_leaves_what_another_began(
    few_studies: Path, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, messages: Any
) -> None:
    def dies(*given: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(shard_extraction, "assemble_store", dies)
        with pytest.raises(Killed):
            append(part_of(few_studies, tmp_path / "a", slice(0, 1), test=False), store)
    assert append(part_of(few_studies, tmp_path / "b", slice(3, 4), test=True), store).appended == 2
    assert "left by an interrupted run; its command resumes, or delete the folder" in messages.text
    assert append(tmp_path / "a", store).appended == 1
    assert FeatureStore.open(store).manifest["n_studies"] == 5


def test_a_study_whose_files_changed_is_named(
    few_studies: Path, store: Path, tmp_path: Path, messages: Any
) -> None:
    data = part_of(few_studies, tmp_path / "data", slice(0, 3), test=False)
    study = sorted((data / "train_images").iterdir())[1]
    source = study.resolve()
    study.unlink()
    shutil.copytree(source, study)
    next(study.rglob("*.dcm")).unlink()
    found = append(data, store)
    assert (found.appended, found.skipped, found.changed) == (1, 2, (study.name,))
    assert (
        f"1 studies have other files than when they were extracted, and stay in the store as they were: {study.name}"
        in messages.text
    )


def test_what_cannot_grow_is_refused(few_studies: Path, store: Path, tmp_path: Path) -> None:
    fake_store(tmp_path / "fake", n_studies=4)
    with pytest.raises(
        ArtifactError, match="was not made by `lsdc-features extract`, so nothing can be extracted"
    ):
        append(few_studies, tmp_path / "fake")
    with pytest.raises(ArtifactError, match="no such store directory"):
        append(few_studies, tmp_path / "none")
    with pytest.raises(ConfigError, match=r"crop_px=64 contradicts '.*store', which was made with 32"):
        append(few_studies, store, Settings(crop_px=64))
    with pytest.raises(ConfigError, match="--append takes selector, encoder and sizes from OUT itself"):
        Extract(few_studies, store, append=True, like=store).run()
    with (
        only_writer(store),
        pytest.raises(ArtifactError, match="is writing to it; wait until that run has ended"),
    ):
        append(few_studies, store)


def test_the_command_appends(few_studies: Path, store: Path) -> None:
    found = Extract(few_studies, store, append=True).run()
    assert isinstance(found, Appended) and found.appended == 3


def test_the_same_files_under_another_id_are_named(
    few_studies: Path, store: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    again = tmp_path / "again" / "train_images"
    again.mkdir(parents=True)
    first = str(FeatureStore.open(store).studies["study_id"][0])
    (again / "9999").symlink_to((few_studies / "train_images" / first).resolve())
    assert append(again.parent, store).appended == 1
    assert f"9999 ({first})" in caplog.text


def test_a_table_of_folds_decides_where_new_studies_go(
    few_studies: Path, january: Path, tmp_path: Path
) -> None:
    opened, table = FeatureStore.open(january), tmp_path / "folds.csv"
    labels = read_labels(few_studies / "train.csv")

    def given(first: int) -> dict[str, int]:
        folds = [first, *[1 - k % 2 for k in range(len(labels) - 1)]]
        pd.DataFrame({"study_id": labels.index, "fold": folds}).to_csv(table, index=False)
        plan = plan_extraction(few_studies, replace(SMALL, folds=table), Extractor.of(opened))
        assert plan.folds == dict(zip(labels.index, folds))
        return appending._with_folds(plan, opened).folds

    assert given(0)[labels.index[0]] == 0
    with pytest.raises(
        ConfigError, match="fold 7 is none of the store's, which has 0, 1; give new studies one"
    ):
        given(7)


def test_labeled_studies_are_dealt_over_the_folds_with_the_fewest(few_studies: Path, january: Path) -> None:
    opened = FeatureStore.open(january)
    plan = plan_extraction(few_studies, SMALL, Extractor.of(opened), None, studies.discover(few_studies))
    labeled = sorted(study for study in map(str, plan.labels.index))  # type: ignore[union-attr]
    folds = appending._with_folds(plan, opened).folds
    assert sorted(folds) == labeled
    assert sorted(folds.values()) == sorted(k % 2 for k in range(len(labeled)))


def test_grades_that_were_corrected_meanwhile_reach_finished_shards(
    few_studies: Path, tmp_path: Path
) -> None:
    data = part_of(few_studies, tmp_path / "data", slice(0, 2), test=False)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(shard_extraction, "SHARD_BYTES", 1)

        def stop(*_: Any) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(shard_extraction, "write_shards", stop)
        with pytest.raises(KeyboardInterrupt):
            extract(data, tmp_path / "store", SMALL, like="bundled")
    labels = pd.read_csv(data / "train.csv")
    column = "spinal_canal_stenosis_l1_l2"
    labels[column] = (
        labels[column].where(labels[column] != "Severe", "Moderate").replace("Normal/Mild", "Severe")
    )
    labels.to_csv(data / "train.csv", index=False)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(shard_extraction, "SHARD_BYTES", 1)
        store = FeatureStore.open(extract(data, tmp_path / "store", SMALL, like="bundled").store)
    fresh = FeatureStore.open(extract(data, tmp_path / "fresh", SMALL, like="bundled").store)
    np.testing.assert_array_equal(store.rows["grade"], fresh.rows["grade"])
