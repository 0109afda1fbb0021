import contextlib
import errno
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from lsdc.ensemble.tuning.search import Point, ReportStep, Search, check_search, minimize
from lsdc.ensemble.tuning.storage import open_storage
from lsdc.models.search_space import Range
from lsdc.runtime import ArtifactError, ConfigError

SEARCH = Search(
    "bowl",
    "height",
    [{"a": Range()}, {"b": Range()}],
    [{"a": 1.0, "b": 0.0}, {"a": 0.5, "b": 0.5}],
    trials=25,
    seed=3,
    problem="bowl",
)


class Bowl:
    """Counts its calls; can be killed at one of them."""

    def __init__(self, killed_at: int | None = None) -> None:
        self.points: list[tuple[float, ...]] = []
        self.killed_at = killed_at

    def __call__(self, point: Point, report_step: ReportStep) -> dict[str, float]:
        if len(self.points) == self.killed_at:
            raise KeyboardInterrupt
        self.points.append(tuple(point.values()))
        return {"height": height(*point.values()), "width": point["a"]}


def height(a: float, b: float) -> float:
    return (a - 0.3) ** 2 + (b - 0.8) ** 2


def search(bowl: Bowl, where: Path | None = None, what: Search = SEARCH) -> dict[str, float]:
    return minimize(what, bowl, open_storage(where))


def trials_in(path: Path) -> tuple[optuna.Study, list[Any]]:
    study = optuna.load_study(study_name="bowl", storage=JournalStorage(JournalFileBackend(str(path))))
    return study, [t for t in study.trials if t.state == TrialState.COMPLETE]


def test_starts_come_first_and_the_best_is_found() -> None:
    bowl = Bowl()
    best = search(bowl)
    assert bowl.points[:2] == [(1.0, 0.0), (0.5, 0.5)]
    assert len(bowl.points) == 25
    assert height(**best) == min(height(*point) for point in bowl.points)


def test_one_block_is_searched_at_a_time() -> None:
    bowl = Bowl()
    search(bowl)
    best = min(bowl.points[:2], key=lambda point: height(*point))
    for point in bowl.points[2:]:
        assert best[0] in point or best[1] in point
        best = min(best, point, key=lambda point: height(*point))


def test_same_seed_same_points() -> None:
    one, two = Bowl(), Bowl()
    assert search(one) == search(two)
    assert one.points == two.points


@pytest.mark.parametrize("killed_at", [0, 1, 7, 20])
def test_a_killed_search_resumes_and_repeats_nothing(tmp_path: Path, killed_at: int) -> None:
    path = tmp_path / "optuna.journal"
    first, second, whole = Bowl(killed_at), Bowl(), Bowl()
    with pytest.raises(KeyboardInterrupt):
        search(first, path)
    best = search(second, path)
    assert best == search(whole)
    assert sorted(first.points + second.points) == sorted(whole.points)
    third = Bowl()
    assert search(third, path) == best and third.points == []


