"""`lsdc-phantom`: the simulated cohort on the command line."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tyro.conf import Positional

from lsdc.runtime.console import run_command, say


@dataclass(frozen=True)
class Make:
    """Simulate a cohort in the competition's layout: DICOM, labels, coordinates, measurements.

    Examples:
        lsdc-phantom make cohort --studies 60 --seed 1 --test-fraction 0.2
    """

    out: Positional[Path]
    """folder to write; an interrupted run goes on where it stopped"""
    studies: int = 60
    """number of studies, test part included"""
    seed: int = 0
    """the same seed gives the same cohort"""
    test_fraction: float = 0.0
    """share of studies written to test_images, their labels to test_labels.csv"""
    workers: int | None = None
    """processes; default one per core"""
    json: bool = False
    """print the result as one JSON object on stdout"""

    def run(self) -> dict[str, Any]:
        """Simulate, and say where things are."""
        from lsdc.phantom.writer import simulate

        begun = time.perf_counter()
        simulate(self.out, self.studies, self.seed, self.test_fraction, self.workers)
        seconds = time.perf_counter() - begun
        say(
            f"{self.out}: {self.studies} simulated studies in {seconds:.0f} s; the oracle is measurements.csv"
        )
        return {"out": self.out, "studies": self.studies, "seconds": seconds}


def main(args: Sequence[str] | None = None) -> int:
    """Run `lsdc-phantom`; returns the exit code."""
    return run_command({"make": Make}, "lsdc-phantom", "Simulate lumbar spine MRI with known anatomy.", args)
