"""Writing a feature store: in one go from memory, or study by study from several processes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import TARGETS
from lsdc.features.array_files import ArrayFiles, ArraySizes
from lsdc.features.row_columns import ROW_TYPES, checked_rows, column_types
from lsdc.features.store import VIEWS, FeatureStore
from lsdc.features.store_check import NEIGHBORS
from lsdc.features.store_part import StorePart
from lsdc.runtime.artifact import atomic, file_hash, fingerprint, list_files, write_manifest
from lsdc.runtime.errors import ArtifactError, Problem, TableError
from lsdc.runtime.paths import PathLike
from lsdc.runtime.safe_text import safe_cell
from lsdc.runtime.whole_files import check_output_folder

FEATURE_KEYS = ("backbone", "encoder", "crop_px", "crop_mm", "numeric_names", "embedding_dim", "schema")
"""What decides whether a model fitted on one store may read another."""
_FEATURES = 1
"""Version of what the features mean; the layout of a store has another."""

_SMALLEST = ArraySizes(crop_px=8, volume_slices=4, volume_px=8, preview_px=8)
"""Sizes of the empty arrays of a store that holds other people's features."""

_ROWS_PER_GROUP = 16 * len(TARGETS)
"""Rows of a row group of rows.parquet at most: a reader unpacks one as a whole, beside what it has read."""


class RowWriter:
    """Appends rows with their embeddings to a Parquet file, in small row groups; see `writing_rows`.

    Parameters
    ----------
    path : Path
        The file to write.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: pq.ParquetWriter | None = None
        self.n_rows = 0
        self.embedding_dim = 0
        self.numeric_names: list[str] = []

    def add(self, rows: pd.DataFrame, embedding: NDArray[np.float32]) -> None:
        """Append rows and their embeddings.

        Parameters
        ----------
        rows : DataFrame
            n rows with the columns of `ROW_TYPES`, `meta_*` and `flag_*`; the same columns in every call.
        embedding : (n, D) float32
            NaN where a view is absent; the same D in every call.
        """
        dim = int(embedding.shape[1])
        types = column_types(rows)
        columns = [
            pa.array(rows[name].to_numpy(), type=kind, from_pandas=False) for name, kind in types.items()
        ]
        flat = pa.array(np.ascontiguousarray(embedding, np.float32).reshape(-1))
        columns.append(pa.FixedSizeListArray.from_arrays(flat, dim))
        table = pa.Table.from_arrays(columns, names=[*types, "embedding"])
        if self._writer is None:
            # Numbers of an embedding hardly repeat: a dictionary would make them longer by a third.
            repeating = [name for name in table.column_names if name != "embedding"]
            self._writer = pq.ParquetWriter(
                self._path, table.schema, compression="zstd", use_dictionary=repeating
            )
            self.embedding_dim = dim
            self.numeric_names = [*(name for name in types if name not in ROW_TYPES), "confidence"]
        self._writer.write_table(table, row_group_size=_ROWS_PER_GROUP)
        self.n_rows += len(rows)

    def close(self) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._writer.close()


@contextmanager
def writing_rows(path: Path) -> Iterator[RowWriter]:
    """Write rows.parquet of a store, whole or not at all.

    Parameters
    ----------
    path : Path
        The store's directory.

    Yields
    ------
    RowWriter
        Takes the rows; the file appears when the block ends without error.
    """
    with atomic(path / "rows.parquet") as temporary:
        writer = RowWriter(temporary)
        try:
            yield writer
        finally:
            writer.close()


def write_problems(path: Path, problems: Sequence[Problem]) -> None:
    """Write a CSV file with the columns path, reason and remedy; no spreadsheet runs a cell of it.

    Parameters
    ----------
    path : Path
        The file; it appears whole or not at all.
    problems : sequence of Problem
        One line each.
    """
    rows = [tuple(map(safe_cell, (item.path, item.reason, item.remedy))) for item in problems]
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
    configuration : mapping of str to JSON value
        How it was made; `backbone`, `encoder`, `crop_px` and `crop_mm` enter the fingerprint.
    problems : sequence of Problem
        What was left out; by default nothing.
    **content
        More entries for the manifest, as JSON holds them.

    Returns
    -------
    FeatureStore
        The finished store.

    Raises
    ------
    ArtifactError
        When rows.parquet and crops.npy differ in length.
    """
    with atomic(path / "studies.parquet") as temporary:
        studies.to_parquet(temporary, index=False)
    write_problems(path / "problems.csv", problems)
    layout = {
        "numeric_names": writer.numeric_names,
        "embedding_dim": writer.embedding_dim,
        "schema": _FEATURES,
    }
    meaning = {key: (dict(configuration) | layout).get(key) for key in FEATURE_KEYS}
    write_manifest(
        path,
        StorePart.kind,
        StorePart.schema,
        feature_fingerprint=fingerprint(meaning),
        configuration=dict(configuration),
        numeric_names=writer.numeric_names,
        embedding_dim=writer.embedding_dim,
        n_rows=writer.n_rows,
        n_studies=len(studies),
        n_problems=len(problems),
        views=[view.value for view in VIEWS],
        rows_sha256=file_hash(path / "rows.parquet"),
        files=list_files(path, without=("work",)),
        **content,
    )
    return FeatureStore.open(path)


