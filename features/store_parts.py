"""The folders of a store, opened when they are first needed, and the tables that they hold together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lsdc.features.store_check import check_studies
from lsdc.features.store_part import StorePart
from lsdc.features.store_shards import (
    ROOT,
    SHARDS,
    StoreFiles,
    contradiction,
    join_embeddings,
    join_tables,
    rows_of_studies,
    wrong_shards,
)
from lsdc.runtime.artifact import MANIFEST, Artifact
from lsdc.runtime.file_list import fetch_all


@dataclass(frozen=True, eq=False)
class StoreParts:
    """What a store holds, in however many folders; studies are in the order of their ids where there are several.

    Parameters
    ----------
    store : Artifact
        The store.
    """

    store: Artifact

    def check(self) -> None:
        """Refuse a manifest that contradicts itself or the store's own files; shards are checked when they are used.

        Raises
        ------
        ArtifactError
            When it does, or when one of the files cannot be read.
        """
        if SHARDS in self.store.manifest and (problem := wrong_shards(self.store.manifest)):
            raise self.store.damage(f"{MANIFEST}: {problem}")
        for shard in self._shards:
            if shard["name"] == ROOT:
                part = self._open(shard)
                part.check_files()
                part.check_content()

    @property
    def _shards(self) -> list[dict[str, Any]]:
        """The shards that the manifest lists; of a whole store its own folder."""
        return self.store.manifest.get(SHARDS, [{"name": ROOT}])

    @cached_property
    def all(self) -> tuple[StorePart, ...]:
        """The folders: the store's own, or its shards'.

        Raises
        ------
        ArtifactError
            When one is missing or damaged.
        """
        if self.store.remote is not None:
            names = [f"{shard['name']}/{MANIFEST}" for shard in self._shards if shard["name"] != ROOT]
            fetch_all([(self.store.listed, name) for name in names])
        return tuple(map(self._open, self._shards))

    def _open(self, shard: dict[str, Any]) -> StorePart:
        """Open one of the folders."""
        own = StorePart(self.store.path, self.store.manifest | shard, self.store.remote)
        if shard["name"] == ROOT:
            return own
        self.store.file(f"{shard['name']}/{MANIFEST}")  # checks its digest
        part = own.shard(shard["name"])
        if problem := contradiction(part.manifest, self.store.manifest, shard):
            raise self.store.damage(f"{shard['name']}: {problem}")
        return part

    def _bring(self, name: str) -> None:
        """Fetch a file of all parts at once, where the store lies behind a URL."""
        if self.store.remote is not None:
            fetch_all([(part.listed, name) for part in self.all if part.listed.has(name)])

    @property
    def ids(self) -> NDArray[np.object_]:
        """The ids of all studies, (n,) of str, one part after the other; quicker to have than the tables."""
        self._bring("studies.parquet")
        ids = np.concatenate([part.study_ids for part in self.all])
        if len(set(ids)) < len(ids):
            raise self.store.damage("a study is in it twice")
        return ids

    @cached_property
    def order(self) -> NDArray[np.int64] | None:
        """Which study, counted over all parts, stands in which place; None where that is their order."""
        if len(self.all) == 1:
            return None
        ids = self.ids
        order = np.argsort(ids, kind="stable")
        return None if np.array_equal(order, np.arange(len(ids))) else order

    @property
    def files(self) -> StoreFiles:
        """The files of the arrays."""
        lists = tuple(part.listed for part in self.all)
        counts = tuple(part.n_studies for part in self.all)
        return StoreFiles(lists, counts, self.order, self.store.manifest.get("arrays", {}))

    def rows(self) -> pd.DataFrame:
        """Read the rows.

        Returns
        -------
        DataFrame
            All columns of rows.parquet except the embedding; index 0..n-1.
        """
        self._bring("rows.parquet")
        order = self.order
        places = None if order is None else rows_of_studies(order, len(order))
        return self._joined([part.rows for part in self.all], places)

    def studies(self, study_ids: pd.Series) -> pd.DataFrame:
        """Read the table of studies.

        Parameters
        ----------
        study_ids : Series of str
            That column of the rows, with which it must agree.

        Returns
        -------
        DataFrame
            One row per study, in the same order.
        """
        studies = self._joined([part.studies for part in self.all], self.order)
        try:
            check_studies(studies, study_ids)
        except ValueError as error:
            raise self.store.damage(f"studies.parquet: {error}") from None
        return studies

    def embedding(self) -> NDArray[np.float32]:
        """Read the embeddings.

        Returns
        -------
        (n, D) float32
            NaN where a view is absent.
        """
        shape = self.store.manifest["n_rows"], self.store.manifest["embedding_dim"]
        return join_embeddings(self.all, self.order, shape)

    def table(self, name: str) -> pd.DataFrame | None:
        """Read one of the tables for people, one part after the other.

        Parameters
        ----------
        name : str
            `problems.csv` or `series.csv`.

        Returns
        -------
        DataFrame or None
            All cells text; None where a part of an earlier version has no such table.
        """
        self._bring(name)
        tables = [part.table(name) for part in self.all]
        found = [table for table in tables if table is not None]
        return pd.concat(found, ignore_index=True) if len(found) == len(tables) else None

    def _joined(self, tables: list[pd.DataFrame], places: NDArray[np.int64] | None) -> pd.DataFrame:
        """Join the tables of the parts."""
        try:
            return join_tables(tables, places)
        except ValueError as error:
            raise self.store.damage(str(error)) from None
