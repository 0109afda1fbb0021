"""What a Dask worker does with an item: it gives it to a process of its own, which may die or be ended."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing.reduction import ForkingPickler
from typing import Any

from lsdc.runtime.dask_papers import differences, versions_here
from lsdc.runtime.machine import share_of
from lsdc.runtime.worker import Worker
from lsdc.runtime.worker_pool import Died, Outcome, TookTooLong
from lsdc.runtime.worker_process import Answer

_TICK = 0.5
"""How often a worker looks whether an item is late or no longer wanted, seconds."""
_Kind = tuple[str, int | None]
"""Of a process: the run that it belongs to, and the bytes that an item may take."""
_IDLE_SECONDS = 60.0
"""A process that has had nothing to do for so long is ended: it holds memory."""


@dataclass(frozen=True)
class Order:
    """An item to work on, as it travels.

    Parameters
    ----------
    work : bytes
        The pickled function.
    item : bytes
        The pickled item.
    seconds : float or None
        The time that it may take; None limits neither time nor memory.
    run : str
        Names the run that it is of.
    folder : str
        The client's working directory.
    versions : tuple of (str, str)
        What `versions_here` must give.
    """

    work: bytes
    item: bytes
    seconds: float | None
    run: str
    folder: str
    versions: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Refused:
    """The worker may not work on the item.

    Parameters
    ----------
    worker : str
        Its address.
    reason : str
        Why.
    """

    worker: str
    reason: str


def work_on(order: Order) -> Outcome | Refused:
    """Work on an item in a process of its own; runs on a Dask worker, in any of its threads.

    Parameters
    ----------
    order : Order
        The item.

    Returns
    -------
    Answer, Died, TookTooLong or Refused
        What became of it.
    """
    from distributed import get_worker

    here = get_worker()
    different = differences(order.versions, versions_here())
    if different:  # it was another process at this address that showed its papers
        return Refused(here.address, different)
    limit = here.memory_manager.memory_limit
    memory = None if order.seconds is None or not limit else share_of(limit, here.state.nthreads)
    process = _PROCESSES.take((order.run, memory))
    if process.give((order.folder, order.work, order.item)):
        outcome = _outcome(process, order.seconds)
    else:
        outcome = Died(process.how_it_ended())
    if isinstance(outcome, Answer) and not isinstance(outcome.error, MemoryError):
        _PROCESSES.put(process, (order.run, memory))
    else:
        process.end(kindly=False)
    return outcome


def _outcome(process: Worker[Any], seconds: float | None) -> Outcome:
    """Wait for what a process says; end it where it is late, or where nobody wants to know any more."""
    begun = time.monotonic()
    while not process.connection.poll(_TICK):
        if seconds is not None and time.monotonic() - begun > seconds:
            return TookTooLong(seconds)
        if not _is_wanted():
            return Died("it was no longer wanted")
    try:
        answer = process.connection.recv()
    except (EOFError, OSError):
        return Died(process.how_it_ended())
    process.item = None
    assert isinstance(answer, Answer)
    return answer


def _is_wanted() -> bool:
    """Tell whether the scheduler still waits for the task that this thread works on."""
    from distributed import Status, get_worker

    here = get_worker()
    task = here.state.tasks.get(here.get_current_task())
    return here.status in (Status.running, Status.paused) and task is not None and task.state != "cancelled"


class _Processes:
    """The processes of a Dask worker: one for each item at work, kept for a while for the next item of the same run.

    Another run gets others: what a process has read, and remembers by its path, may have been replaced meanwhile.
    """

    def __init__(self) -> None:
        self._idle: dict[Worker[Any], tuple[_Kind, threading.Timer]] = {}
        self._lock = threading.Lock()

    def take(self, kind: _Kind) -> Worker[Any]:
        """Take an idle process, or start one; those of other runs end."""
        with self._lock:
            others = [one for one, (what, _) in self._idle.items() if what[0] != kind[0]]
            for process in others:
                self._idle.pop(process)[1].cancel()
            fitting = [one for one, (what, _) in self._idle.items() if what == kind]
            if fitting:
                self._idle.pop(fitting[0])[1].cancel()
            else:
                # Dask's nannies forbid their workers to have children, which their own end would leave behind.
                # Ours end with their parent, however that ends.
                multiprocessing.current_process().daemon = False
                fitting = [Worker(needs_main=False)]
        for process in others:
            process.end(kindly=True)
        if not fitting[0].ready:
            fitting[0].begin(bytes(ForkingPickler.dumps(_run)), kind[1])
            fitting[0].connection.recv()  # that it is ready
            fitting[0].ready = True
        return fitting[0]

    def put(self, process: Worker[Any], kind: _Kind) -> None:
        """Keep a process for the next item."""
        timer = threading.Timer(_IDLE_SECONDS, self._end_idle, (process,))
        timer.daemon = True
        with self._lock:
            self._idle[process] = kind, timer
            timer.start()

    def _end_idle(self, process: Worker[Any]) -> None:
        """End a process that nobody has taken."""
        with self._lock:
            if self._idle.pop(process, None) is None:
                return
        process.end(kindly=True)


_PROCESSES = _Processes()


def _run(order: tuple[str, bytes, bytes]) -> Any:
    """Work on an item; runs in the process."""
    folder, work, item = order
    if os.path.isdir(folder):  # noqa: PTH112 - relative paths mean what they mean to the client
        os.chdir(folder)
    return _loaded(work)(ForkingPickler.loads(item))


@lru_cache(maxsize=1)
def _loaded(work: bytes) -> Any:
    """Read the function, once for all its items."""
    return ForkingPickler.loads(work)
