"""Words, progress and tables on stderr."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from lsdc.runtime import LsdcError
from lsdc.runtime.console import configure_logging, existing, table, track
from lsdc.runtime.engine import fan_out
from lsdc.runtime.machine import default_workers

pytestmark = pytest.mark.processes


def test_tables_round_and_keep_brackets(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()
    table("scores", ["name", "loss"], [("prior", 0.123456), ("lsdc-toolkit[volume]", 3)])
    seen = capsys.readouterr()
    assert "0.1235" in seen.err and "lsdc-toolkit[volume]" in seen.err
    assert seen.out == ""
    configure_logging("warning")
    table("scores", ["name"], [("prior",)])
    assert capsys.readouterr().err == ""


def test_progress_without_a_terminal_is_a_line_now_and_then(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(0, 1000, 20))
    monkeypatch.setattr("lsdc.runtime.console.time.monotonic", lambda: float(next(clock)))
    with caplog.at_level(logging.INFO, "lsdc"):
        assert list(track(range(4), "counting")) == [0, 1, 2, 3]
    assert [record.getMessage() for record in caplog.records] == [
        "counting: 2 of 4 (50 %), about 40 s left",
        "counting: 4 of 4 (100 %), about 0 s left",
    ]


def test_existing(tmp_path: Path) -> None:
    assert existing(tmp_path, "folder") == tmp_path
    with pytest.raises(LsdcError, match="absent: no such folder"):
        existing(tmp_path / "absent", "folder")


def square(number: int) -> int:
    if number == 5:
        raise ValueError("five")
    return number * number


@pytest.mark.parametrize("workers", [1, 2])
def test_fan_out_gives_every_result_once(workers: int) -> None:
    assert dict(fan_out(square, [1, 2, 3], "squaring", workers)) == {1: 1, 2: 4, 3: 9}


@pytest.mark.parametrize("workers", [1, 2])
def test_fan_out_does_not_hide_errors(workers: int) -> None:
    with pytest.raises(ValueError, match="five"):
        list(fan_out(square, [4, 5, 6], "squaring", workers))


def die(number: int) -> None:
    import os
    import signal

    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_worker_is_said() -> None:
    with pytest.raises(LsdcError, match="a worker process was killed, perhaps because memory ran out"):
        list(fan_out(die, [1, 2], "dying", 2))


def test_fan_out_of_nothing() -> None:
    assert list(fan_out(square, [], "nothing")) == []
    assert default_workers() >= 1
