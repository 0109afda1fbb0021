"""Outputs that cannot be are said before long work, and what is there stays."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lsdc.runtime import LsdcError
from lsdc.runtime.console import configure_logging
from lsdc.runtime.errors import ConfigError
from lsdc.runtime.output_faults import OutputError, writing_to
from lsdc.runtime.whole_files import check_output_file, check_output_folder, shortened


def test_what_is_no_folder_is_refused_as_one(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(LsdcError, match="file: is a file; give the name of a folder"):
        check_output_folder(tmp_path / "file")
    with pytest.raises(LsdcError, match="pipe: is a device or a pipe"):
        check_output_folder(tmp_path / "pipe")
    with pytest.raises(LsdcError, match=r"x/y: cannot be written, .*file is a file and not a folder"):
        check_output_folder(tmp_path / "file" / "x" / "y")
    for url in (
        "s3://bucket/model",
        Path("s3://bucket/model"),
        "https://me:hunter2@host/model",
        "file:///model",
    ):
        with pytest.raises(
            ConfigError, match=r"^[a-z0-9]+://…: the output cannot be a URL here; make it in a"
        ) as error:
            check_output_folder(url)
        assert "hunter2" not in str(error.value)
    assert check_output_folder(tmp_path) == tmp_path
    assert check_output_folder(tmp_path / "new" / "deep") == tmp_path / "new" / "deep"


def test_names_that_cannot_be_are_said_in_few_words(tmp_path: Path) -> None:
    with pytest.raises(
        LsdcError, match=r"nnn \.\.\. nnn.*: cannot be written \(File name too long\)"
    ) as caught:
        check_output_file(tmp_path / ("n" * 300))
    assert len(str(caught.value)) < 300
    with pytest.raises(LsdcError, match="the output has no name"):
        check_output_file("")
    assert shortened("short") == "short" and len(shortened("n" * 5000)) <= 200


def test_a_folder_that_takes_no_files_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    with pytest.raises(LsdcError, match="new: cannot be written, nothing may be written in"):
        check_output_file(tmp_path / "new")
    with pytest.raises(LsdcError, match="cannot be written, nothing may be written in it"):
        check_output_folder(tmp_path)


def test_faults_of_the_output_name_it(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match=f"No space left on device: '{tmp_path}'") as caught,
        writing_to(tmp_path),
    ):
        raise OSError(28, "No space left on device")
    assert caught.value.errno == 28
    with (
        pytest.raises(OutputError, match="of the file'"),
        writing_to(tmp_path),
        writing_to(tmp_path / "of the file"),
    ):
        raise OSError("something")
    with pytest.raises(ZeroDivisionError), writing_to(tmp_path):
        raise ZeroDivisionError


def test_a_log_is_no_pipe_that_nobody_reads(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(LsdcError, match="pipe: is a device or a pipe"):
        configure_logging(file=tmp_path / "pipe")
    configure_logging()
