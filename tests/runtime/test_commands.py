"""Commands: help with examples, JSON on stdout, exit codes, and ends without a traceback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tyro.conf import Positional

from lsdc.runtime import ConfigError, LsdcError
from lsdc.runtime.commands import Reporting, run_command
from lsdc.runtime.console import say
from lsdc.runtime.plain import plain


@dataclass(frozen=True)
class Double:
    """Double a number.

    Examples
    --------
        prog double 2 --json
    """

    number: Positional[float] = 1.0
    """what to double"""
    reporting: Reporting = field(default_factory=Reporting)

    def run(self) -> dict[str, Any]:
        """Double it."""
        if self.number < 0:
            raise ConfigError(f"number must not be negative, as {self.number} is")
        if self.number == 13:
            raise KeyboardInterrupt
        if self.number == 14:
            raise ZeroDivisionError("fourteen")
        if self.number == 15:
            Path("/proc/no_such_folder/file").write_text("x")
        if self.number == 16:
            raise OSError(28, "No space left on device", "store/crops.npy", None, "copy/crops.npy")
        say("doubling")
        return {"doubled": np.float32(2 * self.number), "nothing": float("nan")}


def run(*args: str) -> int:
    return run_command({"double": Double, "other": Double}, "prog", "Numbers.", args)


def test_json_is_one_object_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("double", "2", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"doubled": 4.0, "nothing": None}


def test_without_json_stdout_stays_empty(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("double") == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("args", "code", "kind", "words"),
    [
        (["double", "-1"], 2, "ConfigError", "number must not be negative, as -1.0 is"),
        (["double", "--nombre", "1"], 2, "UsageError", "nombre"),
        (["doubel", "1"], 2, "UsageError", "unknown command 'doubel'; did you mean 'double'?"),
        (["double", "13"], 130, "Stopped", "the same command resumes where it stopped"),
        (["double", "14"], 1, "ZeroDivisionError", "an error of lsdc (ZeroDivisionError: fourteen)"),
        (["double", "15"], 2, "FileNotFoundError", "/proc/no_such_folder/file: No such file or directory"),
        (["double", "16"], 1, "OSError", "prog: copy/crops.npy: cannot be written (No space left on device)"),
    ],
)
def test_errors_are_words_on_stderr_and_one_object_on_stdout(
    capsys: pytest.CaptureFixture[str], args: list[str], code: int, kind: str, words: str
) -> None:
    assert run(*args, "--json") == code
    seen = capsys.readouterr()
    error = json.loads(seen.out)["error"]
    assert (error["type"], error["exit_code"]) == (kind, code)
    assert words.removeprefix("prog: ") in error["message"] and words in seen.err
    assert ("Traceback" in seen.err) == (kind == "ZeroDivisionError")


def test_a_users_mistake_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("double", "-1") == 2
    assert capsys.readouterr().err.strip() == "prog: number must not be negative, as -1.0 is"
    assert run("double", "--nombre", "1") == 2


def test_help_lists_commands_and_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    assert "double  Double a number." in capsys.readouterr().out
    assert run() == 2
    assert "double  Double a number." in capsys.readouterr().err
    assert run("double", "--help") == 0
    page = capsys.readouterr().out
    assert "prog double 2 --json" in page and "NUMBER" in page and "exit codes: 0 done" in page


@pytest.mark.parametrize("args", [["--version"], ["double", "--version"]])
def test_version(capsys: pytest.CaptureFixture[str], args: list[str]) -> None:
    from lsdc import __version__

    assert run(*args) == 0
    assert capsys.readouterr().out.strip() == f"prog {__version__}"


def test_messages_have_levels_and_time_stamps_in_files(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    log = tmp_path / "log.txt"
    assert run("double", "--log-level", "warning", "--log-file", str(log)) == 0
    assert capsys.readouterr().err == ""
    assert log.read_text().endswith("INFO doubling\n") and log.read_text()[:2] == "20"
    assert run("double") == 0
    line = capsys.readouterr().err.strip()
    assert line.endswith("INFO doubling") and line[:2] == "20"
    assert run("double", "--log-file", str(tmp_path)) == 2
    assert f"{tmp_path}: cannot be written" in capsys.readouterr().err


PROGRAM = """
import sys, time
from dataclasses import dataclass
from pathlib import Path
from lsdc.runtime.commands import Reporting, run_command
from lsdc.runtime.engine import for_each

def wait(seconds):
    Path({folder!r}, str(__import__("os").getpid())).touch()
    time.sleep(seconds)

@dataclass(frozen=True)
class Wait:
    "Wait."
    def run(self):
        for_each(wait, [60.0, 60.0], "waiting", 2)

@dataclass(frozen=True)
class Print:
    "Print much."
    def run(self):
        print("x" * 100_000, flush=True)
        raise SystemExit(3)

if __name__ == "__main__":
    sys.exit(run_command({{"wait": Wait, "print": Print}}, "prog", "Waits.", None))
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program.py"
    (tmp_path / "workers").mkdir()
    path.write_text(textwrap.dedent(PROGRAM.format(folder=str(tmp_path / "workers"))))
    return path


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def until(condition: Callable[[], bool], seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at processes under /proc")
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_signals_end_the_command_and_its_workers(program: Path, number: signal.Signals, code: int) -> None:
    workers = program.parent / "workers"
    process = subprocess.Popen(
        [sys.executable, program, "wait"], stderr=subprocess.PIPE, text=True, start_new_session=True,
        # A suite that a shell started in the background inherits that Ctrl-C is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert until(lambda: len(list(workers.iterdir())) == 2)
    if number is signal.SIGINT:
        os.killpg(process.pid, number)  # as the terminal does: parent and workers
    else:
        process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in err
    if number is not signal.SIGKILL:
        assert err.strip().splitlines()[-1] == "prog: stopped; the same command resumes where it stopped"
    assert until(lambda: not any(alive(int(path.name)) for path in workers.iterdir()), 20)


def test_a_pipe_that_nobody_reads_ends_quietly(program: Path) -> None:
    shell = f"{sys.executable} {program} print | true"
    done = subprocess.run(shell, shell=True, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_line(program: Path) -> None:
    words = [sys.executable, str(program), "print"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, timeout=120)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "cannot be written (No space left on device)" in done.stderr


def test_plain_values() -> None:
    result = Double(3)
    assert plain({"p": Path("a"), "a": np.arange(2), "d": result})["d"]["number"] == 3
    assert plain({"p": Path("a"), "a": np.arange(2)}) == {"p": "a", "a": [0, 1]}


def test_errors_have_one_root() -> None:
    assert issubclass(ConfigError, LsdcError)
