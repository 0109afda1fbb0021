"""What runs the work of a call: the processes of this machine, or the workers of a Dask scheduler."""

from __future__ import annotations

import contextlib
import importlib.util
import re
from collections.abc import Callable, Generator, Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from lsdc.runtime.errors import ConfigError
from lsdc.runtime.paths import PathLike
from lsdc.runtime.remote import url_of

if TYPE_CHECKING:
    from lsdc.runtime.worker_pool import Outcome

T = TypeVar("T")
EngineName = Literal["local", "dask"]
"""`local`: processes of this machine; `dask`: the workers of a Dask scheduler."""
_ADDRESS = re.compile(
    r"inproc://[^\s@]+|(tcp|tls|ws|wss|ucx)://(\[[0-9a-fA-F:.]+\]|[^\s/@:\[\]]+):[0-9]{1,5}"
)


class Engine(Protocol):
    """Runs work elsewhere than in processes of this machine."""

    def outcomes(
        self, work: Callable[[T], Any], items: Sequence[T], seconds: Callable[[T], float] | None
    ) -> Generator[tuple[T, Outcome], None, None]:
        """Work on items, each once more where the process that worked on it died.

        Parameters
        ----------
        work : callable
            A function of one item.
        items : sequence
            What to work on; at least one.
        seconds : callable or None
            Item to the time that it may take; None does not limit it.

        Yields
        ------
        tuple
            An item and what became of it, in any order.
        """
        ...

    def slots(self) -> int:
        """Count the items that can be worked on at once.

        Returns
        -------
        int
            At least 1.
        """
        ...


_CHOSEN: ContextVar[Engine | None] = ContextVar("engine", default=None)


def chosen_engine() -> Engine | None:
    """Tell what runs the work.

    Returns
    -------
    Engine or None
        None stands for the processes of this machine.
    """
    return _CHOSEN.get()


def check_engine(engine: EngineName, scheduler: str | None, workers: int | None = None) -> None:
    """Refuse what cannot be run; call it before long work.

    Parameters
    ----------
    engine : {"local", "dask"}
        What is to run the work.
    scheduler : str or None
        Address of the Dask scheduler, such as `tcp://host:8786`.
    workers : int or None
        Number of processes of this machine that was asked for.

    Raises
    ------
    ConfigError
        When the engine is unknown, lacks its scheduler or its package, or is given what belongs to the other one.
    """
    if engine not in ("local", "dask"):
        raise ConfigError(f"engine must be 'local' or 'dask', not {engine!r}")
    if engine == "local":
        if scheduler is not None:
            raise ConfigError(
                "scheduler belongs to the engine 'dask'; give engine='dask' (--engine dask) too"
            )
        return
    if not scheduler:
        raise ConfigError(
            "the engine 'dask' needs the address of a scheduler: scheduler='tcp://host:8786' "
            "(--scheduler tcp://host:8786)"
        )
    if not _ADDRESS.fullmatch(scheduler):
        raise ConfigError(
            "scheduler must be an address such as 'tcp://host:8786' or 'tls://host:8786', with no password "
            "in it"
        )
    if workers is not None:
        raise ConfigError(
            "workers counts processes of this machine; with the engine 'dask', start as many Dask workers as you "
            "want, and leave it out"
        )
    if importlib.util.find_spec("distributed") is None:
        raise ConfigError(
            "the engine 'dask' needs a package; install it with `pip install 'lsdc-toolkit[cluster]'`"
        )


@contextlib.contextmanager
def working_on(
    engine: EngineName,
    scheduler: str | None = None,
    *,
    reads: Sequence[PathLike] = (),
    writes: Path | None = None,
    unused: Callable[[], object] | None = None,
) -> Iterator[None]:
    """Let an engine run all that is fanned out in the block.

    Parameters
    ----------
    engine : {"local", "dask"}
        What runs the work.
    scheduler : str, optional
        Address of the Dask scheduler.
    reads : sequence of path
        Files and folders that the work reads: workers that do not see them get none. Of URLs nothing is asked.
    writes : Path, optional
        The folder that the work writes to, which must be there: workers that do not see it get no work.
    unused : callable, optional
        Called where the block ends with an error before a worker was given anything to do, as when the scheduler
        cannot be reached or no worker comes: undoes what was begun for the work. By default nothing is.

    Yields
    ------
    None
        While the engine is chosen.

    Raises
    ------
    ConfigError
        As `check_engine` does, and when the scheduler cannot be reached.
    """
    check_engine(engine, scheduler)
    if engine == "local":
        yield
        return
    from lsdc.runtime.dask_engine import DaskEngine

    assert scheduler is not None
    chosen = DaskEngine(scheduler, [Path(one) for one in reads if url_of(one) is None], writes)
    try:
        with chosen:
            token = _CHOSEN.set(chosen)
            try:
                yield
            finally:
                _CHOSEN.reset(token)
    except BaseException:
        if unused is not None and not chosen.used:
            with contextlib.suppress(OSError):  # what ended the block is what counts
                unused()
        raise
