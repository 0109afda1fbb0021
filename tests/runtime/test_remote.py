"""Folders behind URLs: a real S3 server on this machine, memory and files; errors name the URL and no secret."""

from __future__ import annotations

import copy
import errno
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from s3fs import S3FileSystem
from support.s3_server import BUCKET, s3_server

from lsdc.runtime import remote_many
from lsdc.runtime.remote import RemoteFolder, url_of
from lsdc.runtime.remote_cache import CACHE, view_of
from lsdc.runtime.remote_errors import ObjectError, RemoteError, UnreachableError, is_of_one_object
from lsdc.runtime.remote_many import fetch_many, heads


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with s3_server(tmp_path_factory.mktemp("s3") / "log"):
        yield


@pytest.fixture(params=["s3", "memory", "file"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> RemoteFolder:
    if request.param == "s3":
        request.getfixturevalue("s3")
        return RemoteFolder(f"s3://{BUCKET}/{tmp_path.name}")
    return RemoteFolder(
        f"memory://{tmp_path.name}" if request.param == "memory" else f"file://{tmp_path}/there"
    )


def test_files_go_there_and_come_back(folder: RemoteFolder, tmp_path: Path) -> None:
    assert folder.sizes() == {}
    (tmp_path / "one").write_bytes(b"hello there")
    folder.put(tmp_path / "one", "a/one")
    folder.put(tmp_path / "one", "two")
    assert folder.sizes() == {"a/one": 11, "two": 11} and folder.child("a").sizes() == {"one": 11}
    assert folder.has("a/one") and not folder.has("a") and not folder.has("three")
    assert folder.child("two").has("") and not folder.has("")
    assert folder.read("two") == b"hello there" and folder.read("two", 5) == b"hello"
    assert heads(folder, ["two", "a/one"], 3) == [b"hel", b"hel"]
    assert fetch_many(folder, ["a/one", "two"], tmp_path / "here") == {}
    assert (tmp_path / "here" / "a" / "one").read_bytes() == b"hello there"
    (tmp_path / "one").write_bytes(b"other")
    folder.put(tmp_path / "one", "two")
    assert folder.read("two") == b"other"
    with pytest.raises(RemoteError, match=rf"^{folder.url}/none: there is no such file, folder or bucket"):
        folder.read("none")
    lost = fetch_many(folder, ["two", "none", "a/one"], tmp_path / "again")
    assert lost.keys() == {"none"} and isinstance(lost["none"], ObjectError)
    assert str(lost["none"]).startswith(f"{folder.url}/none: there is no such file, folder or bucket")
    assert (tmp_path / "again" / "two").read_bytes() == b"other"
    some = heads(folder, ["two", "none", "a/one"], 3)
    assert some[::2] == [b"oth", b"hel"] and str(some[1]).startswith(f"{folder.url}/none: there is no such")
    folder.delete("two")
    assert not folder.has("two") and not folder.has("a/one/below")


def test_of_many_who_create_a_file_one_succeeds(folder: RemoteFolder) -> None:
    contents = [f"{k}".encode() for k in range(8)]
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda content: folder.create("claims/one", content), contents))
    assert sum(made) == 1 and folder.read("claims/one") == contents[made.index(True)]
    assert not folder.create("claims/one", b"late") and folder.create("two", b"2")


@pytest.mark.usefixtures("s3")
def test_what_cannot_be_created_is_said() -> None:
    with pytest.raises(
        RemoteError, match=r"^s3://no-such-bucket/x/one: there is no such file, folder or bucket"
    ):
        RemoteFolder("s3://no-such-bucket/x").create("one", b"1")


def test_a_provider_without_conditions_is_asked_before_and_after(monkeypatch: pytest.MonkeyPatch) -> None:
    real = MemoryFileSystem.pipe_file

    def plain(self: MemoryFileSystem, path: str, value: bytes, mode: str = "overwrite") -> None:
        if mode == "create":
            raise NotImplementedError
        real(self, path, value)

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", plain)
    folder = RemoteFolder("memory://unconditional")
    assert folder.create("one", b"1") and not folder.create("one", b"2") and folder.read("one") == b"1"


@pytest.mark.usefixtures("s3")
def test_an_absent_bucket_is_named(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"1")
    absent = RemoteFolder("s3://no-such-bucket/store")
    with pytest.raises(
        RemoteError, match="s3://no-such-bucket/store/one: there is no such file, folder or bucket"
    ):
        absent.put(tmp_path / "one", "one")
    with pytest.raises(RemoteError, match="there is no such file, folder or bucket"):
        absent.read("one")


def test_a_server_that_is_away_is_named_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    S3FileSystem.clear_instance_cache()
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "someone")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-that-nobody-prints")
    with pytest.raises(RemoteError, match="s3://away/store/x: the server cannot be reached") as error:
        RemoteFolder("s3://away/store").read("x")
    assert "secret" not in str(error.value) and "someone" not in str(error.value)


def test_a_missing_package_is_named() -> None:
    with pytest.raises(RemoteError, match=r"gs://bucket: gs:// needs .* install lsdc-toolkit\[gs\]"):
        RemoteFolder("gs://bucket").sizes()


