"""Seconds of an extraction by processes of this machine and by Dask workers, and whether the stores are the same.

    python benchmarks/cluster.py --data demo/cohort/test_images
    python benchmarks/cluster.py --studies 12 --workers 1,2     # simulates a cohort first

Scheduler and workers run on this machine, so what is measured is what Dask costs, not what many machines bring.
"""

from __future__ import annotations

import hashlib
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from distributed import LocalCluster

from lsdc.features.extraction import extract
from lsdc.phantom.writer import simulate
from lsdc.runtime.commands import Reporting, run_program
from lsdc.runtime.console import table


@dataclass(frozen=True)
class Timing:
    """One extraction."""

    engine: str
    workers: int
    studies: int
    seconds: float
    extract_seconds: float
    same_bytes: bool


@dataclass(frozen=True)
class Cluster:
    """Extract the same studies with both engines."""

    data: Path | None = None
    """folder of studies; by default a cohort is simulated"""
    studies: int = 12
    """simulated studies"""
    workers: str = "1,2"
    """numbers of workers to try"""
    reporting: Reporting = Reporting()

    def run(self) -> list[Timing]:
        """Measure, and print a table."""
        with TemporaryDirectory() as place:
            folder = Path(place)
            data = self.data
            if data is None:
                simulate(folder / "cohort", studies=self.studies, seed=3, test_fraction=1.0)
                data = folder / "cohort"
            found: list[Timing] = []
            first: dict[str, str] = {}
            for count in map(int, self.workers.split(",")):
                for engine in ("local", "dask"):
                    out = folder / f"{engine}_{count}"
                    seconds, extracting, studies = _timed(data, out, engine, count)
                    hashes = _hashes(out)
                    first = first or hashes
                    found.append(Timing(engine, count, studies, seconds, extracting, hashes == first))
            rows = [
                (f"{one.engine}, {one.workers}", one.seconds, one.extract_seconds, one.same_bytes)
                for one in found
            ]
            table(
                f"extraction of {found[0].studies} studies", ["engine, workers", "s", "s in it", "same"], rows
            )
        return found


def _timed(data: Path, out: Path, engine: str, workers: int) -> tuple[float, float, int]:
    """Extract, and give all seconds, those of reading and locating, and the number of studies."""
    begun = time.perf_counter()
    if engine == "local":
        done = extract(data, out, workers=workers)
        return time.perf_counter() - begun, done.seconds["extract"], done.studies
    with LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0") as cluster:
        begun = time.perf_counter()
        done = extract(data, out, engine="dask", scheduler=cluster.scheduler_address)
        return time.perf_counter() - begun, done.seconds["extract"], done.studies


def _hashes(folder: Path) -> dict[str, str]:
    """Hash all files of a store."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


if __name__ == "__main__":
    sys.exit(run_program(Cluster, "cluster.py"))
