"""Folders behind URLs: a real S3 server on this machine, memory and files; errors name the URL and no secret."""

from __future__ import annotations

import copy
import errno
from collections.abc import Iterator
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from s3fs import S3FileSystem
from support.s3_server import BUCKET, s3_server

from lsdc.runtime.remote import RemoteFolder, url_of
from lsdc.runtime.remote_errors import ObjectError, RemoteError, is_of_one_object


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
    assert folder.heads(["two", "a/one"], 3) == [b"hel", b"hel"]
    folder.fetch(["a/one", "two"], tmp_path / "here")
    assert (tmp_path / "here" / "a" / "one").read_bytes() == b"hello there"
    (tmp_path / "one").write_bytes(b"other")
    folder.put(tmp_path / "one", "two")
    assert folder.read("two") == b"other"
    with pytest.raises(RemoteError, match=rf"^{folder.url}/none: there is no such file, folder or bucket"):
        folder.read("none")
    for names in (["none"], ["two", "none", "a/one"]):
        with pytest.raises(
            ObjectError, match=rf"^{folder.url}/none: there is no such file, folder or bucket"
        ):
            folder.fetch(names, tmp_path / "again")
    some = folder.heads(["two", "none", "a/one"], 3)
    assert some[::2] == [b"oth", b"hel"] and str(some[1]).startswith(f"{folder.url}/none: there is no such")
    folder.delete("two")
    assert not folder.has("two") and not folder.has("a/one/below")


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
        lambda: RemoteFolder("memory://x").fetch(["one"], tmp_path),
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
