"""Fan-out over processes: results in order as they come, a problem instead of a crash."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from lsdc.runtime.console import track
from lsdc.runtime.errors import ConfigError, LsdcError

T = TypeVar("T")
R = TypeVar("R")


def default_workers() -> int:
    """Count the CPU cores that this process may use.

    Returns
    -------
    int
        At least 1.
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def begin_worker() -> None:
    """Prepare a worker process: one thread of numerical libraries, Ctrl-C left to the parent, no life without it."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)


def _end_with_parent() -> None:
    """Wait until the parent has died, also by a signal that it could not catch, and end this worker."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


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
        Words for the progress.
    workers : int, optional
        Processes; 1 runs in this one. Default: one per core.

    Yields
    ------
    tuple
        The item and its result. An exception in `work` propagates.

    Raises
    ------
    ConfigError
        When `workers` is below 1.
    LsdcError
        When a worker process was killed.
    """
    if workers is not None and workers < 1:
        raise ConfigError(f"workers must be at least 1, not {workers}")
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
        Words for the progress.
    workers : int, optional
        Processes; 1 runs in this one. Default: one per core.
    """
    for _ in fan_out(work, items, description, workers):
        pass


def _pooled(work: Callable[[T], R], items: Sequence[T], workers: int) -> Iterator[tuple[T, R]]:
    # Fresh interpreters: a fork of a process that has used threads (torch, OpenMP) can hang.
    context = multiprocessing.get_context("spawn")
    others = set(multiprocessing.active_children())
    with ProcessPoolExecutor(workers, mp_context=context, initializer=begin_worker) as pool:
        pending: dict[Future[R], T] = {}
        try:
            for item in items:
                pending[pool.submit(work, item)] = item
                if len(pending) < 2 * workers:
                    continue
                for done in wait(pending, return_when=FIRST_COMPLETED).done:
                    yield pending.pop(done), done.result()
            while pending:
                for done in wait(pending, return_when=FIRST_COMPLETED).done:
                    yield pending.pop(done), done.result()
        except BrokenProcessPool as error:
            raise LsdcError(
                "a worker process was killed, perhaps because memory ran out; run the same again, with fewer workers"
            ) from error
        except BaseException as error:
            if not isinstance(
                error, Exception
            ):  # stopped from outside: what workers have begun is done again
                for child in set(multiprocessing.active_children()) - others:
                    child.terminate()
            raise
        finally:
            pool.shutdown(cancel_futures=True)
