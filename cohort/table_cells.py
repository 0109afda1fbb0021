"""Columns of ids and numbers, checked: an error names file, row and column."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from lsdc.runtime import TableError
from lsdc.runtime.safe_text import shown

_LONGEST_ID = 100


def identifiers(where: str | Path, table: pd.DataFrame, column: str) -> pd.Series:
    """Check a column of ids, which spreadsheets may have turned into floats.

    Parameters
    ----------
    where : str or Path
        The file, and the sheet, for errors.
    table : DataFrame of str
        The index is the row as a person counts it.
    column : str
        Which column.

    Returns
    -------
    Series of str
        The ids.

    Raises
    ------
    TableError
        When a cell is empty, no id, or a number that has become a power of ten: it has lost its digits.
    """
    ids = table[column].str.replace(r"^([0-9]+)[.,]0+$", r"\1", regex=True)
    blank = ids.index[ids == ""]
    if len(blank):
        raise TableError(f"{where}: row {blank[0]}: empty cell in column {column!r}")
    rounded = ids.index[ids.str.fullmatch(r"[0-9]+([.,][0-9]+)?[eE]\+[0-9]+")]
    if len(rounded):
        raise TableError(
            f"{where}: row {rounded[0]}: {shown(ids[rounded[0]])} in column {column!r} is no id; "
            "a spreadsheet has rounded it, use the original table"
        )
    odd = ids.index[(ids.str.len() > _LONGEST_ID) | ~ids.map(str.isprintable).astype(bool)]
    if len(odd):
        raise TableError(f"{where}: row {odd[0]}: {shown(ids[odd[0]])} in column {column!r} is no id")
    return ids


def numbers(where: str | Path, table: pd.DataFrame, column: str) -> pd.Series:
    """Parse a column of finite numbers.

    Parameters
    ----------
    where : str or Path
        The file, and the sheet, for errors.
    table : DataFrame of str
        The index is the row as a person counts it.
    column : str
        Which column.

    Returns
    -------
    Series of float or int
        The numbers.

    Raises
    ------
    TableError
        At the first cell that is none.
    """
    values = pd.to_numeric(table[column], errors="coerce")
    bad = values.index[~np.isfinite(values)]
    if len(bad):
        raise TableError(
            f"{where}: row {bad[0]}: {shown(table[column][bad[0]])} in column {column!r} is not a finite number"
        )
    return values


def whole_numbers(where: str | Path, table: pd.DataFrame, column: str) -> pd.Series:
    """Parse a column of whole numbers that fit into 32 bits.

    Parameters
    ----------
    where : str or Path
        The file, and the sheet, for errors.
    table : DataFrame of str
        The index is the row as a person counts it.
    column : str
        Which column.

    Returns
    -------
    Series of int64
        The numbers.

    Raises
    ------
    TableError
        At the first cell that is none.
    """
    values = numbers(where, table, column)
    bad = values.index[(values % 1 != 0) | (values.abs() >= 2**31)]
    if len(bad):
        raise TableError(
            f"{where}: row {bad[0]}: {shown(table[column][bad[0]])} in column {column!r} is not a whole number"
        )
    return values.astype(np.int64)


def refuse_doubled(where: str | Path, ids: pd.Series, what: str) -> None:
    """Refuse ids that come twice.

    Parameters
    ----------
    where : str or Path
        The file, and the sheet, for errors.
    ids : Series of str
        The index is the row as a person counts it.
    what : str
        What an id is of, for errors.

    Raises
    ------
    TableError
        At the first that was there before.
    """
    twice = ids.index[ids.duplicated()]
    if len(twice):
        first = ids.index[ids == ids[twice[0]]][0]
        raise TableError(f"{where}: row {twice[0]}: {what} {shown(ids[twice[0]])} was already in row {first}")
