"""What runs in a worker process: one item after the other, on one thread, within a limit of memory."""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from types import TracebackType
from typing import Any

from lsdc.runtime.errors import LsdcError

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_DEATH_OF_PARENT = 1
"""PR_SET_PDEATHSIG of Linux's prctl."""


@dataclass(frozen=True)
class Ready:
    """Says that a worker has started and takes items."""


@dataclass(frozen=True)
class Answer:
    """What became of an item.

    Parameters
    ----------
    result : object
        What the work returned.
    error : Exception or None
        What it raised instead.
    kind : str
        The error's class.
    place : str
        Where it was raised: a module and a line.
    """

    result: Any = None
    error: Exception | None = None
    kind: str = ""
    place: str = ""


def begin_worker() -> None:
    """Prepare a worker process: one thread of numerical libraries, Ctrl-C left to the parent, no life without it."""
    for name in THREAD_VARIABLES:
        os.environ[name] = "1"
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)


@contextlib.contextmanager
def on_one_thread() -> Iterator[None]:
    """Keep numerical libraries to one thread, so that this process computes what a worker would, to the last bit.

    Yields
    ------
    None
        While they are.
    """
    from threadpoolctl import threadpool_limits

    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    torch = sys.modules.get("torch")
    threads = None if torch is None else torch.get_num_threads()
    with threadpool_limits(1):
        os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))  # for what is first imported in the block
        if torch is not None:
            torch.set_num_threads(1)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
            if torch is not None:
                torch.set_num_threads(threads)


def serve(connection: Connection, parent: int, dies_with_thread: bool, preload: Sequence[str]) -> None:
    """Receive the work and its limit of memory, then items, and answer each; the target of a worker process.

    Parameters
    ----------
    connection : Connection
        To the parent.
    parent : int
        Process id of the parent.
    dies_with_thread : bool
        Whether the thread that started this process lives as long as the parent does.
    preload : sequence of str
        Modules to import before the work is received.
    """
    if dies_with_thread:
        _die_with(parent)
    begin_worker()
    try:
        for module in preload:
            importlib.import_module(module)
        content, memory = connection.recv()
        work = ForkingPickler.loads(content)
        _limit_memory(memory)
    except (EOFError, OSError):
        return  # the parent has gone on without this worker
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent raises it
        _send(connection, answer_to(error))
        return
    try:
        connection.send(Ready())
    except OSError:
        return  # the parent has done without it, or has ended
    while True:
        try:
            item = connection.recv()
        except (EOFError, OSError):
            # Taking down an interpreter that holds torch takes a second, for which the parent would wait.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(0)
        try:
            answer = Answer(work(item))
        except Exception as error:  # noqa: BLE001 - the parent decides what an error means
            answer = answer_to(error)
        _send(connection, answer)


def answer_to(error: Exception) -> Answer:
    """Tell of an error by its kind and its place, which quote no value that was worked on.

    Parameters
    ----------
    error : Exception
        What the work raised.

    Returns
    -------
    Answer
        With the error itself.
    """
    return Answer(error=error, kind=type(error).__name__, place=_place_of(error.__traceback__))


def _place_of(trace: TracebackType | None) -> str:
    """Find the innermost line of the toolkit that an error came through, or, without any, the innermost of all."""
    place = innermost = ""
    for frame, line in traceback.walk_tb(trace):
        module = str(frame.f_globals.get("__name__", "?"))
        innermost = f"{module}, line {line}"
        if module.startswith("lsdc.") and not module.startswith("lsdc.runtime."):
            place = innermost
    return place or innermost


def _travelling(answer: Answer) -> Answer:
    """Give an answer's error the form in which it reaches the parent."""
    error = answer.error
    assert error is not None
    note = "".join(["in a worker process:\n", *traceback.format_exception(error)]).rstrip()
    try:
        ForkingPickler.loads(ForkingPickler.dumps(error))
    except Exception:  # noqa: BLE001 - errors of other packages may not survive the way
        error = LsdcError(f"{answer.kind}: {error}")
    error.add_note(note)
    return replace(answer, error=error)


def _send(connection: Connection, answer: Answer) -> None:
    """Send an answer, or why it cannot be sent."""
    try:
        content = ForkingPickler.dumps(answer if answer.error is None else _travelling(answer))
    except Exception as error:  # noqa: BLE001 - pickling runs code of the result's class
        content = ForkingPickler.dumps(_travelling(answer_to(error)))
    with contextlib.suppress(BrokenPipeError):  # the parent has ended, and so does this process
        connection.send_bytes(content)


def _end_with_parent() -> None:
    """Wait until the parent has died, also by a signal that it could not catch, and end this worker."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _die_with(parent: int) -> None:
    """Let Linux end this process with its parent: a library that never gives back control stops no signal."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(_DEATH_OF_PARENT, int(signal.SIGKILL))
    if os.getppid() != parent:
        os._exit(1)


def _limit_memory(share: int | None) -> None:
    """Let allocations beyond what this process has, and the share, fail: an error of one item, not the machine's."""
    if share is None:
        return
    try:
        import resource
    except ImportError:  # Windows
        return
    status = Path("/proc/self/statm")
    taken = int(status.read_text().split()[5]) * resource.getpagesize() if status.is_file() else 0
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = taken + share
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (wanted, hard))
