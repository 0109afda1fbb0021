"""Damaged models, stores, selectors and journals, each used in a process of its own: what comes of it.

    python benchmarks/tampered_models.py --models 2000          # some minutes on a core
    python benchmarks/tampered_models.py --models 200 --json    # the counts for programs

A fifth of the damages is by chance: bits, cut or missing files. The others are made by somebody who computes the
digests anew. A result that differs is a fault after a damage by chance, and what the stranger wanted after the others.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tampered_damages import BY_CHANCE, CANARY, ON_PURPOSE, Damage, Unsuited
from tampered_originals import make_originals, use

from lsdc.runtime.commands import Reporting, run_program
from lsdc.runtime.console import logger, say, table, track
from lsdc.runtime.errors import LsdcError
from lsdc.testing.damage import relist

KINDS = ("model", "model", "former", "store", "new", "selector", "tuned")
"""What is damaged, the model more often than the others."""
UNLISTED_KINDS = ("former", "tuned")
"""What carries no digests, so that damage by chance may stay unseen."""
OUTCOMES = ("refused", "the same", "other numbers", "traceback", "signal", "too long", "code run")
_SECONDS, _WAITING, _EXTRA_BYTES = 60, 900, 3 * 2**30
"""Seconds of a core, and of the clock, which a busy machine stretches; memory beyond what the program has."""
_RUN_EVENTS = (
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "pickle.find_class",
    "socket.connect",
)


@dataclass(frozen=True)
class Trial:
    """What came of a damage."""

    kind: str
    damage: str
    file: str
    outcome: str
    words: str
    seconds: float
    megabytes: float

    @property
    def is_fault(self) -> bool:
        """Whether this must not be: a damage by chance that goes unseen, or anything but an error in words."""
        unseen = self.outcome == "other numbers" and self.damage.endswith("by chance")
        return unseen or self.outcome in OUTCOMES[3:]


@dataclass(frozen=True)
class TamperedModels:
    """Damage artifacts in many ways, and count what using them comes to."""

    models: int = 200
    """number of damages"""
    seed: int = 0
    """decides them"""
    first: int = 0
    """number of the first damage, to look at single ones"""
    workers: int = 1
    """processes that share the damages"""
    work: Path | None = None
    """folder for the undamaged artifacts; made anew in a temporary one by default"""
    reporting: Reporting = Reporting()

    def run(self) -> dict[str, Any]:
        """Make the artifacts, damage and use them, and print what came of it."""
        torch.set_num_threads(1)
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            whole = self.work or folder / "whole"
            if not whole.is_dir():
                whole.mkdir(parents=True)
                make_originals(whole)
            (folder / "out").mkdir()
            logger.setLevel(logging.WARNING)  # what predictions say of themselves
            wanted = {kind: use(kind, whole / kind, whole, folder / "out") for kind in dict.fromkeys(KINDS)}
            logger.setLevel(logging.INFO)
            begun = time.perf_counter()
            trials = self._in_workers(whole, folder, wanted)
            return show(trials, time.perf_counter() - begun)

    def _in_workers(self, whole: Path, folder: Path, wanted: dict[str, str]) -> list[Trial]:
        """Share the damages among forked processes, and gather what came of them."""
        children = []
        for worker in range(self.workers):
            child = os.fork()
            if child:
                children.append(child)
                continue
            try:
                mine = folder / f"worker_{worker}"
                (mine / "out").mkdir(parents=True)
                found = self._trials(
                    range(self.first + worker, self.first + self.models, self.workers), whole, mine, wanted
                )
                (folder / f"{worker}.json").write_text(json.dumps([astuple(trial) for trial in found]))
            finally:
                os._exit(0)
        for child in children:
            os.waitpid(child, 0)
        files = [folder / f"{worker}.json" for worker in range(self.workers)]
        return [Trial(*values) for file in files for values in json.loads(file.read_text())]

    def _trials(self, numbers: range, whole: Path, folder: Path, wanted: dict[str, str]) -> list[Trial]:
        """Try some damages; what must not be is said at once."""
        trials = []
        for number in track(numbers, "damages"):
            trial = self._trial(number, whole, folder, wanted)
            trials.append(trial)
            if trial.is_fault:
                say(f"{number}: {trial.kind} {trial.damage} {trial.file}: {trial.outcome} {trial.words}")
        return trials

    def _trial(self, number: int, whole: Path, folder: Path, wanted: dict[str, str]) -> Trial:
        """Make one damage, and use what is left in a child."""
        rng = np.random.default_rng([self.seed, number])
        target, by_chance = folder / "damaged", bool(rng.random() < 0.2)
        damages = BY_CHANCE if by_chance else ON_PURPOSE
        damage: Damage = damages[rng.integers(len(damages))]
        for kind in rng.permutation(KINDS):
            if by_chance and kind in UNLISTED_KINDS:
                continue
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(whole / kind, target)
            files = [
                path for path in sorted(target.rglob("*")) if path.is_file() and is_read(path, by_chance)
            ]
            path = next(
                (path for path in rng.permutation(np.array(files, object)) if suits(damage, path, rng)), None
            )
            if path is not None:
                break
        else:
            raise LsdcError(f"{damage.__name__}: suits no file")
        if not by_chance:
            relist(target)
        name = f"{damage.__name__}{' by chance' if by_chance else ''}"
        file = str(path.relative_to(target))
        return Trial(str(kind), name, file, *in_child(str(kind), target, whole, folder, wanted[str(kind)]))


def suits(damage: Damage, path: Path, rng: np.random.Generator) -> bool:
    """Apply a damage, and tell whether it could be."""
    try:
        damage(path, rng)
    except Unsuited:
        return False
    return True


def is_read(path: Path, by_chance: bool) -> bool:
    """Tell whether a file decides results; a manifest's chance damage cannot be told from a stranger's."""
    if path.name in ("config.json", "problems.csv", "encoder.safetensors") or path.suffix == ".lock":
        return False
    return not by_chance or path.name not in ("manifest.json", "optuna.journal")


def in_child(
    kind: str, target: Path, whole: Path, folder: Path, wanted: str
) -> tuple[str, str, float, float]:
    """Use an artifact in a forked child with bounded time and memory; outcome, words, seconds, and more MB."""
    answer = folder / "answer.json"
    answer.unlink(missing_ok=True)
    begun, megabytes = time.perf_counter(), 0.0
    child = os.fork()
    if child == 0:
        try:
            os.chdir(folder)
            before = _bound()
            found = _used(kind, target, whole, folder, wanted)
            answer.write_text(json.dumps([*found, max(0.0, _megabytes("VmHWM") - before)]))
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    seconds = time.perf_counter() - begun
    outcome, words = "signal", f"status {status}"
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGALRM, signal.SIGXCPU):
        outcome = "too long"
    elif answer.is_file() and not status:
        outcome, words, megabytes = json.loads(answer.read_text())
    if (folder / CANARY).exists():
        outcome = "code run"
        (folder / CANARY).unlink()
    return outcome, words, seconds, megabytes


def _megabytes(name: str) -> float:
    """Memory of this process as Linux tells it: `VmRSS` now, `VmHWM` at most; 0 elsewhere."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.is_file() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(name)), 0.0)


