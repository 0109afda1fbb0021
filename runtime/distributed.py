"""Several processes on one job, as torchrun starts them; alone, this is process 0 of 1."""

from __future__ import annotations

import os
from datetime import timedelta

_PATIENCE = timedelta(days=30)
"""A process may wait for another's whole fold."""


def rank() -> int:
    """Tell which process this is.

    Returns
    -------
    int
        From 0 on; torchrun says it in the environment variable RANK.
    """
    return int(os.environ.get("RANK", "0"))


def world() -> int:
    """Count the processes that work on the job.

    Returns
    -------
    int
        At least 1; torchrun says it in the environment variable WORLD_SIZE.

    Examples
    --------
    >>> world()
    1
    """
    return int(os.environ.get("WORLD_SIZE", "1"))


def local_rank() -> int:
    """Tell which process on this machine this is, and so which of its GPUs it uses.

    Returns
    -------
    int
        From 0 on; torchrun says it in the environment variable LOCAL_RANK.
    """
    return int(os.environ.get("LOCAL_RANK", "0"))


def wait_for_all() -> None:
    """Wait until every process has come here."""
    if world() == 1:
        return
    import torch.distributed as distributed

    if not distributed.is_initialized():
        distributed.init_process_group("gloo", timeout=_PATIENCE)
    distributed.barrier()
