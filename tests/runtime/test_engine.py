"""Fan-out over processes: what an item does to its process is that item's failure, and no process is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

import pytest

from lsdc.runtime import ConfigError, LsdcError
from lsdc.runtime import worker as worker_module
from lsdc.runtime.engine import Failure, attempt_each, fan_out
from lsdc.runtime.machine import default_workers, memory_share
from lsdc.runtime.worker import Worker, next_worker, start_ahead
from lsdc.runtime.worker_process import THREAD_VARIABLES, on_one_thread

pytestmark = pytest.mark.processes


class SlowToRead:
    """Takes a while to be unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return time.sleep, (0.5,)


def test_a_worker_that_nobody_waits_for_ends_without_a_word(capfd: pytest.CaptureFixture[str]) -> None:
    worker: Worker[int] = Worker(needs_main=False)
    worker._send((bytes(ForkingPickler.dumps(SlowToRead())), None))
    worker.connection.close()
    worker.process.join(60)
    assert worker.process.exitcode == 0
    assert capfd.readouterr().err == ""


def test_a_worker_that_was_started_ahead_is_used_once() -> None:
    start_ahead("json")
    ahead = next_worker(needs_main=False)
    other = next_worker(needs_main=False)
    assert ahead is not other
    for one in (ahead, other):
        one.end(kindly=False)


def negative(number: int) -> int:
    return -number


def test_a_worker_that_died_ahead_costs_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    start_ahead("numpy")
    ahead = next_worker(needs_main=False)
    ahead.process.kill()
    ahead.process.join()
    worker_module._waiting.append(ahead)
    assert dict(attempt_each(negative, [1, 2], "working", 1, seconds=lambda _: 60.0)) == {1: -1, 2: -2}
    assert "Traceback" not in capfd.readouterr().err


