"""Many files behind a URL at once: what one of them lacks is told from what the server lacks."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from lsdc.runtime.remote import RemoteFolder
from lsdc.runtime.remote_errors import BREAKS_OFF, ObjectError, RemoteError, UnreachableError

T = TypeVar("T")
AT_ONCE = 16
"""Files that are fetched at once."""
_TRIES = 2
"""A file is tried so often, each time with all the retries of the provider's library."""
_PAUSE = 1.0
"""Seconds before the second try."""


def fetch_many(remote: RemoteFolder, names: Sequence[str], folder: Path) -> dict[str, ObjectError]:
    """Copy files to this machine.

    Parameters
    ----------
    remote : RemoteFolder
        Where they are.
    names : sequence of str
        Their paths in it, with `/`.
    folder : Path
        Where they go, under the same paths.

    Returns
    -------
    dict of str to ObjectError
        Those that are not there or may not be read, or whose transfer breaks off again and again though the server
        answers; not raised.

    Raises
    ------
    RemoteError
        When the server cannot be reached, or does not know who asks.
    OSError
        When one cannot be written.
    """
    for parent in {(folder / name).parent for name in names}:
        parent.mkdir(parents=True, exist_ok=True)
    found = _each(remote, names, lambda name: remote.fetch_one(name, folder / name))
    return {name: error for name, error in found.items() if isinstance(error, ObjectError)}


def heads(remote: RemoteFolder, names: Sequence[str], length: int) -> list[bytes | ObjectError]:
    """Read the beginnings of files.

    Parameters
    ----------
    remote : RemoteFolder
        Where they are.
    names : sequence of str
        Their paths in it, with `/`.
    length : int
        At most so many bytes of each.

    Returns
    -------
    list of bytes or ObjectError
        In the same order; an error, not raised, for each that `fetch_many` would not bring.

    Raises
    ------
    RemoteError
        When the server cannot be reached, or does not know who asks.
    """
    with remote.opened() as (system, root):
        paths = [f"{root}/{name}" for name in names]
        found = system.cat_ranges(paths, [0] * len(paths), [length] * len(paths), on_error="return")
    read: dict[str, bytes | ObjectError] = {}
    for name, head in zip(names, found, strict=True):
        try:
            with remote.opened(name):
                if isinstance(head, BaseException):
                    raise head
                read[name] = bytes(head)
        except ObjectError as error:
            read[name] = error
        except UnreachableError:
            continue
    again = [name for name in names if name not in read]
    read |= _each(remote, again, lambda name: remote.read(name, length))
    return [read[name] for name in names]


def _each(
    remote: RemoteFolder, names: Sequence[str], act: Callable[[str], T]
) -> Mapping[str, T | ObjectError]:
    """Do something with files, and once more with those that could not be reached while the server answers."""
    found: dict[str, T | ObjectError] = {}
    away: dict[str, UnreachableError] = {}
    tries = dict.fromkeys(names, 0)

    def attempt(name: str) -> None:
        if away:  # no others, until it is known whether the server answers
            return
        tries[name] += 1
        try:
            found[name] = act(name)
        except ObjectError as error:
            found[name] = error
        except UnreachableError as error:
            away[name] = error

    with ThreadPoolExecutor(AT_ONCE) as pool:
        while todo := [name for name in names if name not in found]:
            list(pool.map(attempt, todo))
            for name, error in away.items():
                if not _answers(remote, name):
                    raise error
                if tries[name] == _TRIES:
                    found[name] = ObjectError(error.place, BREAKS_OFF)
            if away:
                time.sleep(_PAUSE)
            away.clear()
    return found


def _answers(remote: RemoteFolder, name: str) -> bool:
    """Tell whether a server can be reached: ask it for what lies beside a file."""
    folder = name.rpartition("/")[0]
    try:
        (remote.child(folder) if folder else remote).sizes(deep=False)
    except UnreachableError:
        return False
    except RemoteError:  # which is an answer
        pass
    return True
