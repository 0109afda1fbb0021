"""Words, progress and tables for people: on stderr through Python's `logging`, so that stdout stays for results."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable, Iterator, Sequence, Sized
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, TypeVar

from lsdc.runtime.errors import LsdcError
from lsdc.runtime.remote import url_of
from lsdc.runtime.safe_text import MOST_CHARACTERS, printable
from lsdc.runtime.whole_files import check_output

if TYPE_CHECKING:
    from rich.console import Console

T = TypeVar("T")
LOG_LEVELS = ("debug", "info", "warning", "error")
PROGRESS_SECONDS = 30.0
"""Where stderr is no terminal, a loop that takes longer says how far it is at most this often."""
logger = logging.getLogger("lsdc")
"""The parent of every logger of the toolkit; a program that uses it as a library configures this one."""


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes to what `sys.stderr` is at that moment, with a time stamp where nobody watches."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)
        self._plain = logging.Formatter("%(message)s")
        self._stamped = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%d %H:%M:%S")

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        """The stream of today."""
        return sys.stderr

    def format(self, record: logging.LogRecord) -> str:
        """Format a record for a terminal or for a file; names of files in it cannot steer the terminal."""
        text = (self._plain if sys.stderr.isatty() else self._stamped).format(record)
        # A traceback is shown whole: what is reported of an error is in its middle too.
        return printable(text, sys.maxsize if record.exc_info else MOST_CHARACTERS)


def configure_logging(level: str = "info", file: Path | None = None) -> None:
    """Send the toolkit's messages to stderr, and to a file; commands call it, libraries need not.

    Parameters
    ----------
    level : str
        The least level that is shown: one of `LOG_LEVELS`.
    file : Path, optional
        Messages from `info` on, or from `level` where that is lower, are appended there with time stamps.

    Raises
    ------
    LsdcError
        When the file cannot be written.
    """
    for handler in [item for item in logger.handlers if getattr(item, "of_lsdc", False)]:
        logger.removeHandler(handler)
        handler.close()
    handlers: list[logging.Handler] = [_Stderr()]
    handlers[0].setLevel(level.upper())
    if file is not None:
        check_output(file)  # a pipe that nobody reads would wait forever
        try:
            handlers.append(logging.FileHandler(file, encoding="utf-8"))
        except OSError as error:
            raise LsdcError(f"{file}: cannot be written ({error.strerror or error})") from error
        handlers[1].setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    for handler in handlers:
        handler.of_lsdc = True  # type: ignore[attr-defined]
        logger.addHandler(handler)
    least = min(logging.getLevelNamesMapping()[level.upper()], logging.INFO if file else logging.CRITICAL)
    logger.setLevel(least)
    logger.propagate = False


def _quiet() -> bool:
    """Whether a command was told to be quiet."""
    return any(isinstance(handler, _Stderr) and handler.level > logging.INFO for handler in logger.handlers)


def say(text: str) -> None:
    """Tell people what happens: a message of the level `info` of the logger `lsdc`.

    Parameters
    ----------
    text : str
        A line.
    """
    logger.info(text)


def warn(text: str) -> None:
    """Tell people what may be wrong: a message of the level `warning` of the logger `lsdc`.

    Parameters
    ----------
    text : str
        A line.
    """
    logger.warning(text)


def track(items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Iterate and show how far it is: a bar on a terminal, elsewhere a line at most every `PROGRESS_SECONDS`.

    Parameters
    ----------
    items : iterable
        What to iterate over.
    description : str
        What is done with them.
    total : int, optional
        How many there are; by default the length, where there is one.

    Yields
    ------
    object
        The items.

    Examples
    --------
    >>> list(track([1, 2], "counting"))
    [1, 2]
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    console = _console()
    if console.is_terminal and not _quiet():
        yield from _with_bar(items, description, total, console)
    else:
        yield from _with_lines(items, description, total)


def _with_bar(items: Iterable[T], description: str, total: int | None, console: Console) -> Iterator[T]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        yield from progress.track(items, total=total, description=description)


def _with_lines(items: Iterable[T], description: str, total: int | None) -> Iterator[T]:
    begun = last = time.monotonic()
    for count, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - last >= PROGRESS_SECONDS:
            last = now
            say(progress_line(description, count, total, now - begun))


def progress_line(description: str, count: int, total: int | None, seconds: float) -> str:
    """Say how far a loop is and how long it still takes if it keeps its pace.

    Parameters
    ----------
    description : str
        What is done.
    count : int
        Items that are finished, at least one.
    total : int or None
        Items in all; None where nobody knows.
    seconds : float
        Time so far.

    Returns
    -------
    str
        One line.

    Examples
    --------
    >>> progress_line("extracting", 15, 60, 40.0)
    'extracting: 15 of 60 (25 %), about 2 min 0 s left'
    """
    if not total:
        return f"{description}: {count} done in {_duration(seconds)}"
    left = seconds / count * (total - count)
    return f"{description}: {count} of {total} ({100 * count // total} %), about {_duration(left)} left"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def table(title: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table for people on stderr, in a command or where a program wants the messages of `lsdc`.

    A program that uses the toolkit as a library sees none, unless it sets the logger `lsdc` to the level `INFO`.

    Parameters
    ----------
    title : str
        A line above it.
    header : sequence of str
        Names of the columns; the first column is aligned to the left, the others to the right.
    rows : iterable of sequence
        Cells; floats get four decimals. Brackets are printed as they are.
    """
    if _quiet() or not logger.isEnabledFor(logging.INFO):
        return
    from rich.markup import escape
    from rich.table import Table

    view = Table(title=escape(title), title_justify="left")
    for k, name in enumerate(header):
        view.add_column(escape(name), justify="left" if k == 0 else "right")
    for row in rows:
        view.add_row(
            *(f"{cell:.4f}" if isinstance(cell, float) else escape(printable(str(cell))) for cell in row)
        )
    _console().print(view)


def _console() -> Console:
    from rich.console import Console

    # Where nobody watches, nothing is cut short to the width of a window.
    return Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else 160)


def existing(path: Path, what: str) -> Path:
    """Check that a file or folder is there.

    Parameters
    ----------
    path : Path
        Where it should be.
    what : str
        What it is, for the error.

    Returns
    -------
    Path
        The same path.

    Raises
    ------
    LsdcError
        When nothing is there, or it is a URL, which most commands do not take.
    """
    if (url := url_of(path)) is not None:
        raise LsdcError(f"{url}: is a URL, and this takes a {what} of this machine")
    if not path.exists():
        raise LsdcError(f"{path}: no such {what}")
    return path