def test_passwords_in_urls_are_refused_unprinted() -> None:
    for url in (
        "s3://me:hunter2@bucket/store",
        "s3://me:hun/ter2/@bucket/store",
        "az://container/store?sv=1&sig=hunter2",
        "az://container/store?sig=hun/ter2=",
    ):
        with pytest.raises(
            RemoteError, match=r"^[a-z0-9]+://…: a URL with a password or a query; give"
        ) as error:
            url_of(url)
        assert "ter2" not in str(error.value)


@pytest.mark.parametrize(
    "fault", [PermissionError("denied"), ConnectionError("gone"), OSError(errno.EBUSY, "slow")]
)
def test_a_file_is_absent_only_where_the_server_says_so(
    fault: OSError, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*given: object, **options: object) -> None:
        raise fault

    monkeypatch.setattr(MemoryFileSystem, "info", fails)
    with pytest.raises(RemoteError, match=r"^memory://x/one: "):
        RemoteFolder("memory://x").has("one")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_full_disk_is_no_fault_of_the_server(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*given: object, **options: object) -> None:
        raise OSError(code, "of the disk")

    monkeypatch.setattr(MemoryFileSystem, "get_file", fails)
    for fetch in (
        lambda: fetch_many(RemoteFolder("memory://x"), ["one"], tmp_path),
        lambda: RemoteFolder("memory://x").fetch_one("one", tmp_path / "one"),
    ):
        with pytest.raises(OSError, match="of the disk") as error:
            fetch()
        assert error.value.errno == code


@pytest.mark.parametrize(
    ("code", "of_one"),
    [("AccessDenied", True), ("404", True), ("ExpiredToken", False), ("NoSuchBucket", False)],
)
def test_faults_of_an_object_and_of_the_bucket_differ(code: str, of_one: bool) -> None:
    answer = type("ClientError", (Exception,), {"response": {"Error": {"Code": code}}})
    error = FileNotFoundError("x") if code in ("404", "NoSuchBucket") else PermissionError("x")
    error.__cause__ = answer()
    assert is_of_one_object(error) is of_one
    assert not is_of_one_object(TimeoutError())


@pytest.mark.parametrize("error", [ConnectionResetError(), OSError(errno.EREMOTEIO, "status 500")])
def test_a_transfer_that_breaks_off_concerns_its_file_while_the_server_answers(
    error: OSError, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_many, "_PAUSE", 0.0)
    system, tried = MemoryFileSystem(), Counter[str]()
    for name in "abcd":
        system.pipe(f"/breaks/{name}", name.encode())
    real = MemoryFileSystem.cat_file

    def breaks(self: MemoryFileSystem, path: str, *given: Any, **options: Any) -> bytes:
        tried[path[-1]] += 1
        if path[-1] == "b" or (path[-1] == "c" and tried["c"] == 1):
            raise error
        return bytes(real(self, path, *given, **options))

    monkeypatch.setattr(MemoryFileSystem, "cat_file", breaks)
    monkeypatch.setattr(
        MemoryFileSystem, "get_file", lambda self, name, target: Path(target).write_bytes(self.cat_file(name))
    )
    folder = RemoteFolder("memory://breaks")
    lost = fetch_many(folder, list("abcd"), tmp_path)
    message = "memory://breaks/b: its transfer breaks off, though the server answers"
    assert [str(one) for one in lost.values()] == [message]
    assert sorted(path.read_text() for path in tmp_path.iterdir()) == ["a", "c", "d"] and tried["b"] == 2
    tried.clear()
    found = heads(folder, list("abcd"), 9)
    assert [str(found[1])] == [message] and [found[0], *found[2:]] == [b"a", b"c", b"d"]

    def away(*given: object, **options: object) -> None:
        raise error

    monkeypatch.setattr(MemoryFileSystem, "find", away)
    for act in (lambda: fetch_many(folder, list("abcd"), tmp_path), lambda: heads(folder, list("abcd"), 9)):
        with pytest.raises(UnreachableError, match=r"memory://breaks/[bc]: the server cannot be reached"):
            act()


def test_an_error_of_an_object_goes_to_other_processes() -> None:
    error = copy.copy(ObjectError("s3://b/x", "access is denied"))  # as pickling does
    assert (str(error), error.place) == ("s3://b/x: access is denied", "s3://b/x")


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("s3://bucket/a/", "s3://bucket/a"),
        (Path("s3://bucket/a"), "s3://bucket/a"),
        (Path("file:///a/b"), "file:///a/b"),
        ("abfs://container@account/x", "abfs://container@account/x"),
        ("folder/s3:", None),
        ("C:/store", None),
        (Path("store"), None),
    ],
)
def test_urls_are_told_from_paths(given: str | Path, url: str | None) -> None:
    assert url_of(given) == url


def test_threads_open_one_artifact_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE, str(tmp_path))
    MemoryFileSystem().pipe("/at_once/manifest.json", b"{}")
    written, write = Barrier(2, timeout=20), Path.write_bytes

    def write_together(path: Path, content: bytes) -> int:
        size = write(path, content)
        written.wait()
        return size

    monkeypatch.setattr(Path, "write_bytes", write_together)
    with ThreadPoolExecutor(2) as pool:
        views = list(pool.map(view_of, [RemoteFolder("memory://at_once")] * 2))
    assert views[0] == views[1]
    assert [path.name for path in views[0].iterdir()] == ["manifest.json"]
