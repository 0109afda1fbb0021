"""Writing a feature store: in one go from memory, or study by study from several processes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import TARGETS, Condition, View
from lsdc.features.store import KIND, NEIGHBORS, PREVIEWS, ROW_TYPES, SCHEMA, VIEWS, FeatureStore
from lsdc.runtime import ArtefactError, Problem
from lsdc.runtime.artefact import atomic, file_hash, fingerprint, write_manifest

# What decides whether a model fitted on one store may read another.
FEATURE_KEYS = ("backbone", "encoder", "crop_px", "crop_mm", "numeric_names", "embedding_dim", "schema")


@dataclass(frozen=True)
class Arrays:
    """The arrays of a store that is being written; each study owns its part, so processes may share them."""

    path: Path
    n_studies: int
    crop_px: int
    volume_slices: int
    volume_px: int
    preview_px: int

    @property
    def _shapes(self) -> dict[str, tuple[int, ...]]:
        volume = (self.n_studies, self.volume_slices, self.volume_px, self.volume_px)
        return {
            "crops.npy": (self.n_studies * len(TARGETS), len(VIEWS), NEIGHBORS, self.crop_px, self.crop_px),
            **{f"volumes/{view.name.lower()}.npy": volume for view in VIEWS},
            "previews.npy": (self.n_studies, PREVIEWS, self.preview_px, self.preview_px),
        }

    def create(self) -> None:
        """Reserve the files, filled with zeros; those that are there already stay."""
        for name, shape in self._shapes.items():
            path = self.path / name
            if path.is_file() and np.load(path, mmap_mode="r").shape == shape:
                continue
            with atomic(path) as temporary:
                open_memmap(temporary, "w+", np.uint8, shape).flush()

    def write(self, study: int, crops: NDArray, volumes: Mapping[View, NDArray], previews: NDArray) -> None:
        """Put one study's arrays into its place.

        Parameters
        ----------
        study : int
            Index of the study in the store.
        crops : (25, 3, 3, P, P) uint8
            In the order of TARGETS.
        volumes : mapping of View to (slices, px, px) uint8
            Absent views may be left out.
        previews : (8, px, px) uint8
            The chosen slices.
        """
        n = len(TARGETS)
        self._put("crops.npy", slice(study * n, (study + 1) * n), crops)
        for view, volume in volumes.items():
            self._put(f"volumes/{view.name.lower()}.npy", slice(study, study + 1), volume[None])
        self._put("previews.npy", slice(study, study + 1), previews[None])

    def _put(self, name: str, where: slice, values: NDArray) -> None:
        array = open_memmap(self.path / name, "r+")
        array[where] = values
        array.flush()


class RowWriter:
    """Append rows with their embeddings to rows.parquet, one row group per call; see `writing_rows`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: pq.ParquetWriter | None = None
        self.n_rows = 0
        self.embedding_dim = 0
        self.numeric_names: list[str] = []

    def add(self, rows: pd.DataFrame, embedding: NDArray[np.float32]) -> None:
        """Append rows (columns of ROW_TYPES, `meta_*`, `flag_*`) and their (n, D) embeddings."""
        dim = int(embedding.shape[1])
        extra = [name for name in rows.columns if name.startswith(("meta_", "flag_"))]
        fields = [(name, kind) for name, (kind, _) in ROW_TYPES.items()]
        fields += [(name, pa.bool_() if name.startswith("flag_") else pa.float32()) for name in extra]
        columns = [pa.array(rows[name].to_numpy(), type=kind, from_pandas=False) for name, kind in fields]
        flat = pa.array(np.ascontiguousarray(embedding, np.float32).reshape(-1))
        columns.append(pa.FixedSizeListArray.from_arrays(flat, dim))
        table = pa.Table.from_arrays(columns, names=[name for name, _ in fields] + ["embedding"])
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, table.schema, compression="zstd")
            self.embedding_dim = dim
            self.numeric_names = [*extra, "confidence"]
        self._writer.write_table(table)
        self.n_rows += len(rows)

    def close(self) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._writer.close()


@contextmanager
def writing_rows(path: Path) -> Iterator[RowWriter]:
    """Write rows.parquet of the store at `path`, whole or not at all."""
    with atomic(path / "rows.parquet") as temporary:
        writer = RowWriter(temporary)
        try:
            yield writer
        finally:
            writer.close()


