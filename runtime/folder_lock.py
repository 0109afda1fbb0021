"""One run at a time in an output directory: a lock that ends with its owner, however that ends."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from lsdc.runtime.console import warn
from lsdc.runtime.errors import ArtifactError

LOCK = ".lock"
"""The file in the directory that is locked while a run writes to it."""
LEFTOVER = re.compile(r"\..*\.\d+\.part(\..*)?")
"""What `atomic` calls a file that is not yet whole."""
_HELD = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)
_FAR = 1 << 30
"""Where Windows locks a byte, which no other process can then read: behind what the file says."""


@contextlib.contextmanager
def only_writer(folder: Path, *, owned: bool = True) -> Iterator[None]:
    """Be the only run that writes to a directory, and remove what killed runs have left half-written there.

    The operating system frees the lock when its owner has ended, also by `kill -9` or a power failure.

    Parameters
    ----------
    folder : Path
        A directory that is there.
    owned : bool
        Whether all in it belongs to this kind of run, which has claimed it; only then leftovers are removed.

    Yields
    ------
    None
        While the directory is locked.

    Raises
    ------
    ArtifactError
        When another process holds it.
    """
    path = folder / LOCK
    descriptor = open_locked(path, lambda one: _lock(one, path))
    try:
        with contextlib.suppress(OSError):  # a full disk: the lock holds, only nobody can be named
            os.truncate(descriptor, 0)
            os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())
        if owned:
            remove_leftovers(folder)
        yield
    finally:
        with contextlib.suppress(OSError):
            # Where the folder was removed and made anew, the file there is the lock of another run.
            if os.path.samestat(path.stat(), os.fstat(descriptor)):
                path.unlink()  # before it is freed: who waited for it notices, and makes a new one
        os.close(descriptor)


def open_locked(path: Path, lock: Callable[[int], None]) -> int:
    """Open a file that is there for its lock alone, and lock it.

    Parameters
    ----------
    path : Path
        The file; it is made where it is absent, and its former owner may remove it at any time.
    lock : callable
        Locks a descriptor; what it raises is raised.

    Returns
    -------
    int
        The descriptor of the file that is at the path; the lock ends when it is closed.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            lock(descriptor)
            # The former owner may have removed the file between the two calls: then another has a new one.
            if path.exists() and os.path.samestat(path.stat(), os.fstat(descriptor)):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _lock(descriptor: int, path: Path) -> None:
    """Lock a file, or raise; where the file system knows no locks, warn."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, _FAR, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            os.lseek(descriptor, 0, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in NO_LOCKS:
            warn(
                f"{path.parent}: cannot be locked on this file system; let no other run write to it meanwhile"
            )
            return
        if error.errno not in _HELD:
            raise
        raise ArtifactError(
            f"{path.parent}: {_owner(descriptor)} is writing to it; wait until that run has ended, "
            "or choose another directory"
        ) from None


def _owner(descriptor: int) -> str:
    """Say who holds the lock."""
    for _ in range(10):  # it may just be writing its name
        text = os.pread(descriptor, 200, 0) if hasattr(os, "pread") else b""
        if re.fullmatch(rb"process \d+ on [\w.\-]+", text):
            return text.decode("ascii", "replace")
        time.sleep(0.02)
    return "another process"


def remove_leftovers(folder: Path) -> None:
    """Remove files and folders that a killed run was writing; nobody may be writing them now.

    Parameters
    ----------
    folder : Path
        The directory, which may be absent.
    """
    for root, folders, files in os.walk(folder):
        for name in [item for item in folders if LEFTOVER.fullmatch(item)]:
            folders.remove(name)
            shutil.rmtree(Path(root, name), ignore_errors=True)
        for name in filter(LEFTOVER.fullmatch, files):
            with contextlib.suppress(OSError):
                Path(root, name).unlink()
