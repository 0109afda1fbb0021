"""Damaged and malicious files, through `extract`: nothing may escape, hang, take much memory or change a neighbor.

    python benchmarks/hostile.py --files 20000                        # half an hour on one core
    python benchmarks/hostile.py --files 20000 --real some/dicom      # damages real files too
    python benchmarks/hostile.py --files 200 --no-cases               # a minute

Batches of damaged files are put beside a sound study, and each folder is extracted in a forked process whose memory
and time are limited; the sound study's rows and images must be those that it has alone, to the byte. Then single cases
are extracted by the command. What escapes is kept in the folder `kept` of the working folder.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from hostile_cases import CASES
from hostile_files import damaged, real, simulated

from lsdc.features.extraction import extract
from lsdc.features.store import FeatureStore
from lsdc.features.store_settings import Settings
from lsdc.phantom.writer import simulate
from lsdc.runtime.artifact import fingerprint
from lsdc.runtime.commands import Reporting, run_program
from lsdc.runtime.console import say, table, track

BATCH = 200
SECONDS = 600
MORE_MB = 2048
REAL_AT_ONCE = 8
SETTINGS = Settings(crop_px=32, volume_slices=4, volume_px=32, preview_px=32)


@dataclass
class Outcome:
    """What the damaged files did."""

    files: int = 0
    escaped: int = 0
    """batches that ended with an exception instead of records"""
    hung: int = 0
    """batches that took longer than ten minutes"""
    changed_neighbors: int = 0
    """batches in which the sound study was not as it is alone"""
    failed_studies: int = 0
    """damaged studies that became one record as a whole, instead of a record per file"""
    seconds: float = 0.0
    peak_mb: int = 0
    cases: list[dict[str, object]] = field(default_factory=list)


@dataclass(frozen=True)
class Hostile:
    """Extract damaged files beside a sound study."""

    files: int = 20_000
    """how many damaged files"""
    seed: int = 0
    """decides on the damages"""
    real: Path | None = None
    """folder of real DICOM files, of which half of the damaged ones are made"""
    work: Path | None = None
    """working folder; by default a temporary one that is removed"""
    no_cases: bool = False
    """leave out the single cases"""
    reporting: Reporting = Reporting()

    def run(self) -> Outcome:
        """Extract all batches and cases, and print the tables."""
        with contextlib.ExitStack() as stack:
            work = self.work or Path(stack.enter_context(tempfile.TemporaryDirectory()))
            work.mkdir(parents=True, exist_ok=True)
            outcome = fuzz(self, work) if self.files else Outcome()
            if not self.no_cases:
                outcome.cases = [run_case(name, work) for name in CASES]
        rows = [(name, getattr(outcome, name)) for name in vars(outcome) if name != "cases"]
        table("damaged files through extract", ["", "number"], rows)
        if outcome.cases:
            header = list(outcome.cases[0])
            table("single cases", header, [[case[name] for name in header] for case in outcome.cases])
        return outcome


def fuzz(options: Hostile, work: Path) -> Outcome:
    """Extract damaged files in batches, and compare the sound study beside them with itself alone."""
    import torch

    torch.set_num_threads(1)
    rng, outcome, started = random.Random(options.seed), Outcome(files=options.files), time.monotonic()
    sound = make_sound(work / "sound")
    alone = extracted(sound, work / "out")
    assert alone["ended"] == 0, alone
    groups = [simulated(work)] + ([real(options.real)] if options.real else [])
    for k, start in enumerate(track(range(0, options.files, BATCH), "batches")):
        count = min(BATCH, options.files - start)
        folder = work / "batch"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(sound, folder)
        originals = groups[k % len(groups)]
        if k % len(groups):  # real files are of as many studies, each of which has to be located
            originals = rng.sample(originals, min(REAL_AT_ONCE, len(originals)))
        for number, content in enumerate(damaged(originals, count, rng)):
            (folder / f"damaged_{number}.dcm").write_bytes(content)
        found = extracted(folder, work / "out", str(alone["study"]))
        bad = {
            "escaped": found["ended"] not in (0, None),
            "hung": found["ended"] is None,
            "changed_neighbors": found["ended"] == 0 and found["sound"] != alone["sound"],
        }
        for name, happened in bad.items():
            setattr(outcome, name, getattr(outcome, name) + happened)
        outcome.failed_studies += int(str(found.get("failed", 0)))
        outcome.peak_mb = max(outcome.peak_mb, int(str(found["peak_mb"])))
        if any(bad.values()):
            shutil.copytree(folder, work / "kept" / f"batch_{k}", dirs_exist_ok=True)
            (work / "kept" / f"batch_{k}.txt").write_text(str(found))
            say(f"batch {k}: {found}")
    outcome.seconds = round(time.monotonic() - started, 1)
    return outcome


def make_sound(folder: Path) -> Path:
    """A simulated study, every third of its slices."""
    shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory() as temporary:
        simulate(Path(temporary) / "cohort", studies=1, seed=3, test_fraction=0.0)
        (study,) = (Path(temporary) / "cohort" / "train_images").iterdir()
        for series in study.iterdir():
            files = sorted(series.iterdir(), key=lambda path: int(path.stem))
            (folder / series.name).mkdir(parents=True)
            for path in files[::3]:
                shutil.copy(path, folder / series.name)
    return folder


def extracted(folder: Path, out: Path, sound: str | None = None) -> dict[str, object]:
    """Extract a folder in a forked process with limits; how it ended, its peak, and what the sound study became."""
    shutil.rmtree(out, ignore_errors=True)
    context = multiprocessing.get_context("fork")
    receive, send = context.Pipe(duplex=False)
    # A daemon: what extract would otherwise do in fresh interpreters, it does in this process.
    child = context.Process(target=_extract, args=(folder, out, sound, send), daemon=True)
    child.start()
    send.close()
    try:
        found = dict(receive.recv()) if receive.poll(SECONDS) else {}
    except EOFError:
        found = {"error": "died"}
    child.join(5)
    hung = not found
    if child.is_alive():
        child.kill()
        child.join()
    ended = None if hung else child.exitcode if "error" not in found else 1
    return {"peak_mb": 0, "sound": ""} | found | {"ended": ended}


def _extract(folder: Path, out: Path, sound: str | None, send: object) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + (MORE_MB << 20)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    found: dict[str, object] = {}
    try:
        extract(folder, out, SETTINGS, device="cpu", workers=1)
        found = described(FeatureStore.open(out), out, sound)
    except BaseException:  # noqa: BLE001 - what escapes is what is looked for
        found["error"] = traceback.format_exc()[-3000:]
    found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    send.send(found)  # type: ignore[attr-defined]
    os._exit(0)


def described(store: FeatureStore, out: Path, sound: str | None) -> dict[str, object]:
    """A digest of the rows and images of the sound study, by default the only one, and how many studies failed."""
    rows = store.rows
    sound = sound or str(rows["study_id"].iloc[0])
    places = np.flatnonzero((rows["study_id"] == sound).to_numpy())
    digest = fingerprint(
        {
            "rows": rows.iloc[places].to_csv(index=False),
            "embedding": store.embedding[places].tobytes().hex(),
            "crops": np.load(out / "crops.npy", mmap_mode="r")[places].tobytes().hex(),
        }
    )
    problems = (out / "problems.csv").read_text()
    return {"sound": digest, "failed": problems.count("study failed"), "study": sound}


def run_case(name: str, work: Path) -> dict[str, object]:
    """Extract one case by the command, in processes of its own."""
    folder, out = work / "case", work / "case_out"
    for place in (folder, out):
        shutil.rmtree(place, ignore_errors=True)
    folder.mkdir(parents=True)
    maker = multiprocessing.get_context("fork").Process(target=CASES[name], args=(folder,))
    maker.start()  # its memory is not that of the command
    maker.join()
    command = [sys.executable, "-m", "lsdc.commands.features", "extract", str(folder), "--out", str(out)]
    started = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-c", _MEASURED, *command, "--workers", "1"],
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = round(time.monotonic() - started, 1)
    code, peak_mb = map(int, ended.stdout.split())
    if code:
        print(ended.stderr[-3000:], file=sys.stderr, flush=True)
    lines = (
        len((out / "problems.csv").read_text().splitlines()) - 1 if (out / "problems.csv").is_file() else -1
    )
    return {"case": name, "exit": code, "records": lines, "seconds": seconds, "peak_mb": peak_mb}


_MEASURED = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
"""
"""Linux counts the peak of a process from that of the one that started it: this one is small."""


if __name__ == "__main__":
    sys.exit(run_program(Hostile, "hostile.py"))
