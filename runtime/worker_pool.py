"""Processes that work on items, one each at a time: one that dies or hangs costs its item, and is replaced.

`concurrent.futures` gives up the whole pool when a process dies, does not say on what it worked, and cannot end one
that hangs; hence a pool of its own.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.reduction import ForkingPickler
from typing import Any, Generic, TypeVar

from lsdc.runtime.errors import LsdcError
from lsdc.runtime.worker import Worker, next_worker
from lsdc.runtime.worker_process import Answer, Ready

T = TypeVar("T")
_TICK = 0.5
"""The parent looks up at least this often, seconds: a signal that reached another of its threads waits for that."""
_STARTS = 3
"""So many workers in a row may end before they have begun."""


@dataclass(frozen=True)
class Died:
    """A process ended while it worked on an item.

    Parameters
    ----------
    how : str
        By which signal or with which code.
    """

    how: str


@dataclass(frozen=True)
class TookTooLong:
    """A process was ended, because it worked on an item for too long.

    Parameters
    ----------
    seconds : float
        The time that it had.
    """

    seconds: float


Outcome = Answer | Died | TookTooLong


class WorkerPool(Generic[T]):
    """Applies a function to items on several processes.

    Parameters
    ----------
    work : callable
        A module-level function of one item.
    workers : int
        Processes.
    memory : int or None
        Bytes that an item may take.
    seconds : callable or None
        Item to the time that it may take; None does not limit it.
    """

    def __init__(
        self,
        work: Callable[[T], Any],
        workers: int,
        memory: int | None = None,
        seconds: Callable[[T], float] | None = None,
    ) -> None:
        self._work = bytes(ForkingPickler.dumps(work))
        self._size, self._memory, self._seconds = workers, memory, seconds
        self._workers: list[Worker[T]] = []
        self._needs_main = b"__main__" in self._work
        self._failed_starts = 0

    def outcomes(self, items: Sequence[T]) -> Iterator[tuple[T, Outcome]]:
        """Work on items.

        Parameters
        ----------
        items : sequence
            What to work on; at least one.

        Yields
        ------
        tuple
            An item and what became of it, in any order.

        Raises
        ------
        LsdcError
            When no worker can be started.
        """
        todo = deque(items)
        self._needs_main = self._needs_main or b"__main__" in bytes(ForkingPickler.dumps(todo[0]))
        finished = False
        try:
            while todo or any(worker.item is not None for worker in self._workers):
                self._deal(todo)
                yield from self._heard(todo)
            finished = True
        finally:
            for worker in self._workers:
                worker.end(kindly=finished)
            self._workers.clear()

    def _deal(self, todo: deque[T]) -> None:
        """Give items to idle workers, and start as many workers as there is work for."""
        for worker in [one for one in self._workers if one.ready and one.item is None]:
            if todo and not worker.give(todo[0]):
                self._drop(worker)
            elif todo:
                todo.popleft()
        starting = sum(not worker.ready for worker in self._workers)
        for _ in range(min(self._size - len(self._workers), len(todo) - starting)):
            started = next_worker(self._needs_main)
            started.begin(self._work, self._memory)
            self._workers.append(started)

    def _heard(self, todo: deque[T]) -> Iterator[tuple[T, Outcome]]:
        """Wait for a while for what workers say, and look whether one is dead or late."""
        begun = time.monotonic()
        by_connection: dict[Any, Worker[T]] = {worker.connection: worker for worker in self._workers}
        heard = wait(list(by_connection), self._patience())
        # A process that was stopped (Ctrl-Z, a debugger) stopped its workers too: that time does not count.
        passed = min(time.monotonic() - begun, 4 * _TICK)
        for worker in self._workers:
            worker.busy += passed
        for connection in heard:
            yield from self._received(by_connection[connection])
        for worker in [one for one in self._workers if one.item is not None and self._seconds is not None]:
            assert self._seconds is not None and worker.item is not None
            limit = self._seconds(worker.item)
            if worker.busy > limit:
                item = worker.item
                self._drop(worker)
                yield item, TookTooLong(limit)

    def _patience(self) -> float:
        """Seconds until the next worker is late, at most a tick."""
        if self._seconds is None:
            return _TICK
        left = [self._seconds(one.item) - one.busy for one in self._workers if one.item is not None]
        return max(0.01, min([_TICK, *left]))

    def _received(self, worker: Worker[T]) -> Iterator[tuple[T, Outcome]]:
        """Take what a worker says, or notice that it says nothing any more."""
        try:
            answer = worker.connection.recv()
        except (EOFError, OSError):
            item, how = worker.item, worker.how_it_ended()
            self._drop(worker)
            if item is not None:
                yield item, Died(how)
            elif not worker.ready:
                self._note_failed_start(how)
            return
        if isinstance(answer, Ready):
            worker.ready, self._failed_starts = True, 0
        elif not worker.ready:
            raise answer.error
        else:
            item, worker.item = worker.item, None
            assert item is not None
            if isinstance(answer.error, MemoryError):
                self._drop(worker)  # what the item left behind is given back with the process
            yield item, answer

    def _drop(self, worker: Worker[T]) -> None:
        worker.end(kindly=False)
        self._workers.remove(worker)

    def _note_failed_start(self, how: str) -> None:
        self._failed_starts += 1
        if self._failed_starts >= _STARTS:
            raise LsdcError(
                f"worker processes end before they begin ({how}); a program that gives functions of its own calls the "
                "toolkit below `if __name__ == '__main__':`"
            )
