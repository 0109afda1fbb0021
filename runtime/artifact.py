"""Directories that hold a result: a manifest that lists every file, checked before use; claims while they are made.

`Artifact.open` checks that every listed file is there with its size; `Artifact.file` checks a file's digest before it
is first read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, Self

from lsdc.runtime.archives import as_given
from lsdc.runtime.claims import claim as claim
from lsdc.runtime.claims import take_back as take_back
from lsdc.runtime.console import say
from lsdc.runtime.errors import ArtifactError
from lsdc.runtime.file_list import MANIFEST as MANIFEST
from lsdc.runtime.file_list import FileList
from lsdc.runtime.file_list import file_hash as file_hash
from lsdc.runtime.file_list import list_files as list_files
from lsdc.runtime.json_files import read_json as read_json
from lsdc.runtime.json_files import write_json as write_json
from lsdc.runtime.paths import PathLike
from lsdc.runtime.remote import RemoteFolder, url_of
from lsdc.runtime.remote_cache import fetch_file, view_of
from lsdc.runtime.schema import Check, check_schema, record, text, whole
from lsdc.runtime.tensor_files import write_tensors as write_tensors
from lsdc.runtime.tensor_files import write_weights as write_weights
from lsdc.runtime.whole_files import atomic as atomic
from lsdc.runtime.whole_files import check_output as check_output
from lsdc.runtime.whole_files import check_output_file as check_output_file

_LISTED_SINCE = 2
"""Layouts of artifacts before this one kept no digests."""
_HEADER = record({"schema": whole(1)}, {"lsdc": text(most=100)})


def write_manifest(folder: Path, kind: str, schema: int, **content: Any) -> None:
    """Write the manifest that makes a folder a finished artifact; do it last.

    Parameters
    ----------
    folder : Path
        The directory.
    kind : str
        What it is (`"store"`, `"model"`).
    schema : int
        Version of the layout.
    **content
        What else the manifest holds, as JSON holds it; as `files` what `list_files` gives.
    """
    header = {"kind": kind, "schema": schema, "lsdc": version("lsdc-toolkit")}
    write_json(folder / MANIFEST, header | content)


def read_manifest(folder: Path, kind: str, schema: int, made_by: str) -> dict[str, Any]:
    """Read and check the manifest of an artifact directory.

    Parameters
    ----------
    folder : Path
        The directory.
    kind : str
        What it must be (`"store"`, `"model"`).
    schema : int
        The newest layout this version understands.
    made_by : str
        The command that makes such a directory, for the error.

    Returns
    -------
    dict
        The manifest's content.

    Raises
    ------
    ArtifactError
        When the directory is absent, of another kind, damaged, or was written by a newer version.
    """
    named = as_given(folder)
    if folder.is_file():
        raise ArtifactError(f"{named}: is a file that is no {kind}; make one with `{made_by}`")
    if not folder.is_dir():
        raise ArtifactError(f"{named}: no such {kind} directory; make one with `{made_by}`")
    if not (folder / MANIFEST).is_file():
        raise ArtifactError(
            f"{named}: not a finished {kind} directory (it has no {MANIFEST}); run `{made_by}` to its end"
        )
    manifest = read_json(folder / MANIFEST)
    if not isinstance(manifest, dict) or manifest.get("kind") != kind:
        found = manifest.get("kind") if isinstance(manifest, dict) else type(manifest).__name__
        shown = repr(found) if isinstance(found, str) and found.isidentifier() else ascii(found)[:40]
        raise ArtifactError(f"{named}: holds a {shown}, not a {kind!r}; make one with `{made_by}`")
    found = manifest.get("schema")
    if not isinstance(found, int) or isinstance(found, bool) or found > schema:
        words = [ascii(str(manifest.get(name)))[1:-1][:40] for name in ("lsdc", "schema")]
        raise ArtifactError(
            f"{named}: written by lsdc {words[0]} with layout {words[1]}, newer than "
            f"what this version reads ({schema}); upgrade lsdc, or make it again with `{made_by}`"
        )
    check_schema(manifest, _HEADER, folder / MANIFEST, f"make it again with `{made_by}`")
    return manifest


@dataclass(frozen=True, repr=False)
class Artifact:
    """A finished directory with a manifest, opened for reading; use `open` of a subclass.

    Parameters
    ----------
    path : Path
        The directory.
    manifest : dict
        The content of its manifest.json.
    remote : RemoteFolder, optional
        Where it lies behind a URL, of which the directory holds what has been used so far.
    """

    path: Path
    manifest: dict[str, Any]
    remote: RemoteFolder | None = None

    kind: ClassVar[str]
    """What the manifest says that the directory is, such as `store`."""
    schema: ClassVar[int] = 1
    """The newest layout that this version reads, which it writes; from 2 on, the manifest must list the files."""
    made_by: ClassVar[str]
    """The command that makes such a directory, for errors."""
    files: ClassVar[tuple[str, ...]] = ()
    """What must be there besides the manifest."""
    lazy: ClassVar[bool] = False
    """Whether files behind a URL may come when they are first used, or must all be there from the beginning."""
    _fields: ClassVar[Check] = record({})
    """What the manifest must hold besides its header."""

    @classmethod
    def open(cls, path: PathLike) -> Self:
        """Open a directory after checking that it is whole.

        Every file that its manifest lists must be there with its size. A file's digest is checked by `file`, before
        the file is first read: hashing what is not read would cost seconds for large stores.

        Parameters
        ----------
        path : path
            The directory, or a URL of one (`s3://`, `gs://`, `az://`, `file://`, `memory://`), whose files are fetched
            when they are first used.

        Returns
        -------
        Artifact
            Of the class that was asked.

        Raises
        ------
        ArtifactError
            When it is absent, unfinished, damaged, of another kind, or was written by a newer version.
        RemoteError
            When the URL cannot be read.
        """
        if (url := url_of(path)) is None:
            return cls._opened(Path(path), None)
        remote = RemoteFolder(url)
        return cls._opened(view_of(remote), remote)

    @classmethod
    def _opened(cls, folder: Path, remote: RemoteFolder | None) -> Self:
        """Open a directory; of one behind a URL, whose files are not there yet, the manifest alone is checked."""
        opened = cls(folder, read_manifest(folder, cls.kind, cls.schema, cls.made_by), remote)
        check_schema(opened.manifest, cls._fields, folder / MANIFEST, f"make it again with `{cls.made_by}`")
        if opened.listed.entries is None and opened.manifest["schema"] >= _LISTED_SINCE:
            raise opened.damage(f"{MANIFEST} lists no files")
        if remote is None or not cls.lazy:
            opened.listed.check_sizes()
        opened.check_files()
        opened.check_content()
        if opened.listed.entries is None:
            written = opened.manifest.get("lsdc", "of unknown version")
            say(f"{folder}: made by lsdc {written}, which kept no digests; only coarse damage can be seen")
        return opened

    @property
    def place(self) -> Path | str:
        """The directory, the file that it was packed in, or the URL behind which it lies."""
        return as_given(self.path) if self.remote is None else self.remote.url

    @cached_property
    def listed(self) -> FileList:
        """The files that the manifest lists, with their digests."""
        # The error's maker is no method: a list that goes to another process takes no table along.
        damage = partial(damaged, self.place, self.kind, self.made_by)
        fetch = None if self.remote is None else partial(fetch_file, self.remote)
        return FileList.of(self.path, self.manifest, damage, fetch)

    def file(self, name: str) -> Path:
        """Find a file of the directory, after checking that its content is what was written.

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
            When it is missing or damaged.
        """
        return self.listed.path(name)

    def damage(self, what: str) -> ArtifactError:
        """Make the error for damage.

        Parameters
        ----------
        what : str
            What is wrong.

        Returns
        -------
        ArtifactError
            To be raised.
        """
        return damaged(self.place, self.kind, self.made_by, what)

    def check_files(self) -> None:
        """Refuse a directory that lacks a file which every one of its kind has.

        Raises
        ------
        ArtifactError
            With the file.
        """
        for name in self.files:
            if not self.listed.has(name):
                raise self.damage(f"{name} is missing")

    def check_content(self) -> None:
        """Refuse a directory whose files contradict its manifest; subclasses say when, this one never does."""

    def __fspath__(self) -> str:
        """Stand for the directory, or its URL, where a path is asked for."""
        return str(self.path if self.remote is None else self.remote.url)

    def __repr__(self) -> str:
        """Name the class and the directory."""
        return f"{type(self).__name__}({str(self.place)!r})"


def damaged(path: PathLike, kind: str, made_by: str, what: str) -> ArtifactError:
    """Make the error for a damaged directory.

    Parameters
    ----------
    path : path
        The directory, or its URL.
    kind, made_by : str
        As the class of the artifact says.
    what : str
        What is wrong.

    Returns
    -------
    ArtifactError
        To be raised.
    """
    return ArtifactError(f"{path}: damaged {kind}, {what}; make it again with `{made_by}`")


def fingerprint(value: Mapping[str, Any]) -> str:
    """Hash a mapping, independent of the order of its keys.

    Parameters
    ----------
    value : mapping
        What JSON holds; anything else counts by its text.

    Returns
    -------
    str
        The first 16 hexadecimal digits of a SHA-256.

    Examples
    --------
    >>> fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]
