"""Room for what was fetched from URLs: the least recently used goes first, and nothing that a process uses."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from lsdc.runtime.errors import ConfigError
from lsdc.runtime.folder_lock import open_locked

CACHE_GB = "LSDC_CACHE_GB"
"""The variable of the environment that bounds what is kept, in gigabytes."""
VIEWS, FILES = "views", "files"
"""Folders of what was fetched: one for each artifact, and one of all files by their digests, which the others link."""
_DEFAULT_GB = 20.0
_JUST_USED = 60.0
"""A file that was used within so many seconds may be about to be linked."""
_LEFT = 86400.0
"""What a process was fetching so many seconds ago, it fetches no more."""


@dataclass
class _Process:
    """What this process has to do with the folder."""

    locks: dict[Path, int] = field(default_factory=dict)
    fetched: int = 0


_process = _Process()


def bytes_to_keep() -> int:
    """Tell how much may be kept: `LSDC_CACHE_GB` gigabytes, by default 20.

    Returns
    -------
    int
        Bytes.

    Raises
    ------
    ConfigError
        When the variable is no such number.
    """
    text = os.environ.get(CACHE_GB, "")
    try:
        found = float(text) if text else _DEFAULT_GB
    except ValueError:
        found = math.nan
    if not 0 <= found < math.inf:
        raise ConfigError(f"{CACHE_GB} must be a number of gigabytes, such as 20, not {text[:40]!r}")
    return int(found * 1e9)


def use(view: Path) -> None:
    """Keep the folder of an artifact until this process ends, and note that it was used now.

    Parameters
    ----------
    view : Path
        A folder of `VIEWS`, which need not be there yet.
    """
    with contextlib.suppress(OSError):
        view.parent.mkdir(parents=True, exist_ok=True)
    lock = _lock_of(view)
    with contextlib.suppress(
        OSError
    ):  # no locks here, or a cache that may only be read: nobody can make room either
        if view not in _process.locks:
            _process.locks[view] = open_locked(lock, partial(_lock, shared=True))
        os.utime(lock)


def note_fetched(folder: Path, size: int) -> None:
    """Count what was fetched, and make room from time to time.

    Parameters
    ----------
    folder : Path
        The folder of what was fetched.
    size : int
        Bytes of one more file in it.
    """
    most = bytes_to_keep()
    _process.fetched += size
    if _process.fetched > most // 20:
        _process.fetched = 0
        make_room(folder, most)


def make_room(folder: Path, most: int) -> int:
    """Remove the least recently used, until what is kept fits, or all that is left is in use.

    Parameters
    ----------
    folder : Path
        The folder of what was fetched.
    most : int
        Bytes that may stay.

    Returns
    -------
    int
        Bytes that stay; of a file with several names once.
    """
    _remove_leftovers(folder)
    total = _without_view(folder, most)
    for view in sorted(_views(folder), key=_last_use):
        if total > most and _remove_view(view):
            total = _without_view(folder, most)
    return total


def _without_view(folder: Path, most: int) -> int:
    """Remove files that no artifact links any more, the least recently used first; tell how much stays."""
    total = sum(_sizes(folder / VIEWS, folder / FILES).values())
    found = [(at.st_atime, at.st_size, path) for path, at in _files(folder / FILES) if at.st_nlink == 1]
    for _, size, path in sorted(found):
        if total <= most:
            break
        with contextlib.suppress(OSError):
            now = path.stat()  # it may have been used or linked since it was listed
            if now.st_nlink == 1 and time.time() - now.st_atime >= _JUST_USED:
                path.unlink()
                total -= size
    return total


def _views(folder: Path) -> list[Path]:
    """List the folders of artifacts."""
    there = (folder / VIEWS).iterdir() if (folder / VIEWS).is_dir() else ()
    return [path for path in there if path.is_dir() and not path.name.startswith(".")]


def _remove_view(view: Path) -> bool:
    """Remove the folder of an artifact, unless a process uses it; its files may still have names in other folders."""
    lock = _lock_of(view)
    try:
        descriptor = open_locked(lock, partial(_lock, shared=False))
    except OSError:
        return False
    try:
        shutil.rmtree(view, ignore_errors=True)
        with contextlib.suppress(OSError):
            lock.unlink()  # before it is freed: who waited for it notices, and makes a new one
    finally:
        os.close(descriptor)
    return True


def _lock_of(view: Path) -> Path:
    """Name the file beside a folder that is locked while the folder is used; its time is that of the last use."""
    return view.with_name(f".{view.name}.lock")


def _last_use(view: Path) -> float:
    """Tell when a folder was last used; one of an earlier version, when it was made."""
    for path in (_lock_of(view), view):
        with contextlib.suppress(OSError):
            return path.stat().st_mtime
    return 0.0


def _lock(descriptor: int, shared: bool) -> None:
    """Lock a file, waiting for a shared lock alone; without shared locks nothing that others may use is removed."""
    try:
        import fcntl
    except ImportError:
        if shared:
            return
        raise OSError(errno.ENOLCK, "no shared locks on this system") from None
    fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX | fcntl.LOCK_NB)


def _sizes(*folders: Path) -> dict[tuple[int, int], int]:
    """Measure files, each once by device and inode."""
    return {(found.st_dev, found.st_ino): found.st_size for folder in folders for _, found in _files(folder)}


def _files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Find all files at any depth; what goes meanwhile is left out, and so is what is still being fetched."""
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(root, name)
            with contextlib.suppress(OSError):
                yield path, path.stat()


def _remove_leftovers(folder: Path) -> None:
    """Remove what killed processes were fetching long ago."""
    for root, folders, _ in os.walk(folder / FILES):
        for name in [name for name in folders if name.startswith(".")]:
            folders.remove(name)
            with contextlib.suppress(OSError):
                if time.time() - Path(root, name).stat().st_mtime > _LEFT:
                    shutil.rmtree(Path(root, name), ignore_errors=True)
