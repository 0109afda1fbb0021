"""Host memory of fitting crop_cnn on a store as large as the competition's.

    python benchmarks/memory.py --work /tmp/large     # 1,975 made-up studies: 4.5 GB of disk, a few minutes

The pictures are noise: nothing is to be learned, everything is to be read.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.lib.format import open_memmap

from lsdc.cohort.vocabulary import TARGETS
from lsdc.features.store import FeatureStore
from lsdc.features.writer import write_store
from lsdc.models.deep.crop_cnn import CropCnn
from lsdc.models.examples import Examples
from lsdc.models.options import Options
from lsdc.runtime.commands import Reporting, run_program
from lsdc.runtime.console import say, track

WANTED_GB = 4.0


@dataclass(frozen=True)
class Memory:
    """Fit crop_cnn on a made-up store and say how much memory the process had."""

    work: Path
    """folder for the store"""
    studies: int = 1975
    """made-up studies"""
    px: int = 96
    """side of a crop"""
    fit: bool = False
    """fit in this process, and print its peak in GB"""
    reporting: Reporting = Reporting()

    def run(self) -> None:
        """Make the store; fit in a process of its own, whose peak is not mixed with that of the making."""
        store = self.work / "store"
        if not self.fit:
            if not (store / "manifest.json").is_file():
                make_store(store, self.studies, self.px)
            command = [sys.executable, __file__, "--work", str(self.work), "--fit"]
            peak = float(
                subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()[-1]
            )
            say(f"crop_cnn on {self.studies} studies: {peak:.2f} GB at most ({WANTED_GB:.0f} GB are allowed)")
            return
        examples = Examples.from_store(FeatureStore.open(store))
        fold = examples.rows["fold"]
        CropCnn(0, Options(preset="tiny", epochs=1)).fit(examples.where(fold != 0), examples.where(fold == 0))
        print(peak_gb())


def peak_gb() -> float:
    """Most memory that this process has had.

    Linux hands the peak of the process that started it down to `getrusage`; its own is in /proc.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        return (
            next(float(line.split()[1]) for line in status.read_text().splitlines() if "VmHWM" in line) / 1e6
        )
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def make_store(path: Path, studies: int, px: int) -> None:
    """Write a store of random grades, embeddings and crops."""
    rng, n = np.random.default_rng(0), studies * len(TARGETS)
    rows = pd.DataFrame(
        [(str(k), t.condition.value, t.level.value) for k in range(studies) for t in TARGETS],
        columns=["study_id", "condition", "level"],
    )
    rows["grade"] = rng.choice(3, n, p=[0.77, 0.16, 0.07]).astype(np.int8)
    rows["fold"] = np.repeat(np.arange(studies) % 5, len(TARGETS)).astype(np.int16)
    embedding = rng.standard_normal((n, 3 * 520), np.float32)
    write_store(path, rows, embedding, configuration={"backbone": "none"})
    crops = open_memmap(path / "crops.npy", "w+", np.uint8, (n, 3, 3, px, px))
    noise = rng.integers(1, 255, (len(TARGETS), 3, 3, px, px), np.uint8)
    for study in track(range(studies), "writing crops"):
        crops[study * len(TARGETS) : (study + 1) * len(TARGETS)] = np.roll(noise, study, axis=-1)
    crops.flush()


if __name__ == "__main__":
    sys.exit(run_program(Memory, "memory.py"))
