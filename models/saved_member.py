"""How a member is written to a folder with a manifest, and read from it again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Self

from safetensors import SafetensorError

from lsdc.runtime import ArtifactError
from lsdc.runtime.artifact import MANIFEST, file_hash, read_manifest, write_manifest
from lsdc.runtime.file_list import known_hash
from lsdc.runtime.schema import check_schema, mapping_of, record, text, whole

MEMBER_SCHEMA = 1
"""The newest layout of a member's folder that this version reads."""
_MADE_BY = "lsdc-ensemble fit"
_FIELDS = record(
    {"member": text(most=200), "seed": whole(0, 2**63)},
    {"files": mapping_of(text("[0-9a-f]{64}"), most=1000)},
)

_DAMAGE = (
    LookupError, TypeError, AttributeError, ValueError, RuntimeError, ArithmeticError, MemoryError, OSError,
    SafetensorError,
)  # fmt: skip


class SavedMember(ABC):
    """Base class of members that are read from a folder with a manifest; subclasses say how in `_load`."""

    name: ClassVar[str]
    seed: int

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a fitted member.

        Parameters
        ----------
        folder : Path
            What `save` wrote.

        Returns
        -------
        SavedMember
            Of the class that was asked.

        Raises
        ------
        ArtifactError
            When the folder is no member, of another kind, damaged, or from a newer version.
        """
        manifest = read_member(folder)
        if manifest.get("member") != cls.name:
            raise ArtifactError(f"{folder}: holds the member {manifest.get('member')!r}, not {cls.name!r}")
        with damage_reported(folder):
            return cls._load(folder, manifest)

    def finish(self, folder: Path, **content: Any) -> None:
        """Write the manifest that makes a folder a member's, with the SHA-256 of every file; do it last in `save`.

        Parameters
        ----------
        folder : Path
            Holds the member's files and no folders.
        **content
            What else `_load` needs, as JSON holds it.
        """
        hashes = {path.name: file_hash(path) for path in sorted(folder.iterdir()) if path.name != MANIFEST}
        write_manifest(
            folder, "member", MEMBER_SCHEMA, member=self.name, seed=self.seed, **content, files=hashes
        )

    @classmethod
    @abstractmethod
    def _load(cls, folder: Path, manifest: Mapping[str, Any]) -> Self:
        """Read the files that the manifest names; whatever fails for lack of a key or a shape counts as damage."""


def read_member(folder: Path) -> dict[str, Any]:
    """Read the manifest of a member's folder.

    Parameters
    ----------
    folder : Path
        What a member's `save` wrote.

    Returns
    -------
    dict
        The content of its manifest.json; `member` is the name.

    Raises
    ------
    ArtifactError
        When the folder is absent, is not a member's, or was written by a newer version.
    """
    manifest = read_manifest(folder, "member", MEMBER_SCHEMA, _MADE_BY)
    check_schema(manifest, _FIELDS, folder / MANIFEST, f"fit the model again with `{_MADE_BY}`")
    return manifest


@contextmanager
def damage_reported(folder: Path) -> Iterator[None]:
    """Turn what fails while a manifest's content is used into an error that names the file and the remedy.

    Parameters
    ----------
    folder : Path
        The member's folder.

    Yields
    ------
    None
        Nothing.

    Raises
    ------
    ArtifactError
        Instead of a missing key, a wrong type or a wrong shape.
    """
    try:
        yield
    except _DAMAGE as error:
        raise ArtifactError(
            f"{folder / MANIFEST}: damaged ({ascii(error)[:300]}); fit the model again with `{_MADE_BY}`"
        ) from error


def checked_file(folder: Path, manifest: Mapping[str, Any], name: str) -> Path:
    """Find a file of a member whose content is what the manifest says.

    Libraries may crash on a damaged file instead of raising, so damage is found before they see it.

    Parameters
    ----------
    folder : Path
        The member's folder.
    manifest : mapping
        Its manifest, with the SHA-256 of every file under `files`.
    name : str
        The file's name in the folder.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ArtifactError
        When it is missing or differs from what was written.
    """
    path = folder / name
    if not path.is_file() or known_hash(path) != manifest["files"][name]:
        raise ArtifactError(f"{path}: missing or damaged; fit the model again with `{_MADE_BY}`")
    return path
