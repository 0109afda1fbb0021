"""Studies and stores behind URLs: on a real S3 server, and in memory; bounded disk, resumed uploads, told damage."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from support.knowing import know
from support.random_store import random_store
from support.s3_server import s3_server
from support.store import fake_store

from lsdc.cohort.dicom.files import path_text
from lsdc.cohort.discovery.sources import DiscoveryError
from lsdc.cohort.discovery.studies import discover, read_study
from lsdc.features import appending, shard_extraction
from lsdc.features.appending import append
from lsdc.features.extraction import extract
from lsdc.features.extractor import Extractor
from lsdc.features.merging import merge
from lsdc.features.store import FeatureStore
from lsdc.features.store_check import ARRAYS
from lsdc.features.store_settings import Settings
from lsdc.runtime.errors import ArtifactError
from lsdc.runtime.remote import RemoteFolder
from lsdc.runtime.remote_cache import CACHE
from lsdc.runtime.remote_claim import CLAIM, RemoteClaim
from lsdc.runtime.remote_errors import RemoteError
from lsdc.runtime.remote_output import OutputFolder

SMALL = Settings("mobilenetv3_small_050", "random", folds=2, crop_px=32, volume_slices=4, volume_px=32)


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a bucket on a server of this machine."""
    with s3_server(tmp_path_factory.mktemp("s3") / "log") as url:
        yield url


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def upload(folder: Path, url: str) -> str:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            RemoteFolder(url).put(path, path.relative_to(folder).as_posix())
    return url


def part_of(data: Path, folder: Path, train: slice, test: bool) -> Path:
    """Copy some studies of a cohort, as files, with its tables."""
    for study in sorted((data / "train_images").iterdir())[train]:
        shutil.copytree(study, folder / "train_images" / study.name)
    if test:
        shutil.copytree(data / "test_images", folder / "test_images")
    for table in data.glob("t*.csv"):
        shutil.copy(table, folder)
    return folder


def same(one: FeatureStore, other: FeatureStore) -> None:
    pd.testing.assert_frame_equal(one.rows.drop(columns="fold"), other.rows.drop(columns="fold"))
    np.testing.assert_array_equal(one.embedding, other.embedding)
    for name in ARRAYS:
        np.testing.assert_array_equal(one.array(name), other.array(name))


def test_studies_are_found_by_names_and_fetched_one_at_a_time(
    few_studies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = part_of(few_studies, tmp_path / "data", slice(0, 2), test=True)
    url = upload(data, "memory://found/cohort")
    here, there = discover(data), discover(url)
    assert [study.study_id for study in there.studies] == [study.study_id for study in here.studies]
    assert here.labels is not None and there.labels is not None and here.labels.equals(there.labels)
    assert [p.reason for p in there.problems] == [p.reason for p in here.problems]
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    for one, other in zip(here.studies, there.studies):
        read, fetched = read_study(one), read_study(other)
        for series, same_series in zip(read.series, fetched.series, strict=True):
            for image, same_image in zip(series.slices, same_series.slices, strict=True):
                np.testing.assert_array_equal(image.pixels, same_image.pixels)
        assert fetched.series[0].slices[0].source.startswith("cohort/")
        assert not list((tmp_path / "temporary").iterdir())
    only_train = discover(f"{url}/train_images")
    assert len(only_train.studies) == 2 and only_train.labels is not None


def test_a_tree_is_found_by_the_beginnings_of_its_files(few_studies: Path, tmp_path: Path) -> None:
    tree = part_of(few_studies, tmp_path / "data", slice(0, 2), test=False) / "train_images"
    tree = tree.rename(tmp_path / "tree")
    url = upload(tree, "memory://found/tree")
    MemoryFileSystem().pipe("/found/tree/.hidden/1.dcm", b"x")
    here, there = discover(tree, study_id="folder"), discover(url, study_id="folder")
    assert [study.study_id for study in here.studies] == [study.study_id for study in there.studies]
    for one, other in zip(here.studies, there.studies):
        assert [s.series_id for s in one.series] == [s.series_id for s in other.series]
        assert repr(read_study(one)) == repr(read_study(other))


def test_what_is_not_there_is_named(tmp_path: Path, s3: str) -> None:
    with pytest.raises(
        DiscoveryError, match="memory://nothing/here: there is no such folder, or it holds no file"
    ):
        discover("memory://nothing/here")
    with pytest.raises(RemoteError, match="s3://not-there/x: there is no such file, folder or bucket"):
        discover("s3://not-there/x")
    with pytest.raises(
        RemoteError, match=rf"{s3}/none/manifest.json: there is no such file, folder or bucket"
    ):
        FeatureStore.open(f"{s3}/none")


def test_access_that_is_denied_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*given: object, **options: object) -> None:
        raise PermissionError("Access Denied with a-secret")

    monkeypatch.setattr(MemoryFileSystem, "cat_file", denied)
    with pytest.raises(RemoteError, match=r"memory://x/manifest\.json: access is denied") as error:
        FeatureStore.open("memory://x")
    assert "secret" not in str(error.value)


