"""What the manifest, the tables and the arrays of a feature store must be, whoever wrote them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from lsdc.cohort.folds import MOST_FOLDS
from lsdc.cohort.location import Status
from lsdc.cohort.vocabulary import TARGETS, View
from lsdc.runtime.npy_files import open_array
from lsdc.runtime.parquet_files import ERRORS, open_parquet
from lsdc.runtime.schema import Check, list_of, record, text, whole

VIEWS: tuple[View, ...] = tuple(View)
"""The views in the order in which crops, embeddings and volumes hold them."""
NEIGHBORS = 3
"""Neighboring slices of a crop."""
PREVIEWS = 8
"""Chosen slices per study."""

_SIZES = ("crop_px", "volume_slices", "volume_px", "preview_px")
STORE_CONFIGURATION: Check = record(
    {}, {"backbone": text(most=200), "seed": whole(0), **dict.fromkeys(_SIZES, whole(1, 10_000))}
)
"""What the configuration in a store's manifest must hold."""
ARRAYS = ("crops.npy", "previews.npy", *(f"volumes/{view.name.lower()}.npy" for view in VIEWS))
"""The arrays of a store, by their path in it."""
_SHARD = record(
    {
        "name": text(r"\.|shards/[0-9A-Za-z_\-]{1,80}"),
        **dict.fromkeys(("n_rows", "n_studies", "n_problems"), whole(0, 2**40)),
    }
)
STORE_FIELDS: Check = record(
    {
        "feature_fingerprint": text("[0-9a-f]{16}"),
        "configuration": STORE_CONFIGURATION,
        "numeric_names": list_of(text(most=200), most=10_000),
        "embedding_dim": whole(0, 1_000_000),
        "n_rows": whole(0, 2**40),
        "n_studies": whole(0, 2**40),
        "n_problems": whole(0, 2**40),
    },
    {
        "shards": list_of(_SHARD, least=1, most=100_000),
        "arrays": record(dict.fromkeys(ARRAYS, list_of(whole(1, 10_000), least=3, most=4))),
    },
)
"""What a store's manifest must hold; `shards` and `arrays` where it lies in several folders."""
_TEXT = ("row_id", "study_id", "split", "condition", "level")
_WHOLE = {"grade": (-1, 2), "fold": (-1, MOST_FOLDS), "volume_slice": (-1, 10**6), "preview": (-1, 7)}
_TEXT_SINCE = ("status", "reason", "series_id")
_NUMBERS_SINCE = ("confidence", "level_doubt")
"""Columns that not every store has."""
_ROWS_AT_ONCE = 400
"""Embeddings that are unpacked at once, beside the array that they go into."""
_NUMBERS = ("volume_x", "volume_y", "preview_x", "preview_y", "left_mm", "head_mm")
NEEDED_COLUMNS: tuple[str, ...] = (*_TEXT, *_WHOLE, *_NUMBERS)
"""Columns of rows.parquet that others read by name."""
_SPLITS = ("train", "test", "new")


def check_rows(rows: pd.DataFrame, numeric_names: Sequence[str]) -> None:
    """Refuse rows that are not 25 targets a study in the competition's order, with known words and codes.

    Parameters
    ----------
    rows : DataFrame
        rows.parquet without the embedding, with `NEEDED_COLUMNS`.
    numeric_names : sequence of str
        Columns that must be numbers.

    Raises
    ------
    ValueError
        With what is wrong.
    """
    count = len(TARGETS)
    if len(rows) % count:
        raise ValueError(f"{len(rows)} rows are not whole studies of {count} targets")
    for name in (*_TEXT, *(name for name in _TEXT_SINCE if name in rows)):
        check_text(rows, name)
    for name, (low, high) in _WHOLE.items():
        if rows[name].dtype.kind != "i" or not rows[name].between(low, high).all():
            raise ValueError(f"the column {name!r} is not whole numbers from {low} to {high}")
    for name in (*_NUMBERS, *(name for name in _NUMBERS_SINCE if name in rows), *numeric_names):
        if name not in rows:
            raise ValueError(f"the column {name!r} is missing")
        if rows[name].dtype.kind not in "fiub":
            raise ValueError(f"the column {name!r} is not numbers")
    studies = rows["study_id"].to_numpy(object).reshape(-1, count)
    if (studies != studies[:, :1]).any() or len(set(studies[:, 0])) != len(studies):
        raise ValueError(f"studies are not {count} rows each that follow each other")
    for name, words in (
        ("condition", [target.condition.value for target in TARGETS]),
        ("level", [target.level.value for target in TARGETS]),
    ):
        if (rows[name].to_numpy(object).reshape(-1, count) != np.array(words, object)).any():
            raise ValueError(f"the column {name!r} is not in the competition's order")
    if (rows["row_id"] != rows["study_id"] + "_" + rows["condition"] + "_" + rows["level"]).any():
        raise ValueError("row ids do not fit study, condition and level")
    if not rows["split"].isin(_SPLITS).all():
        raise ValueError(f"splits are not among {', '.join(_SPLITS)}")
    if ("status" in rows) != ("reason" in rows):
        raise ValueError("of the columns 'status' and 'reason' one is missing")
    if "status" in rows and not rows["status"].isin([status.value for status in Status]).all():
        raise ValueError(f"the column 'status' is not among {', '.join(Status)}")


