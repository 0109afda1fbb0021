"""Runs of the commands that are disturbed from outside, for `faults.py`."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from lsdc.cohort.vocabulary import TARGETS
from lsdc.ensemble.stack_artifact import DURATIONS
from lsdc.ensemble.tuning.storage import JOURNAL
from lsdc.features.writer import write_store
from lsdc.phantom.writer import simulate

SMALL = [
    "--backbone", "mobilenetv3_small_050", "--weights", "random", "--volume-slices", "4", "--volume-px", "32",
    "--preview-px", "32",
]  # fmt: skip
"""Settings with which a study is extracted in a second."""
MOST_SECONDS = 1800.0


def make_studies(work: Path, studies: int) -> Path:
    """Simulate studies, and keep every fourth slice of them, without labels."""
    simulate(work / "simulated", studies, seed=3)
    for study in (work / "simulated" / "train_images").iterdir():
        for series in study.iterdir():
            kept = work / "data" / study.name / series.name
            kept.mkdir(parents=True, exist_ok=True)
            for path in sorted(series.iterdir(), key=lambda path: int(path.stem))[::4]:
                shutil.copy(path, kept)
    return work / "data"


def make_labeled_store(path: Path) -> Path:
    """Write a store of random features of 24 studies in three folds, to be fitted on."""
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(
        [(f"{k:02d}", t.condition.value, t.level.value) for k in range(24) for t in TARGETS],
        columns=["study_id", "condition", "level"],
    )
    rows["grade"] = rng.choice(3, len(rows), p=[0.6, 0.25, 0.15]).astype(np.int8)
    rows["fold"] = np.repeat(np.arange(24) % 3, len(TARGETS)).astype(np.int16)
    write_store(path, rows, rng.standard_normal((len(rows), 24), np.float32))
    return path


def extract_command(data: Path, out: Path, *flags: str, workers: int = 2) -> list[str]:
    """Give the words of an extraction with small settings."""
    name = "lsdc.commands.features"
    words = ["extract", str(data), "--out", str(out), "--workers", str(workers), "--device", "cpu"]
    return [sys.executable, "-m", name, *words, *SMALL, *(flags or ("--crop-px", "32"))]


def fit_command(store: Path, out: Path) -> list[str]:
    """Give the words of a small fit."""
    words = ["fit", str(store), "--out", str(out), "--members", "lightgbm,forest", "--trials", "4"]
    return [sys.executable, "-m", "lsdc.commands.ensemble", *words]


@dataclass
class Run:
    """A command in a session of its own, so that signals reach it and nothing else.

    Parameters
    ----------
    words : sequence of str
        The command.
    log : Path
        Where it writes its messages.
    threads : int
        OMP_NUM_THREADS of the process.
    """

    words: Sequence[str]
    log: Path
    threads: int = 1
    process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        """Start it."""
        with self.log.open("wb") as stream:
            self.process = subprocess.Popen(
                self.words, stdout=stream, stderr=stream, start_new_session=True,
                env=os.environ | {"OMP_NUM_THREADS": str(self.threads)},
                # What was started in the background inherits that Ctrl-C is ignored.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )  # fmt: skip

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    @property
    def lines(self) -> list[str]:
        """What it has said."""
        return self.log.read_text(errors="replace").strip().splitlines()

    def workers(self) -> list[int]:
        """Find its worker processes."""
        found = []
        for child in descendants(self.process.pid):
            with contextlib.suppress(OSError):
                if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                    found.append(child)
        return found

    def until(self, condition: Callable[[], object], seconds: float = MOST_SECONDS) -> bool:
        """Wait for something while it runs."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.running:
            if condition():
                return True
            time.sleep(0.02)
        return False

    def code(self) -> int:
        """Wait for its end, and give the exit code."""
        return self.process.wait(MOST_SECONDS)


def descendants(pid: int) -> list[int]:
    """Find the living children of a process, and theirs."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                state, parent = (entry / "stat").read_text().rsplit(")", 1)[1].split()[:2]
                if state != "Z":
                    parents[int(entry.name)] = int(parent)
    found, new = [], [pid]
    while new:
        new = [child for child, parent in parents.items() if parent in new]
        found += new
    return found


def is_alive(pid: int) -> bool:
    """Whether a process runs."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def seconds_alive(pids: Sequence[int], most: float) -> float:
    """Wait until processes have ended, and give how long that took."""
    begun = time.monotonic()
    while any(map(is_alive, pids)) and time.monotonic() - begun < most:
        time.sleep(0.02)
    return time.monotonic() - begun


def differing(one: Path, two: Path) -> list[str]:
    """Name the files in which two directories differ."""
    first, second = contents(one), contents(two)
    return sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))


def contents(folder: Path) -> dict[str, str]:
    """Hash every file of a directory, but for the journal of trials and the list of durations, which tell times."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in (JOURNAL, DURATIONS)
    }
