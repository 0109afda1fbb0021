"""The connection to a Dask scheduler, which may come and go as its workers may; patience with both is limited."""

from __future__ import annotations

import contextlib
import logging
import time
from typing import Any

from lsdc.runtime.console import say
from lsdc.runtime.dask_vetting import Vetting, listed
from lsdc.runtime.errors import ConfigError, LsdcError

TICK = 0.5
"""How often workers are looked after, seconds."""
_LOGGERS = ("distributed", "distributed.client")
RESUMES = "run the same command, which resumes"
"""What to do after any end."""
_CONNECT = 10.0
"""A scheduler must answer within so many seconds."""
_PATIENCE = 300.0
"""A run waits so long for a scheduler that has gone, or for a first worker, seconds."""
_QUIET = 3.0
"""A shorter wait is not worth a word."""
_GRACE = 20.0
"""Where all workers that are there had to be refused, others may come for so many seconds."""


class Connection:
    """A client of a scheduler, and the workers that may work.

    Parameters
    ----------
    scheduler : str
        Its address, such as `tcp://host:8786`.
    vetting : Vetting
        Decides which workers may work.
    """

    def __init__(self, scheduler: str, vetting: Vetting) -> None:
        self.scheduler, self.vetting = scheduler, vetting
        self._client: Any = None
        self._levels: dict[str, int] = {}
        self._without_since: float | None = None
        self._said = ""
        self._looked = 0.0

    def open(self) -> None:
        """Connect for the first time.

        Raises
        ------
        ConfigError
            When no scheduler answers at the address.
        """
        import distributed  # noqa: F401 - it sets the levels of its loggers

        self._levels = {name: logging.getLogger(name).level for name in _LOGGERS}
        for name in _LOGGERS:
            logging.getLogger(name).setLevel(logging.CRITICAL)  # what is to be said is said here
        try:
            self._client = self._connected()
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"scheduler: no Dask scheduler answers at {self.scheduler} ({error}); start one with `dask scheduler`"
            ) from error

    def close(self) -> None:
        """Close the connection, also where nobody answers any more."""
        if self._client is not None:
            with contextlib.suppress(Exception):
                self._client.close(timeout=2)
        for name, level in self._levels.items():
            logging.getLogger(name).setLevel(level)

    def submit(self, work: Any, order: Any) -> Any:
        """Give an order to whichever of the workers that may work is free.

        Parameters
        ----------
        work : callable
            What the worker does with it.
        order : object
            What it is to work on.

        Returns
        -------
        distributed.Future or None
            None where the connection has just been lost.
        """
        workers = list(self.vetting.fit)
        try:
            return self._client.submit(work, order, workers=workers, allow_other_workers=False, pure=False)
        except Exception:  # noqa: BLE001 - a client that has just been closed says so in several ways
            return None

    def cancel(self, futures: list[Any]) -> None:
        """Let nobody work on something any longer.

        Parameters
        ----------
        futures : list of distributed.Future
            What was submitted.
        """
        with contextlib.suppress(Exception):
            self._client.cancel(futures, force=True)

    def slots(self) -> int:
        """Count the threads of the workers that may work, once there are any.

        Returns
        -------
        int
            At least 1.

        Raises
        ------
        LsdcError
            As `workers` does.
        """
        end = time.monotonic() + _CONNECT
        while not (fit := self.workers()) or (self.vetting.undecided and time.monotonic() < end):
            time.sleep(TICK / 5)
        return sum(fit.values())

    def workers(self) -> dict[str, int]:
        """Give the workers that may work.

        Returns
        -------
        dict of str to int
            Their threads by address; none, after a short wait, while there are none.

        Raises
        ------
        LsdcError
            When there have been none for too long.
        """
        away = self._look()
        fit = dict(self.vetting.fit)
        refused = self.vetting.refused
        if fit and not away:
            self._without_since, self._said = None, ""
        elif away:
            self._wait(f"the Dask scheduler is away ({away})", "start it and its workers again")
        elif self.vetting.undecided:
            self._wait("no Dask worker has answered yet", "see whether they are busy, or start others")
        elif refused:
            remedy = "give workers the same installation and the same files"
            self._wait(f"no Dask worker may work; {listed(refused)}", remedy, _GRACE)
        else:
            self._wait("no Dask worker is there", f"start some: `dask worker {self.scheduler}`")
        return {} if away else fit

    def _connected(self) -> Any:
        """Connect a new client."""
        from distributed import Client

        return Client(self.scheduler, timeout=_CONNECT, set_as_default=False)

    def _look(self) -> str:
        """Look after the scheduler and its workers, from time to time; say why the scheduler is away, if it is."""
        now = time.monotonic()
        if self._client.status == "running" and now - self._looked < TICK and self.vetting.fit:
            return ""
        self._looked = now
        try:
            if self._client.status != "running":
                self.vetting.forget()  # its workers end with a scheduler, and another one begins with others
            if self._client.status == "closed":
                self._client = self._connected()
            if self._client.status != "running":
                return "the connection is lost"
            self.vetting.update(self._client)
        except (OSError, ValueError, RuntimeError) as error:
            return str(error) or type(error).__name__
        return ""

    def _wait(self, what: str, remedy: str, patience: float | None = None) -> None:
        """Wait a tick, or give up."""
        now, patience = time.monotonic(), _PATIENCE if patience is None else patience
        self._without_since = self._without_since or now
        waited = now - self._without_since
        kind = what.partition(" (")[0]
        if waited > patience:
            raise LsdcError(f"{self.scheduler}: {what}, for {waited:.0f} s; {remedy}, then {RESUMES}")
        if waited > _QUIET and kind != self._said:
            self._said = kind
            say(f"{self.scheduler}: {what}; waiting up to {patience:.0f} s")
        time.sleep(TICK / 5)