def test_a_name_that_leads_out_is_a_problem(few_studies: Path, tmp_path: Path) -> None:
    url = upload(part_of(few_studies, tmp_path / "d", slice(0, 1), test=False), "memory://odd/cohort")
    system, name = MemoryFileSystem(), next(n for n in RemoteFolder(url).sizes() if n.endswith(".dcm"))
    system.store[f"/odd/cohort/{name.rpartition('/')[0]}"] = system.store[f"/odd/cohort/{name}"]
    system.pipe("/odd/cohort/train_images/a\\..\\b/1/1.dcm", b"x")
    system.pipe("/odd/cohort/train_images/\udcff.dcm", b"x")
    found = discover(url)
    assert len(found.studies) == 1 and found.studies[0].n_files
    no_name = "the name of the file cannot be one of a file on this machine"
    assert [problem.reason for problem in found.problems[-3:]] == [
        no_name,
        no_name,
        "a file and a folder have this name",
    ]
    assert found.problems[-2].path == f"{url}/train_images/\\udcff.dcm"


def test_from_bucket_to_bucket(
    few_studies: Path, s3: str, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    know(few_studies, monkeypatch)
    data = upload(part_of(few_studies, tmp_path / "january", slice(1, 3), test=False), f"{s3}/january")
    url = f"{s3}/stores/mine"
    found = extract(data, url, SMALL, like="bundled")
    assert (found.store, found.studies) == (url, 2)
    assert not list((cache / "uploads").iterdir())
    again = extract(data, Path(url), SMALL, like="bundled")
    assert (again.store, again.studies, again.seconds) == (url, 2, {})
    with pytest.raises(ArtifactError, match=r"^s3://hospital/stores/mine: begun with another"):
        extract(data, url, Settings("mobilenetv3_small_050", "random", crop_px=48), like="bundled")
    here = FeatureStore.open(extract(tmp_path / "january", tmp_path / "here", SMALL, like="bundled").store)
    store = FeatureStore.open(url)
    same(store, here)
    assert Extractor.of(url).selector.joinpath("bundled", "manifest.json").is_file()
    shutil.rmtree(cache)
    more = upload(part_of(few_studies, tmp_path / "february", slice(0, 4), test=True), f"{s3}/february")
    grown = append(more, url)
    assert (grown.appended, grown.skipped, grown.studies) == (3, 2, 5)
    append(tmp_path / "february", tmp_path / "here")
    same(FeatureStore.open(url), FeatureStore.open(tmp_path / "here"))


def test_files_come_when_they_are_used_and_damage_is_named(tmp_path: Path, cache: Path) -> None:
    fake_store(tmp_path / "store", n_studies=6)
    url = upload(tmp_path / "store", "memory://lazy/store")
    opened = FeatureStore.open(url)
    assert [path.name for path in opened.path.iterdir()] == ["manifest.json"]
    assert opened.rows.equals(FeatureStore.open(tmp_path / "store").rows)
    assert not (opened.path / "crops.npy").exists()
    assert opened.crops.shape[0] == 150 and (opened.path / "crops.npy").exists()
    assert FeatureStore.open(Path(url)).path == FeatureStore.open(opened).path == opened.path
    assert repr(opened).startswith(f"FeatureStore('{url}', 6 studies")
    MemoryFileSystem().pipe("/lazy/store/previews.npy", b"other")
    with pytest.raises(
        RemoteError, match=r"memory://lazy/store/previews\.npy: its content is not what manifest\.json"
    ):
        _ = opened.previews


@pytest.mark.parametrize("damage", [lambda content: b"damaged", lambda content: content[:-1] + b"x"])
def test_a_fetched_file_that_is_damaged_is_fetched_again(
    damage: Callable[[bytes], bytes], tmp_path: Path, cache: Path
) -> None:
    fake_store(tmp_path / "store", n_studies=6)
    whole = (tmp_path / "store" / "crops.npy").read_bytes()
    url = upload(tmp_path / "store", f"memory://healed/{tmp_path.name}")
    view = FeatureStore.open(url).file("crops.npy")
    (kept,) = (path for path in (cache / "files").rglob("*") if path.is_file() and path.samefile(view))
    for damaged in (view, kept):  # where they are links, the other is damaged too
        damaged.write_bytes(damage(whole))
        assert FeatureStore.open(url).file("crops.npy").read_bytes() == whole
    view.unlink()
    kept.write_bytes(damage(whole))
    assert FeatureStore.open(url).file("crops.npy").read_bytes() == kept.read_bytes() == whole


def test_files_that_cannot_be_fetched_are_problems_as_unreadable_ones_are(
    few_studies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    know(few_studies, monkeypatch)
    url = upload(part_of(few_studies, tmp_path / "d", slice(1, 3), test=False), f"file://{tmp_path}/there")
    cohort = discover(url)
    one, other = cohort.studies
    gone = [one.series[0].files[3], *one.series[1].files, *(file for s in other.series for file in s.files)]
    names = [file.relative_to(cohort.root).as_posix() for file in gone]
    for name in names:
        (tmp_path / "there" / name).unlink()
    read = read_study(one)
    whole = read_study(discover(tmp_path / "d").studies[0])
    assert sum(len(series.slices) for series in read.series) == sum(
        len(series.slices) for series in whole.series
    ) - 1 - len(one.series[1].files)
    found = extract(url, tmp_path / "store", SMALL, like="bundled", cohort=cohort)
    store = FeatureStore.open(found.store)
    assert store.studies["located"].gt(0).tolist() == [True, False]
    problems = dict(zip(store.problems.path, store.problems.reason))
    absent = "there is no such file, folder or bucket; check the URL"
    root = path_text(cohort.root)
    assert problems[f"{root}/{names[0]}"] == f"cannot be fetched, {absent}"
    series = problems[f"{root}/{names[1].rpartition('/')[0]}"]
    assert series == f"none of the {len(one.series[1].files)} files of the series can be fetched, {absent}"
    (reason,) = store.problems.reason[store.problems.reason.str.startswith("study failed")]
    assert reason.startswith(f"study failed: none of its {other.n_files} files can be fetched, {absent}")
    assert reason.endswith(f"({url}/{names[1 + len(one.series[1].files)]})")


def test_files_that_may_not_be_read_are_left_out_of_a_tree(
    few_studies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = part_of(few_studies, tmp_path / "data", slice(0, 1), test=False) / "train_images"
    url, real = upload(tree, "memory://denied/tree"), MemoryFileSystem.cat_file
    files = [name for name in RemoteFolder(url).sizes() if name.endswith(".dcm")]

    def denies(self: MemoryFileSystem, path: str, *given: Any, **options: Any) -> bytes:
        if path.endswith(tuple(denied)):
            raise PermissionError("denied")
        return bytes(real(self, path, *given, **options))

    monkeypatch.setattr(MemoryFileSystem, "cat_file", denies)
    denied = files[:1]
    found = discover(url)
    assert sum(study.n_files for study in found.studies) == len(files) - 1
    assert found.problems[-1].path == f"{url}/{files[0]}"
    assert found.problems[-1].reason.startswith("access is denied")
    denied = files
    with pytest.raises(RemoteError, match=f"^{url}/.*: access is denied"):
        discover(url)


def test_two_machines_do_not_both_upload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = "memory://claimed/store"

    def machine(name: str) -> OutputFolder:
        monkeypatch.setenv(CACHE, str(tmp_path / name))
        return OutputFolder.of(url)

    one, other = machine("one"), machine("other")
    one.take("config.json")
    one.take("config.json")
    with pytest.raises(
        ArtifactError,
        match=rf"^{url}: process \d+ on \S+ has been writing to it for \d+ seconds, or was inter",
    ):
        other.take("config.json")
    for place in (one, other):
        place.folder.mkdir(parents=True)
        (place.folder / "rows").write_text(place.folder.parents[1].name)
        (place.folder / "note").write_text("of nobody")
        (place.folder / "manifest.json").write_text('{"files": {"rows": {}}}')
    remote = RemoteFolder(url)
    claim = remote.read(".claim.json")
    MemoryFileSystem().pipe("/claimed/store/.claim.json", b"of another that began in the same instant")
    with pytest.raises(ArtifactError, match="a run of another machine"):
        one.publish()
    assert set(remote.sizes()) == {".claim.json"}
    MemoryFileSystem().pipe("/claimed/store/.claim.json", claim)
    one.publish()
    assert set(remote.sizes()) == {"rows", "manifest.json"}
    assert [path.name for path in (tmp_path / "one").rglob("*") if path.is_file()] == ["note"]
    with pytest.raises(ArtifactError, match="another run has written to it meanwhile"):
        other.publish()
    assert remote.read("rows") == b"one"


def test_of_two_claims_of_one_machine_at_once_the_first_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = RemoteClaim(RemoteFolder("memory://claimed/at_once"), tmp_path / "claim.json")
    is_there = RemoteClaim.is_there

    def just_before_another_claims(asked: RemoteClaim) -> bool:
        monkeypatch.setattr(RemoteClaim, "is_there", is_there)
        found = is_there(asked)
        claim.take("wait")
        return found

    monkeypatch.setattr(RemoteClaim, "is_there", just_before_another_claims)
    claim.take("wait")
    claim.check("wait")
    claim.release()
    assert not claim.is_there() and not claim.own.exists()


@pytest.mark.parametrize("server", ["s3", "memory", "file"])
def test_of_two_appends_the_second_is_refused_and_writes_nothing(
    server: str,
    few_studies: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    know(few_studies, monkeypatch)
    base = {"memory": f"memory://{tmp_path.name}", "file": f"file://{tmp_path}/there"}.get(server)
    url = f"{base or request.getfixturevalue('s3')}/store"
    extract(part_of(few_studies, tmp_path / "old", slice(0, 1), test=False), url, SMALL, like="bundled")
    new = part_of(few_studies, tmp_path / "new", slice(1, 2), test=False)
    remote, real, refused = RemoteFolder(url), appending._grow, []
    before = {name: remote.read(name) for name in remote.sizes()}

    def grow_while_another_tries(*given: Any) -> None:
        monkeypatch.setattr(appending, "_grow", real)
        begun = given[2] / "shards" / "begun"
        begun.mkdir(parents=True)
        # The same machine repeats what is finished, and disturbs nothing.
        assert extract(tmp_path / "old", url, SMALL, like="bundled").studies == 1
        begun.rmdir()
        with monkeypatch.context() as patch, pytest.raises(ArtifactError) as error:
            patch.setenv(CACHE, str(tmp_path / "another machine"))
            append(new, url)
        refused.append(str(error.value))
        there = {name: remote.read(name) for name in remote.sizes()}
        assert there.pop(CLAIM) and there == before
        real(*given)

    monkeypatch.setattr(appending, "_grow", grow_while_another_tries)
    assert append(new, url).appended == 1
    assert len(refused) == 1 and re.fullmatch(
        rf"{url}: process {os.getpid()} on \S+ has been writing to it for \d+ seconds, or was interrupted; wait for "
        rf"it, or, where no such run goes on, delete {url}/\.claim\.json",
        refused[0],
    )
    assert CLAIM not in remote.sizes()
    monkeypatch.setenv(CACHE, str(tmp_path / "another machine"))
    assert append(new, url).skipped == 1


def test_a_claim_ends_with_its_run_and_says_how_old_it_is(
    few_studies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    know(few_studies, monkeypatch)
    url = "memory://claims/store"
    extract(part_of(few_studies, tmp_path / "old", slice(0, 1), test=False), url, SMALL, like="bundled")
    new = part_of(few_studies, tmp_path / "new", slice(1, 2), test=False)
    remote = RemoteFolder(url)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(appending, "_grow", lambda *given: (_ for _ in ()).throw(KeyboardInterrupt))
        append(new, url)
    assert CLAIM not in remote.sizes()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):  # a kill leaves it
        patch.setattr(RemoteClaim, "release", lambda claim: None)
        patch.setattr(appending, "_grow", lambda *given: (_ for _ in ()).throw(KeyboardInterrupt))
        append(new, url)
    left = json.loads(remote.read(CLAIM))
    hours = datetime.now(UTC) - timedelta(hours=5)
    for claim, said in (
        (left | {"began": hours.isoformat()}, rf"{left['by']} has been writing to it for 5 hours, or was"),
        (
            left | {"by": "x\n<script>"},
            "a run of another machine is writing to it, or was interrupted; wait for it, or",
        ),
        ("nothing", "a run of another machine is writing to it"),
    ):
        MemoryFileSystem().pipe("/claims/store/.claim.json", json.dumps(claim).encode())
        with pytest.raises(ArtifactError, match=f"^{url}: {said}"):
            append(new, url)
    MemoryFileSystem().pipe("/claims/store/.claim.json", json.dumps(left, indent=1).encode())
    own = next((tmp_path / "cache" / "uploads").glob("*.claim.json"))
    own.write_bytes(remote.read(CLAIM))  # as it was: the machine takes its own claim up again
    assert append(new, url).appended == 1
    assert CLAIM not in remote.sizes() and not own.exists()


def test_an_append_to_a_url_leaves_what_another_began(
    few_studies: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    know(few_studies, monkeypatch)
    url = f"memory://{tmp_path.name}/store"
    old, first, second = (
        part_of(few_studies, tmp_path / str(k), slice(k, k + 1), test=False) for k in range(3)
    )
    extract(old, url, SMALL, like="bundled")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(
            shard_extraction, "assemble_store", lambda *given: (_ for _ in ()).throw(KeyboardInterrupt)
        )
        append(first, url)
    begun = {path for path in (cache / "uploads").rglob("*") if path.is_file()}
    assert begun
    assert append(second, url).appended == 1
    assert extract(old, url, SMALL, like="bundled").studies == 2
    assert {path for path in (cache / "uploads").rglob("*") if path.is_file()} == begun
    assert not [name for name in RemoteFolder(url).sizes() if name.startswith(tuple(shards_of(begun)))]
    assert append(first, url).studies == 3
    assert not list((cache / "uploads").iterdir())


def shards_of(paths: set[Path]) -> set[str]:
    return {f"shards/{path.parts[path.parts.index('shards') + 1]}" for path in paths}


def test_stores_behind_urls_are_merged(tmp_path: Path) -> None:
    urls = [
        upload(random_store(tmp_path / name, studies, selector=b"1").path, f"memory://merged/{name}")
        for name, studies in (("a", ["a", "c"]), ("b", ["b"]))
    ]
    assert merge(urls, "memory://merged/c").store == "memory://merged/c"
    found, whole = FeatureStore.open("memory://merged/c"), random_store(tmp_path / "whole", ["a", "b", "c"])
    assert found.parts.table("series.csv") is None and len(found.problems) == 2
    same(found, whole)


def test_an_interrupted_upload_resumes(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_store(tmp_path / "a", n_studies=6)
    fake_store(tmp_path / "b", n_studies=6, prefix="2")
    real, put = RemoteFolder.put, []

    def stops(self: RemoteFolder, source: Path, name: str) -> None:
        put.append(name)
        if len(put) == 5:
            raise RemoteError("the server cannot be reached")
        real(self, source, name)

    monkeypatch.setattr(RemoteFolder, "put", stops)
    url = "memory://resumed/store"
    with pytest.raises(RemoteError, match="cannot be reached"):
        merge([tmp_path / "a", tmp_path / "b"], url)
    with pytest.raises(RemoteError, match="there is no such file"):
        FeatureStore.open(url)
    first = put[:4]
    assert merge([tmp_path / "a", tmp_path / "b"], url).studies == 12
    assert put[-1] == "manifest.json" and not set(first) & set(put[5:])
    assert FeatureStore.open(url).rows["study_id"].nunique() == 12


def test_an_upload_does_not_replace_what_another_has_written(tmp_path: Path) -> None:
    fake_store(tmp_path / "a", n_studies=6)
    fake_store(tmp_path / "b", n_studies=6, prefix="2")
    url = upload(tmp_path / "a", "memory://taken/store")
    with pytest.raises(ArtifactError, match=f"{re.escape(url)}: was made by another command"):
        merge([tmp_path / "a", tmp_path / "b"], url)
    (tmp_path / "note").write_text("mine")
    RemoteFolder("memory://mine").put(tmp_path / "note", "note")
    with pytest.raises(ArtifactError, match="memory://mine: is not empty; choose another URL"):
        merge([tmp_path / "a", tmp_path / "b"], "memory://mine")


@pytest.mark.processes
def test_worker_processes_fetch_too(few_studies: Path, s3: str, tmp_path: Path) -> None:
    data = upload(part_of(few_studies, tmp_path / "data", slice(0, 1), test=True), f"{s3}/processes")
    found = extract(data, tmp_path / "store", SMALL, like="bundled", workers=2)
    assert found.studies == 2
    store = FeatureStore.open(found.store)
    assert store.studies["located"].min() > 0 and not store.problems.reason.str.contains("study failed").any()