def test_starts_are_not_given_up_after_an_interruption(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Optuna counts the interrupted trial, too: by its numbers the second start would no longer be one."""
    what = replace(SEARCH, starts=[{"a": 0.3, "b": 0.8}, {"a": 1.0, "b": 0.0}], trials=12)
    path, interrupted = tmp_path / "optuna.journal", [False, True]

    def bowl(point: Point, report_step: ReportStep) -> dict[str, float]:
        if interrupted.pop():
            raise KeyboardInterrupt
        interrupted.append(False)
        for step in range(8):
            report_step(step, height(**point) + 0.01 * step)
        return {"height": height(**point)}

    with pytest.raises(KeyboardInterrupt):
        minimize(what, bowl, open_storage(path))
    assert capfd.readouterr().err == ""
    interrupted.append(False)
    resumed = minimize(what, bowl, open_storage(path))
    whole = open_storage(None)
    assert resumed == minimize(what, bowl, whole)
    states = [
        [(one.params, one.state) for one in optuna.load_study(study_name="bowl", storage=storage).trials]
        for storage in (open_storage(path), whole)
    ]
    assert states[0][0][1] == TrialState.FAIL
    assert states[0][1:] == states[1] and TrialState.PRUNED in {state for _, state in states[1]}


def test_a_process_that_died_left_a_running_trial_which_is_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "optuna.journal"
    study = optuna.create_study(storage=JournalStorage(JournalFileBackend(str(path))), study_name="bowl")
    study.enqueue_trial({"a": 0.25, "b": 0.75})
    trial = study.ask()
    trial.suggest_float("a", 0, 1)
    trial.suggest_float("b", 0, 1)
    bowl = Bowl()
    search(bowl, path)
    study, complete = trials_in(path)
    assert (0.25, 0.75) in bowl.points and len(complete) == 25
    assert study.trials[0].state == TrialState.FAIL
    assert study.metric_names == ["height"]
    assert complete[0].user_attrs == {"height": complete[0].value, "width": complete[0].params["a"]}


def test_a_line_cut_short_by_a_kill_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "optuna.journal"
    first, second = Bowl(8), Bowl()
    with pytest.raises(KeyboardInterrupt):
        search(first, path)
    with path.open("ab") as stream:
        stream.write(b'{"op_code":5,"tri')
    assert search(second, path) == search(Bowl())
    assert len(first.points + second.points) == 25


@pytest.mark.parametrize("room", range(1, 12))
def test_a_full_disk_is_said_and_the_search_resumes(
    room: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, append = iter(range(room)), JournalFileBackend.append_logs

    def fills(self: JournalFileBackend, logs: list[dict[str, Any]]) -> None:
        if next(calls, None) is None:
            raise OSError(errno.ENOSPC, "No space left on device")
        append(self, logs)

    with monkeypatch.context() as patched:
        patched.setattr(JournalFileBackend, "append_logs", fills)
        with pytest.raises(OSError, match="No space left on device"):
            search(Bowl(), tmp_path / "journal")
    search(Bowl(), tmp_path / "journal")
    assert len(trials_in(tmp_path / "journal")[1]) == 25


def test_damaged_journal_is_named(tmp_path: Path) -> None:
    path = tmp_path / "optuna.journal"
    path.write_text("no journal\nat all\n")
    with pytest.raises(ArtifactError, match=r"optuna\.journal: a damaged Optuna journal"):
        open_storage(path)


def test_a_storage_with_another_search_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "optuna.journal"
    search(Bowl(), path)
    with pytest.raises(ConfigError, match="holds a search 'bowl' over other predictions"):
        search(Bowl(), path, replace(SEARCH, problem="another"))


def test_search_beats_its_starts() -> None:
    best = search(Bowl())
    assert np.hypot(best["a"] - 0.3, best["b"] - 0.8) < 0.3


def test_points_that_are_surely_worse_are_not_finished() -> None:
    reports: list[int] = []

    def folds(point: Point, report_step: ReportStep) -> dict[str, float]:
        for fold in range(5):
            reports.append(fold)
            report_step(fold, height(**point) + 0.001 * fold)
        return {"height": height(**point)}

    study = open_storage(None)
    minimize(SEARCH, folds, study)
    states = [trial.state for trial in study.get_all_trials(0)]
    assert TrialState.PRUNED in states and len(reports) < 5 * 25
    assert states[:2] == [TrialState.COMPLETE] * 2


def test_a_search_needs_a_trial_and_a_seed() -> None:
    check_search(1, 0)
    with pytest.raises(ConfigError, match="trials must be at least 1, not 0"):
        check_search(0, 0)
    with pytest.raises(ConfigError, match="seed must be at least 0, not -1"):
        check_search(1, -1)


@pytest.mark.parametrize("times", [1, 4])
def test_interruptions_are_no_failures(tmp_path: Path, times: int) -> None:
    path, what = tmp_path / "optuna.journal", replace(SEARCH, trials=2)
    for _ in range(times):
        with pytest.raises(KeyboardInterrupt):
            minimize(what, Bowl(0), open_storage(path))
    assert minimize(what, Bowl(), open_storage(path)) == minimize(what, Bowl(), open_storage(None))


def test_workers_of_a_database_try_each_start_once_and_no_point_twice(tmp_path: Path) -> None:
    starts = [{"a": k / 8, "b": 0.5} for k in range(8)]
    what, url = replace(SEARCH, starts=starts, trials=24), f"sqlite:///{tmp_path / 'shared.db'}"
    together, bowl = threading.Barrier(3), Bowl()

    def objective(point: Point, report_step: ReportStep) -> dict[str, float]:
        with contextlib.suppress(threading.BrokenBarrierError):
            together.wait(2)  # all have begun a trial when the first one ends
        return bowl(point, report_step)

    storages = [open_storage(url) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        best = list(pool.map(lambda storage: minimize(what, objective, storage), storages))
    trials = optuna.load_study(study_name="bowl", storage=url).trials
    done = [tuple(sorted(one.params.items())) for one in trials if one.state == TrialState.COMPLETE]
    assert len(done) == len(set(done)) >= 24
    assert all(tuple(sorted(start.items())) in done for start in starts)
    assert all(height(**point) <= min(height(**start) for start in starts) for point in best)


def test_a_loss_that_is_no_number_ends_the_search() -> None:
    with pytest.raises(ArtifactError, match="failed 25 times; no loss is a number"):
        minimize(SEARCH, lambda point, report_step: {"height": float("nan")}, open_storage(None))


@pytest.mark.parametrize("url", ["postgresql://nobody@127.0.0.1:9/none", "magic://x"])
def test_a_database_that_cannot_be_opened_is_named(url: str) -> None:
    with pytest.raises(ConfigError, match="storage: cannot open the database"):
        open_storage(url)


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """A PostgreSQL server of our own on a free port."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    initdb = str(found[-1]) if found else shutil.which("initdb")
    if initdb is None:
        pytest.skip("no PostgreSQL server is installed (Debian: postgresql)")
    user = None
    if os.getuid() == 0:  # the server refuses to run as root
        try:
            user = pwd.getpwnam("postgres").pw_name
        except KeyError:
            pytest.skip("PostgreSQL does not run as root, and there is no user 'postgres'")
    folder = Path("/tmp") / f"lsdc-postgres-{os.getpid()}"
    folder.mkdir(mode=0o700)
    if user:
        shutil.chown(folder, user)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    binaries = Path(initdb).parent
    quiet: dict[str, Any] = {
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
        "user": user,
        "cwd": "/tmp",
    }
    subprocess.run([initdb, "-D", folder / "data", "-U", "lsdc", "-A", "trust"], check=True, **quiet)
    where = ["-D", str(folder / "data"), "-p", str(port), "-k", str(folder), "-h", "127.0.0.1"]
    server = subprocess.Popen([str(binaries / "postgres"), *where, "-F"], **quiet)
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    time.sleep(0.5)
    yield f"postgresql://lsdc@127.0.0.1:{port}/postgres"
    server.send_signal(signal.SIGINT)  # a fast shutdown, which does not wait for connections
    server.wait(20)
    shutil.rmtree(folder, ignore_errors=True)


WORKER = """
import sys, time
from test_tune import SEARCH, height
from lsdc.ensemble.tuning.search import minimize
from lsdc.ensemble.tuning.storage import open_storage
def slow(point, report):
    time.sleep(float(sys.argv[2]))
    print(*point.values(), flush=True)
    return {"height": height(*point.values())}
minimize(SEARCH, slow, open_storage(sys.argv[1], heartbeat=1))
"""


def worker(url: str, pause: float) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, url, str(pause)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent,
    )