def write_store(
    path: PathLike,
    rows: pd.DataFrame,
    embedding: NDArray[np.float32],
    crops: NDArray[np.uint8] | None = None,
    *,
    configuration: Mapping[str, Any] | None = None,
    problems: Sequence[Problem] = (),
) -> FeatureStore:
    """Write a store from arrays in memory, to train members on features that another program computed.

    Parameters
    ----------
    path : path
        A new or empty directory; it stays so when anything is wrong.
    rows : DataFrame
        25 rows per study in the order of TARGETS; at least `study_id`, `condition` and `level`, all of them text;
        further columns as in docs/formats/store.md, `meta_*` and `flag_*` at will. An empty grade or fold is unknown.
    embedding : (n, D) float32
        One row per target; NaN where absent.
    crops : (n, 3, 3, P, P) uint8, optional
        Crops by target, view and neighboring slice; zeros of 8 px when left out.
    configuration : mapping of str to JSON value, optional
        How the features were made, for the manifest. Its `backbone`, `encoder`, `crop_px` and `crop_mm` enter
        the fingerprint: a model fitted on one store refuses another in which they differ.
    problems : sequence of Problem
        For problems.csv; by default none.

    Returns
    -------
    FeatureStore
        The finished store.

    Raises
    ------
    ArtifactError
        When the directory is in use, `rows`, `embedding` and `crops` differ in length, or the arrays are of another
        shape or type.
    TableError
        When `rows` lacks a column, or holds what no store may.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from lsdc.cohort.vocabulary import TARGETS
    >>> rows = pd.DataFrame([("one", *target) for target in TARGETS], columns=["study_id", "condition", "level"])
    >>> with TemporaryDirectory() as folder:
    ...     store = write_store(folder, rows, np.zeros((25, 4), np.float32), configuration={"backbone": "mine"})
    ...     store.rows["row_id"][0], store.embedding.shape
    ('one_spinal_canal_stenosis_l1_l2', (25, 4))
    """
    path = check_output_folder(path)
    if path.exists() and any(path.iterdir()):
        raise ArtifactError(f"{path}: exists and is not empty; choose another directory")
    n = len(rows)
    if not n or n % len(TARGETS) or len(embedding) != n or (crops is not None and len(crops) != n):
        raise ArtifactError(
            f"{path}: {n} rows, {len(embedding)} embeddings and {n if crops is None else len(crops)} crops; "
            f"a store needs as many of each, {len(TARGETS)} per study"
        )
    embedding = np.asarray(embedding)
    if embedding.ndim != 2 or not embedding.shape[1] or embedding.dtype.kind not in "fiub":
        raise ArtifactError(f"{path}: embedding must be numbers (n, D), not {_described(embedding)}")
    sizes = _SMALLEST if crops is None else _sizes_of(path, np.asarray(crops))
    try:
        filled = checked_rows(rows)
    except ValueError as error:
        raise TableError(f"{path}: rows: {error}") from error
    studies = filled.loc[:: len(TARGETS), ["study_id", "split"]].reset_index(drop=True)
    with atomic(path) as folder:
        arrays = ArrayFiles(folder, len(studies), sizes)
        arrays.create()
        if crops is not None:
            arrays.write_crops(crops)
        with writing_rows(folder) as writer:
            writer.add(filled, embedding)
        finish_store(folder, writer, studies, configuration or {}, problems)
        if path.exists():
            path.rmdir()  # elsewhere than on POSIX a folder replaces none, not even an empty one
    return FeatureStore.open(path)


def _sizes_of(path: Path, crops: NDArray[Any]) -> ArraySizes:
    """Refuse crops of another shape or type, which would be written as other numbers; give the sizes of the rest."""
    shape = (len(VIEWS), NEIGHBORS, *crops.shape[-1:] * 2)
    if crops.dtype != np.uint8 or crops.shape[1:] != shape or not crops.size:
        raise ArtifactError(f"{path}: crops must be uint8 (n, 3, 3, P, P), not {_described(crops)}")
    return replace(_SMALLEST, crop_px=crops.shape[-1])


def _described(array: NDArray[Any]) -> str:
    """Name type and shape of an array."""
    return f"{array.dtype} {array.shape}"
