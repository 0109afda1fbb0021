"""Checks of tables with row ids, shared by predictions and solutions; errors name the file, the row and the column."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import RowIdError, parse_row_id
from lsdc.runtime import TableError
from lsdc.runtime.safe_text import shown


def check_row_ids(
    where: str | Path, ids: pd.Series, required: Iterable[str] = (), known: Iterable[str] | None = None
) -> None:
    """Refuse row ids that are malformed, repeated, unknown or missing.

    Parameters
    ----------
    where : str or Path
        The table's file, and the sheet, for errors.
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
            raise TableError(f"{where}: row {row}: column 'row_id': {error}") from None
    twice = ids.index[ids.duplicated()]
    if len(twice):
        first = ids.index[ids == ids[twice[0]]][0]
        raise TableError(f"{where}: row {twice[0]}: row_id {ids[twice[0]]!r} was already in row {first}")
    if known is not None:
        unknown = ids.index[~ids.isin(list(known))]
        if len(unknown):
            raise TableError(
                f"{where}: row {unknown[0]}: unknown row_id {ids[unknown[0]]!r} ({len(unknown)} such rows); "
                "leave out rows that are not asked for"
            )
    there = set(ids)
    missing = [row_id for row_id in required if row_id not in there]
    if missing:
        raise TableError(
            f"{where}: {len(missing)} rows are missing, the first is row_id {missing[0]!r}; add them"
        )


def probability_columns(
    where: str | Path, table: pd.DataFrame, columns: Sequence[str]
) -> NDArray[np.float64]:
    """Take columns of a table as numbers that are finite and not negative.

    Parameters
    ----------
    where : str or Path
        The table's file, and the sheet, for errors.
    table : DataFrame
        The index is the row as a person counts it.
    columns : sequence of str
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
    return np.column_stack([_probability_column(where, table[name]) for name in columns])


def _probability_column(where: str | Path, cells: pd.Series) -> NDArray[np.float64]:
    values = pd.to_numeric(cells, errors="coerce").to_numpy(float, na_value=np.nan)
    for bad, reason in ((~np.isfinite(values), "is not a finite number"), (values < 0, "is negative")):
        if bad.any():
            k = int(np.argmax(bad))
            cell = f"{shown(cells.iloc[k])} in column {str(cells.name)!r}"
            raise TableError(f"{where}: row {cells.index[k]}: {cell} {reason}; expected a probability")
    return values
