"""The feature store: one row per target with its embedding, and arrays that a training loop can map."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import View
from lsdc.runtime import ArtefactError
from lsdc.runtime.artefact import read_manifest

KIND = "store"
SCHEMA = 1
MADE_BY = "lsdc-features extract DATA --out STORE"
VIEWS: tuple[View, ...] = tuple(View)
NEIGHBORS = 3
PREVIEWS = 8

ROW_TYPES: dict[str, tuple[pa.DataType, Any]] = {
    "row_id": (pa.string(), ""),
    "study_id": (pa.string(), ""),
    "split": (pa.string(), "train"),
    "condition": (pa.string(), ""),
    "level": (pa.string(), ""),
    "grade": (pa.int8(), -1),
    "fold": (pa.int16(), -1),
    "view": (pa.string(), ""),
    "series_id": (pa.string(), ""),
    "instance_number": (pa.int32(), -1),
    "x": (pa.float32(), np.nan),
    "y": (pa.float32(), np.nan),
    "left_mm": (pa.float32(), np.nan),
    "posterior_mm": (pa.float32(), np.nan),
    "head_mm": (pa.float32(), np.nan),
    "confidence": (pa.float32(), 0.0),
    "located_by": (pa.string(), "absent"),
    "volume_slice": (pa.int16(), -1),
    "volume_x": (pa.float32(), np.nan),
    "volume_y": (pa.float32(), np.nan),
    "preview": (pa.int8(), -1),
    "preview_x": (pa.float32(), np.nan),
    "preview_y": (pa.float32(), np.nan),
}
"""Columns of rows.parquet before `meta_*`, `flag_*` and `embedding`: type, and the value where absent."""


@dataclass(frozen=True)
class FeatureStore:
    """A finished store, opened for reading; use `FeatureStore.open`.

    Parameters
    ----------
    path : Path
        The directory.
    manifest : dict
        Its manifest.json.
    """

    path: Path
    manifest: dict[str, Any]

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a store.

        Raises
        ------
        ArtefactError
            When it is absent, unfinished, damaged, or written by a newer version.
        """
        path = Path(path)
        store = cls(path, read_manifest(path, KIND, SCHEMA, MADE_BY))
        for name in ("rows.parquet", "crops.npy"):
            if not (path / name).is_file():
                raise ArtefactError(
                    f"{path}: damaged store, {name} is missing; make it again with `{MADE_BY}`"
                )
        rows, crops = pq.read_metadata(path / "rows.parquet").num_rows, len(store.crops)
        if not rows == crops == store.manifest["n_rows"]:
            raise ArtefactError(
                f"{path}: damaged store: {rows} rows in rows.parquet, {crops} in crops.npy, "
                f"{store.manifest['n_rows']} in the manifest; make it again with `{MADE_BY}`"
            )
        return store

    @property
    def feature_fingerprint(self) -> str:
        """Hash of what the features mean: backbone, weights, sizes, columns."""
        return str(self.manifest["feature_fingerprint"])

    @cached_property
    def rows(self) -> pd.DataFrame:
        """All columns of rows.parquet except the embedding; index 0..n-1."""
        names = [name for name in pq.read_schema(self.path / "rows.parquet").names if name != "embedding"]
        return pd.read_parquet(self.path / "rows.parquet", columns=names)

    @cached_property
    def studies(self) -> pd.DataFrame:
        """One row per study, in the order of `rows` and of the volumes."""
        return pd.read_parquet(self.path / "studies.parquet")

    @cached_property
    def embedding(self) -> NDArray[np.float32]:
        """The embeddings, (n, D) float32; NaN where a view is absent."""
        out = np.empty((self.manifest["n_rows"], self.manifest["embedding_dim"]), np.float32)
        start = 0
        for batch in pq.ParquetFile(self.path / "rows.parquet").iter_batches(columns=["embedding"]):
            values = batch.column(0).flatten().to_numpy(zero_copy_only=False)
            out[start : start + len(batch)] = values.reshape(len(batch), -1)
            start += len(batch)
        return out

    @cached_property
    def crops(self) -> np.memmap:
        """The crops, (n, 3 views, 3 neighboring slices, P, P) uint8, mapped; 0 where absent."""
        return np.load(self.path / "crops.npy", mmap_mode="r")

    def volume(self, view: View) -> np.memmap:
        """The small volumes of one view, (n studies, slices, px, px) uint8, mapped; 0 where absent."""
        return np.load(self.path / "volumes" / f"{view.name.lower()}.npy", mmap_mode="r")

    @cached_property
    def previews(self) -> np.memmap:
        """The chosen slices, (n studies, 8, px, px) uint8, mapped; 0 where absent."""
        return np.load(self.path / "previews.npy", mmap_mode="r")

    @property
    def numeric_names(self) -> list[str]:
        """The numeric columns a model may use: `meta_*`, `flag_*` and `confidence`."""
        return list(self.manifest["numeric_names"])

    def numeric(self) -> NDArray[np.float32]:
        """The numeric columns as (n, M) float32; NaN where unknown."""
        return self.rows[self.numeric_names].to_numpy(np.float32)
