"""Slices per second of an export, beside a plain loop of pydicom and Pillow in the same run.

    python benchmarks/export.py --data demo/cohort/test_images
    python benchmarks/export.py --work /tmp/export --studies 20     # simulates a cohort first

The plain loop reads each file with pydicom, spreads its own smallest to largest value over 8 bits, and saves it with
Pillow's default settings: no table, no windows of series, no guard against damaged files, nothing to resume.
"""

from __future__ import annotations

import resource
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from PIL import Image
from pydicom import dcmread

from lsdc.cohort.export.export_settings import Bits, Format
from lsdc.cohort.export.exporting import export_images
from lsdc.phantom.writer import simulate
from lsdc.runtime.commands import Reporting, run_program
from lsdc.runtime.console import table

WAYS: tuple[tuple[str, Format, Bits | None], ...] = (
    ("png, 8 bits", "png", None),
    ("png, 16 bits", "png", 16),
    ("jpg", "jpg", None),
    ("nifti", "nifti", None),
)


@dataclass(frozen=True)
class Speed:
    """One way of writing all slices."""

    way: str
    workers: int
    slices: int
    seconds: float
    slices_per_second: float
    cpu_seconds: float
    megabytes: float


class Clock(NamedTuple):
    """What has passed: on the wall, and of this process and those that it started and that have ended."""

    wall: float
    cpu: float

    @classmethod
    def now(cls) -> Clock:
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return cls(time.perf_counter(), sum(item.ru_utime + item.ru_stime for item in used))


@dataclass(frozen=True)
class Export:
    """Export a cohort in each format, with one process and with one per core, and by a plain loop."""

    data: Path | None = None
    """folder of studies; by default a cohort is simulated"""
    work: Path | None = None
    """folder for the simulated cohort; by default one that is removed"""
    studies: int = 12
    """simulated studies"""
    workers: int = 2
    """processes of the second column"""
    reporting: Reporting = Reporting()

    def run(self) -> list[Speed]:
        """Measure, and print a table."""
        with TemporaryDirectory() as place:
            folder = Path(place)
            data = self.data
            if data is None:
                data = (self.work or folder) / "cohort"
                simulate(data, studies=self.studies, seed=3)
            _plain(data, folder / "warm")  # reads the files once, so that all others find them in memory
            found = [_plain(data, folder / "plain")]
            for name, kind, bits in WAYS:
                for workers in sorted({1, self.workers}):
                    found.append(_export(data, folder / "out", name, kind, bits, workers))
        header = ("way", "processes", "slices", "seconds", "slices/s", "CPU s", "slices/CPU s", "MB")
        rows = [
            (
                item.way,
                item.workers,
                item.slices,
                f"{item.seconds:.1f}",
                f"{item.slices_per_second:.0f}",
                f"{item.cpu_seconds:.1f}",
                f"{item.slices / item.cpu_seconds:.0f}",
                f"{item.megabytes:.0f}",
            )
            for item in found
        ]
        table("export", header, rows)
        return found


def _plain(data: Path, out: Path) -> Speed:
    """Write 8-bit PNG files in a plain loop."""
    out.mkdir()
    files = sorted(data.rglob("*.dcm"))
    begun = Clock.now()
    for number, path in enumerate(files):
        pixels = dcmread(path).pixel_array.astype(np.float32)
        low, high = float(pixels.min()), float(pixels.max())
        gray = (pixels - low) * (255 / max(high - low, 1.0))
        Image.fromarray(gray.astype(np.uint8)).save(out / f"{number:06d}.png")
    return _speed("plain loop, png", 1, len(files), begun, out)


def _export(data: Path, out: Path, name: str, kind: Format, bits: Bits | None, workers: int) -> Speed:
    """Export once, with all that belongs to it: discovery, tables, start of processes."""
    begun = Clock.now()
    exported = export_images(data, out, format=kind, bits=bits, workers=workers)
    return _speed(name, workers, exported.slices, begun, out)


def _speed(way: str, workers: int, slices: int, begun: Clock, out: Path) -> Speed:
    """Sum up, and remove what was written."""
    end = Clock.now()
    seconds, cpu = end.wall - begun.wall, end.cpu - begun.cpu
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file()) / 1e6
    shutil.rmtree(out)
    return Speed(
        way, workers, slices, round(seconds, 2), round(slices / seconds, 1), round(cpu, 2), round(size, 1)
    )


if __name__ == "__main__":
    sys.exit(run_program(Export, "export.py"))
