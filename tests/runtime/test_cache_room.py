"""What was fetched fits into a bound: the least recently used goes, and nothing that a process uses."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from lsdc.runtime import cache_room
from lsdc.runtime.cache_room import CACHE_GB, FILES, VIEWS, bytes_to_keep, make_room, use
from lsdc.runtime.errors import ConfigError
from lsdc.runtime.remote import RemoteFolder
from lsdc.runtime.remote_cache import CACHE, fetch_file, view_of

_USES = """
import sys
from pathlib import Path
from lsdc.runtime.cache_room import use
use(Path(sys.argv[1]))
print("used", flush=True)
input()
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder of what was fetched, and a process that uses nothing of it."""
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    monkeypatch.setattr(cache_room, "_JUST_USED", 0.0)
    process = cache_room._Process()
    monkeypatch.setattr(cache_room, "_process", process)
    yield tmp_path / "cache"
    forget(process)


def forget(process: cache_room._Process) -> None:
    """Use nothing any more, as if the process had ended."""
    while process.locks:
        os.close(process.locks.popitem()[1])


def fetched(cache: Path, name: str, contents: list[bytes], used: int) -> Path:
    """Fetch an artifact that was last used at a time."""
    remote = RemoteFolder(f"memory://room/{name}")
    MemoryFileSystem().pipe(f"/room/{name}/manifest.json", name.encode())
    view = view_of(remote)
    for number, content in enumerate(contents):
        MemoryFileSystem().pipe(f"/room/{name}/{number}", content)
        fetch_file(remote, str(number), hashlib.sha256(content).hexdigest(), view / str(number))
    forget(cache_room._process)
    os.utime(cache_room._lock_of(view), (used, used))
    for path in view.iterdir():
        os.utime(path, ns=(used * 10**9, path.stat().st_mtime_ns))
    return view


def size(cache: Path) -> int:
    """Bytes on the disk, of linked files once."""
    files = [path for path in cache.rglob("*") if path.is_file()]
    return sum({path.stat().st_ino: path.stat().st_size for path in files}.values())


def test_the_least_recently_used_goes_first(cache: Path) -> None:
    a = fetched(cache, "a", [b"a" * 1000, b"shared" * 100], used=2)
    b = fetched(cache, "b", [b"b" * 1000], used=1)
    c = fetched(cache, "c", [b"c" * 1000, b"shared" * 100], used=3)
    assert make_room(cache, 10_000) == size(cache) == 3603 and b.is_dir()
    assert make_room(cache, 3000) == size(cache) == 2602
    assert a.is_dir() and c.is_dir() and not b.exists()
    assert make_room(cache, 2000) == size(cache) == 1601  # what others share stays
    assert not a.exists() and (c / "1").read_bytes() == b"shared" * 100
    assert make_room(cache, 0) == size(cache) == 0
    assert not [path for path in (cache / FILES).rglob("*") if path.is_file()]


def test_what_is_used_stays(cache: Path) -> None:
    a = fetched(cache, "a", [b"a" * 1000], used=1)
    b = fetched(cache, "b", [b"b" * 1000], used=2)
    use(a)
    assert make_room(cache, 0) == 1001 and a.is_dir() and not b.exists()
    forget(cache_room._process)
    other = subprocess.Popen(
        [sys.executable, "-c", _USES, str(a)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout is not None and other.stdout.readline() == b"used\n"
    assert make_room(cache, 0) == 1001 and (a / "0").is_file()
    other.kill()
    other.wait()
    assert make_room(cache, 0) == 0 and not a.exists()


def test_what_was_just_used_may_be_about_to_be_linked(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched(cache, "a", [b"a" * 1000], used=int(time.time()))
    monkeypatch.setattr(cache_room, "_JUST_USED", 60.0)
    assert make_room(cache, 0) == 1000


def test_room_is_made_while_files_are_fetched(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_GB, "0.00001")
    for number in range(8):
        fetched(cache, f"v{number}", [bytes([number]) * 3000], used=number)
    assert size(cache) <= 10_000 + 3003 and len(list((cache / VIEWS).glob("v*"))) in (3, 4)
    assert list((cache / VIEWS).glob("v7-*"))


def test_what_is_being_fetched_stays(cache: Path) -> None:
    fetched(cache, "one", [b"x" * 100], used=100)
    partial = cache / FILES / "ab" / ".fetching" / "file"
    partial.parent.mkdir(parents=True)
    partial.write_bytes(b"y" * 100)
    os.utime(partial, (100, 100))
    os.utime(partial.parent)
    assert make_room(cache, 0) == 0 and partial.is_file()


def test_without_locks_artifacts_open_and_nothing_in_use_can_be_told(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(descriptor: int, shared: bool) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    view = fetched(cache, "one", [b"x" * 100], used=100)
    monkeypatch.setattr(cache_room, "_lock", refuses)
    use(view)
    assert make_room(cache, 0) > 0 and view.is_dir()


def test_what_killed_processes_left_goes(cache: Path) -> None:
    for name, age in (("old", 2 * 86400), ("new", 10)):
        folder = cache / FILES / "ab" / f".{name}"
        folder.mkdir(parents=True)
        (folder / "file").write_bytes(b"half")
        os.utime(folder, (time.time() - age,) * 2)
    make_room(cache, 10**9)
    assert [path.name for path in (cache / FILES / "ab").iterdir()] == [".new"]


@pytest.mark.parametrize("text", ["much", "-1", "nan", "inf"])
def test_a_bound_that_is_none_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CACHE_GB, raising=False)
    assert bytes_to_keep() == 20 * 10**9
    monkeypatch.setenv(CACHE_GB, "0.5")
    assert bytes_to_keep() == 5 * 10**8
    monkeypatch.setenv(CACHE_GB, text)
    with pytest.raises(
        ConfigError, match=f"LSDC_CACHE_GB must be a number of gigabytes, such as 20, not '{text}'"
    ):
        bytes_to_keep()
