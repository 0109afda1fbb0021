"""Commands: flags from dataclasses, words on stderr, JSON on stdout, exit codes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from lsdc.runtime import LsdcError
from lsdc.runtime.console import existing, plain, run_command, table
from lsdc.runtime.engine import default_workers, fan_out


@dataclass(frozen=True)
class Double:
    """Double a number."""

    number: float = 1.0
    json: bool = False

    def run(self):
        """Do it."""
        if self.number < 0:
            raise LsdcError(f"number: {self.number} is negative")
        if self.number == 13:
            raise KeyboardInterrupt
        return {"doubled": np.float32(2 * self.number), "nothing": float("nan")}


def run(*args):
    return run_command({"double": Double, "other": Double}, "prog", "Numbers.", ["double", *args])


def test_json_is_one_object_on_stdout(capsys):
    assert run("--number", "2", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"doubled": 4.0, "nothing": None}


def test_without_json_stdout_stays_empty(capsys):
    assert run() == 0
    assert capsys.readouterr().out == ""


def test_a_users_mistake_is_one_line_and_code_2(capsys):
    assert run("--number", "-1") == 2
    assert capsys.readouterr().err.strip() == "prog: number: -1.0 is negative"
    with pytest.raises(SystemExit) as exit_:
        run("--nombre", "1")
    assert exit_.value.code == 2


def test_an_interrupt_says_how_to_go_on(capsys):
    assert run("--number", "13") == 130
    assert "goes on where it stopped" in capsys.readouterr().err


def test_tables_round_and_go_to_stderr(capsys):
    table("scores", ["name", "loss"], [("prior", 0.123456), ("n", 3)])
    seen = capsys.readouterr()
    assert "0.1235" in seen.err
    assert seen.out == ""


def test_plain_values():
    assert plain({"p": Path("a"), "a": np.arange(2), "d": Double(3)}) == {
        "p": "a", "a": [0, 1], "d": {"number": 3, "json": False},
    }  # fmt: skip


def test_existing(tmp_path):
    assert existing(tmp_path, "folder") == tmp_path
    with pytest.raises(LsdcError, match="absent: no such folder"):
        existing(tmp_path / "absent", "folder")


def square(number):
    if number == 5:
        raise ValueError("five")
    return number * number


@pytest.mark.parametrize("workers", [1, 2])
def test_fan_out_gives_every_result_once(workers):
    assert dict(fan_out(square, [1, 2, 3], "squaring", workers)) == {1: 1, 2: 4, 3: 9}


@pytest.mark.parametrize("workers", [1, 2])
def test_fan_out_does_not_hide_errors(workers):
    with pytest.raises(ValueError, match="five"):
        list(fan_out(square, [4, 5, 6], "squaring", workers))


def test_fan_out_of_nothing():
    assert list(fan_out(square, [], "nothing")) == []
    assert default_workers() >= 1