class OddError(Exception):
    """Cannot be read from its pickle."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


class EverythingError(Exception):
    """Concerns all items."""


def misbehave(item: str) -> str:
    """Do what the item says."""
    kind, _, value = item.partition(" ")
    if kind == "raise":
        raise ZeroDivisionError("a name that must not be told")
    if kind == "odd":
        raise OddError(1, 2)
    if kind == "unread":
        raise OSError(5, "Input/output error", "/a/path/that/must/not/be/told")
    if kind == "exit":
        os._exit(3)
    if kind == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if kind == "hang":
        time.sleep(600)
    if kind == "memory":
        return str(len(bytearray(1 << 45)))
    if kind == "stop":
        raise EverythingError("all of it")
    if kind == "once":  # another process took the memory: the second time it works
        if not Path(value).exists():
            Path(value).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return item
    if kind == "function":
        return lambda: 0  # type: ignore[return-value]
    return item


def attempt(items: list[str], workers: int = 2, seconds: float = 60.0, **more: Any) -> dict[str, str]:
    found = attempt_each(misbehave, items, "trying", workers, seconds=lambda item: seconds, **more)
    return {item: what.reason if isinstance(what, Failure) else what for item, what in found}


@pytest.mark.parametrize("workers", [1, 2])
def test_one_item_cannot_end_the_others(workers: int, tmp_path: Path) -> None:
    once = f"once {tmp_path / 'mark'}"
    items = ["a", "raise", "odd", "unread", "exit", "b", "segfault", "memory", once, "function", "c"]
    found = attempt(items, workers)
    here = f"in {__name__}, line"
    assert list(found) != [] and found.keys() == set(items)
    assert [found[item] for item in ("a", "b", "c", once)] == ["a", "b", "c", once]
    assert found["raise"].startswith(f"ZeroDivisionError {here}") and "name" not in found["raise"]
    assert found["odd"].startswith(f"OddError {here}")
    assert found["unread"].startswith(f"OSError: Input/output error {here}")
    assert found["exit"] == "the process that worked on it died twice (exit code 3)"
    assert found["segfault"] == "the process that worked on it died twice (signal SIGSEGV)"
    assert found["memory"] == "it needs more memory than a worker may take (MemoryError)"
    assert "in " in found["function"]


def test_an_item_that_hangs_is_stopped() -> None:
    begun = time.monotonic()
    found = attempt(["hang", "a", "b"], seconds=1.0)
    assert found == {"hang": "it took longer than 1 s and was stopped", "a": "a", "b": "b"}
    assert time.monotonic() - begun < 60


def test_what_concerns_all_items_is_raised() -> None:
    with pytest.raises(EverythingError, match="all of it"):
        attempt(["a", "stop", "b"], fatal=(EverythingError,))


def test_memory_is_limited_to_a_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lsdc.runtime.machine._memory", lambda: 16 << 30)
    assert memory_share(1) == 12 << 30 and memory_share(4) == 3 << 30 and memory_share(100) == 2 << 30
    monkeypatch.setattr("lsdc.runtime.machine._memory", lambda: None)
    assert memory_share(1) is None


def take(gigabytes: int) -> int:
    return len(bytes(gigabytes << 30))


@pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="only Linux limits what it has not yet given"
)
def test_an_item_may_not_take_the_memory_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lsdc.runtime.engine.memory_share", lambda workers: 2 << 30)
    found = dict(attempt_each(take, [1, 3], "taking", 1, seconds=lambda item: 60.0))
    assert found[1] == 1 << 30
    assert isinstance(found[3], Failure) and "MemoryError" in found[3].reason


@pytest.mark.parametrize("workers", [0, -1])
def test_workers_are_at_least_one(workers: int) -> None:
    with pytest.raises(ConfigError, match=f"workers must be at least 1, not {workers}"):
        attempt(["a"], workers)
    with pytest.raises(ConfigError, match=f"workers must be at least 1, not {workers}"):
        list(fan_out(misbehave, ["a"], "trying", workers))


def test_nothing_to_do() -> None:
    assert attempt([]) == {} and default_workers() >= 1


def test_fan_out_tries_again_what_died_once(tmp_path: Path) -> None:
    once = f"once {tmp_path / 'mark'}"
    assert dict(fan_out(misbehave, ["a", once, "b"], "trying", 2)) == {"a": "a", once: once, "b": "b"}


def within(item: str) -> list[str]:
    """Fan out in a worker, which may have no children."""
    return [result for _, result in fan_out(misbehave, [item, "b"], "trying", 2)]


def test_a_worker_that_fans_out_works_alone() -> None:
    assert dict(fan_out(within, ["a", "c"], "trying", 2)) == {"a": ["a", "b"], "c": ["c", "b"]}


def test_what_is_imported_in_a_block_has_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    with on_one_thread():
        assert {os.environ[name] for name in THREAD_VARIABLES} == {"1"}
    assert os.environ["OMP_NUM_THREADS"] == "3" and "MKL_NUM_THREADS" not in os.environ


def test_an_error_of_a_worker_shows_where_it_came_from() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        list(fan_out(misbehave, ["a", "raise"], "trying", 2))
    assert "in a worker process:" in caught.value.__notes__[0] and "misbehave" in caught.value.__notes__[0]


def test_workers_that_cannot_begin_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lsdc.runtime.worker.serve", os._exit)
    monkeypatch.setattr("lsdc.runtime.worker.os.getpid", lambda: 7)
    with pytest.raises(LsdcError, match="worker processes end before they begin"):
        list(fan_out(misbehave, ["a", "b"], "trying", 2))


def test_no_worker_is_left() -> None:
    import multiprocessing

    before = set(multiprocessing.active_children())
    for item, _ in fan_out(misbehave, ["a", "b", "c", "d"], "trying", 2):
        if item != "z":
            break
    assert set(multiprocessing.active_children()) == before


HOLDS = """
import ctypes, os, sys
from pathlib import Path
from lsdc.runtime.engine import attempt_each

def hold(path):
    Path(path).write_text(str(os.getpid()))
    ctypes.PyDLL(None).sleep(60)  # in C, without giving back the interpreter: no thread of Python runs

if __name__ == "__main__":
    list(attempt_each(hold, sys.argv[1:], "holding", 1, seconds=lambda item: 60.0))
"""


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux ends processes with their parent"
)
def test_a_library_that_never_returns_does_not_outlive_the_run(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(HOLDS)
    mark = tmp_path / "mark"
    with subprocess.Popen([sys.executable, tmp_path / "program.py", mark]) as run:
        end = time.monotonic() + 60
        while not (mark.is_file() and mark.read_text()) and time.monotonic() < end:
            time.sleep(0.02)
        worker = int(mark.read_text())
        run.send_signal(signal.SIGKILL)
    end = time.monotonic() + 20
    while is_alive(worker) and time.monotonic() < end:
        time.sleep(0.02)
    assert not is_alive(worker)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_a_script_needs_no_main_guard(tmp_path: Path) -> None:
    """The work is the toolkit's: a worker need not run the script, which would start itself anew."""
    (tmp_path / "script.py").write_text(
        "import math\n"
        "from lsdc.runtime.engine import fan_out\n"
        "print(sorted(dict(fan_out(math.factorial, [3, 4], 'counting', 2)).values()))\n"
    )
    done = subprocess.run(
        [sys.executable, tmp_path / "script.py"], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout.strip(), done.returncode) == ("[6, 24]", 0), done.stderr
