"""Fan-out over Dask: workers and schedulers that are killed, late, frozen or not what they say lose nothing."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path

import pytest
from support.cluster import LoopbackCluster, kill, lying_package
from support.errands import hold, misbehave, plod, process, square, threads

from lsdc.runtime import ConfigError, LsdcError, dask_connection, dask_worker
from lsdc.runtime.console import logger
from lsdc.runtime.dask_papers import versions_here
from lsdc.runtime.dask_vetting import Vetting
from lsdc.runtime.engine import Failure, attempt_each, fan_out
from lsdc.runtime.engine_choice import check_engine, chosen_engine, working_on

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoopbackCluster]:
    """A scheduler and three workers: a usual one, one with two threads, one with a nanny; they stay as they are."""
    with LoopbackCluster(tmp_path_factory.mktemp("cluster")) as cluster:
        cluster.start_worker()
        cluster.start_worker(threads=2)
        cluster.start_worker(nanny=True)
        yield cluster


@pytest.fixture
def own_cluster(tmp_path: Path) -> Iterator[LoopbackCluster]:
    """A scheduler, to be given workers and trouble."""
    (tmp_path / "cluster").mkdir()
    with LoopbackCluster(tmp_path / "cluster") as cluster:
        yield cluster


def wait_for(what: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def test_every_item_is_worked_on_as_it_is_here(cluster: LoopbackCluster, tmp_path: Path) -> None:
    with working_on("dask", cluster.address, reads=[tmp_path], writes=tmp_path):
        engine = chosen_engine()
        wait_for(lambda: engine is not None and engine.slots() == 4)
        assert [path.suffix for path in tmp_path.iterdir()] == [".part"]
        assert dict(fan_out(square, list(range(20)), "squaring")) == {n: n * n for n in range(20)}
        assert {one for _, found in fan_out(threads, [1, 2, 3], "counting") for one in found} == {1}
        items = ["a", "raise", "segfault", "hang", "b"]
        tried = dict(attempt_each(misbehave, items, "trying", seconds=lambda item: 2.0))
        assert list(fan_out(square, [], "nothing")) == []
        with pytest.raises(ZeroDivisionError, match="a name") as caught:
            list(fan_out(misbehave, ["a", "raise"], "trying"))
        with pytest.raises(FileNotFoundError, match="No such file"):
            list(attempt_each(misbehave, ["file", "a"], "trying", seconds=lambda item: 9.0, fatal=(OSError,)))
    assert "misbehave" in caught.value.__notes__[0]
    reasons = {item: what.reason for item, what in tried.items() if isinstance(what, Failure)}
    assert {item: what for item, what in tried.items() if item not in reasons} == {"a": "a", "b": "b"}
    assert reasons.pop("raise").startswith("ZeroDivisionError in support.errands, line")
    assert reasons == {
        "segfault": "the process that worked on it died twice (signal SIGSEGV)",
        "hang": "it took longer than 2 s and was stopped",
    }
    assert list(tmp_path.iterdir()) == [] and chosen_engine() is None


def test_workers_may_be_threads_of_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a notebook; and here, what a worker does can be seen."""
    from distributed import LocalCluster

    monkeypatch.setattr(dask_worker, "_IDLE_SECONDS", 0.5)
    processes = dask_worker._PROCESSES
    with LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=":0") as cluster:
        with working_on("dask", cluster.scheduler_address):
            items = ["a", "raise", "segfault", "hang", "b"]
            tried = dict(attempt_each(misbehave, items, "trying", seconds=lambda item: 1.0))
            assert {item for item, what in tried.items() if not isinstance(what, Failure)} == {"a", "b"}
            first = {pid for _, pid in fan_out(process, [1, 2, 3], "asking")}
        with working_on("dask", cluster.scheduler_address):
            assert not first & {pid for _, pid in fan_out(process, [1, 2, 3], "asking")}
            wait_for(lambda: not processes._idle, 20)
            monkeypatch.setattr(dask_worker, "differences", lambda wanted, there: "numpy 1 instead of 2")
            monkeypatch.setattr(dask_connection, "_GRACE", 0.5)
            with pytest.raises(
                LsdcError, match=r"no Dask worker may work; inproc://.*: it has numpy 1 instead of 2"
            ):
                list(fan_out(process, [1], "asking"))
    assert not any(map(is_alive, first))


def test_a_process_serves_one_run(cluster: LoopbackCluster) -> None:
    """What it has read for one run may have been replaced before the next."""
    found = []
    for _ in range(2):
        with working_on("dask", cluster.address):
            found.append({pid for _, pid in fan_out(process, list(range(40)), "asking")})
    assert len(found[0]) <= 4 and len(found[1]) <= 4 and not found[0] & found[1]


