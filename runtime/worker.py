"""A process that works on one item at a time, as the parent sees it."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any, Generic, TypeVar

from lsdc.runtime.worker_process import serve

T = TypeVar("T")
_SECONDS_TO_END = 5.0
"""Idle workers have this time to end by themselves."""


class Worker(Generic[T]):
    """A process, and what it works on.

    Parameters
    ----------
    needs_main : bool
        Whether the work is of the program's main file, which the process then runs, too.
    preload : sequence of str
        Modules that the process imports before it knows its work; none by default.
    """

    def __init__(self, needs_main: bool, preload: Sequence[str] = ()) -> None:
        # Fresh interpreters: a fork of a process that has used threads (torch, OpenMP) can hang.
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        in_main = threading.current_thread() is threading.main_thread()
        self.process: BaseProcess = context.Process(
            target=serve, args=(theirs, os.getpid(), in_main, preload), daemon=True
        )
        with _without_interrupts(), contextlib.nullcontext() if needs_main else _without_main():
            self.process.start()
        theirs.close()
        self.ready = False
        self.item: T | None = None
        self.busy = 0.0
        self._sending: threading.Thread | None = None

    def begin(self, work: bytes, memory: int | None) -> None:
        """Tell the process what to do with items.

        Parameters
        ----------
        work : bytes
            The pickled function.
        memory : int or None
            Bytes that an item may take; None does not limit them.
        """
        # The process reads when it has started; this one starts others meanwhile.
        self._sending = threading.Thread(target=self._send, args=((work, memory),), daemon=True)
        self._sending.start()

    def _send(self, order: tuple[bytes, int | None]) -> None:
        """Send the function; that a process ends before is seen elsewhere."""
        with contextlib.suppress(OSError):
            self.connection.send(order)

    def give(self, item: T) -> bool:
        """Send an item.

        Parameters
        ----------
        item : object
            What to work on.

        Returns
        -------
        bool
            False where the process has ended meanwhile.
        """
        try:
            self.connection.send(item)
        except OSError:
            return False
        self.item, self.busy = item, 0.0
        return True

    def end(self, kindly: bool) -> None:
        """End the process.

        Parameters
        ----------
        kindly : bool
            Whether it is idle, and may end by itself; otherwise it is killed.
        """
        if not kindly or not self.ready:
            self.process.kill()
            self.process.join()
        if self._sending is not None:
            self._sending.join()  # else it may write to what takes the number of the closed connection
        if kindly:
            self.connection.close()
            self.process.join(_SECONDS_TO_END)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        if not kindly:
            self.connection.close()

    def how_it_ended(self) -> str:
        """Wait for the end of the process, and say how it came.

        Returns
        -------
        str
            The signal, or the exit code.
        """
        self.process.join()
        code = self.process.exitcode or 0
        if code < 0:
            with contextlib.suppress(ValueError):
                return f"signal {signal.Signals(-code).name}"
        return f"exit code {code}"


_waiting: list[Worker[Any]] = []
"""Processes that were started ahead, and wait for their work."""


def start_ahead(*modules: str) -> None:
    """Start a worker process before it is known what it is to do, so that it imports while this process does, too.

    The next pool takes it. It ends with this process at the latest.

    Parameters
    ----------
    *modules : str
        What the work will need.
    """
    if not multiprocessing.current_process().daemon:
        _waiting.append(Worker(needs_main=False, preload=modules))


def next_worker(needs_main: bool) -> Worker[Any]:
    """Take a process that was started ahead, or start one.

    Parameters
    ----------
    needs_main : bool
        Whether the work is of the program's main file, which the process then runs, too.

    Returns
    -------
    Worker
        It waits for its work.
    """
    return _waiting.pop() if _waiting and not needs_main else Worker(needs_main)


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """Start a process deaf to Ctrl-C, which would otherwise end it with a traceback while it still imports."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Start a process that does not run the program's main file again.

    Spawned processes do, for functions that are defined there. It costs time, it may start threads before they are
    limited, and a script that calls the toolkit outside of `if __name__ == "__main__":` would start itself anew.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
