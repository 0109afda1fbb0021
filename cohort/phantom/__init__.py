"""The simulated cohort: patients as tissue volumes, imaged by spin echo physics."""

from __future__ import annotations

from pathlib import Path

__all__ = ["make"]


def make(
    out: Path, studies: int, seed: int = 0, test_fraction: float = 0.0, workers: int | None = None
) -> None:
    """Simulate a cohort in the competition's layout; see `lsdc.cohort.phantom.writer.make`."""
    from lsdc.cohort.phantom.writer import make as write

    write(out, studies, seed, test_fraction, workers)
