"""Nothing of a file can steer a terminal, flood it, or be run by a spreadsheet."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsdc.cohort.dicom.files import path_text
from lsdc.features.writer import write_problems
from lsdc.runtime import LsdcError, Problem
from lsdc.runtime.commands import Reporting, run_program
from lsdc.runtime.console import configure_logging, logger, say, table
from lsdc.runtime.safe_text import printable, safe_cell, shown

EVIL = "a\x1b[31m\x07\u202e\rb"


@given(st.text(max_size=300))
def test_what_is_printable_stays_and_nothing_else(text: str) -> None:
    made = printable(text, keep="")
    assert made.isprintable()
    assert made == text or not text.isprintable()


@given(st.text(max_size=300), st.integers(1, 40))
def test_quotes_are_bounded(text: str, most: int) -> None:
    assert shown(text, most).isprintable() and len(shown(text, most)) <= 10 * most + 12


def test_long_messages_lose_their_middle() -> None:
    made = printable("begin" + "x" * 10_000 + "end")
    assert len(made) == 2000 and made.startswith("begin") and made.endswith("end")


@given(st.text(alphabet="a\x1b\u202e", max_size=60), st.integers(2, 40))
def test_escapes_make_no_message_too_long(text: str, most: int) -> None:
    made = printable(text, most)
    assert made.isprintable() and len(made) <= most
    whole = printable(text)
    assert made == whole or (made[: most // 2] == whole[: most // 2] and made[-1:] in (whole[-1:], "…"))


def test_tracebacks_are_shown_whole(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()
    try:
        raise ValueError("x" * 5000)
    except ValueError:
        logger.exception("failed")
    assert "x" * 5000 in capsys.readouterr().err


def test_messages_and_tables_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()
    say(f"{EVIL}: cannot be read")
    table("files", ["file"], [(EVIL,)])
    seen = capsys.readouterr().err
    assert "\x1b[31m" not in seen and "\x07" not in seen and "\u202e" not in seen
    assert "a\\x1b[31m\\x07\\u202e\\rb: cannot be read" in seen


class Failing:
    """A command that quotes a file's name."""

    reporting = Reporting()

    def run(self) -> None:
        raise LsdcError(f"{EVIL}: " + "x" * 10_000)


def test_errors_of_commands_are_one_clean_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lsdc.runtime.commands._parse", lambda command, *_: command())
    assert run_program(Failing, "program", []) == 2
    seen = capsys.readouterr().err.strip()
    assert seen.isprintable() and len(seen) < 2100 and "a\\x1b[31m" in seen


def test_paths_become_one_line() -> None:
    assert path_text(Path("a\nb\x1b[31m,=1+1")) == "a\\nb\\x1b[31m,=1+1"
    if sys.platform == "linux":
        assert path_text(Path("se\udcfe")) == "se\\xfe"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "|"])
def test_cells_that_a_spreadsheet_would_run_are_quoted(tmp_path: Path, start: str) -> None:
    write_problems(tmp_path / "problems.csv", [Problem(f"{start}HYPERLINK(1)", f"{start}reason", "none")])
    with (tmp_path / "problems.csv").open(newline="") as stream:
        (_, row) = csv.reader(stream)
    quoted = repr(start)[1:-1] if start in "\t\r" else f"'{start}"
    assert row == [f"{quoted}HYPERLINK(1)", f"{quoted}reason", "none"]
    assert safe_cell(3.5) == 3.5 and safe_cell(None) is None
