"""What `fit` costs: seconds of every member and of every part of the stack, and the most memory, on a made-up store.

    python benchmarks/fit.py --work /tmp/fit --studies 250                  # as users get it, network included
    python benchmarks/fit.py --work /tmp/fit --studies 1975 --effort quick  # heads alone
    python benchmarks/fit.py --work /tmp/fit --studies 250 --members forest,mlp

Grades have the competition's frequencies by condition and level, and resemble each other within a study; a few are
missing. Embeddings hold them weakly, crops as a bright spot. Beside the seconds on the clock stands CPU time, which
other work on the machine changes less; that of heads that were fitted by other processes stands in one row, and their
own rows have the seconds that all processes together spent on them. The fit runs in a process of its own; its memory,
and that of processes that it starts, is looked at ten times a second: what they share counts once.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from lsdc.cohort.folds import make_folds
from lsdc.cohort.vocabulary import TARGETS
from lsdc.features.stage_clock import StageClock
from lsdc.features.writer import write_store
from lsdc.models.options import Effort, Options
from lsdc.phantom.disease import draw_severity
from lsdc.runtime.commands import Reporting, run_program
from lsdc.runtime.console import say, table, track

WANTED_MINUTES, WANTED_GB = 15.0, 4.0
_DIM, _SIGNAL, _PX, _MISSING = 3 * 368, 0.5, 96, 0.02


@dataclass(frozen=True)
class FitBenchmark:
    """Fit default members on a made-up store, and say what took how long."""

    work: Path
    """folder for the store and the model"""
    studies: int = 250
    """made-up studies"""
    members: str = "auto"
    """names, separated by commas; auto is what users get"""
    effort: Effort = "standard"
    """of the deep members; quick takes heads alone"""
    trials: int = 60
    """Optuna trials of the stack"""
    keep: bool = False
    """keep the model of an earlier run, and finish it; otherwise it is made anew"""
    child: bool = False
    """fit in this process; the benchmark starts itself so"""
    reporting: Reporting = Reporting()

    def run(self) -> dict[str, Any]:
        """Make the store, fit in another process, and print the table."""
        store, out = self.work / f"store_{self.studies}", self.work / f"model_{self.studies}_{self.effort}"
        if self.child:
            return self._fit(store, out)
        if not (store / "manifest.json").is_file():
            shutil.rmtree(store, ignore_errors=True)
            make_store(store, self.studies)
        if not self.keep:
            shutil.rmtree(out, ignore_errors=True)
        command = [
            sys.executable, __file__, "--work", str(self.work), "--studies", str(self.studies),
            "--members", self.members, "--effort", self.effort, "--trials", str(self.trials), "--child", "--json",
        ]  # fmt: skip
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        memory = MemoryWatch(process.pid)
        with memory:
            printed, _ = process.communicate()
        if process.returncode:
            raise SystemExit(process.returncode)
        result = {**json.loads(printed), "studies": self.studies, "peak_gb": memory.peak / 1e9}
        self._show(result)
        return result

    def _fit(self, store: Path, out: Path) -> dict[str, Any]:
        """Fit here, with a clock on the parts."""
        from lsdc.ensemble import fitting, nested

        clock = CpuClock()
        # The parts are not on the modules' faces; a benchmark may look behind them.
        inside: Any = fitting
        deeper: Any = nested
        inside.StageClock = lambda: clock
        inside.fit_heads = clock.around("heads, on all cores", inside.fit_heads)
        deeper.score_nested = clock.around("stack: nested folds", deeper.score_nested)
        deeper.measure_exhaustion = clock.around("stack: exhaustion", deeper.measure_exhaustion)
        deeper.DefaultStacker.fit = _first_only(clock, deeper.DefaultStacker.fit)
        begun, spent = time.perf_counter(), cpu_seconds()
        fitted = fitting.fit(
            store, out, self.members.split(","), trials=self.trials, options=Options(effort=self.effort)
        )
        return {
            "seconds": clock.seconds,
            "cpu_seconds": clock.cpu,
            "total_seconds": time.perf_counter() - begun,
            "total_cpu_seconds": cpu_seconds() - spent,
            "nested_score": fitted.report.nested.total,
        }

    def _show(self, result: dict[str, Any]) -> None:
        """Print what took how long."""
        cells = [
            (name, f"{seconds:.1f}", f"{result['cpu_seconds'][name]:.1f}")
            for name, seconds in result["seconds"].items()
        ]
        cells.append(("all", f"{result['total_seconds']:.1f}", f"{result['total_cpu_seconds']:.1f}"))
        table(
            f"fit on {self.studies} studies, effort {self.effort}", ["part", "seconds", "CPU seconds"], cells
        )
        minutes, peak = result["total_seconds"] / 60, result["peak_gb"]
        say(f"{minutes:.1f} minutes ({WANTED_MINUTES:.0f} are allowed for 1,975 studies on two cores)")
        say(f"{peak:.2f} GB at most ({WANTED_GB:.0f} GB are allowed)")


@dataclass(frozen=True)
class CpuClock(StageClock):
    """A clock of stages that notes CPU seconds too; within a stage another may run, and counts in both."""

    cpu: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        begun = cpu_seconds()
        with super().stage(name):
            yield
        self.cpu[name] = round(cpu_seconds() - begun, 2)

    def around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Make a function a stage."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.stage(name):
                return function(*args, **kwargs)

        return timed


def _first_only(clock: CpuClock, function: Callable[..., Any]) -> Callable[..., Any]:
    """Make the first call of a function a stage: the stack on all studies, not those of the nested folds."""
    timed, label = clock.around("stack: search", function), "stack: search"
    return lambda *args: (function if label in clock.seconds else timed)(*args)


def cpu_seconds() -> float:
    """CPU seconds of this process and of those that it started and that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


