"""Fan-out over processes: results in order as they come, a problem instead of a crash."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from typing import TypeVar

from lsdc.runtime.console import track

T = TypeVar("T")
R = TypeVar("R")


def default_workers() -> int:
    """The number of CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _one_thread() -> None:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)


def fan_out(
    work: Callable[[T], R], items: Sequence[T], description: str, workers: int | None = None
) -> Iterator[tuple[T, R]]:
    """Apply `work` to every item on several processes; yield (item, result) as they finish, in any order.

    Parameters
    ----------
    work : callable
        A module-level function (it is sent to the workers).
    items : sequence
        What to work on.
    description : str
        Words for the progress bar.
    workers : int, optional
        Processes; 1 runs in this one. Default: one per core.

    Yields
    ------
    tuple
        The item and its result. An exception in `work` propagates.
    """
    workers = min(workers or default_workers(), len(items))
    if workers <= 1:
        for item in track(items, description):
            yield item, work(item)
        return
    yield from track(_pooled(work, items, workers), description, len(items))


def for_each(
    work: Callable[[T], object], items: Sequence[T], description: str, workers: int | None = None
) -> None:
    """Apply `work` to every item on several processes, for what it does and not for what it returns.

    Parameters
    ----------
    work : callable
        A module-level function (it is sent to the workers).
    items : sequence
        What to work on.
    description : str
        Words for the progress line.
    workers : int, optional
        Processes; 1 runs in this one. Default: one per core.
    """
    for _ in fan_out(work, items, description, workers):
        pass


def _pooled(work: Callable[[T], R], items: Sequence[T], workers: int) -> Iterator[tuple[T, R]]:
    queue = iter(items)
    # Fresh interpreters: a fork of a process that has used threads (torch, OpenMP) can hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_one_thread) as pool:
        pending: dict[Future[R], T] = {}
        try:
            for item in queue:
                pending[pool.submit(work, item)] = item
                if len(pending) < 2 * workers:
                    continue
                for done in wait(pending, return_when=FIRST_COMPLETED).done:
                    yield pending.pop(done), done.result()
            while pending:
                for done in wait(pending, return_when=FIRST_COMPLETED).done:
                    yield pending.pop(done), done.result()
        finally:
            pool.shutdown(cancel_futures=True)