def _bound() -> float:
    """Bound time and memory, silence the output, watch for what would run a program, and tell the memory in use."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    signal.alarm(_WAITING)
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS + 5))
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").is_file() else 0
    if pages:
        size = pages * resource.getpagesize() + _EXTRA_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (size, size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def watch(event: str, _: Any) -> None:
        if event in _RUN_EVENTS:
            Path(CANARY).touch()

    sys.addaudithook(watch)
    if Path("/proc/self/clear_refs").exists():
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    return _megabytes("VmRSS")


def _used(kind: str, target: Path, whole: Path, folder: Path, wanted: str) -> tuple[str, str]:
    """Use an artifact; outcome and words."""
    try:
        found = use(kind, target, whole, folder / "out")
    except LsdcError as error:
        return "refused", str(error)[:300]
    except BaseException as error:  # noqa: BLE001  # what the benchmark looks for
        import traceback

        where = traceback.extract_tb(error.__traceback__)[-3:]
        return "traceback", f"{error!r}"[:200] + " at " + ", ".join(
            f"{one.filename[-40:]}:{one.lineno}" for one in where
        )
    return ("the same" if found == wanted else "other numbers"), ""


def show(trials: list[Trial], seconds: float) -> dict[str, Any]:
    """Print the table by damage, and give the counts."""
    counts: dict[str, Counter[str]] = {}
    for trial in trials:
        counts.setdefault(trial.damage, Counter())[trial.outcome] += 1
    rows = [
        (name, found.total(), *(found[one] for one in OUTCOMES)) for name, found in sorted(counts.items())
    ]
    whole = Counter(trial.outcome for trial in trials)
    rows.append(("all", len(trials), *(whole[one] for one in OUTCOMES)))
    table("damages", ["damage", "tried", *OUTCOMES], [tuple(map(str, row)) for row in rows])
    faults = [trial for trial in trials if trial.is_fault]
    most = max((trial.megabytes for trial in trials), default=0.0)
    slowest = max((trial.seconds for trial in trials), default=0.0)
    say(
        f"{len(trials)} damages in {seconds:.0f} s; the slowest {slowest:.1f} s; at most {most:.0f} MB more memory"
    )
    return {
        "damages": len(trials), **{name.replace(" ", "_"): whole[name] for name in OUTCOMES},
        "other_numbers_by_chance": sum(one.outcome == "other numbers" for one in faults), "faults": len(faults),
        "seconds": round(seconds, 1), "slowest_seconds": round(slowest, 2), "peak_more_mb": round(most),
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(run_program(TamperedModels, "tampered_models.py"))
