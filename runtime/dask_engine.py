"""Fan-out over the workers of a Dask scheduler; what Dask loses on the way is given out again."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections import Counter, deque
from collections.abc import Callable, Generator, Sequence
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any, Self, TypeVar

from lsdc.runtime.dask_connection import RESUMES, TICK, Connection
from lsdc.runtime.dask_papers import versions_here
from lsdc.runtime.dask_vetting import Vetting
from lsdc.runtime.dask_worker import Order, Refused, work_on
from lsdc.runtime.errors import LsdcError
from lsdc.runtime.worker_pool import Died, Outcome

T = TypeVar("T")
_SECONDS_TO_FETCH = 300.0
"""A result that has not arrived after so long is lost."""
_LOSSES = 20
"""A result may get lost so often, with its scheduler or on its way."""
_AHEAD = 2
"""Items that are given out for each thread of a worker: one at work, one that waits."""


class DaskEngine:
    """Runs items on the workers of a Dask scheduler; a context manager.

    Parameters
    ----------
    scheduler : str
        Its address, such as `tcp://host:8786`.
    reads : sequence of Path
        Files and folders that the work reads.
    writes : Path or None
        The folder that it writes to.
    """

    def __init__(self, scheduler: str, reads: Sequence[Path], writes: Path | None) -> None:
        self._run = uuid.uuid4().hex
        # Its name is one of those that a run which finds them removes.
        name = f".cluster-{self._run}.{os.getpid()}.part"
        self._token = None if writes is None else writes.absolute() / name
        self._vetting = Vetting([path.absolute() for path in reads], self._token, self._run)
        self._connection = Connection(scheduler, self._vetting)
        self._used = False

    @property
    def used(self) -> bool:
        """Whether a worker was given anything to do."""
        return self._used

    def __enter__(self) -> Self:
        """Connect to the scheduler, and write what workers must be able to read.

        Returns
        -------
        DaskEngine
            Itself.

        Raises
        ------
        ConfigError
            When no scheduler answers at the address.
        OSError
            When the folder cannot be written to.
        """
        if self._token is not None:
            self._token.write_text(self._run, encoding="ascii")
        try:
            self._connection.open()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing behind."""
        if self._token is not None:
            self._token.unlink(missing_ok=True)
        self._connection.close()

    def outcomes(
        self, work: Callable[[T], Any], items: Sequence[T], seconds: Callable[[T], float] | None
    ) -> Generator[tuple[T, Outcome], None, None]:
        """Work on items, each once more where the process that worked on it died.

        Parameters
        ----------
        work : callable
            A function of one item; of a module that workers can import, or of the main program.
        items : sequence
            What to work on; at least one.
        seconds : callable or None
            Item to the time that it may take; None does not limit it.

        Yields
        ------
        tuple
            An item and what became of it, in any order.

        Raises
        ------
        LsdcError
            When no worker may work, or the scheduler stays away.
        """
        import cloudpickle

        content = cloudpickle.dumps(work)
        todo, deaths, losses = deque(range(len(items))), Counter[int](), Counter[int]()
        flying: dict[Any, tuple[int, frozenset[str]]] = {}
        try:
            while todo or flying:
                fit = self._connection.workers()
                # Where there is nobody, what was given out may still be heard of.
                lost = [one for one, (_, asked) in flying.items() if fit and not asked & fit.keys()]
                self._connection.cancel(lost)
                lost += [one for one in flying if one not in lost and _is_lost(one)]
                todo.extend(flying.pop(future)[0] for future in lost)
                while todo and len(flying) < _AHEAD * sum(fit.values()):
                    future = self._connection.submit(work_on, self._order(content, items[todo[0]], seconds))
                    if future is None:
                        break
                    self._used = True
                    flying[future] = todo.popleft(), frozenset(fit)
                for future in _finished(flying):
                    index, _ = flying.pop(future)
                    outcome = self._outcome(future)
                    deaths[index] += isinstance(outcome, Died)
                    losses[index] += outcome is None
                    if losses[index] > _LOSSES:
                        raise LsdcError(f"results of Dask workers are lost again and again; {RESUMES}")
                    if outcome is None or (isinstance(outcome, Died) and deaths[index] < 2):
                        todo.append(index)
                    else:
                        yield items[index], outcome
        finally:
            self._connection.cancel(list(flying))

    def slots(self) -> int:
        """Count the threads of the workers that may work, once there are any.

        Returns
        -------
        int
            At least 1.

        Raises
        ------
        LsdcError
            When no worker may work, or the scheduler stays away.
        """
        return self._connection.slots()

    def _order(self, work: bytes, item: Any, seconds: Callable[[Any], float] | None) -> Order:
        """Write down what a worker is to do."""
        limit = None if seconds is None else seconds(item)
        return Order(
            work, bytes(ForkingPickler.dumps(item)), limit, self._run, str(Path.cwd()), versions_here()
        )

    def _outcome(self, future: Any) -> Outcome | None:
        """Take what became of an item; None where it is to be given out again."""
        from distributed import KilledWorker

        try:
            if future.status == "error":
                error = future.exception(timeout=_SECONDS_TO_FETCH)
                if isinstance(error, KilledWorker):
                    return Died(f"with {error.allowed_failures + 1} Dask workers")
                return Died(f"{type(error).__name__} in its Dask worker")
            found = future.result(timeout=_SECONDS_TO_FETCH)
        except Exception:  # noqa: BLE001 - a lost connection has many names
            return None
        if isinstance(found, Refused):
            self._vetting.refuse(found.worker, f"it has {found.reason}")
            return None
        outcome: Outcome = found
        return outcome


def _is_lost(future: Any) -> bool:
    """Tell whether a scheduler knows nothing more of a task."""
    return future.status in ("cancelled", "lost")


def _finished(flying: dict[Any, Any]) -> list[Any]:
    """Wait a tick for tasks, and list those that are finished."""
    from distributed import wait

    if flying:
        with contextlib.suppress(Exception):  # none is finished, or one was lost
            wait(list(flying), timeout=TICK, return_when="FIRST_COMPLETED")
    return [future for future in flying if future.status in ("finished", "error")]