def test_what_nobody_wants_any_more_is_ended(cluster: LoopbackCluster, tmp_path: Path) -> None:
    (tmp_path / "quick").touch()
    with working_on("dask", cluster.address):
        for item, name in fan_out(hold, [tmp_path / "first"], "holding"):
            assert item.name == name
        (tmp_path / "quick").unlink()
        attempts = attempt_each(
            hold, [tmp_path / "long", tmp_path / "raise" / "x"], "holding", seconds=lambda _: 60.0
        )
        item, what = next(attempts)  # there is no such folder
        assert item.name == "x" and isinstance(what, Failure)
        wait_for(lambda: (tmp_path / "long").is_file() and (tmp_path / "long").read_text())
        attempts.close()  # type: ignore[attr-defined]
    child = int((tmp_path / "long").read_text().split()[1])
    wait_for(lambda: not is_alive(child), 20)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def begun_by(mark: Path) -> tuple[int, ...]:
    """Read which worker has begun an item, and in which process."""
    return tuple(map(int, mark.read_text().split())) if mark.is_file() else ()


def test_killed_frozen_and_late_workers_lose_nothing(own_cluster: LoopbackCluster, tmp_path: Path) -> None:
    for _ in range(2):
        own_cluster.start_worker()
    marks = [tmp_path / f"mark_{k}" for k in range(6)]
    begun = time.monotonic()
    with working_on("dask", own_cluster.address, writes=tmp_path):
        context = copy_context()

        def run_here(pairs: Iterator[tuple[Path, str]]) -> list[tuple[Path, str]]:
            return context.run(lambda: list(pairs))

        results = fan_out(hold, marks, "holding")
        with ThreadPoolExecutor(1) as pool:  # the run waits, while this thread makes trouble
            found = pool.submit(run_here, results)
            wait_for(lambda: sum(len(begun_by(mark)) == 2 for mark in marks) == 2)
            processes = {
                int(mark.read_text().split()[0]): begun_by(mark)[1] for mark in marks if mark.is_file()
            }
            killed, frozen = own_cluster.workers
            killed.kill()
            os.killpg(frozen.pid, signal.SIGSTOP)
            own_cluster.start_worker()
            (tmp_path / "quick").touch()
            pairs = found.result(60)
    assert sorted(name for _, name in pairs) == sorted(mark.name for mark in marks)
    assert time.monotonic() - begun < 60
    assert not list(tmp_path.glob(".cluster*"))
    wait_for(lambda: not is_alive(processes[killed.pid]), 20)


def test_a_slow_worker_does_not_hold_up_the_run(own_cluster: LoopbackCluster, tmp_path: Path) -> None:
    own_cluster.start_worker(SLOW="slow")
    own_cluster.start_worker()
    marks = [tmp_path / f"mark_{k}" for k in range(12)]
    with working_on("dask", own_cluster.address):
        engine = chosen_engine()
        wait_for(lambda: engine is not None and engine.slots() == 2)
        assert sorted(name for _, name in fan_out(plod, marks, "plodding")) == sorted(
            one.name for one in marks
        )
    speeds = [mark.read_text() for mark in marks]
    assert 1 <= speeds.count("slow") <= 4 and speeds.count("quick") >= 8


def test_a_scheduler_that_comes_back_loses_nothing(own_cluster: LoopbackCluster) -> None:
    own_cluster.start_worker()
    results = {}
    with working_on("dask", own_cluster.address):
        for item, result in fan_out(square, list(range(12)), "squaring"):
            assert item not in results
            results[item] = result
            if len(results) == 3:
                assert own_cluster.scheduler is not None
                kill(own_cluster.scheduler)
                own_cluster.start_scheduler()
                own_cluster.start_worker()
    assert results == {n: n * n for n in range(12)}


def test_a_run_ends_where_the_scheduler_stays_away(
    own_cluster: LoopbackCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_connection, "_PATIENCE", 2.0)
    own_cluster.start_worker()
    with (
        pytest.raises(
            LsdcError, match=r"scheduler is away.*start it and its workers again, then run the same"
        ),
        working_on("dask", own_cluster.address),
    ):
        # Shorter only now: on a busy machine the first connection may take longer.
        monkeypatch.setattr(dask_connection, "_CONNECT", 3.0)
        for item, _ in fan_out(square, list(range(50)), "squaring"):
            if item == 0 and own_cluster.scheduler is not None:
                kill(own_cluster.scheduler)


def test_a_run_ends_where_no_worker_comes(
    own_cluster: LoopbackCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_connection, "_PATIENCE", 1.0)
    with (
        pytest.raises(LsdcError, match="no Dask worker is there, for 1 s; start some: `dask worker tcp://"),
        working_on("dask", own_cluster.address),
    ):
        list(fan_out(square, [1], "squaring"))


