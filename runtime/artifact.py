"""Directories that hold a result: a manifest, files that appear whole or not at all, and safe loading."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from lsdc.runtime.errors import ArtifactError, LsdcError
from lsdc.runtime.paths import PathLike

MANIFEST = "manifest.json"


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
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        else:
            temporary.unlink(missing_ok=True)


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
    LsdcError
        When it is a device, a pipe or a socket, or lies below something that is not a folder.
    """
    found = Path(path)
    if found.is_symlink():
        found = Path(os.path.realpath(found))
    if found.exists() and not (found.is_file() or found.is_dir()):
        raise LsdcError(f"{path}: is a device or a pipe; give the name of a file")
    for folder in found.parents:
        if folder.exists():
            if not folder.is_dir():
                raise LsdcError(f"{path}: cannot be written, {folder} is a file and not a folder")
            break
    return found


def check_output_file(path: PathLike) -> Path:
    """Refuse an output that cannot be replaced by a file; call it before long work.

    Parameters
    ----------
    path : path
        Where a file is to be written.

    Returns
    -------
    Path
        As `check_output` gives it.

    Raises
    ------
    LsdcError
        As `check_output`, and when it is a folder.
    """
    found = check_output(path)
    if found.is_dir():
        raise LsdcError(f"{path}: is a folder; give the name of a file")
    return found


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, whole or not at all.

    Parameters
    ----------
    path : Path
        The file.
    value : object
        What JSON holds; `lsdc.runtime.plain.plain` makes that of other values.
    """
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1, allow_nan=True) + "\n", encoding="utf-8")


def write_tensors(path: Path, tensors: Mapping[str, NDArray], **notes: str) -> None:
    """Write arrays as safetensors, whole or not at all.

    The file is as readable as others; safetensors' own `save_file` makes one that only its owner may read.

    Parameters
    ----------
    path : Path
        The file.
    tensors : mapping of str to array
        Arrays by name, of any dtype that safetensors knows.
    **notes
        Text that the file's header keeps.
    """
    content = {name: np.array(value, order="C") for name, value in tensors.items()}
    with atomic(path) as temporary:
        temporary.write_bytes(save(content, notes))


def write_weights(path: Path, state: Mapping[str, Any], **notes: str) -> None:
    """Write a network's weights as half-precision safetensors; what is not floating point stays as it is.

    Parameters
    ----------
    path : Path
        The file.
    state : mapping of str to Tensor
        A `state_dict`.
    **notes
        Text that the file's header keeps.
    """
    halves = {name: value.half() if value.is_floating_point() else value for name, value in state.items()}
    write_tensors(path, {name: value.cpu().numpy() for name, value in halves.items()}, **notes)


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    object
        Its content.

    Raises
    ------
    ArtifactError
        When the file is absent, unreadable or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ArtifactError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path}: cannot be read as JSON ({error}); write it again") from error


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
        What else the manifest holds, as JSON holds it.
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
        When the directory is absent, of another kind, or was written by a newer version.
    """
    if not folder.is_dir():
        raise ArtifactError(f"{folder}: no such {kind} directory; make one with `{made_by}`")
    if not (folder / MANIFEST).is_file():
        raise ArtifactError(
            f"{folder}: not a finished {kind} directory (it has no {MANIFEST}); run `{made_by}` to its end"
        )
    manifest = read_json(folder / MANIFEST)
    if not isinstance(manifest, dict) or manifest.get("kind") != kind:
        found = manifest.get("kind") if isinstance(manifest, dict) else type(manifest).__name__
        raise ArtifactError(f"{folder}: holds a {found!r}, not a {kind!r}; make one with `{made_by}`")
    if not isinstance(manifest.get("schema"), int) or manifest["schema"] > schema:
        raise ArtifactError(
            f"{folder}: written by lsdc {manifest.get('lsdc')} with layout {manifest.get('schema')}, newer than "
            f"what this version reads ({schema}); upgrade lsdc, or make it again with `{made_by}`"
        )
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
    """

    path: Path
    manifest: dict[str, Any]

    kind: ClassVar[str]
    """What the manifest says that the directory is, such as `store`."""
    schema: ClassVar[int] = 1
    """The newest layout that this version reads."""
    made_by: ClassVar[str]
    """The command that makes such a directory, for errors."""
    files: ClassVar[tuple[str, ...]] = ()
    """What must be there besides the manifest."""

    @classmethod
    def open(cls, path: PathLike) -> Self:
        """Open a directory after checking that it is whole.

        Parameters
        ----------
        path : path
            The directory.

        Returns
        -------
        Artifact
            Of the class that was asked.

        Raises
        ------
        ArtifactError
            When it is absent, unfinished, damaged, of another kind, or was written by a newer version.
        """
        folder = Path(path)
        opened = cls(folder, read_manifest(folder, cls.kind, cls.schema, cls.made_by))
        for name in cls.files:
            if not (folder / name).is_file():
                raise ArtifactError(
                    f"{folder}: damaged {cls.kind}, {name} is missing; make it again with `{cls.made_by}`"
                )
        opened.check_content()
        return opened

    def check_content(self) -> None:
        """Refuse a directory whose files contradict its manifest; subclasses say when, this one never does."""

    def __fspath__(self) -> str:
        """Stand for the directory where a path is asked for."""
        return str(self.path)

    def __repr__(self) -> str:
        """Name the class and the directory."""
        return f"{type(self).__name__}({str(self.path)!r})"


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


def claim(folder: Path, config: Mapping[str, Any], redo: Callable[[], str]) -> None:
    """Mark a folder as being written with a configuration, or refuse when it was begun with another one.

    A run that was killed leaves its claim; the same command finds it and resumes.

    Parameters
    ----------
    folder : Path
        The directory; it is made where it is absent.
    config : mapping
        What decides the result; written to config.json.
    redo : callable
        Gives the last words of an error: what the user can do instead.

    Raises
    ------
    ArtifactError
        When the folder holds work of another configuration, or files that are not ours.
    """
    mark = folder / "config.json"
    wanted = json.loads(json.dumps(dict(config), default=str))
    if mark.is_file():
        found = read_json(mark)
        if found != wanted:
            different = sorted(
                key for key in wanted.keys() | found.keys() if wanted.get(key) != found.get(key)
            )
            raise ArtifactError(
                f"{folder}: begun with another configuration ({', '.join(different)} differ); {redo()}"
            )
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ArtifactError(f"{folder}: exists and is not empty; {redo()}")
    folder.mkdir(parents=True, exist_ok=True)
    write_json(mark, wanted)
