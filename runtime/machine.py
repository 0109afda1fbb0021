"""What the machine has: cores and memory."""

from __future__ import annotations

import os
from pathlib import Path

_LEAST_SHARE = 2 * 2**30
"""Bytes that a worker may always have: networks and a usual study take less."""
_USABLE = 0.75
"""Part of the memory that workers share; the rest is for the parent and the system."""
_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def default_workers() -> int:
    """Count the CPU cores that this process may use.

    Returns
    -------
    int
        At least 1.
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_share(workers: int) -> int | None:
    """Tell how much memory each of some workers may take, so that together they do not exhaust the machine.

    Parameters
    ----------
    workers : int
        Processes that work at once.

    Returns
    -------
    int or None
        Bytes, at least 2 GiB; None where the machine does not tell how much it has.
    """
    found = _memory()
    return None if found is None else share_of(found, workers)


def share_of(total: int, workers: int) -> int:
    """Tell how much of some memory each of the workers that share it may take.

    Parameters
    ----------
    total : int
        Bytes.
    workers : int
        Processes that work at once.

    Returns
    -------
    int
        Bytes, at least 2 GiB.

    Examples
    --------
    >>> share_of(64 << 30, 4) >> 30
    12
    """
    return max(_LEAST_SHARE, int(_USABLE * total) // workers)


def _memory() -> int | None:
    """Find the bytes that the machine, or the container, has."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
    for name in _CGROUP_LIMITS:
        try:
            text = Path(name).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdigit():
            total = min(total, int(text))
    return total
