"""Kills, signals, dying decoders, full disks and odd outputs: what `extract` and `fit` do about them.

    python benchmarks/faults.py --work /tmp/faults              # a quarter of an hour on two cores; Linux
    python benchmarks/faults.py --work /tmp/faults --kills 5 --json

After every fault the same command is run again, and its result is compared, byte by byte, with that of a run that
nothing has disturbed. Disks of 6 and 20 MB need root, to be mounted.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args
from unittest import mock

import numpy as np
import pandas as pd
from fault_runs import (
    Run,
    differing,
    extract_command,
    fit_command,
    is_alive,
    make_labeled_store,
    make_studies,
    seconds_alive,
)
from harmful_studies import dies, hangs, hoards, raises

from lsdc.commands.ensemble import main as ensemble
from lsdc.commands.features import main as features
from lsdc.features import study_failures
from lsdc.features.extraction import extract
from lsdc.features.store_settings import Settings
from lsdc.runtime.commands import Reporting, run_program
from lsdc.runtime.console import table

_SECONDS_TO_DIE = 5.0
_SETTINGS = Settings(
    "mobilenetv3_small_050", "random", crop_px=32, volume_slices=4, volume_px=32, preview_px=32
)
_LARGE = ("--crop-px", "160")
"""With these, four studies need more than 20 MB."""


Part = Literal["workers", "killed", "signals", "studies", "runs", "disks", "outputs"]


@dataclass(frozen=True)
class Faults:
    """Disturb extractions and fits in every way that machines know, and say what came of it."""

    work: Path
    """folder for cohort, stores and models; what is there stays and is used"""
    kills: int = 20
    """how often extract and fit are killed, each"""
    studies: int = 4
    """simulated studies that are extracted"""
    parts: tuple[Part, ...] = get_args(Part)
    """which tables; stores by number of workers (`workers`) are what the others compare with"""
    seed: int = 0
    """of the moments of the kills"""
    reporting: Reporting = Reporting()

    def run(self) -> dict[str, list[dict[str, Any]]]:
        """Do all of it, a table each."""
        if not Path("/proc/self/stat").exists():
            raise SystemExit("faults.py looks at processes under /proc, which only Linux has")
        self.work.mkdir(parents=True, exist_ok=True)
        data = self.work / "data"
        if not data.is_dir():
            data = make_studies(self.work, self.studies)
        bench = _Bench(self.work, data, self.kills, np.random.default_rng(self.seed))
        found: dict[str, list[dict[str, Any]]] = {}
        for name in self.parts:
            part = getattr(bench, name)
            rows = found[name] = list(part())
            names = list(rows[0])
            title = part.__doc__.partition(".")[0]
            table(title, names, [[str(row[name]) for name in names] for row in rows])
        return found


@dataclass
class _Bench:
    work: Path
    data: Path
    kills: int
    rng: np.random.Generator
    count: int = 0

    def run(self, words: list[str], threads: int = 1) -> Run:
        self.count += 1
        return Run(words, self.work / f"log_{os.getpid()}_{self.count % 2}.txt", threads)

    def out(self, name: str) -> Path:
        shutil.rmtree(self.work / name, ignore_errors=True)
        return self.work / name

    @property
    def reference(self) -> Path:
        """The store of an undisturbed run, which is made where no part before has made it."""
        if not (self.work / "reference" / "manifest.json").is_file():
            self.undisturbed()
        return self.work / "reference"

    def undisturbed(self) -> float:
        """Extract once more what later runs are compared with; how many seconds that takes."""
        begun, out = time.monotonic(), self.out("reference")
        if self.run(extract_command(self.data, out)).code() != 0:
            raise SystemExit("the extraction that nothing disturbs has failed")
        return time.monotonic() - begun

    def resumed(self, words: list[str], out: Path, reference: Path | None = None) -> str:
        """Run again to the end, and compare with the undisturbed run."""
        last = self.run(words)
        if last.code() != 0:
            return f"exit code {last.code()}: {last.lines[-1][:120]}"
        return self.compared(out, reference or self.reference)

    def compared(self, out: Path, reference: Path) -> str:
        """Say whether a result is that of the undisturbed run."""
        different = differing(out, reference)
        return "as undisturbed" if not different else f"differs: {', '.join(different[:4])}"

    def workers(self) -> Iterator[dict[str, Any]]:
        """Stores by number of workers and threads."""
        for workers, threads in ((1, 1), (2, 1), (3, 1), (1, 2), (2, 2)):
            out = self.out("reference" if workers == threads == 1 else "store")
            begun = time.monotonic()
            code = self.run(extract_command(self.data, out, workers=workers), threads).code()
            seconds = time.monotonic() - begun
            yield {
                "workers": workers, "threads": threads, "exit code": code, "seconds": round(seconds, 1),
                "files that differ": len(differing(out, self.reference)),
            }  # fmt: skip

    def killed(self) -> Iterator[dict[str, Any]]:
        """Runs killed with -9 at random moments, each resumed by the next."""
        store = self.work / "labeled"
        if not (store / "manifest.json").is_file():
            make_labeled_store(store)
        model = self.out("model_reference")
        begun = time.monotonic()
        if self.run(fit_command(store, model)).code() != 0:
            raise SystemExit("the fit that nothing disturbs has failed")
        seconds = time.monotonic() - begun
        out = self.out("killed_model")
        yield self._killed("fit", seconds, fit_command(store, out), out, model)
        seconds = self.undisturbed()
        out = self.out("killed_store")
        yield self._killed("extract", seconds, extract_command(self.data, out), out, self.reference)

    def _killed(
        self, name: str, seconds: float, words: list[str], out: Path, reference: Path
    ) -> dict[str, Any]:
        kills, with_pool, orphans, slowest, wrong, finished = 0, 0, 0, 0.0, 0, 0
        while kills < self.kills:
            run = self.run(words)
            if name == "extract" and kills % 4:  # three of four while workers are alive
                run.until(run.workers)
                run.until(lambda: False, self.rng.uniform(0, 0.6 * seconds))
            else:
                run.until(lambda: False, self.rng.uniform(0, seconds))
            children = run.workers()
            if not run.running:
                finished += 1
                wrong += bool(run.code() != 0 or differing(out, reference))
                shutil.rmtree(out)
                continue
            os.kill(run.process.pid, signal.SIGKILL)
            run.code()
            kills, with_pool = kills + 1, with_pool + bool(children)
            slowest = max(slowest, seconds_alive(children, _SECONDS_TO_DIE))
            orphans += sum(map(is_alive, children))
        return {
            "command": name, "kills": kills, "with workers alive": with_pool,
            f"orphans after {_SECONDS_TO_DIE:.0f} s": orphans, "slowest end of a worker, s": round(slowest, 2),
            "finished in between": finished, "wrong of these": wrong,
            "at the end": self.resumed(words, out, reference),
        }  # fmt: skip

    def signals(self) -> Iterator[dict[str, Any]]:
        """Signals while studies are extracted, each run resuming the one before."""

        def group(run: Run) -> None:
            os.killpg(run.process.pid, signal.SIGINT)

        acts: dict[str, Callable[[Run], None]] = {
            "Ctrl-C while it imports": group,
            "Ctrl-C": group,
            "SIGINT to the parent": lambda run: run.process.send_signal(signal.SIGINT),
            "SIGTERM to the parent": lambda run: run.process.send_signal(signal.SIGTERM),
            "kill -9 of a worker": lambda run: os.kill(run.workers()[0], signal.SIGKILL),
        }
        out = self.out("signaled")
        words = extract_command(self.data, out)
        for name, act in acts.items():
            if name == "kill -9 of a worker":  # at its first study, and of a run that goes on
                out = self.out("signaled")
            run = self.run(words)
            if name != "Ctrl-C while it imports":
                run.until(run.workers)
            run.until(lambda: False, 1.0)
            children, begun = run.workers(), time.monotonic()
            act(run)
            code = run.code()
            seconds = time.monotonic() - begun
            left = sum(map(is_alive, children))
            if name.startswith("SIGTERM"):
                afterwards = self.resumed(words, out)
            elif name.startswith("kill"):
                afterwards = f"differs: {differing(out, self.reference)}"[:120].replace(
                    "differs: []", "as undisturbed"
                )
            else:
                afterwards = "resumed by the next"
            yield {
                "signal": name, "exit code": code, "seconds to the end": round(seconds, 2), "workers left": left,
                "tracebacks": sum("Traceback" in line for line in run.lines), "afterwards": afterwards,
            }  # fmt: skip

    def studies(self) -> Iterator[dict[str, Any]]:
        """Studies that harm their process."""
        for name, work in {
            "dies (SIGSEGV)": dies,
            "hangs": hangs,
            "takes all memory": hoards,
            "raises": raises,
        }.items():
            out = self.out("harmed")
            begun = time.monotonic()
            seconds: Any = {"_SECONDS": 60.0} if work is hangs else {}
            with mock.patch.multiple(study_failures, extract_study=work, **seconds):
                done = extract(self.data, out, _SETTINGS, workers=2, device="cpu")
            reasons = pd.read_csv(out / "problems.csv")["reason"]
            sound = pd.read_parquet(self.reference / "rows.parquet")[25:]
            same = pd.read_parquet(out / "rows.parquet")[25:].equals(sound)
            yield {
                "the first study": name, "studies": done.studies, "rows": done.rows,
                "seconds": round(time.monotonic() - begun, 1),
                "the others": "as undisturbed" if same else "differ",
                "record": next((text for text in reasons if text.startswith("study failed")), "none"),
            }  # fmt: skip

    def runs(self) -> Iterator[dict[str, Any]]:
        """Two runs on one output, and data that vanishes."""
        out = self.out("shared")
        words = extract_command(self.data, out)
        first = self.run(words)
        first.until((out / ".lock").is_file)
        first.process.send_signal(signal.SIGSTOP)  # on a busy machine it may end before the second begins
        second = self.run(words)
        second.code()
        first.process.send_signal(signal.SIGCONT)
        yield {
            "what": "a second run on the same --out", "exit code": second.code(),
            "last line": second.lines[-1][-150:], "marked finished": False,
            "afterwards": "first run failed" if first.code() else self.resumed(words, out),
        }  # fmt: skip
        out = self.out("vanishing")
        words = extract_command(self.data, out)
        run = self.run(words)
        run.until(lambda: list(out.glob("work/0*.arrow")))
        gone = self.data.with_name("gone")
        self.data.rename(gone)
        code = run.code()
        gone.rename(self.data)
        yield {
            "what": "the data folder vanishes", "exit code": code, "last line": run.lines[-1][-150:],
            "marked finished": (out / "manifest.json").exists(), "afterwards": self.resumed(words, out),
        }  # fmt: skip

    def disks(self) -> Iterator[dict[str, Any]]:
        """Disks that are too small."""
        large = self.out("large")
        self.run(extract_command(self.data, large, *_LARGE)).code()
        for megabytes in (6, 20):
            mount = self.work / "disk"
            mount.mkdir(exist_ok=True)
            row = {"MB": megabytes, "exit code": "-", "lines": 0, "last line": "", "marked finished": "-"}
            flags = ["-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(mount)]
            if subprocess.run(["mount", *flags], capture_output=True, check=False).returncode:
                yield row | {"last line": "skipped: mounting needs root", "with room": "-"}
                continue
            try:
                words = extract_command(self.data, mount / "store", *_LARGE)
                run = self.run(words)
                code = run.code()
                row |= {"exit code": code, "last line": run.lines[-1][-150:]}
                row["lines"] = sum("INFO" not in line for line in run.lines)
                row["marked finished"] = (mount / "store" / "manifest.json").exists()
                subprocess.run(["mount", "-o", "remount,size=200m", str(mount)], check=True)
                yield row | {"with room": self.resumed(words, mount / "store", large)}
            finally:
                subprocess.run(["umount", str(mount)], check=True)

    def outputs(self) -> Iterator[dict[str, Any]]:
        """Outputs that cannot be written."""
        folder = self.out("odd")
        folder.mkdir()
        (folder / "file").write_text("mine")
        (folder / "full").mkdir()
        (folder / "full" / "mine.txt").write_text("mine")
        os.mkfifo(folder / "pipe")
        outs = {
            "a device": Path("/dev/full"), "a pipe": folder / "pipe", "a file": folder / "file",
            "a folder with files": folder / "full", "below a file": folder / "file" / "x",
            "a name too long": folder / ("n" * 300), "nowhere to write": Path("/proc/no/such"),
        }  # fmt: skip
        labeled, store = self.work / "labeled", self.reference
        study = str(pd.read_parquet(store / "studies.parquet")["study_id"].iloc[0])
        for name, out in outs.items():
            commands = {"extract": extract_command(self.data, out), "fit": fit_command(labeled, out)}
            if name != "a file":  # which a picture replaces
                commands["preview"] = ["", "", "", "preview", str(store), study, "--out", str(out)]
            for command, words in commands.items():
                said = io.StringIO()
                with contextlib.redirect_stderr(said):
                    code = (ensemble if command == "fit" else features)(words[3:])
                kept = (folder / "file").read_text() == (folder / "full" / "mine.txt").read_text() == "mine"
                kept &= Path("/dev/full").is_char_device() and (folder / "pipe").is_fifo()
                kept &= len(list(folder.iterdir())) == 3
                lines = said.getvalue().strip().splitlines()
                yield {
                    "output": name, "command": command, "exit code": code, "lines": len(lines),
                    "what was there": "untouched" if kept else "TOUCHED", "last line": lines[-1][-100:],
                }  # fmt: skip


if __name__ == "__main__":
    sys.exit(run_program(Faults, "faults.py"))