class MemoryWatch:
    """Looks at the memory of a process and its descendants while a block runs (Linux; elsewhere it stays 0)."""

    def __init__(self, pid: int) -> None:
        self.pid, self.peak = pid, 0
        self._ended = threading.Event()

    def __enter__(self) -> None:
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.1):
            self.peak = max(self.peak, sum(map(proportional_bytes, descendants(self.pid))))


def descendants(pid: int) -> list[int]:
    """A process, its children, theirs, and so on."""
    found = [pid]
    for parent in found:
        for listed in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                found += map(int, listed.read_text().split())
            except OSError:  # it has just ended
                continue
    return found


def proportional_bytes(pid: int) -> int:
    """Memory of a process without files' pages that the system may drop; what n processes share counts 1/n."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    sizes = {line.split(":")[0]: int(line.split()[1]) for line in lines[1:]}
    return 1024 * (sizes.get("Pss_Anon", 0) + sizes.get("Pss_Shmem", 0) + sizes.get("Pss_File", 0))


def make_store(path: Path, studies: int, seed: int = 0) -> None:
    """Write a store in which embeddings and crops hold the grades weakly."""
    rng, n = np.random.default_rng(seed), studies * len(TARGETS)
    severity = draw_severity(rng, studies).reshape(studies, -1)  # 0 and 1 are the borders of the grades
    grades = np.digitize(severity, [0.0, 1.0])
    shown = np.where(rng.random(grades.shape) < _MISSING, -1, grades).astype(np.int8)
    names = [str(100_000 + k) for k in range(studies)]
    labels = pd.DataFrame(shown, pd.Index(names, name="study_id"), [target.slug for target in TARGETS])
    rows = pd.DataFrame(
        [(name, t.condition.value, t.level.value) for name in names for t in TARGETS],
        columns=["study_id", "condition", "level"],
    )
    rows["grade"], rows["fold"] = (
        shown.ravel(),
        rows["study_id"].map(make_folds(labels, 5, seed)).astype(np.int16),
    )
    rows["confidence"] = rng.random(n).astype(np.float32)
    for column in ("thickness", "spacing", "field", "echo_time", "angle", "age"):
        rows[f"meta_{column}"] = np.repeat(rng.normal(size=studies), len(TARGETS)).astype(np.float32)
    crops = path.with_suffix(".crops.npy")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_crops(crops, severity.ravel(), rng)
    write_store(
        path,
        rows,
        embed(rng, severity.ravel()),
        np.load(crops, mmap_mode="r"),
        configuration={"backbone": "made up"},
    )
    crops.unlink()


def embed(rng: np.random.Generator, severity: NDArray[np.float64]) -> NDArray[np.float32]:
    """Embeddings of three views: a few strong directions that mean nothing, and a weak one that follows severity."""
    parts = []
    for _ in range(3):
        spread = 3.0 / np.sqrt(1 + np.arange(40))
        hidden = rng.normal(size=(len(severity), 40)) * spread
        hidden[:, 4] += _SIGNAL * spread[4] * severity
        values = hidden @ rng.normal(size=(40, _DIM // 3)) / np.sqrt(40)
        parts.append((values + 0.3 * rng.normal(size=values.shape)).astype(np.float32))
    return np.concatenate(parts, axis=1)


def write_crops(path: Path, severity: NDArray[np.float64], rng: np.random.Generator) -> None:
    """Write crops of noise with a spot in the middle that is brighter where a target is worse."""
    crops = open_memmap(path, "w+", np.uint8, (len(severity), 3, 3, _PX, _PX))
    noise = rng.integers(60, 160, (len(TARGETS), 3, 3, _PX, _PX), np.uint8)
    distance = np.hypot(*(np.mgrid[:_PX, :_PX] - _PX / 2))
    spot = np.exp(-((distance / 12) ** 2))
    bright = np.clip(40 + 15 * (1 + severity + 0.5 * rng.normal(size=len(severity))), 0, 90)
    for study in track(range(len(severity) // len(TARGETS)), "writing crops"):
        rows = slice(study * len(TARGETS), (study + 1) * len(TARGETS))
        spots = (bright[rows, None, None] * spot).astype(np.uint8)
        crops[rows] = np.roll(noise, study, axis=-1) + spots[:, None, None]
    crops.flush()


if __name__ == "__main__":
    sys.exit(run_program(FitBenchmark, "fit.py"))
