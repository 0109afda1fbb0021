"""Folders behind a URL (`s3://`, `gs://`, `az://`, `file://`, `memory://`), by fsspec."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsdc.runtime.errors import LsdcError
from lsdc.runtime.paths import PathLike
from lsdc.runtime.remote_errors import (
    ObjectError,
    RemoteError,
    UnreachableError,
    is_of_connection,
    is_of_one_object,
    words_of,
)

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs", "az": "az", "abfs": "az", "abfss": "az"}
"""Schemes that need a package of their own, and the extra that brings it."""
_URL = re.compile(rf"({'|'.join(_EXTRAS)}|file|memory):/+(.*)", re.DOTALL)
_SECRET = re.compile(r"[^/@]*:[^@]*@|.*\?.*=", re.DOTALL)
"""A password, which may hold slashes, or a query, which may hold a signature."""
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""What no server says, but this machine's disk."""


def url_of(path: PathLike) -> str | None:
    """Recognize a URL that `RemoteFolder` can open, also one that has been taken for a path.

    Parameters
    ----------
    path : path
        A path or a URL. A `pathlib.Path` that was made of a URL has lost a slash, which comes back.

    Returns
    -------
    str or None
        None for paths of this machine.

    Raises
    ------
    RemoteError
        When it holds a password or a query, which would get into messages and files.

    Examples
    --------
    >>> url_of(Path("s3://bucket/store/")), url_of("store")
    ('s3://bucket/store', None)
    """
    found = _URL.fullmatch(os.fspath(path).replace(os.sep, "/"))
    if found is None:
        return None
    scheme, rest = found[1], found[2].rstrip("/")
    if _SECRET.match(rest):
        raise RemoteError(
            f"{scheme}://…: a URL with a password or a query; give credentials by the environment, as the provider's "
            "tools do"
        )
    return f"{scheme}://{'/' if scheme == 'file' else ''}{rest}"


