"""Several processes on one job, as torchrun starts them; alone, this is process 0 of 1."""

from __future__ import annotations

import os
from datetime import timedelta

_PATIENCE = timedelta(days=30)
"""A process may wait for another's whole fold."""


def rank() -> int:
    """Which process this is."""
    return int(os.environ.get("RANK", "0"))


def world() -> int:
    """How many there are.

    >>> world()
    1
    """
    return int(os.environ.get("WORLD_SIZE", "1"))


def local_rank() -> int:
    """Which process on this machine, and so which of its GPUs."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def wait_for_all() -> None:
    """Return when every process has come here."""
    if world() == 1:
        return
    import torch.distributed as distributed

    if not distributed.is_initialized():
        distributed.init_process_group("gloo", timeout=_PATIENCE)
    distributed.barrier()
