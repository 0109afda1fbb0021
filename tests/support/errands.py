"""Functions that a Dask worker of a test can import: its PYTHONPATH holds this folder's parent."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path


def square(number: int) -> int:
    return number * number


def misbehave(item: str) -> str:
    """Do what the item says."""
    if item == "raise":
        raise ZeroDivisionError("a name that must not be told")
    if item == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if item == "hang":
        time.sleep(600)
    if item == "file":
        raise FileNotFoundError(2, "No such file or directory", "/a/path")
    return item


def threads(_: int) -> list[int]:
    """Count the threads of the numerical libraries."""
    import numpy as np
    from threadpoolctl import threadpool_info

    assert np.ones(2).sum() == 2
    return [library["num_threads"] for library in threadpool_info()]


def process(_: int) -> int:
    return os.getpid()


def plod(mark: Path) -> str:
    """Say which worker it was; one that is said to be slow takes its time."""
    mark.write_text(os.environ.get("SLOW", "quick"))
    if "SLOW" in os.environ:
        time.sleep(2.5)
    return mark.name


def hold(mark: Path) -> str:
    """Say which worker has begun, and take a while: at once where `quick` lies beside the mark."""
    mark.write_text(f"{os.getppid()} {os.getpid()}")
    end = time.monotonic() + 60
    while not (mark.parent / "quick").exists() and time.monotonic() < end:
        time.sleep(0.05)
    return mark.name