@dataclass(frozen=True)
class RemoteFolder:
    """A folder behind a URL. Credentials come from where the provider's own tools take them, never from here.

    Parameters
    ----------
    url : str
        As `url_of` gives it.
    """

    url: str

    @property
    def name(self) -> str:
        """Its last part."""
        return self.url.rpartition("/")[2]

    @property
    def parent(self) -> RemoteFolder:
        """The folder above."""
        return RemoteFolder(self.url.rpartition("/")[0])

    def child(self, name: str) -> RemoteFolder:
        """Give a folder in it.

        Parameters
        ----------
        name : str
            Its path in this one, with `/`.

        Returns
        -------
        RemoteFolder
            Not looked at yet.
        """
        return RemoteFolder(f"{self.url}/{name}")

    def has(self, name: str) -> bool:
        """Tell whether there is a file.

        Parameters
        ----------
        name : str
            Its path in the folder, with `/`; empty asks whether the URL itself is a file.

        Returns
        -------
        bool
            True for a file.

        Raises
        ------
        RemoteError
            When that cannot be known.
        """
        with self.opened(name) as (system, root):
            system.invalidate_cache()
            try:
                return bool(system.info(f"{root}/{name}" if name else root)["type"] == "file")
            except (FileNotFoundError, NotADirectoryError):
                return False

    def sizes(self, deep: bool = True) -> dict[str, int]:
        """List the files in it.

        Parameters
        ----------
        deep : bool
            Also those in folders below it.

        Returns
        -------
        dict of str to int
            Bytes by the path in the folder, with `/`; empty where nothing is there.

        Raises
        ------
        RemoteError
            When it cannot be listed.
        """
        with self.opened() as (system, root):
            system.invalidate_cache()
            found = system.find(root, detail=True, maxdepth=None if deep else 1)
            return {
                path[len(root) :].lstrip("/"): int(item["size"])
                for path, item in found.items()
                if path.startswith(f"{root}/") and item.get("type", "file") == "file"
            }

    def read(self, name: str, length: int | None = None) -> bytes:
        """Read a file, or its beginning.

        Parameters
        ----------
        name : str
            Its path in the folder, with `/`.
        length : int, optional
            At most so many bytes; by default all.

        Returns
        -------
        bytes
            The content.

        Raises
        ------
        RemoteError
            When it cannot be read.
        """
        with self.opened(name) as (system, root):
            return bytes(system.cat_file(f"{root}/{name}", start=None if length is None else 0, end=length))

    def fetch_one(self, name: str, target: Path) -> None:
        """Copy a file to this machine.

        Parameters
        ----------
        name : str
            Its path in the folder, with `/`; empty where the URL itself is a file.
        target : Path
            What it becomes.

        Raises
        ------
        RemoteError
            When it cannot be read.
        OSError
            When it cannot be written.
        """
        with self.opened(name) as (system, root):
            system.get_file(f"{root}/{name}" if name else root, str(target))

    def put(self, source: Path, name: str) -> None:
        """Copy a file of this machine there; it appears whole.

        Parameters
        ----------
        source : Path
            The file.
        name : str
            Its path in the folder, with `/`; what is there is replaced.

        Raises
        ------
        RemoteError
            When it cannot be written.
        """
        with self.opened(name) as (system, root):
            target = f"{root}/{name}"
            if self.url.startswith("file:"):  # where folders are made, and a file can be seen half-written
                system.makedirs(target.rpartition("/")[0], exist_ok=True)
                system.put_file(str(source), f"{target}.part")
                Path(f"{target}.part").replace(target)
            else:
                system.put_file(str(source), target)

    def create(self, name: str, content: bytes) -> bool:
        """Write a small file where there is none; of two who do so at once, one alone succeeds.

        A provider that cannot put a file on a condition is asked before and after; two within a moment of each other
        may then both believe that they have succeeded.

        Parameters
        ----------
        name : str
            Its path in the folder, with `/`.
        content : bytes
            What no other writes.

        Returns
        -------
        bool
            Whether the file is this one.

        Raises
        ------
        RemoteError
            When it cannot be written.
        """
        with self.opened(name) as (system, root):
            target = f"{root}/{name}"
            if self.url.startswith("file:"):
                system.makedirs(target.rpartition("/")[0], exist_ok=True)
                with contextlib.suppress(FileExistsError), Path(target).open("xb") as stream:
                    stream.write(content)
            else:
                with contextlib.suppress(Exception):  # there is one, or there is no such condition
                    system.pipe_file(target, content, mode="create")
            system.invalidate_cache()
            if not system.exists(target):
                system.pipe_file(target, content)
            return bytes(system.cat_file(target)) == content

    def delete(self, name: str) -> None:
        """Remove a file.

        Parameters
        ----------
        name : str
            Its path in the folder, with `/`.

        Raises
        ------
        RemoteError
            When it cannot be removed.
        """
        with self.opened(name) as (system, root):
            system.rm_file(f"{root}/{name}")

    @contextlib.contextmanager
    def opened(self, name: str = "") -> Iterator[tuple[AbstractFileSystem, str]]:
        """Open the file system, and say what it does not do in one line.

        Parameters
        ----------
        name : str
            The file that the block is about, by its path in the folder; empty where it is about the folder.

        Yields
        ------
        (AbstractFileSystem, str)
            The file system, and the folder's path in it.

        Raises
        ------
        ObjectError
            When the file is not there or may not be read.
        UnreachableError
            When the server cannot be reached.
        RemoteError
            When anything else goes wrong in the block behind the URL.
        OSError
            When this machine's disk is the cause.
        """
        try:
            yield _system(self.url)
        except LsdcError:
            raise
        except Exception as error:  # what the providers' libraries raise has nothing in common
            if self._is_of_disk(error):
                raise
            place = f"{self.url}/{name}" if name else self.url
            if name and is_of_one_object(error):
                raise ObjectError(place, words_of(error)) from error
            if is_of_connection(error):
                raise UnreachableError(place, words_of(error)) from error
            raise RemoteError(f"{place}: {words_of(error)}") from error

    def _is_of_disk(self, error: Exception) -> bool:
        """Tell a fault of this machine's disk from one of the server."""
        if not isinstance(error, OSError):
            return False
        named = Path(str(error.filename or "")).is_absolute() and not self.url.startswith("file:")
        return named or error.errno in _DISK


def _system(url: str) -> tuple[Any, str]:
    """Make the file system of a URL, and the path in it."""
    from fsspec.core import url_to_fs

    scheme = url.partition(":")[0]
    try:
        system, root = url_to_fs(url)
    except ImportError as error:
        extra = _EXTRAS.get(scheme, "")
        raise RemoteError(
            f"{url}: {scheme}:// needs a package that is not installed; install lsdc-toolkit[{extra}]"
        ) from error
    return system, str(root).rstrip("/")
