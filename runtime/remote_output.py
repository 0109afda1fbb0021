"""Where an artifact is made: a folder of this machine, from which it goes to a URL where one was given."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from lsdc.runtime.claims import take_back
from lsdc.runtime.console import track
from lsdc.runtime.errors import ArtifactError
from lsdc.runtime.file_list import MANIFEST
from lsdc.runtime.folder_lock import LOCK, only_writer
from lsdc.runtime.json_files import read_json, write_json
from lsdc.runtime.paths import PathLike
from lsdc.runtime.remote import RemoteFolder, url_of
from lsdc.runtime.remote_cache import cache_folder
from lsdc.runtime.remote_claim import CLAIM, RemoteClaim
from lsdc.runtime.whole_files import check_output_folder

_UPLOADED = ".uploaded.json"
"""Tells of a folder that is being uploaded which of its files have arrived."""
_NEW = "choose another URL, or, where no such run goes on, delete what is there"
"""What to do about a claim of what is not finished."""


@dataclass(frozen=True)
class OutputFolder:
    """An artifact to be; make one with `of`.

    Parameters
    ----------
    folder : Path
        Where it is made.
    remote : RemoteFolder or None
        Where it goes when it is finished; None leaves it in the folder.
    """

    folder: Path
    remote: RemoteFolder | None

    @classmethod
    def of(cls, out: PathLike) -> Self:
        """Choose the folder.

        Parameters
        ----------
        out : path
            What the user gave: a folder or a URL.

        Returns
        -------
        OutputFolder
            For a URL with a folder among what was fetched, the same at each call, so that runs resume.

        Raises
        ------
        LsdcError
            When it cannot be a folder.
        """
        if (url := url_of(out)) is None:
            return cls(check_output_folder(out), None)
        remote = RemoteFolder(url)
        known = hashlib.sha256(url.encode()).hexdigest()[:32]
        return cls(cache_folder() / "uploads" / f"{remote.name}-{known}", remote)

    @property
    def place(self) -> Path | str:
        """The folder or the URL, as the user gave it."""
        return self.folder if self.remote is None else self.remote.url

    def is_finished(self) -> bool:
        """Tell whether an earlier run has come to its end.

        Returns
        -------
        bool
            Whether the manifest is where it belongs.
        """
        return (self.folder / MANIFEST).is_file() if self.remote is None else self.remote.has(MANIFEST)

    def take(self, name: str) -> None:
        """Bring a small file of what is finished behind the URL, to compare with what is wanted; else claim the URL.

        Parameters
        ----------
        name : str
            Its path in the artifact.

        Raises
        ------
        ArtifactError
            When there is none, there are files that no run of ours has finished, or a run of another machine has
            claimed the URL.
        """
        if self.remote is None:
            return
        if self.is_finished():
            if not self.remote.has(name):
                raise ArtifactError(f"{self.place}: was made by another command; choose another URL")
            self.folder.mkdir(parents=True, exist_ok=True)
            with (
                contextlib.suppress(ArtifactError),
                only_writer(self.folder, owned=False),
            ):  # no append of ours
                self._claim.release()  # of a run that was killed between its last file and this
            self.remote.fetch_one(name, self.folder / name)
            return
        if not self._claim.is_there():
            if not (self.folder / name).is_file() and self.remote.sizes():
                raise ArtifactError(
                    f"{self.place}: is not empty; choose another URL, or delete what is there"
                )
            (self.folder / _UPLOADED).unlink(missing_ok=True)  # what had arrived may have gone with the claim
        self._claim.take(_NEW)

    @contextlib.contextmanager
    def held(self, replaced: Path) -> Iterator[None]:
        """Be the only run, of those of all machines, that replaces what is finished behind the URL.

        Parameters
        ----------
        replaced : Path
            The manifest that was read here and is to be replaced.

        Yields
        ------
        None
            While the URL is claimed; where none was given, at once.

        Raises
        ------
        ArtifactError
            When another machine has claimed the URL, with its age, or has replaced the manifest meanwhile.
        """
        if self.remote is None:
            yield
            return
        self._claim.take(self._grown)
        try:
            self._check_unchanged(self.remote, replaced.read_bytes())
            yield
        finally:
            self._claim.release()

    def take_back(self) -> None:
        """Remove the claims of a run that has made nothing, here and behind the URL, so that any other may begin.

        Raises
        ------
        OSError
            When what is here cannot be removed.
        """
        take_back(self.folder)
        if self.remote is not None:
            self._claim.release()

    def publish(self, replaced: bytes | None = None) -> None:
        """Upload what was made, its manifest last, and remove it here; nothing where no URL was given.

        What the manifest does not list, as the half-finished work of another run, stays here and is not uploaded.
        What has arrived when a run is interrupted is not uploaded again. That no other run writes to the URL is looked
        at before the first file and again before the manifest. As not every provider can put a file on a condition,
        two runs that end within the time of one request of each other are not told apart: the later manifest stays,
        and opening what it lists tells of files that the other has replaced.

        Parameters
        ----------
        replaced : bytes, optional
            The manifest that is to be replaced; by default there is none.

        Raises
        ------
        ArtifactError
            When another run has replaced it, or claimed the URL, meanwhile.
        RemoteError
            When it cannot be written; the same call resumes.
        """
        if self.remote is None:
            return
        self._check_unchanged(self.remote, replaced)
        mark = self.folder / _UPLOADED
        arrived = read_json(mark) if mark.is_file() else {}
        manifest = (self.folder / MANIFEST).read_bytes()
        names = [name for name in self._listed_here(manifest) if not _is_listed(name, replaced)]
        there = self.remote.sizes() if arrived else {}  # what had arrived may have been deleted since
        for name in track(names, "uploading"):
            found = (self.folder / name).stat()
            state = [found.st_size, found.st_mtime_ns]
            if arrived.get(name) != state or there.get(name) != found.st_size:
                self.remote.put(self.folder / name, name)
                arrived[name] = state
                write_json(mark, arrived)
        self._check_unchanged(self.remote, replaced)
        self.remote.put(self.folder / MANIFEST, MANIFEST)
        self._claim.release()
        self._remove(manifest)

    def remove_arrived(self) -> None:
        """Remove what has arrived behind the URL and is still here; call it while `only_writer` holds the folder.

        Raises
        ------
        RemoteError
            When the manifest cannot be read.
        """
        if self.remote is not None:
            self._remove(self.remote.read(MANIFEST))

    @property
    def _claim(self) -> RemoteClaim:
        """The claim of the URL; this machine's is kept beside the folder, which must be empty when a run begins."""
        assert self.remote is not None
        return RemoteClaim(self.remote, self.folder.with_name(f"{self.folder.name}{CLAIM}"))

    @property
    def _grown(self) -> str:
        """What to do about a claim of what is finished."""
        return f"or, where no such run goes on, delete {self.place}/{CLAIM}"

    def _check_unchanged(self, remote: RemoteFolder, replaced: bytes | None) -> None:
        """Refuse a URL to which another run has written since this one began."""
        if (remote.read(MANIFEST) if remote.has(MANIFEST) else None) != replaced:
            raise ArtifactError(f"{self.place}: another run has written to it meanwhile; run the same again")
        self._claim.check(_NEW if replaced is None else self._grown)

    def _listed_here(self, manifest: bytes) -> list[str]:
        """Name the files of this folder that a manifest lists, and those that the listed manifests of shards do."""
        names, lists = set[str](), [("", json.loads(manifest))]
        for prefix, content in lists:
            for name in (f"{prefix}{file}" for file in content.get("files") or {}):
                if name in names or not (self.folder / name).is_file():
                    continue
                names.add(name)
                if name.endswith(f"/{MANIFEST}"):
                    lists.append((name.removesuffix(MANIFEST), read_json(self.folder / name)))
        return sorted(names)

    def _remove(self, manifest: bytes) -> None:
        """Remove a manifest and what it lists from the folder, and the folder where nothing else is in it."""
        here = self.folder / MANIFEST
        for name in (*self._listed_here(manifest), _UPLOADED):
            (self.folder / name).unlink(missing_ok=True)
        if here.is_file() and here.read_bytes() == manifest:
            here.unlink()
        for root, _, _ in sorted(os.walk(self.folder), reverse=True):
            with contextlib.suppress(OSError):  # it holds the work of another run
                Path(root).rmdir()
        if self.folder.is_dir() and [path.name for path in self.folder.iterdir()] == [LOCK]:
            shutil.rmtree(self.folder, ignore_errors=True)


def _is_listed(name: str, manifest: bytes | None) -> bool:
    """Tell whether a manifest lists a file or its shard, which an interrupted run of long ago may have left here."""
    if manifest is None:
        return False
    content = json.loads(manifest)
    files, shards = content.get("files") or {}, content.get("shards") or []
    return name in files or any(name.startswith(f"{shard['name']}/") for shard in shards)
