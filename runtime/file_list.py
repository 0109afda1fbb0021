"""The files of an artifact directory with size and digest, as its manifest lists them, and their check before use."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from lsdc.runtime.errors import ArtifactError
from lsdc.runtime.schema import Check, mapping_of, record, text, whole

FILES = "files"
"""The manifest's entry with the list."""
MANIFEST = "manifest.json"
"""The file that makes a folder a finished artifact; it lists the others and is not listed itself."""
_NAME = r"(?!\.)[^/\\\x00-\x1f\x7f\ud800-\udfff]+(/(?!\.)[^/\\\x00-\x1f\x7f\ud800-\udfff]+)*"
LISTED: Check = mapping_of(
    record({"bytes": whole(0), "sha256": text("[0-9a-f]{64}")}), name=text(_NAME), most=1_000_000
)
"""What the list must be in a manifest."""

_AT_ONCE = 16
"""Files that are fetched at once."""
Fetch = Callable[[str, str, Path], None]
"""Brings a file: its name in the artifact, its digest, and where it is to be."""

_known: dict[str, tuple[int, int, int, str]] = {}
"""Digests that this process has computed, with inode, size and time of change, by path."""


def file_hash(path: Path) -> str:
    """Hash a file's bytes, for manifests.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    str
        SHA-256 in hexadecimal digits.
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def known_hash(path: Path) -> str:
    """Hash a file's bytes once a process: again only where size, inode or time of change are others.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    str
        SHA-256 in hexadecimal digits.
    """
    found = path.stat()
    state = (found.st_ino, found.st_size, found.st_mtime_ns)
    key = str(path.absolute())
    if _known.get(key, ())[:3] != state:
        _known[key] = (*state, file_hash(path))
    return _known[key][3]


def list_files(folder: Path, without: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
    """List the files of a directory for its manifest.

    Parameters
    ----------
    folder : Path
        The directory.
    without : sequence of str
        Names in it, of files or folders, that are left out because they change or go later. The manifest and hidden
        names, such as temporary files and locks, are left out too.

    Returns
    -------
    dict of str to dict
        `bytes` and `sha256` by the path in the directory, with `/` on every system.
    """
    return {
        path.relative_to(folder).as_posix(): file_entry(path)
        for path in sorted(_files(folder, {MANIFEST, *without}))
    }


def file_entry(path: Path) -> dict[str, Any]:
    """Describe a file as a manifest lists it.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    dict
        `bytes` and `sha256`.
    """
    return {"bytes": path.stat().st_size, "sha256": file_hash(path)}


def _files(folder: Path, without: set[str]) -> Iterator[Path]:
    """All files below a folder that have no hidden part in their name."""
    for path in folder.iterdir():
        if path.name.startswith(".") or path.name in without:
            continue
        if path.is_dir():
            yield from _files(path, set())
        else:
            yield path


@dataclass(frozen=True)
class FileList:
    """The files that a manifest lists; each is checked before it is first read.

    A digest guards against damage, and not against intent: who can write a file can write the manifest.

    Parameters
    ----------
    folder : Path
        The directory.
    entries : mapping of str to mapping, or None
        What `list_files` gave; None for a directory of an earlier version, whose files carry no digests.
    damage : callable
        Makes the error from what is wrong.
    fetch : callable, optional
        Takes a name, a digest and a path, and puts the file there, also in place of a damaged one; for an artifact
        behind a URL, whose files come when they are first used.
    """

    folder: Path
    entries: Mapping[str, Mapping[str, Any]] | None
    damage: Callable[[str], ArtifactError]
    fetch: Fetch | None = None

    @classmethod
    def of(
        cls,
        folder: Path,
        manifest: Mapping[str, Any],
        damage: Callable[[str], ArtifactError],
        fetch: Fetch | None = None,
    ) -> Self:
        """Take the list of a manifest.

        Parameters
        ----------
        folder : Path
            The directory.
        manifest : mapping
            The content of its manifest.
        damage : callable
            Makes the error from what is wrong.
        fetch : callable, optional
            What brings files from behind a URL.

        Returns
        -------
        FileList
            Not checked yet.

        Raises
        ------
        ArtifactError
            When the manifest's list is no list of files.
        """
        entries = manifest.get(FILES)
        if entries is None:
            return cls(folder, None, damage, fetch)
        try:
            LISTED(entries, FILES)
        except ValueError as error:
            raise damage(f"{MANIFEST}: {error}") from None
        return cls(folder, entries, damage, fetch)

    def check_sizes(self) -> None:
        """Refuse a directory in which a listed file is missing or has another size; no content is read.

        Raises
        ------
        ArtifactError
            With the file.
        """
        for name in self.entries or ():
            self._check_size(name)

    def path(self, name: str) -> Path:
        """Find a file, after checking that its content is what was written.

        Parameters
        ----------
        name : str
            Its path in the directory, with `/`.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        ArtifactError
            When it is missing, not listed, or its content has another digest.
        """
        if self.entries is None:
            if not (self.folder / name).is_file():
                raise self.damage(f"{name} is missing")
            return self.folder / name
        if name not in self.entries:
            raise self.damage(f"{name} is not listed in {MANIFEST}")
        self._check_size(name)
        path = self.folder / name
        if self.fetch is not None and known_hash(path) != self.entries[name]["sha256"]:
            self.fetch(name, self.entries[name]["sha256"], path)
        if known_hash(path) != self.entries[name]["sha256"]:
            raise self.damage(f"the content of {name} is not what was written")
        return path

    def unread(self, name: str) -> Path:
        """Find a file to link or copy it, after checking its size alone; who reads the copy checks its content.

        Parameters
        ----------
        name : str
            Its path in the directory, with `/`; one that is listed.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        ArtifactError
            When it is missing or of another size.
        """
        if self.entries is not None:
            self._check_size(name)
        return self.folder / name

    def has(self, name: str) -> bool:
        """Tell whether there is a file.

        Parameters
        ----------
        name : str
            Its path in the directory, with `/`.

        Returns
        -------
        bool
            Whether it is listed; without a list, whether it is there.
        """
        return (self.folder / name).is_file() if self.entries is None else name in self.entries

    def below(self, prefix: str) -> list[str]:
        """Name the files below a folder.

        Parameters
        ----------
        prefix : str
            The folder's path in the directory, with `/`.

        Returns
        -------
        list of str
            Paths in the directory, sorted.
        """
        if self.entries is not None:
            return sorted(name for name in self.entries if name.startswith(f"{prefix}/"))
        found = (self.folder / prefix).rglob("*")
        return sorted(path.relative_to(self.folder).as_posix() for path in found if path.is_file())

    def _check_size(self, name: str) -> None:
        """Refuse a file that is missing or of another size."""
        assert self.entries is not None
        path, size = self.folder / name, self.entries[name]["bytes"]
        if self.fetch is not None and not (path.is_file() and path.stat().st_size == size):
            self.fetch(name, self.entries[name]["sha256"], path)
        try:
            found = path.stat()
        except (OSError, ValueError):
            raise self.damage(f"{name} is missing") from None
        if not stat.S_ISREG(found.st_mode):
            raise self.damage(f"{name} is no file")
        if found.st_size != size:
            raise self.damage(f"{name} has {found.st_size} bytes instead of {size}")


def fetch_all(wanted: Sequence[tuple[FileList, str]]) -> None:
    """Fetch files of artifacts behind URLs, several at once; those that are here already cost nothing.

    Parameters
    ----------
    wanted : sequence of (FileList, str)
        Names of listed files; their content is checked as they arrive.

    Raises
    ------
    ArtifactError
        When one is of another size.
    RemoteError
        When one cannot be fetched.
    """
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for _ in pool.map(lambda one: one[0].unread(one[1]), wanted):
            pass
