"""One run at a time in a directory; a dead owner holds nothing, and leaves nothing half-written."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lsdc.runtime import ArtifactError
from lsdc.runtime import folder_lock as folder_lock_module
from lsdc.runtime.artifact import claim
from lsdc.runtime.folder_lock import LOCK, only_writer

HOLDER = """
import sys, time
from pathlib import Path
from lsdc.runtime.folder_lock import only_writer
with only_writer(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_run_is_refused_until_the_first_has_died(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout is not None and first.stdout.readline() == "held\n"
        words = f"{re.escape(str(tmp_path))}: process {first.pid} on .* is writing to it; wait until that run"
        with pytest.raises(ArtifactError, match=words), only_writer(tmp_path):
            pass
        assert (tmp_path / LOCK).is_file()
        first.send_signal(signal.SIGKILL)
        first.wait(20)
    with only_writer(tmp_path):
        assert str(os.getpid()) in (tmp_path / LOCK).read_text()
    assert list(tmp_path.iterdir()) == []


def test_the_lock_goes_with_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), only_writer(tmp_path):
        raise ZeroDivisionError
    with only_writer(tmp_path), pytest.raises(ArtifactError, match="is writing to it"), only_writer(tmp_path):
        pass


def test_the_lock_of_a_folder_that_was_made_anew_stays(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    with contextlib.ExitStack() as second:
        with only_writer(folder):
            folder.rename(tmp_path / "removed")
            folder.mkdir()
            second.enter_context(only_writer(folder))
        with pytest.raises(ArtifactError, match="is writing to it"), only_writer(folder):
            pass


def test_what_a_killed_run_left_half_written_is_removed(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / ".000001.4711.part.parquet").touch()
    (tmp_path / ".fold_1.4711.part" / "deep").mkdir(parents=True)
    kept = [tmp_path / "work" / "000001.parquet", tmp_path / ".keep.part", tmp_path / "a.12.part.csv"]
    for path in kept:
        path.touch()
    with only_writer(tmp_path, owned=False):  # where other things lie, nothing is removed
        assert (tmp_path / ".fold_1.4711.part" / "deep").is_dir()
    with only_writer(tmp_path):
        assert sorted(path for path in tmp_path.rglob("*") if path.is_file() and path.name != LOCK) == sorted(
            kept
        )
        assert not (tmp_path / ".fold_1.4711.part").exists()


def test_a_claim_that_was_killed_is_made_again(tmp_path: Path) -> None:
    (tmp_path / ".config.4711.part.json").touch()
    claim(tmp_path, {"a": 1}, lambda: "delete it")
    (tmp_path / "config.json").unlink()
    (tmp_path / "mine.txt").touch()
    with pytest.raises(ArtifactError, match="exists and is not empty; delete it"):
        claim(tmp_path, {"a": 1}, lambda: "delete it")
    with pytest.raises(ArtifactError, match=r"mine\.txt: is not a folder; delete it"):
        claim(tmp_path / "mine.txt", {"a": 1}, lambda: "delete it")


@pytest.mark.skipif(sys.platform == "win32", reason="locks there are of another kind")
def test_a_file_system_without_locks_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import errno
    import fcntl

    said: list[str] = []

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    monkeypatch.setattr(folder_lock_module, "warn", said.append)
    with only_writer(tmp_path):
        pass
    assert said == [
        f"{tmp_path}: cannot be locked on this file system; let no other run write to it meanwhile"
    ]
