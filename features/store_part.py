"""The tables and arrays of one folder: a whole store, or one of the shards of a store that has grown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lsdc.features.store_check import (
    NEEDED_COLUMNS,
    STORE_FIELDS,
    check_rows,
    open_store_array,
    read_embedding,
)
from lsdc.runtime.artifact import Artifact
from lsdc.runtime.parquet_files import open_parquet, read_parquet
from lsdc.runtime.schema import Check


@dataclass(frozen=True, repr=False)
class StorePart(Artifact):
    """Some of a store's studies, in a folder of their own; `FeatureStore` makes one of several.

    Parameters
    ----------
    path : Path
        The folder.
    manifest : dict
        The content of its manifest.json; of a store to which shards were added, with the counts of its own files.
    remote : RemoteFolder, optional
        Where it lies behind a URL.
    """

    kind: ClassVar[str] = "store"
    schema: ClassVar[int] = 2
    made_by: ClassVar[str] = "lsdc-features extract DATA --out STORE"
    files: ClassVar[tuple[str, ...]] = ("rows.parquet", "crops.npy")
    lazy: ClassVar[bool] = True
    _fields: ClassVar[Check] = STORE_FIELDS

    def check_content(self) -> None:
        """Refuse a folder whose rows, crops and manifest differ in length; of the files only the headers are read.

        Raises
        ------
        ArtifactError
            When they do, or when one of the files cannot be read.
        """
        if self.remote is not None:
            return  # they are fetched when they are first used
        try:
            rows = open_parquet(self.path / "rows.parquet").metadata.num_rows
            crops = len(open_store_array(self.path / "crops.npy", self.manifest))
        except (OSError, ValueError) as error:
            raise self.damage(f"rows.parquet or crops.npy cannot be read ({error})") from error
        if not rows == crops == self.manifest["n_rows"]:
            raise self.damage(
                f"{rows} rows in rows.parquet, {crops} in crops.npy, {self.manifest['n_rows']} in the manifest"
            )

    @property
    def n_studies(self) -> int:
        """Number of its studies."""
        return int(self.manifest["n_studies"])

    @property
    def rows(self) -> pd.DataFrame:
        """All columns of rows.parquet except the embedding; index 0..n-1. Read anew at each use, as all tables are."""
        with self._damage_of("rows.parquet"):
            found = read_parquet(
                self.file("rows.parquet"), wanted=lambda name: name != "embedding", columns=NEEDED_COLUMNS
            )
            check_rows(found, self.manifest["numeric_names"])
        return found

    @property
    def studies(self) -> pd.DataFrame:
        """One row per study, in the order of `rows` and of the volumes; see `check_studies`."""
        with self._damage_of("studies.parquet"):
            return read_parquet(self.file("studies.parquet"), ("study_id",))

    @property
    def study_ids(self) -> NDArray[np.object_]:
        """The ids of its studies, (n,), without a look at the rows."""
        with self._damage_of("studies.parquet"):
            found = read_parquet(
                self.file("studies.parquet"), ("study_id",), wanted=lambda name: name == "study_id"
            )["study_id"].to_numpy(object)
            if len(found) != self.n_studies or not all(isinstance(item, str) for item in found):
                raise ValueError(f"it does not name {self.n_studies} studies")
        return found

    @property
    def embedding(self) -> NDArray[np.float32]:
        """The embeddings, (n, D) float32; NaN where a view is absent."""
        with self._damage_of("rows.parquet"):
            return read_embedding(
                self.file("rows.parquet"), self.manifest["n_rows"], self.manifest["embedding_dim"]
            )

    def table(self, name: str) -> pd.DataFrame | None:
        """Read one of the tables for people, with all cells as text.

        Parameters
        ----------
        name : str
            `problems.csv` or `series.csv`.

        Returns
        -------
        DataFrame or None
            None for folders of earlier versions, which have no such table.
        """
        if not self.listed.has(name):
            return None
        with self._damage_of(name):
            return pd.read_csv(self.file(name), dtype=str, keep_default_na=False)

    def shard(self, name: str) -> StorePart:
        """Open a folder in it that is another part.

        Parameters
        ----------
        name : str
            Its path in this one, with `/`.

        Returns
        -------
        StorePart
            Checked as `open` does; of one behind a URL, whose manifest must have been fetched, that alone.
        """
        return self._opened(self.path / name, None if self.remote is None else self.remote.child(name))

    @contextmanager
    def _damage_of(self, name: str) -> Iterator[None]:
        """Name the file whose content is not what it must be."""
        try:
            yield
        except (OSError, ValueError, MemoryError) as error:
            raise self.damage(f"{name}: {error}") from error
