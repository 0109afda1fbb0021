"""How long a report takes from the command line, start-up included, and how large its pages are."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tyro.conf import Positional

from lsdc.phantom.writer import simulate
from lsdc.runtime.commands import Reporting, run_program
from lsdc.runtime.console import table


@dataclass(frozen=True)
class Report:
    """Time `lsdc grade` on one study and on several, and weigh its pages.

    Examples
    --------
        python benchmarks/report.py
        python benchmarks/report.py patients/ --studies 1
    """

    data: Positional[Path | None] = None
    """folder of studies; by default simulated ones"""
    studies: int = 10
    """simulated studies"""
    repeats: int = 3
    """runs on a single study, of which the median counts"""
    reporting: Reporting = Reporting()

    def run(self) -> dict[str, Any]:
        """Measure."""
        with TemporaryDirectory() as folder:
            return measure(Path(folder), self.data, self.studies, self.repeats)


def measure(folder: Path, data: Path | None, studies: int, repeats: int) -> dict[str, Any]:
    """Run the command in processes of its own, as a person does."""
    if data is None:
        simulate(folder / "cohort", studies=studies, seed=3, test_fraction=0.9)
        data = folder / "all"
        for split in ("train_images", "test_images"):
            for study in (folder / "cohort" / split).glob("*"):
                shutil.copytree(study, data / study.name)
    one = folder / "one"
    first = next(path for path in sorted(data.iterdir()) if path.is_dir())
    shutil.copytree(first, one / first.name)
    cold = sorted(_timed(one, folder / f"report_{k}") for k in range(repeats))
    flags = ["--pdf", "--dicom-sr", str(folder / "sr")]
    with_files = _timed(one, folder / "files", *flags)
    many = _timed(data, folder / "many")
    pages = [path.stat().st_size for path in (folder / "many" / "studies").glob("*.html")]
    count = len(pages)
    result = {
        "one_study_seconds": round(cold[len(cold) // 2], 2),
        "one_study_with_pdf_and_sr_seconds": round(with_files, 2),
        "studies": count,
        "seconds": round(many, 2),
        "seconds_per_study": round(many / count, 2),
        "largest_page_mb": round(max(pages) / 1e6, 2),
        "index_kb": round((folder / "many" / "index.html").stat().st_size / 1e3, 1),
    }
    table("lsdc grade, bundled model", ["what", "figure"], list(result.items()))
    return result


def _timed(data: Path, out: Path, *flags: str) -> float:
    command = [
        sys.executable,
        "-m",
        "lsdc",
        "grade",
        str(data),
        "--out",
        str(out),
        "--log-level",
        "error",
        *flags,
    ]
    start = time.perf_counter()
    subprocess.run(command, check=True)
    return time.perf_counter() - start


main = partial(run_program, Report, "report")

if __name__ == "__main__":
    sys.exit(main())
