"""Whether extraction needs more memory for more studies: what each process holds for 40 and for 400 studies.

Files that are mapped do not count: the system takes their pages back when somebody needs them.

    python benchmarks/flat_memory.py cohort/train_images     # Linux; a folder of studies, which are linked to be more

The bundled selector extracts them, so that reading, locating, cutting, embedding and writing are seen.
"""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from linked_cohort import link_study
from tyro.conf import Positional

from lsdc.runtime.commands import Reporting, run_program
from lsdc.runtime.console import table


@dataclass(frozen=True)
class FlatMemory:
    """Compare the memory that few and many studies need.

    Examples
    --------
        python benchmarks/flat_memory.py demo/cohort/train_images --many 100
    """

    data: Positional[Path]
    """folder with a folder per study"""
    few: int = 40
    """the smaller number of studies"""
    many: int = 400
    """the larger number of studies"""
    workers: int = 2
    """processes that read studies"""
    reporting: Reporting = Reporting()

    def run(self) -> dict[str, Any]:
        """Measure."""
        with TemporaryDirectory(dir=self.data.parent) as folder:
            peaks = {count: measure(self, Path(folder), count) for count in (self.few, self.many)}
        rows = [(count, *(f"{peak:.0f}" for peak in found)) for count, found in peaks.items()]
        table("peak memory, MiB", ["studies", "main process", "largest worker"], rows)
        few, many = peaks[self.few], peaks[self.many]
        return {
            "studies": [self.few, self.many],
            "main_mebibytes": [round(few[0]), round(many[0])],
            "worker_mebibytes": [round(few[1]), round(many[1])],
            "growth": round(max(many) / max(few), 3),
        }


def measure(options: FlatMemory, folder: Path, count: int) -> tuple[float, float]:
    """Extract so many studies; give the peaks of the main process and of the largest worker, MiB."""
    cohort = folder / f"cohort_{count}"
    studies = cycle(sorted(path for path in options.data.iterdir() if path.is_dir()))
    for number, study in zip(range(count), studies):
        link_study(study, cohort / "train_images" / str(number))
    flags = [
        "--out",
        str(folder / f"store_{count}"),
        "--workers",
        str(options.workers),
        "--log-level",
        "error",
    ]
    code = "import sys; from lsdc.commands.features import main; sys.exit(main())"
    process = subprocess.Popen([sys.executable, "-c", code, "extract", str(cohort), *flags])
    main_peak, worker_peak = 0.0, 0.0
    while process.poll() is None:
        main_peak = max(main_peak, own_memory_of(process.pid))
        worker_peak = max([worker_peak, *map(own_memory_of, children_of(process.pid))])
        time.sleep(0.2)
    if process.returncode:
        raise SystemExit(process.returncode)
    return main_peak, worker_peak


def own_memory_of(process: int) -> float:
    """Read the memory of its own that a process has now, MiB; 0 where it has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon")), 0.0)


def children_of(process: int) -> list[int]:
    """List the processes that a process has started and that run."""
    try:
        return [int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    except OSError:
        return []


main = partial(run_program, FlatMemory, "flat_memory")

if __name__ == "__main__":
    sys.exit(main())
