"""Prediction tables in the forms that people have: by row id, or by study, condition and level."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from lsdc.cohort.label_tables import holds_labels, row_targets
from lsdc.cohort.table_words import find_column
from lsdc.cohort.text_tables import TextTable, is_decimal_comma, open_table
from lsdc.metrics.table_arrays import COLUMNS, SLUGS
from lsdc.runtime import TableError
from lsdc.runtime.paths import PathLike
from lsdc.runtime.safe_text import shown

ROUNDED = 0.02
"""Probabilities that were rounded add up to 1 within it."""
_PARQUET = b"PAR1"
"""How a Parquet file begins."""


def holds_predictions(header: Sequence[str]) -> bool:
    """Tell by its header whether a table holds probabilities.

    Parameters
    ----------
    header : sequence of str
        The names of its columns.

    Returns
    -------
    bool
        True where it has the three probabilities, and a row id or study, condition and level.
    """
    try:
        roles = {
            role
            for role in (*COLUMNS, "row_id", "study_id", "condition", "level")
            if find_column(header, role)
        }
    except ValueError:
        return True  # the reader says what is ambiguous
    return roles >= set(COLUMNS) and ("row_id" in roles or roles >= {"study_id", "condition", "level"})


def open_graded(path: PathLike) -> TextTable:
    """Open a table of probabilities or grades, whoever wrote it.

    Parameters
    ----------
    path : path
        CSV, .xlsx or Parquet; the content decides which, whatever the name.

    Returns
    -------
    TextTable
        Its rows are counted from 1 in Parquet, from 2 (below the header) elsewhere.

    Raises
    ------
    TableError
        When the file is absent or cannot be read.
    """
    path = Path(path)
    if not _is_parquet(path):
        return open_table(path, lambda header: holds_predictions(header) or holds_labels(header))
    try:
        cells = pd.read_parquet(path)
    except FileNotFoundError:
        raise TableError(f"{path}: no such file") from None
    except (OSError, ValueError, pa.ArrowException) as error:
        raise TableError(f"{path}: cannot be read as a Parquet table ({error})") from error
    named = [name for name in cells.index.names if name is not None]
    cells = cells.reset_index(named) if named else cells
    cells.index = pd.RangeIndex(1, len(cells) + 1)
    for name in cells:
        if not pd.api.types.is_numeric_dtype(cells[name]) or find_column([str(name)], "study_id"):
            cells[name] = cells[name].astype(object).where(cells[name].notna(), "").astype(str)
    return TextTable(str(path), cells, decimal_commas=False)


def _is_parquet(path: Path) -> bool:
    """Tell whether a file begins as a Parquet table does; False also where it cannot be read."""
    try:
        with path.open("rb") as stream:
            start = stream.read(len(_PARQUET))
    except OSError:
        return False
    return start == _PARQUET


def prediction_rows(table: TextTable, decimal_comma: bool = False) -> pd.DataFrame:
    """Take row ids and probabilities, as they stand there, from a table.

    Parameters
    ----------
    table : TextTable
        As `open_graded` gives it.
    decimal_comma : bool
        Whether a comma in a number is surely its decimal mark.

    Returns
    -------
    DataFrame
        `row_id` (str), and the three probabilities by what the table calls them, in the order of the grades; the
        index is that of the table.

    Raises
    ------
    TableError
        When a column is missing or unclear, a place is unknown, or it is not clear what commas in numbers are.
    """
    try:
        names = [find_column(table.header, grade) for grade in COLUMNS]
        row_id = find_column(table.header, "row_id")
        long = row_id is None and find_column(table.header, "condition") is not None
        if None in names or (row_id is None and not long):
            wanted = [
                *([] if row_id or long else ["row_id"]),
                *(g for g, name in zip(COLUMNS, names) if name is None),
            ]
            raise table.missing(wanted)
        if row_id is not None:
            ids = table.cells[row_id].astype(str)
        else:
            studies, targets = row_targets(table)
            ids = studies + "_" + np.array(SLUGS, object)[targets.to_numpy(int)]
    except ValueError as error:
        raise TableError(f"{table.where}: {error}") from None
    values = with_points(table.where, table.cells[[str(name) for name in names]], decimal_comma)
    values.insert(0, "row_id", ids.astype(str))
    return values


def with_points(where: str, cells: pd.DataFrame, decimal_comma: bool) -> pd.DataFrame:
    """Turn decimal commas into points where it is clear that they are such.

    Parameters
    ----------
    where : str
        The file, and the sheet, for errors.
    cells : DataFrame
        The three columns of probabilities; numbers stay.
    decimal_comma : bool
        Whether it is sure that commas are decimal marks. Otherwise they must be in rows that add up to 1, for 1,234
        may also be a thousand.

    Returns
    -------
    DataFrame
        A copy.

    Raises
    ------
    TableError
        When commas and points are mixed, or a comma may be a mark of thousands.
    """
    if all(pd.api.types.is_numeric_dtype(kind) for kind in cells.dtypes):
        return cells.copy()
    texts = cells.astype(str)
    if not any(texts[name].str.contains(",", regex=False).any() for name in texts):
        return cells.copy()
    commas = texts.map(is_decimal_comma)
    points = texts.map(lambda cell: "." in cell)
    with_comma, with_point = commas.any(axis=1), points.any(axis=1)
    if with_point.any():
        raise TableError(
            f"{where}: row {with_comma.idxmax()} has decimal commas and row {with_point.idxmax()} decimal points; "
            "write all numbers alike"
        )
    pointed = texts.where(~commas, texts.apply(lambda column: column.str.replace(",", ".", regex=False)))
    if not decimal_comma:
        sums = pointed.apply(pd.to_numeric, errors="coerce").sum(axis=1)
        unclear = with_comma & ((sums - 1).abs() > ROUNDED)
        if unclear.any():
            row = unclear.idxmax()
            cell = texts.loc[row][commas.loc[row]].iloc[0]
            raise TableError(
                f"{where}: row {row}: {shown(cell)} may be a decimal or a thousand, for the row does not add up to 1; "
                "if the comma is the decimal mark, say so with decimal_comma=True"
            )
    return pointed