def write_problems(path: Path, problems: Sequence[Problem]) -> None:
    """Write problems.csv: path, reason, remedy."""
    rows = [(item.path, item.reason, item.remedy) for item in problems]
    with atomic(path) as temporary:
        pd.DataFrame(rows, columns=["path", "reason", "remedy"]).to_csv(temporary, index=False)


def finish_store(
    path: Path,
    writer: RowWriter,
    studies: pd.DataFrame,
    configuration: Mapping[str, Any],
    problems: Sequence[Problem] = (),
    **content: Any,
) -> FeatureStore:
    """Write what makes the directory a store, the manifest last, and open it.

    Parameters
    ----------
    path : Path
        The store's directory, with rows.parquet and the arrays in place.
    writer : RowWriter
        What wrote rows.parquet.
    studies : DataFrame
        One row per study, in the order of the arrays.
    configuration : mapping
        How it was made; `backbone`, `encoder`, `crop_px` and `crop_mm` enter the fingerprint.
    problems : sequence of Problem
        What was left out.
    **content
        More for the manifest.
    """
    with atomic(path / "studies.parquet") as temporary:
        studies.to_parquet(temporary, index=False)
    write_problems(path / "problems.csv", problems)
    layout = {"numeric_names": writer.numeric_names, "embedding_dim": writer.embedding_dim, "schema": SCHEMA}
    meaning = {key: (dict(configuration) | layout).get(key) for key in FEATURE_KEYS}
    write_manifest(
        path,
        KIND,
        SCHEMA,
        feature_fingerprint=fingerprint(meaning),
        configuration=dict(configuration),
        numeric_names=writer.numeric_names,
        embedding_dim=writer.embedding_dim,
        n_rows=writer.n_rows,
        n_studies=len(studies),
        n_problems=len(problems),
        views=[view.value for view in VIEWS],
        rows_sha256=file_hash(path / "rows.parquet"),
        **content,
    )
    return FeatureStore.open(path)


def complete_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Fill absent columns with what means absent; `study_id`, `condition` and `level` must be there."""
    filled = rows.reset_index(drop=True).copy()
    if "row_id" not in filled:
        filled["row_id"] = filled["study_id"] + "_" + filled["condition"] + "_" + filled["level"]
    if "view" not in filled:
        filled["view"] = [Condition(value).view.value for value in filled["condition"]]
    for name, (_, absent) in ROW_TYPES.items():
        if name not in filled:
            filled[name] = absent
    return filled


def write_store(
    path: Path,
    rows: pd.DataFrame,
    embedding: NDArray[np.float32],
    crops: NDArray[np.uint8] | None = None,
    *,
    configuration: Mapping[str, Any] | None = None,
    problems: Sequence[Problem] = (),
) -> FeatureStore:
    """Write a store from what is in memory: for other people's features, and for tests.

    Parameters
    ----------
    path : Path
        A new directory.
    rows : DataFrame
        25 rows per study in the order of TARGETS; at least `study_id`, `condition` and `level`; further
        columns as in docs/store.md, `meta_*` and `flag_*` at will.
    embedding : (n, D) float32
        NaN where absent.
    crops : (n, 3, 3, P, P) uint8, optional
        Zeros of 8 px when left out.
    configuration : mapping, optional
        For the manifest; two stores with different ones do not fit the same model.
    problems : sequence of Problem
        For problems.csv.

    Raises
    ------
    ArtefactError
        When the directory is in use, or `rows`, `embedding` and `crops` differ in length.
    """
    if path.exists() and any(path.iterdir()):
        raise ArtefactError(f"{path}: exists and is not empty; choose another directory")
    n = len(rows)
    if n % len(TARGETS) or len(embedding) != n or (crops is not None and len(crops) != n):
        raise ArtefactError(
            f"{path}: {n} rows, {len(embedding)} embeddings and {n if crops is None else len(crops)} crops; "
            f"a store needs as many of each, {len(TARGETS)} per study"
        )
    filled = complete_rows(rows)
    studies = filled.loc[:: len(TARGETS), ["study_id", "split"]].reset_index(drop=True)
    arrays = Arrays(path, len(studies), 8 if crops is None else crops.shape[-1], 4, 8, 8)
    arrays.create()
    if crops is not None:
        arrays._put("crops.npy", slice(None), crops)
    with writing_rows(path) as writer:
        writer.add(filled, embedding)
    return finish_store(path, writer, studies, configuration or {}, problems)
