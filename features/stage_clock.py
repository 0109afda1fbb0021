"""How long each stage of a run takes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class StageClock:
    """Seconds per stage of a run.

    Parameters
    ----------
    seconds : dict of str to float
        By stage, in order; empty at first.

    Examples
    --------
    >>> clock = StageClock()
    >>> with clock.stage("read"):
    ...     pass
    >>> list(clock.seconds)
    ['read']
    """

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Note how long the block takes; a block that fails leaves no note.

        Parameters
        ----------
        name : str
            The stage.

        Yields
        ------
        None
            While the stage runs.
        """
        start = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - start, 2)