def test_what_was_begun_is_undone_where_no_worker_was_given_work(
    own_cluster: LoopbackCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    undone: list[str] = []

    def run(items: list[int], trouble: Callable[[int], object], undo: str) -> None:
        with working_on("dask", own_cluster.address, unused=lambda: undone.append(undo)):
            for item, _ in fan_out(square, items, "squaring"):
                trouble(item)

    with monkeypatch.context() as patch, pytest.raises(LsdcError, match="no Dask worker is there"):
        patch.setattr(dask_connection, "_PATIENCE", 1.0)
        run([1], int, "no worker")
    with pytest.raises(ZeroDivisionError):
        own_cluster.start_worker()
        run([1, 0], lambda item: 1 / 0, "given work")
    assert own_cluster.scheduler is not None
    kill(own_cluster.scheduler)
    monkeypatch.setattr(dask_connection, "_CONNECT", 1.0)
    with pytest.raises(ConfigError, match="no Dask scheduler answers"):
        run([1], int, "no scheduler")
    assert undone == ["no worker", "no scheduler"]


def test_a_worker_of_another_version_gets_no_work(
    own_cluster: LoopbackCluster,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logger, "propagate", True)
    monkeypatch.setattr(dask_connection, "_GRACE", 1.0)
    liar = own_cluster.start_worker(before=lying_package(tmp_path / "lying"))
    with (
        pytest.raises(
            LsdcError, match=r"no Dask worker may work; tcp://\S+: it has lsdc-toolkit 0.0.1 instead of"
        ),
        working_on("dask", own_cluster.address),
    ):
        list(fan_out(square, [1], "squaring"))
    own_cluster.start_worker()
    marks = [tmp_path / f"mark_{k}" for k in range(5)]
    (tmp_path / "quick").touch()
    with working_on("dask", own_cluster.address):
        engine = chosen_engine()
        assert engine is not None
        wait_for(lambda: own_cluster.workers and engine_has_met(own_cluster.address, 2))
        assert engine.slots() == 1
        assert len(list(fan_out(hold, marks, "holding"))) == 5
    assert str(liar.pid) not in {mark.read_text().split()[0] for mark in marks}
    assert "gets no work: it has lsdc-toolkit 0.0.1 instead of" in caplog.text


def engine_has_met(address: str, workers: int) -> bool:
    """Ask a scheduler for its workers."""
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        return len(client.scheduler_info()["workers"]) == workers


class Papers:
    """What a worker answers."""

    def __init__(self, status: str, answer: object) -> None:
        self.status, self.answer = status, answer

    def result(self) -> object:
        return self.answer

    def exception(self) -> object:
        return self.answer


@pytest.mark.parametrize(
    ("papers", "reason"),
    [
        (Papers("finished", (versions_here(), (), "content")), ""),
        (
            Papers("finished", (versions_here(), ("/data",), "content")),
            "it does not see /data; workers need the same",
        ),
        (
            Papers("finished", (versions_here(), (), None)),
            "it does not see what is written to /out; workers need",
        ),
        (
            Papers("error", ModuleNotFoundError("No module named 'lsdc'")),
            "it cannot run this version of lsdc (ModuleNot",
        ),
    ],
)
def test_a_worker_that_sees_other_files_is_refused(papers: Papers, reason: str) -> None:
    found = Vetting([], Path("/out/token"), "content")._objection(papers)
    assert found.startswith(reason) and bool(found) == bool(reason)


def test_what_cannot_be_run_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="engine must be 'local' or 'dask', not 'spark'"):
        check_engine("spark", None)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="scheduler belongs to the engine 'dask'"):
        check_engine("local", "tcp://host:8786")
    with pytest.raises(ConfigError, match="needs the address of a scheduler"):
        check_engine("dask", None)
    with pytest.raises(ConfigError, match="workers counts processes of this machine"):
        check_engine("dask", "tcp://host:8786", 4)
    monkeypatch.setattr(dask_connection, "_CONNECT", 1.0)
    with (
        pytest.raises(ConfigError, match=r"no Dask scheduler answers at tcp://127.0.0.1:9 \("),
        working_on("dask", "tcp://127.0.0.1:9"),
    ):
        pass
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'lsdc-toolkit\[cluster\]'"):
        check_engine("dask", "tcp://host:8786")


@pytest.mark.parametrize(
    "address", ["nonsense", "http://host:80", "tcp://user:wrongsecret@host:8786", "tcp://host"]
)
def test_an_address_that_is_none_is_refused_and_no_password_is_printed(address: str) -> None:
    with pytest.raises(ConfigError, match="scheduler must be an address such as") as caught:
        check_engine("dask", address)
    assert "wrongsecret" not in str(caught.value)
