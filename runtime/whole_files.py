"""Files and folders that appear whole or not at all, and only where a file may be."""

from __future__ import annotations

import os
import re
import shutil
import socket
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lsdc.runtime.errors import ConfigError, LsdcError
from lsdc.runtime.paths import PathLike

MACHINE = f"{zlib.crc32(socket.gethostname().encode()):010d}"
"""Tells machines apart that write to the same folder: containers tend to have the same process ids."""
_LONGEST_NAME = 255
"""Bytes of a file's name."""
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")
"""Of two letters at least: one is a drive."""


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Give a temporary name and rename what was written there to `path` when the block ends without error.

    Readers see the old file, or the new one whole, never a part of it.

    Parameters
    ----------
    path : Path
        A file or folder to be; its parent folder is made.

    Yields
    ------
    Path
        Where to write, in the same folder. After an error it is removed.

    Raises
    ------
    LsdcError
        When there is something at `path` that is neither a file nor a folder; see `check_output`.
    """
    path = check_output(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(_temporary_name(path))
    try:
        yield temporary
        temporary.replace(path)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        else:
            temporary.unlink(missing_ok=True)


def _temporary_name(path: Path) -> str:
    """Name what is being written: hidden, this process's own on all machines, and as long as a file's name may be."""
    ending = f".{os.getpid()}{MACHINE}.part{path.suffix}"
    stem = path.stem
    while stem and len(os.fsencode(f".{stem}{ending}")) > _LONGEST_NAME:
        stem = stem[:-1]
    return f".{stem}{ending}"


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name that costs no space, or copy it where the file system cannot.

    Parameters
    ----------
    source : Path
        A file that nobody changes in place.
    target : Path
        The other name, where nothing is; its folder is made.

    Raises
    ------
    OSError
        When it cannot be copied either.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        target.hardlink_to(source)
    except FileExistsError:
        raise
    except OSError:  # another disk, or a file system without links
        shutil.copyfile(source, target)


def check_output(path: PathLike) -> Path:
    """Refuse an output that cannot be replaced by a file or folder; call it before long work.

    Parameters
    ----------
    path : path
        Where something is to be written.

    Returns
    -------
    Path
        The same, or what it points to where it is a link.

    Raises
    ------
    ConfigError
        When it is a URL, of which a folder of that name would be made here.
    LsdcError
        When it is a device, a pipe or a socket, lies below something that is no folder or takes no files, or has a
        name that cannot be.
    """
    if not str(path).strip():
        raise LsdcError("the output has no name; give one")
    if found := _URL.match(os.fspath(path).replace(os.sep, "/")):
        raise ConfigError(
            f"{found[1]}://…: the output cannot be a URL here; make it in a folder of this machine, and copy it there"
        )
    try:
        return _checked(path, Path(path))
    except (
        OSError,
        ValueError,
    ) as error:  # a name too long, a null byte, a folder that may not be looked into
        words = error.strerror if isinstance(error, OSError) else str(error)
        raise LsdcError(f"{shortened(path)}: cannot be written ({words}); choose another output") from None


def _checked(path: PathLike, found: Path) -> Path:
    """Follow a link, and look at what is there and at the folder above."""
    if found.is_symlink():
        found = Path(os.path.realpath(found))
    if found.exists() and not (found.is_file() or found.is_dir()):
        raise LsdcError(f"{path}: is a device or a pipe; give the name of a file")
    for folder in found.absolute().parents:
        if folder.exists():
            if not folder.is_dir():
                raise LsdcError(f"{path}: cannot be written, {folder} is a file and not a folder")
            if not os.access(folder, os.W_OK | os.X_OK):
                raise LsdcError(f"{path}: cannot be written, nothing may be written in {folder}")
            break
    return found


def shortened(path: PathLike) -> str:
    """Cut the name of a file where it is too long for a message.

    Parameters
    ----------
    path : path
        Any.

    Returns
    -------
    str
        At most 200 characters: the beginning, and the end.
    """
    text = str(path)
    return text if len(text) <= 200 else f"{text[:120]} ... {text[-70:]}"


def check_output_folder(path: PathLike) -> Path:
    """Refuse an output that cannot be a folder; call it before long work.

    Parameters
    ----------
    path : path
        Where a folder is to be written.

    Returns
    -------
    Path
        As it was given.

    Raises
    ------
    LsdcError
        As `check_output`, and when it is a file.
    """
    found = check_output(path)
    if found.is_file():
        raise LsdcError(f"{path}: is a file; give the name of a folder")
    if found.is_dir() and not os.access(found, os.W_OK | os.X_OK):
        raise LsdcError(f"{path}: cannot be written, nothing may be written in it")
    return Path(path)


def check_output_file(path: PathLike, inputs: Iterable[PathLike | None] = ()) -> Path:
    """Refuse an output that cannot be replaced by a file; call it before long work.

    Parameters
    ----------
    path : path
        Where a file is to be written.
    inputs : iterable of path or None, default none
        What it is made from, which is not to be replaced; of folders, what they hold may be.

    Returns
    -------
    Path
        As `check_output` gives it.

    Raises
    ------
    LsdcError
        As `check_output`, and when it is a folder.
    ConfigError
        When it is one of the inputs.
    """
    found = check_output(path)
    if found.is_dir():
        raise LsdcError(f"{path}: is a folder; give the name of a file")
    if found.exists() and os.path.realpath(found) in {
        os.path.realpath(one) for one in inputs if one is not None
    }:
        raise ConfigError(f"{shortened(path)}: is one of the files that are read; choose another output")
    return found
