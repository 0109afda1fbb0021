"""What was fetched from URLs, kept by its digest on this machine's disk."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lsdc.runtime.cache_room import FILES, VIEWS, note_fetched, use
from lsdc.runtime.file_list import MANIFEST, file_hash, known_hash
from lsdc.runtime.remote import RemoteFolder
from lsdc.runtime.remote_errors import RemoteError
from lsdc.runtime.whole_files import link_or_copy

CACHE = "LSDC_CACHE"
"""The variable of the environment that names the folder of what was fetched."""


def cache_folder() -> Path:
    """Name the folder of what was fetched: `LSDC_CACHE`, or `lsdc` in the user's folder for such things.

    Returns
    -------
    Path
        The folder, which may not be there yet; it may be deleted when nothing runs. `LSDC_CACHE_GB` bounds it.
    """
    if named := os.environ.get(CACHE):
        return Path(named)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "lsdc"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "lsdc"


def view_of(remote: RemoteFolder) -> Path:
    """Make a folder that stands for an artifact behind a URL; its files come when they are first used.

    Parameters
    ----------
    remote : RemoteFolder
        The artifact.

    Returns
    -------
    Path
        A folder with its manifest; another one when the manifest has changed.

    Raises
    ------
    RemoteError
        When there is none, or it cannot be read.
    """
    manifest = remote.read(MANIFEST)
    known = hashlib.sha256(remote.url.encode() + b"\n" + manifest).hexdigest()[:32]
    folder = cache_folder() / VIEWS / f"{remote.name}-{known}"
    use(folder)
    if not (folder / MANIFEST).is_file():
        with _placing(folder / MANIFEST) as temporary:
            temporary.write_bytes(manifest)
    return folder


def fetch_file(remote: RemoteFolder, name: str, digest: str, target: Path) -> None:
    """Put a file of an artifact where it is missing or damaged: from what was fetched before, or from the URL.

    What was fetched before and has been damaged since is dropped, and fetched again.

    Parameters
    ----------
    remote : RemoteFolder
        The artifact.
    name : str
        The file's path in it, with `/`.
    digest : str
        What SHA-256 its content must have.
    target : Path
        Where it is to be.

    Raises
    ------
    RemoteError
        When it cannot be read, or has other content.
    OSError
        When it cannot be written.
    """
    kept = cache_folder() / FILES / digest[:2] / digest
    if kept.is_file() and known_hash(kept) != digest:
        kept.unlink(missing_ok=True)
    fresh = not kept.is_file()
    if fresh:
        with _placing(kept) as temporary:
            remote.fetch_one(name, temporary)
            if file_hash(temporary) != digest:
                raise RemoteError(
                    f"{remote.url}/{name}: its content is not what {MANIFEST} says; upload it again, or make it again"
                )
    with contextlib.suppress(OSError):  # used now; the time of change stays, by which digests are known
        os.utime(kept, ns=(time.time_ns(), kept.stat().st_mtime_ns))
    with _placing(target) as temporary:
        link_or_copy(kept, temporary)
    if fresh:
        note_fetched(cache_folder(), target.stat().st_size)


@contextmanager
def _placing(path: Path) -> Iterator[Path]:
    """Give a name to write to, of which a file becomes; other threads may be about the same file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".", dir=path.parent) as folder:
        yield Path(folder, "file")
        Path(folder, "file").replace(path)
