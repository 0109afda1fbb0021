"""Commands on the terminal: flags from dataclasses, words on stderr, one JSON object on stdout."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from lsdc.runtime.errors import LsdcError

T = TypeVar("T")


class Command(Protocol):
    """What a subcommand must offer: it is a frozen dataclass whose `run` does the work."""

    def run(self) -> Any:
        """Do the work and return the result."""
        ...


def say(text: str) -> None:
    """Print words for a person on stderr."""
    from rich.console import Console

    Console(stderr=True, highlight=False, markup=False, soft_wrap=True).print(text)


def track(items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Iterate with a progress bar on stderr; silent where stderr is no terminal.

    >>> list(track([1, 2], "counting"))
    [1, 2]
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    if total is None and isinstance(items, Sequence):
        total = len(items)
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        yield from progress.track(items, total=total, description=description)


def table(title: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table for a person on stderr; floats get four decimals."""
    from rich.console import Console
    from rich.table import Table

    view = Table(title=title, title_justify="left")
    for k, name in enumerate(header):
        view.add_column(name, justify="left" if k == 0 else "right")
    for row in rows:
        view.add_row(*(f"{cell:.4f}" if isinstance(cell, float) else str(cell) for cell in row))
    Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else 110).print(view)


def plain(value: Any) -> Any:
    """Turn dataclasses, paths and NumPy numbers into what JSON holds; NaN becomes null.

    >>> plain({"a": float("nan"), "b": (1, Path("x"))})
    {'a': None, 'b': [1, 'x']}
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def run_command(commands: dict[str, Any], program: str, description: str, args: Sequence[str] | None) -> int:
    """Parse `args` into one of `commands`, run it, and return the exit code.

    Parameters
    ----------
    commands : dict of str to dataclass type
        Subcommands by name.
    program, description : str
        For `--help`.
    args : sequence of str or None
        Arguments; None reads the command line.

    Returns
    -------
    int
        0 on success, 2 for the user's mistakes, 130 on interrupt. Errors of ours propagate: exit code 1.
    """
    import tyro

    command = tyro.extras.subcommand_cli_from_dict(commands, prog=program, description=description, args=args)
    try:
        result = command.run()
    except LsdcError as error:
        say(f"{program}: {error}")
        return 2
    except KeyboardInterrupt:
        say(f"{program}: stopped; the same command goes on where it stopped")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    if getattr(command, "json", False):
        print(json.dumps(plain(result)), flush=True)
    return 0


def existing(path: Path, what: str) -> Path:
    """Return `path`, or raise an `LsdcError` that says that `what` is not there."""
    if not path.exists():
        raise LsdcError(f"{path}: no such {what}")
    return path
