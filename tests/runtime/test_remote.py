"""Folders behind URLs: a real S3 server on this machine, memory and files; errors name the URL and no secret."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from s3fs import S3FileSystem
from support.s3_server import BUCKET, s3_server

from lsdc.runtime.remote import RemoteError, RemoteFolder, url_of


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with (
        s3_server(tmp_path_factory.mktemp("s3") / "log") as environment,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in environment.items():
            patch.setenv(name, value)
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
    with pytest.raises(RemoteError, match=rf"^{folder.url}/none: there is no such file, folder or bucket"):
        folder.fetch(["none"], tmp_path)


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
    with pytest.raises(
        RemoteError, match="a URL with a password; give credentials by the environment"
    ) as error:
        url_of("s3://me:hunter2@bucket/store")
    assert "hunter2" not in str(error.value)


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