def check_studies(studies: pd.DataFrame, study_ids: pd.Series) -> None:
    """Refuse a table of studies that are not those of the rows.

    Parameters
    ----------
    studies : DataFrame
        studies.parquet.
    study_ids : Series of str
        The column of the rows.

    Raises
    ------
    ValueError
        With what is wrong.
    """
    check_text(studies, "study_id")
    if studies["study_id"].tolist() != study_ids.iloc[:: len(TARGETS)].tolist():
        raise ValueError("its studies are not those of rows.parquet")
    if "fold" in studies and (studies["fold"].dtype.kind != "i" or not (studies["fold"] >= -1).all()):
        raise ValueError("the column 'fold' is not whole numbers from -1")


def read_embedding(path: Path, rows: int, width: int) -> NDArray[np.float32]:
    """Read the embeddings of a store, some hundred rows after the other.

    Parameters
    ----------
    path : Path
        rows.parquet.
    rows, width : int
        What the shape must be.

    Returns
    -------
    (rows, width) float32
        NaN where a view is absent.

    Raises
    ------
    ValueError
        When the column is missing, damaged, or of another shape.
    """
    opened = open_parquet(path)
    names = opened.schema_arrow.names
    if names.count("embedding") != 1 or opened.metadata.num_rows != rows:
        raise ValueError("the column 'embedding' is missing, or has another length")
    kind = opened.schema_arrow.field("embedding").type
    if kind != pa.list_(pa.float32(), width):
        raise ValueError(f"the column 'embedding' is {kind} instead of {width} numbers")
    found, start = np.empty((rows, width), np.float32), 0
    try:
        for batch in opened.iter_batches(_ROWS_AT_ONCE, columns=["embedding"], use_threads=False):
            batch.validate(full=True)
            values = batch.column(0)
            if values.null_count or start + len(batch) > rows:
                raise ValueError("the column 'embedding' has empty cells")
            flat = values.flatten().to_numpy(zero_copy_only=False)
            found[start : start + len(batch)] = flat.reshape(len(batch), width)
            start += len(batch)
    except ERRORS as error:
        raise ValueError(f"the column 'embedding' cannot be read ({error})") from error
    if start != rows:
        raise ValueError("the column 'embedding' ends early")
    return found


def array_shape(name: str, manifest: Mapping[str, Any]) -> tuple[int | None, ...]:
    """Give the shape that an array of a store must have.

    Parameters
    ----------
    name : str
        `crops.npy`, `previews.npy`, or a volume, in the store.
    manifest : mapping
        The store's, with the numbers of rows and of studies.

    Returns
    -------
    tuple of int or None
        None where any length is right.
    """
    shapes: dict[str, tuple[int | None, ...]] = {
        "crops.npy": (manifest["n_rows"], len(VIEWS), NEIGHBORS, None, None),
        "previews.npy": (manifest["n_studies"], PREVIEWS, None, None),
    }
    return shapes.get(name, (manifest["n_studies"], None, None, None))


def open_store_array(path: Path, manifest: Mapping[str, Any]) -> np.memmap:
    """Map an array of a store after a check of its header.

    Parameters
    ----------
    path : Path
        `crops.npy`, `previews.npy`, or a volume.
    manifest : mapping
        The store's, with the numbers of rows and of studies.

    Returns
    -------
    memmap of uint8
        Read-only.

    Raises
    ------
    OSError
        When the file cannot be read.
    ValueError
        When it is damaged, or of another shape.
    """
    return open_array(path, np.uint8, array_shape(path.name, manifest))


def check_text(table: pd.DataFrame, name: str) -> None:
    """Refuse a column that is not text without control characters.

    Parameters
    ----------
    table : DataFrame
        Any.
    name : str
        A column of it.

    Raises
    ------
    ValueError
        With what is wrong.
    """
    values = table[name]
    if not pd.api.types.is_string_dtype(values) or values.isna().any():
        raise ValueError(f"the column {name!r} is not text")
    if values.str.contains(r"[\x00-\x1f\x7f]", regex=True).any():
        raise ValueError(f"the column {name!r} has control characters")
