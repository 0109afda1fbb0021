"""Checks of tables with row ids, shared by predictions and solutions; errors name the file, the row and the column."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from lsdc.cohort.text_tables import read_text_table
from lsdc.cohort.vocabulary import RowIdError, parse_row_id
from lsdc.runtime import TableError


def read_table(path: Path, columns: list[str]) -> pd.DataFrame:
    """Read some columns of a CSV or Parquet table that has a column `row_id`.

    Parameters
    ----------
    path : Path
        Parquet where the name ends in `.parquet`, else CSV.
    columns : list of str
        Columns that must be there; others are dropped.

    Returns
    -------
    DataFrame
        The index is the row as a person counts it: from 1 in Parquet, from 2 (below the header) in CSV. Cells of a
        CSV are text.

    Raises
    ------
    TableError
        When the file is absent, cannot be read, or lacks a column.
    """
    if path.suffix != ".parquet":
        return read_text_table(path, columns)
    try:
        table = pd.read_parquet(path)
    except FileNotFoundError:
        raise TableError(f"{path}: no such file") from None
    except (OSError, ValueError, pa.ArrowException) as error:
        raise TableError(f"{path}: cannot be read as a Parquet table ({error})") from error
    missing = [name for name in columns if name not in table]
    if missing:
        raise TableError(f"{path}: no column {missing[0]!r}; found {', '.join(map(str, table.columns))}")
    table.index = pd.RangeIndex(1, len(table) + 1)
    return table[columns].astype({"row_id": str})


def check_row_ids(
    path: Path, ids: pd.Series, required: Iterable[str] = (), known: Iterable[str] | None = None
) -> None:
    """Refuse row ids that are malformed, repeated, unknown or missing.

    Parameters
    ----------
    path : Path
        The table's file, for errors.
    ids : Series of str
        The row ids; the index is the row as a person counts it.
    required : iterable of str
        Row ids that must be there.
    known : iterable of str, optional
        All row ids that may be there; by default any.

    Raises
    ------
    TableError
        At the first row that is wrong.
    """
    for row, row_id in ids.items():
        try:
            parse_row_id(row_id)
        except RowIdError as error:
            raise TableError(f"{path}: row {row}: column 'row_id': {error}") from None
    twice = ids.index[ids.duplicated()]
    if len(twice):
        first = ids.index[ids == ids[twice[0]]][0]
        raise TableError(f"{path}: row {twice[0]}: row_id {ids[twice[0]]!r} was already in row {first}")
    if known is not None:
        unknown = ids.index[~ids.isin(list(known))]
        if len(unknown):
            raise TableError(
                f"{path}: row {unknown[0]}: unknown row_id {ids[unknown[0]]!r} ({len(unknown)} such rows); "
                "leave out rows that are not asked for"
            )
    there = set(ids)
    missing = [row_id for row_id in required if row_id not in there]
    if missing:
        raise TableError(
            f"{path}: {len(missing)} rows are missing, the first is row_id {missing[0]!r}; add them"
        )


def probability_columns(path: Path, table: pd.DataFrame, columns: list[str]) -> NDArray[np.float64]:
    """Take columns of a table as numbers that are finite and not negative.

    Parameters
    ----------
    path : Path
        The table's file, for errors.
    table : DataFrame
        As `read_table` gives it.
    columns : list of str
        Which columns.

    Returns
    -------
    (rows, columns) float64
        The numbers as they are; rows need not sum to 1.

    Raises
    ------
    TableError
        At the first cell that is no such number.
    """
    return np.column_stack([_probability_column(path, table, name) for name in columns])


def _probability_column(path: Path, table: pd.DataFrame, column: str) -> NDArray[np.float64]:
    values = pd.to_numeric(table[column], errors="coerce").to_numpy(float, na_value=np.nan)
    for bad, reason in ((~np.isfinite(values), "is not a finite number"), (values < 0, "is negative")):
        if bad.any():
            k = int(np.argmax(bad))
            cell = f"{str(table[column].iloc[k])!r} in column {column!r}"
            raise TableError(f"{path}: row {table.index[k]}: {cell} {reason}; expected a probability")
    return values
