"""Writing the manifest of a store in several folders: which shards it has, and what they add up to."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lsdc.features.store import FeatureStore
from lsdc.features.store_check import ARRAYS, open_store_array
from lsdc.features.store_part import StorePart
from lsdc.features.store_shards import COUNTS, SHARDS
from lsdc.runtime.artifact import MANIFEST, write_manifest
from lsdc.runtime.errors import ArtifactError
from lsdc.runtime.file_list import file_entry
from lsdc.runtime.parquet_files import open_parquet

_TAKEN = ("feature_fingerprint", "configuration", "numeric_names", "embedding_dim", "views")
"""What a store has in common with its shards."""


def entry_of(part: StorePart, name: str) -> dict[str, Any]:
    """Describe a shard as the manifest of its store does.

    Parameters
    ----------
    part : StorePart
        The shard.
    name : str
        Its folder in the store, such as `shards/00000`; or `.` for the store's own.

    Returns
    -------
    dict of str to JSON value
        Name and counts, and the digest of its rows.
    """
    counts = {count: part.manifest[count] for count in COUNTS}
    return {"name": name, **counts, "rows_sha256": part.manifest["rows_sha256"]}


def array_tails(part: StorePart) -> dict[str, list[int]]:
    """Read the shapes of a part's arrays, without the number of rows, from their headers.

    Parameters
    ----------
    part : StorePart
        The part; behind a URL, its arrays are fetched.

    Returns
    -------
    dict of str to list of int
        By array.

    Raises
    ------
    ArtifactError
        When one cannot be read.
    """
    try:
        shapes = {name: open_store_array(part.listed.unread(name), part.manifest).shape for name in ARRAYS}
    except (OSError, ValueError) as error:
        raise part.damage(str(error)) from error
    return {name: [*map(int, shape[1:])] for name, shape in shapes.items()}


def check_columns(parts: Sequence[StorePart]) -> None:
    """Refuse parts whose rows have other columns than those of the first, as those of another version may have.

    Parameters
    ----------
    parts : sequence of StorePart
        Parts that are to be in one store.

    Raises
    ------
    ArtifactError
        With the part and some of the columns.
    """
    wanted = _columns(parts[0])
    for part in parts[1:]:
        if odd := sorted(wanted ^ _columns(part)):
            raise ArtifactError(
                f"{part.path}: its rows have other columns than those of {parts[0].path} ({', '.join(odd[:3])}), as "
                "stores of different versions have; extract the older one again"
            )


def _columns(part: StorePart) -> set[str]:
    """Name the columns of a part's rows, with their types."""
    try:
        schema = open_parquet(part.listed.unread("rows.parquet")).schema_arrow
    except (OSError, ValueError) as error:
        raise part.damage(f"rows.parquet: {error}") from error
    return {f"{field.name} {field.type}" for field in schema}


def write_shards(
    path: Path,
    like: Mapping[str, Any],
    shards: Sequence[Mapping[str, Any]],
    tails: Mapping[str, Sequence[int]],
    files: Mapping[str, Mapping[str, Any]],
) -> None:
    """Write the manifest of a store in several folders, at once in place of one that is there.

    Parameters
    ----------
    path : Path
        The store's directory, with the shards in place whose manifests `files` does not list.
    like : mapping
        A manifest with what the store has in common with its shards.
    shards : sequence of mapping
        What `entry_of` gave for each.
    tails : mapping of str to sequence of int
        What `array_tails` gave for one of them.
    files : mapping of str to mapping
        The files of the store's own folder, and manifests of shards that it has already, as `list_files` gives them.
    """
    manifests = [f"{shard['name']}/{MANIFEST}" for shard in shards if shard["name"].startswith(f"{SHARDS}/")]
    rows = hashlib.sha256("\n".join(sorted(str(shard["rows_sha256"]) for shard in shards)).encode())
    write_manifest(
        path,
        FeatureStore.kind,
        FeatureStore.schema,
        **{name: like[name] for name in _TAKEN if name in like},
        **{name: sum(shard[name] for shard in shards) for name in COUNTS},
        rows_sha256=rows.hexdigest(),
        shards=[dict(shard) for shard in shards],
        arrays={name: list(tail) for name, tail in tails.items()},
        files=dict(files) | {name: file_entry(path / name) for name in manifests if name not in files},
    )
