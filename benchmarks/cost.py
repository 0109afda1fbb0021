"""What many studies take: cores, hours, bytes and money, worked out from what was measured on a few.

    python benchmarks/cost.py --core-seconds .6       # what benchmarks/extract.py printed, times the number of cores

The prices are examples: what a large cloud lists in one region for a virtual core on demand, for object storage and
for requests. Put in your own.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lsdc.features.array_files import ArrayFiles
from lsdc.features.store_settings import DEFAULT
from lsdc.runtime.commands import Reporting, run_program
from lsdc.runtime.console import table

IMAGES = 75
"""Slices of a mean study of the competition: 147,218 images of 1,975 studies."""


@dataclass(frozen=True)
class Cost:
    """Work out what extraction takes.

    Examples
    --------
        python benchmarks/cost.py --core-seconds .7 --core-hour .02
    """

    core_seconds: float
    """seconds of one core for a study of the size of the mean one"""
    image_kilobytes: float = 300.0
    """size of a DICOM file"""
    embedding_numbers: int = 1104
    """numbers of an embedding, in all views"""
    cores: tuple[int, ...] = (2, 64, 1024)
    """numbers of cores to share the work"""
    core_hour: float = 0.045
    """price of a core for an hour, dollars"""
    gigabyte_month: float = 0.023
    """price of a gigabyte of object storage for a month, dollars"""
    thousand_requests: float = 0.0004
    """price of a thousand reading requests, dollars"""
    reporting: Reporting = Reporting()

    def run(self) -> list[dict[str, Any]]:
        """Print a table, and give its rows."""
        rows = [self.work_out(studies) for studies in (1975, 100_000, 10_000_000)]
        table("extraction of many studies", list(rows[0]), [list(row.values()) for row in rows])
        return rows

    def work_out(self, studies: int) -> dict[str, Any]:
        """Multiply."""
        hours = studies * self.core_seconds / 3600
        data = studies * IMAGES * self.image_kilobytes / 1e6
        arrays = ArrayFiles(Path(), 1, DEFAULT.sizes)
        store = studies * (arrays.n_bytes + 25 * 4 * self.embedding_numbers) / 1e9
        return {
            "studies": f"{studies:,}",
            "core hours": f"{hours:,.1f}",
            **{f"hours on {count} cores": f"{hours / count:,.1f}" for count in self.cores},
            "DICOM, GB": f"{data:,.0f}",
            "store, GB": f"{store:,.0f}",
            "cores, $": f"{hours * self.core_hour:,.2f}",
            "requests, $": f"{studies * IMAGES / 1000 * self.thousand_requests:,.2f}",
            "store, $ a month": f"{store * self.gigabyte_month:,.2f}",
        }


main = partial(run_program, Cost, "cost")

if __name__ == "__main__":
    sys.exit(main())
