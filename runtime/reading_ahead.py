"""Doing the next pieces of work in threads while this one is being used."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def read_ahead(jobs: Iterable[Callable[[], T]], depth: int = 1, threads: int = 1) -> Iterator[T]:
    """Run jobs in threads, ahead of what is asked for, so that reading holds up neither training nor a GPU.

    Parameters
    ----------
    jobs : iterable of callable
        Functions without arguments.
    depth : int
        How many results may wait; they are held in memory.
    threads : int
        How many jobs run at once.

    Yields
    ------
    object
        The result of each job, in their order; an error is raised where its result would have come.

    Examples
    --------
    >>> list(read_ahead([lambda: 1, lambda: 2]))
    [1, 2]
    """
    with ThreadPoolExecutor(threads) as pool:
        coming: deque[Future[T]] = deque()
        for job in jobs:
            coming.append(pool.submit(job))
            if len(coming) > depth:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()
