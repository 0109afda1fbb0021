"""Tables as people have them, CSV of any country or .xlsx, read as text: an error names the row."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from lsdc.cohort.delimited_text import decoded, lines_of, separated
from lsdc.cohort.spreadsheets import is_workbook, sheets_of
from lsdc.runtime import TableError
from lsdc.runtime.console import say
from lsdc.runtime.paths import PathLike
from lsdc.runtime.safe_text import shown

_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]*,[0-9]+(?:[eE][+-]?[0-9]+)?")


@dataclass(frozen=True)
class TextTable:
    """A table as it stands in its file.

    Parameters
    ----------
    where : str
        The file, and the sheet where there are several, for errors.
    cells : DataFrame of str
        Cells without spaces around them, rows that are not all blank; the index is the row of the file (the header is
        row 1). Columns without a name are left out.
    decimal_commas : bool
        Whether commas can be decimal marks, because they do not separate cells.
    """

    where: str
    cells: pd.DataFrame
    decimal_commas: bool

    @property
    def header(self) -> list[str]:
        """Names of the columns."""
        return [str(name) for name in self.cells.columns]

    def missing(self, names: Sequence[str]) -> TableError:
        """Make the error of a table without a column.

        Parameters
        ----------
        names : sequence of str
            The columns that are wanted, of which some are not there.

        Returns
        -------
        TableError
            Names the first that is missing, and what is there.
        """
        absent = next(name for name in names if name not in self.header)
        return TableError(f"{self.where}: no column {absent!r}; found {self.found()}")

    def found(self) -> str:
        """Name the first columns, for errors.

        Returns
        -------
        str
            At most eight names.
        """
        names = ", ".join(shown(name, 40)[1:-1] for name in self.header[:8])
        return f"{names}{' …' if len(self.header) > 8 else ''}"


def is_decimal_comma(cell: str) -> bool:
    """Tell whether a cell is a number with a comma.

    Parameters
    ----------
    cell : str
        Text of a cell.

    Returns
    -------
    bool
        True for `0,5`.

    Examples
    --------
    >>> is_decimal_comma("0,5"), is_decimal_comma("0.5"), is_decimal_comma("a,5")
    (True, False, False)
    """
    return "," in cell and _DECIMAL_COMMA.fullmatch(cell) is not None


def open_table(path: PathLike, fits: Callable[[list[str]], bool] = lambda header: True) -> TextTable:
    """Open a CSV table or a sheet of a workbook.

    Parameters
    ----------
    path : path
        A CSV table in UTF-8, UTF-16 or Latin-1 whose cells are separated by commas, semicolons or tabs; or an .xlsx
        workbook.
    fits : callable, optional
        From a header to whether it is that of the wanted table. Of a workbook the first sheet is taken if it fits,
        else the only one that does.

    Returns
    -------
    TextTable
        Of any header; where none fits, that of the first sheet.

    Raises
    ------
    TableError
        When the file is absent or no table, a column comes twice, a row has more or fewer cells than the header, or
        several sheets fit and the first does not.
    """
    if is_workbook(path):
        return _chosen_sheet(path, fits)
    text = decoded(path)
    table = _table(str(path), lines_of(path, text), decimal_commas=separated(text)[0] != ",")
    if table is None:
        raise TableError(f"{path}: cannot be read as a CSV table (it is empty)")
    return table


def _chosen_sheet(path: PathLike, fits: Callable[[list[str]], bool]) -> TextTable:
    sheets = list(sheets_of(path))
    if not sheets:
        raise TableError(f"{path}: has no sheet with a cell")
    fitting = [name for name, rows in sheets if fits(_header(rows))]
    if len(fitting) > 1 and fitting[0] != sheets[0][0]:
        names = ", ".join(shown(name, 30) for name in fitting)
        raise TableError(f"{path}: sheets {names} all hold such a table; put the one that is meant first")
    name = fitting[0] if fitting else sheets[0][0]
    if len(sheets) > 1 and fitting:
        say(f"{path}: the sheet {shown(name, 30)} is read, and no other")
    rows = dict(sheets)[name]
    width = max(map(len, rows))
    lines = ((number, row + [""] * (width - len(row))) for number, row in enumerate(rows, start=1))
    where = f"{path}: sheet {shown(name, 30)}" if len(sheets) > 1 else str(path)
    table = _table(where, lines, decimal_commas=True, ragged=True)
    assert table is not None  # it has a cell
    return table


def _header(rows: list[list[str]]) -> list[str]:
    """Take the first row that is not blank."""
    return next([cell.strip() for cell in row] for row in rows if any(row))


def _table(
    where: str, lines: Iterable[tuple[int, list[str]]], decimal_commas: bool, ragged: bool = False
) -> TextTable | None:
    """Put rows below the first that is not blank, which is the header; None where all are."""
    header: list[str] = []
    rows: list[list[str]] = []
    numbers: list[int] = []
    for number, row in lines:
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        if not header:
            header = _without_blank_end(cells)
            continue
        if len(cells) != len(header):
            cells = _fitted(where, cells, header, number, ragged)
        rows.append(cells)
        numbers.append(number)
    if not header:
        return None
    twice = [name for k, name in enumerate(header) if name in header[:k] and name]
    if twice:
        raise TableError(f"{where}: column {shown(twice[0])} comes twice")
    cells_of = pd.DataFrame(rows, index=pd.Index(numbers, dtype="int64"), columns=header, dtype=str)
    return TextTable(where, cells_of.loc[:, [name != "" for name in header]], decimal_commas)


def _fitted(where: str, cells: list[str], header: list[str], number: int, ragged: bool) -> list[str]:
    """Drop blank cells beyond the header; refuse rows in which grades could stand in the wrong column."""
    if len(cells) > len(header) and not any(cells[len(header) :]):
        return cells[: len(header)]
    if ragged and len(cells) < len(header):
        return cells + [""] * (len(header) - len(cells))
    raise TableError(
        f"{where}: row {number}: has {len(cells)} cells, but the header names {len(header)} columns; add or remove "
        "the separators that are missing or too many"
    )


def _without_blank_end(cells: list[str]) -> list[str]:
    while cells and not cells[-1]:
        cells = cells[:-1]
    return cells


def read_text_table(path: PathLike, columns: Sequence[str]) -> pd.DataFrame:
    """Read some columns of a table as text; blank cells become empty strings.

    Where commas do not separate cells, decimal commas become points.

    Parameters
    ----------
    path : path
        A table that `open_table` can open.
    columns : sequence of str
        Columns that must be there; others are dropped.

    Returns
    -------
    DataFrame of str
        The columns asked for, without rows in which they are all blank; the index is the row of the file.

    Raises
    ------
    TableError
        When the file is absent, not a table, lacks a column, or a row has more or fewer cells than the header.
    """
    opened = open_table(path, lambda header: set(columns) <= set(header))
    if not set(columns) <= set(opened.header):
        raise opened.missing(columns)
    table = opened.cells[list(columns)]
    table = table[(table != "").any(axis=1)]
    if opened.decimal_commas:
        table = table.map(lambda cell: cell.replace(",", ".") if is_decimal_comma(cell) else cell)
    return table


def column_names(path: PathLike) -> list[str]:
    """Read the header of a table.

    Parameters
    ----------
    path : path
        A table that `open_table` can open.

    Returns
    -------
    list of str
        The names of its columns, without spaces around them.

    Raises
    ------
    TableError
        When the file is absent or not a table.
    """
    return open_table(path).header
