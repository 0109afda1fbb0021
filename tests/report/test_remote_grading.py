"""Grading studies of a server: what an earlier call left is resumed, and what is not asked for is refused."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from lsdc.report import remote_grading
from lsdc.report.remote_grading import grade_remote
from lsdc.runtime import ConfigError


def test_a_call_that_was_killed_is_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = tmp_path / "r.dicom"
    leftover = fetched / ".1.2.3.4711.part.1"
    leftover.mkdir(parents=True)
    (leftover / "000001.dcm").touch()
    (fetched / ".DS_Store").touch()
    (fetched / "1.2.4").mkdir()
    asked: list[str] = []

    def fetch(url: str, uid: str, folder: Path) -> None:
        asked.append(uid)
        (folder / uid).mkdir()

    monkeypatch.setattr(remote_grading, "fetch_study", fetch)
    monkeypatch.setattr(remote_grading, "grade", lambda *_, **__: SimpleNamespace(dicom=()))
    grade_remote("dicomweb://localhost/x", tmp_path / "r", ["1.2.3", "1.2.4"])
    assert asked == ["1.2.3"]
    assert sorted(path.name for path in fetched.iterdir()) == [".DS_Store", "1.2.3", "1.2.4"]
    with pytest.raises(ConfigError, match=r"holds 1 studies that are not asked for, such as 1\.2\.3"):
        grade_remote("dicomweb://localhost/x", tmp_path / "r", ["1.2.4"])
