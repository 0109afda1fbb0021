"""How several folders make one store: the order of their studies, their tables and their arrays joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import TARGETS
from lsdc.features.joined_array import ArrayFile, JoinedArray
from lsdc.features.store_check import ARRAYS, array_shape
from lsdc.features.store_part import StorePart
from lsdc.runtime.file_list import FileList

SHARDS = "shards"
"""The entry of a store's manifest that lists its shards, and the folder in which they lie."""
ROOT = "."
"""The name of the shard that is the store's own folder: it was a whole store before others were added."""
COUNTS = ("n_rows", "n_studies", "n_problems")
"""What the manifest counts, of the store and of each shard."""
_SHARED = ("feature_fingerprint", "numeric_names", "embedding_dim")


@dataclass(frozen=True, eq=False)
class StoreFiles:
    """The array files of a store; it can be sent to other processes, and takes no table along.

    Parameters
    ----------
    lists : tuple of FileList
        The files of each part of the store.
    n_studies : tuple of int
        Number of studies in each part.
    order : (n,) int64 or None
        Which study, counted over all parts, stands in which place; None where they are in the order of the parts.
    tails : mapping of str to sequence of int
        By array: the shape of a row. Looked at only where there are several parts.
    """

    lists: tuple[FileList, ...]
    n_studies: tuple[int, ...]
    order: NDArray[np.int64] | None
    tails: Mapping[str, Sequence[int]]

    def open(self, name: str) -> np.memmap | JoinedArray:
        """Map an array, anew at every call.

        Parameters
        ----------
        name : str
            `crops.npy`, `previews.npy`, or `volumes/<view>.npy`.

        Returns
        -------
        memmap or JoinedArray
            Of uint8, read-only.

        Raises
        ------
        ArtifactError
            When it is missing or damaged; of several files, each is checked when rows of it are read.
        """
        block = len(TARGETS) if name == "crops.npy" else 1
        if len(self.lists) == 1:
            n = self.n_studies[0]
            shape = array_shape(name, {"n_rows": n * len(TARGETS), "n_studies": n})
            return ArrayFile(self.lists[0], name, shape).open()
        tail = tuple(self.tails[name])
        lengths = tuple(n * block for n in self.n_studies)
        files = tuple(ArrayFile(one, name, (n, *tail)) for one, n in zip(self.lists, lengths))
        return JoinedArray(files, lengths, tail, self.order, block)


def wrong_shards(manifest: Mapping[str, Any]) -> str:
    """Say what is wrong with a manifest's list of shards.

    Parameters
    ----------
    manifest : mapping
        Of a store, after a check of its fields.

    Returns
    -------
    str
        Empty where nothing is.
    """
    shards = manifest[SHARDS]
    if len({shard["name"] for shard in shards}) != len(shards):
        return "a shard is listed twice"
    for name in COUNTS:
        if sum(shard[name] for shard in shards) != manifest[name]:
            return f"the shards do not add up to {name}"
    if any(shard["n_rows"] != len(TARGETS) * shard["n_studies"] for shard in shards):
        return f"a shard has not {len(TARGETS)} rows a study"
    return "" if set(ARRAYS) <= manifest.get("arrays", {}).keys() else "the shapes of the arrays are missing"


def contradiction(part: Mapping[str, Any], store: Mapping[str, Any], shard: Mapping[str, Any]) -> str:
    """Say in what a shard's manifest is not what the store says of it.

    Parameters
    ----------
    part, store : mapping
        The manifests.
    shard : mapping
        The shard's entry in the store's.

    Returns
    -------
    str
        Empty where they agree.
    """
    for name in (*_SHARED, *COUNTS):
        if part[name] != (shard if name in COUNTS else store)[name]:
            return f"{name} is not that of the store"
    return ""


def rows_of_studies(order: NDArray[np.int64] | None, n_studies: int) -> NDArray[np.int64]:
    """Find which row, counted over all parts, stands in which place.

    Parameters
    ----------
    order : (n_studies,) int64 or None
        The same of the studies.
    n_studies : int
        Number of studies.

    Returns
    -------
    (25 * n_studies,) int64
        All rows.

    Examples
    --------
    >>> rows_of_studies(np.array([1, 0]), 2)[[0, 24, 25]].tolist()
    [25, 49, 0]
    """
    studies = np.arange(n_studies) if order is None else order
    return (studies[:, None] * len(TARGETS) + np.arange(len(TARGETS))).ravel()


def join_tables(tables: Sequence[pd.DataFrame], places: NDArray[np.int64] | None) -> pd.DataFrame:
    """Join tables of the same columns.

    Parameters
    ----------
    tables : sequence of DataFrame
        One of each part.
    places : (n,) int64 or None
        Which row, counted over all tables, stands in which place; None leaves them as they come.

    Returns
    -------
    DataFrame
        Index 0..n-1; the only table itself.

    Raises
    ------
    ValueError
        When their columns differ.
    """
    if len(tables) == 1:
        return tables[0]
    for table in tables[1:]:
        if list(table.columns) != list(tables[0].columns):
            odd = sorted(set(table.columns) ^ set(tables[0].columns)) or ["their order"]
            raise ValueError(f"the columns of its shards differ ({', '.join(odd[:3])})")
    whole = pd.concat(tables, ignore_index=True)
    return whole if places is None else whole.iloc[places].reset_index(drop=True)


def join_embeddings(
    parts: Sequence[StorePart], order: NDArray[np.int64] | None, shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Read the embeddings of all parts into one array.

    Parameters
    ----------
    parts : sequence of StorePart
        The parts.
    order : (n,) int64 or None
        Which study, counted over all parts, stands in which place.
    shape : (int, int)
        Of the result.

    Returns
    -------
    (25 * n, D) float32
        NaN where a view is absent.
    """
    if len(parts) == 1:
        return parts[0].embedding
    place_of = np.argsort(rows_of_studies(order, shape[0] // len(TARGETS)))
    found, start = np.empty(shape, np.float32), 0
    for part in parts:
        stop = start + int(part.manifest["n_rows"])
        found[place_of[start:stop]] = part.embedding
        start = stop
    return found
