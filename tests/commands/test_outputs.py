"""Outputs of every command that writes: what cannot be one is said in a line, at once, and nothing is touched."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from lsdc.__main__ import main

FOLDERS = {
    "grade": "grade data --out OUT",
    "grade --dicom-sr": "grade data --out report --dicom-sr OUT",
    "extract": "features extract data --out OUT",
    "merge": "features merge data data --out OUT",
    "export": "features export data --out OUT",
    "overview --plots": "features overview data --out page.html --plots OUT",
    "fit": "ensemble fit data --out OUT",
    "fit --oof": "ensemble fit data --out model --oof OUT",
    "blend": "ensemble blend --labels table.csv --members data --out OUT",
    "tune": "ensemble tune data --member lightgbm --out OUT",
    "suspects": "ensemble suspects data --store data --out OUT",
    "evaluate --plots": "ensemble evaluate table.csv table.csv --plots OUT",
    "report --plots": "ensemble report data --out page.html --plots OUT",
    "predict --baselines": "ensemble predict data data --out new.csv --baselines OUT",
    "make": "phantom make OUT --studies 1",
}
"""Commands of which OUT is to be a folder; their inputs are absent or wrong, which is said only of sound outputs."""
FILES = {
    "extract --ids": "features extract data --out store --ids OUT",
    "overview": "features overview data --out OUT",
    "preview": "features preview data study --out OUT",
    "predict": "ensemble predict data data --out OUT",
    "pack": "ensemble pack data --out OUT",
    "evaluate": "ensemble evaluate table.csv table.csv --out OUT",
    "report": "ensemble report data --out OUT",
    "blend --submission": "ensemble blend --labels table.csv --members data --out model --apply data --submission OUT",
    "export-onnx": "features export-onnx data --out OUT",
    "encoder": "pretrain encoder --out OUT",
}
KINDS = {
    "device": ("/dev/full", "is a device or a pipe"),
    "pipe": ("pipe", "is a device or a pipe"),
    "below a file": ("file/x", "file is a file and not a folder"),
    "too long": ("n" * 300, "File name too long"),
    "closed": ("closed/x", "nothing may be written in"),
    "empty": ("", "is empty, as an unset variable of the shell is; give a value"),
}
AGAIN = {
    "predict": ("ensemble predict FILE data --out FILE", "model.lsdc"),
    "predict --sample": ("ensemble predict data data --sample FILE --out FILE", "sample.csv"),
    "evaluate": ("ensemble evaluate table.csv FILE --out FILE", "other.csv"),
    "report": ("ensemble report FILE --out FILE", "model.lsdc"),
    "blend": ("ensemble blend --out model --apply data --submission FILE", "data/member.csv"),
    "overview": ("features overview FILE --out FILE", "export.zip"),
    "extract --ids": ("features extract FILE --out store --ids FILE", "export.zip"),
    "export-onnx": ("features export-onnx FILE --out FILE", "model.lsdc"),
}
"""Commands that are told to write one of the files that they read."""


@pytest.fixture(autouse=True)
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder with things that must stay as they are."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("mine")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine.txt").write_text("mine")
    (tmp_path / "table.csv").write_text("mine")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "closed").mkdir()
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: "closed" not in str(path) and real(path, mode))
    before = state(tmp_path)
    yield tmp_path
    assert state(tmp_path) == before and Path("/dev/full").is_char_device()


def state(folder: Path) -> dict[str, tuple[int, int, int]]:
    """What is in a folder: kind, and of files size and time of change, by path."""
    found = {path: path.stat() for path in folder.rglob("*")}
    return {
        str(path): (stat.S_IFMT(at.st_mode), *((0, 0) if path.is_dir() else (at.st_size, at.st_mtime_ns)))
        for path, at in found.items()
    }


def refused(words: list[str], expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Run a command, which must end with one line."""
    assert main(words) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert expected in line and len(line) < 500


@pytest.mark.parametrize("command", FOLDERS | FILES)
def test_what_cannot_be_an_output_is_said(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    line = (FOLDERS | FILES)[command]
    other = (
        ("file", "is a file; give the name") if command in FOLDERS else ("data", "is a folder; give the name")
    )
    for out, expected in (*KINDS.values(), other):
        refused([out if word == "OUT" else word for word in line.split()], expected, capsys)


@pytest.mark.parametrize("command", AGAIN)
def test_no_input_is_replaced(command: str, room: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line, name = AGAIN[command]
    (room / name).write_text("mine")
    refused(line.replace("FILE", name).split(), "is one of the files that are read; choose another", capsys)
    assert (room / name).read_text() == "mine"
    (room / name).unlink()
