"""Faults of what a run writes to: they concern the whole run, not the item whose result is written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class OutputError(OSError):
    """Nothing can be written: the disk is full, read-only, broken or gone."""


@contextmanager
def writing_to(path: Path) -> Iterator[None]:
    """Raise `OutputError` for what the operating system refuses while the block writes.

    Parameters
    ----------
    path : Path
        Where the block writes, for errors that name no file.

    Yields
    ------
    None
        While it writes.

    Raises
    ------
    OutputError
        In place of any OSError.
    """
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        words = error.strerror or str(error) or type(error).__name__
        raise OutputError(error.errno or 0, words, str(error.filename or path)) from error