@pytest.mark.slow
def test_two_workers_share_a_study_and_a_killed_one_s_trial_is_tried_again(postgres: str) -> None:
    doomed = worker(postgres, 600)
    for _ in range(300):
        time.sleep(0.1)
        storage = open_storage(postgres)
        studies = storage.get_all_studies()
        trials = storage.get_all_trials(studies[0]._study_id) if studies else []
        running = [t for t in trials if t.state == TrialState.RUNNING and len(t.params) == 2]
        if running:
            break
    doomed.kill()
    time.sleep(5)  # four heartbeats without a sign of life
    two = [worker(postgres, 0.05), worker(postgres, 0.05)]
    printed = [process.communicate(timeout=120)[0].split("\n")[:-1] for process in two]
    assert all(process.returncode == 0 for process in two)
    assert min(map(len, printed)) > 0
    study = optuna.load_study(study_name="bowl", storage=open_storage(postgres))
    states = [trial.state for trial in study.trials]
    assert 25 <= states.count(TrialState.COMPLETE) <= 26
    lost = study.trials[running[0].number]
    assert lost.state == TrialState.FAIL
    assert sum(t.params == lost.params and t.state == TrialState.COMPLETE for t in study.trials) == 1
    third = Bowl()
    minimize(SEARCH, third, open_storage(postgres))
    assert third.points == []
