"""Which workers of a Dask scheduler may work: those that have the same versions, and see the same files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lsdc.runtime.console import warn
from lsdc.runtime.dask_papers import differences, show_papers, versions_here

_PATIENCE = 30.0
"""A scheduler that has not answered for so long counts as away, seconds."""
_FIRST = 1000
"""Priority over all that waits for the worker."""


class Vetting:
    """Asks every worker for its papers, also those that join later, and remembers whom it may give work.

    Parameters
    ----------
    reads : sequence of Path
        Files and folders that a worker must see.
    token : Path or None
        A file that it must be able to read, in the folder that it writes to.
    content : str
        What stands there.

    Attributes
    ----------
    fit : dict of str to int
        Threads of each worker that may work, by its address.
    refused : dict of str to str
        Why the others may not, by their addresses.
    """

    def __init__(self, reads: Sequence[Path], token: Path | None, content: str) -> None:
        self._reads, self._token, self._content = [str(path) for path in reads], token, content
        self._asked: dict[str, Any] = {}
        self.fit: dict[str, int] = {}
        self.refused: dict[str, str] = {}

    @property
    def undecided(self) -> bool:
        """Whether a worker has yet to answer."""
        return bool(self._asked)

    def forget(self) -> None:
        """Forget all workers: the scheduler is another one."""
        self._asked, self.fit, self.refused = {}, {}, {}

    def refuse(self, worker: str, reason: str) -> None:
        """Give a worker nothing more.

        Parameters
        ----------
        worker : str
            Its address.
        reason : str
            Why, for people.
        """
        self.fit.pop(worker, None)
        if worker not in self.refused:
            warn(f"the Dask worker {worker} gets no work: {reason}")
        self.refused[worker] = reason

    def update(self, client: Any) -> None:
        """Look who has come and gone, ask those who are new, and hear those who have answered.

        Parameters
        ----------
        client : distributed.Client
            Connected to the scheduler.

        Raises
        ------
        OSError
            When the scheduler cannot be reached, or does not answer.
        """
        found = client.sync(client.scheduler.identity, n_workers=-1, callback_timeout=_PATIENCE)
        threads = {address: int(one["nthreads"]) for address, one in found["workers"].items()}
        for known in (self._asked, self.fit, self.refused):
            for gone in known.keys() - threads.keys():
                del known[gone]  # type: ignore[attr-defined]
        for address in threads.keys() - self._asked.keys() - self.fit.keys() - self.refused.keys():
            token = None if self._token is None else str(self._token)
            self._asked[address] = client.submit(
                show_papers, self._reads, token,
                workers=[address], allow_other_workers=False, pure=False, priority=_FIRST,
            )  # fmt: skip
        for address in [one for one, papers in self._asked.items() if papers.done()]:
            papers = self._asked.pop(address)
            if papers.status == "cancelled":
                continue  # the connection was lost; it is asked again
            reason = self._objection(papers)
            if reason:
                self.refuse(address, reason)
            else:
                self.fit[address] = threads[address]

    def _objection(self, papers: Any) -> str:
        """Say why a worker that has answered may not work; nothing where it may."""
        if papers.status != "finished":
            error = papers.exception()
            return f"it cannot run this version of lsdc ({type(error).__name__}: {error})"
        versions, unseen, content = papers.result()
        different = differences(versions_here(), versions)
        if different:
            return f"it has {different}"
        if unseen:
            return f"it does not see {', '.join(unseen)}; workers need the same files at the same paths"
        if self._token is not None and content != self._content:
            return f"it does not see what is written to {self._token.parent}; workers need the same folders"
        return ""


def listed(refused: Mapping[str, str]) -> str:
    """List the workers that may not work.

    Parameters
    ----------
    refused : mapping of str to str
        Reasons by address.

    Returns
    -------
    str
        For an error.

    Examples
    --------
    >>> listed({"tcp://a:1": "it has numpy 2.1 instead of 2.0"})
    'tcp://a:1: it has numpy 2.1 instead of 2.0'
    """
    return "; ".join(f"{worker}: {reason}" for worker, reason in sorted(refused.items()))
