"""Sheets of an .xlsx workbook as rows of text, within bounds, and without running anything of it."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from lsdc.runtime import TableError
from lsdc.runtime.paths import PathLike
from lsdc.runtime.safe_text import shown

MARK = b"PK\x03\x04"
"""How a workbook begins, as every ZIP archive does."""
MAX_BYTES = 2**29
"""A workbook that unpacks to more is refused."""
_MOST_CELLS = 20_000_000
_MOST_ROWS = 2**20
"""As many as a spreadsheet program has."""
_MOST_PARTS = 10_000
_LARGEST_EXACT = 10**15
_FIRST_BYTES = 4096
_REMEDY = "save it again as .xlsx, or the sheet as CSV in UTF-8"


def is_workbook(path: PathLike) -> bool:
    """Tell whether a file begins as a workbook does.

    Parameters
    ----------
    path : path
        Any file.

    Returns
    -------
    bool
        False also where it cannot be read.
    """
    try:
        with Path(path).open("rb") as stream:
            return stream.read(len(MARK)) == MARK
    except OSError:
        return False


def sheets_of(path: PathLike) -> Iterator[tuple[str, list[list[str]]]]:
    """Read the sheets of a workbook that have a cell.

    Parameters
    ----------
    path : path
        An .xlsx workbook.

    Yields
    ------
    name : str
        Of the sheet.
    rows : list of list of str
        From row 1; numbers as Python writes them, blank cells empty.

    Raises
    ------
    TableError
        When it is no workbook, damaged, too large, or a cell holds a formula whose value was not saved.
    """
    import openpyxl

    try:
        formulas = _checked(path)
        with ExitStack() as opened:
            stream = opened.enter_context(
                Path(path).open("rb")
            )  # the library refuses names of another ending
            book = openpyxl.load_workbook(stream, read_only=True, data_only=True)
            opened.callback(book.close)
            written = None
            if formulas:
                written = openpyxl.load_workbook(opened.enter_context(Path(path).open("rb")), read_only=True)
                opened.callback(written.close)
            for sheet in book.worksheets:
                sheet.reset_dimensions()  # what a file says of its size need not be true
                rows = _rows(path, sheet)
                if written is not None:
                    _check_formulas(path, sheet.title, rows, written[sheet.title])
                if any(any(row) for row in rows):
                    yield sheet.title, rows
    except TableError:
        raise
    except Exception as error:  # every part of a damaged workbook fails in its own way
        raise TableError(f"{path}: cannot be read as a spreadsheet ({shown(error)}); {_REMEDY}") from error


def _checked(path: PathLike) -> bool:
    """Refuse what is no workbook, unpacks to too much or defines XML entities; tell whether it has formulas."""
    with zipfile.ZipFile(path) as archive:
        parts = archive.infolist()
        names = {part.filename for part in parts}
        if "xl/workbook.xml" not in names:
            raise TableError(
                f"{path}: a ZIP archive and no spreadsheet; give the table itself, or a model's folder"
            )
        if len(parts) > _MOST_PARTS or sum(part.file_size for part in parts) > MAX_BYTES:
            raise TableError(f"{path}: unpacks to more than {MAX_BYTES >> 20} MiB; give the table alone")
        formulas = False
        for part in parts:
            if not part.filename.endswith((".xml", ".rels")):
                continue
            with archive.open(part) as stream:
                start = stream.read(_FIRST_BYTES)
                if b"<!DOCTYPE" in start or b"<!ENTITY" in start:
                    raise TableError(f"{path}: its XML defines entities, as no spreadsheet's does; {_REMEDY}")
                if part.filename.startswith("xl/worksheets/"):
                    rest = start + stream.read(MAX_BYTES)
                    formulas = formulas or b"<f>" in rest or b"<f " in rest
        return formulas


def _rows(path: PathLike, sheet: Any) -> list[list[str]]:
    """Read the cells of a sheet as text."""
    rows: list[list[str]] = []
    cells = 0
    for row in sheet.iter_rows(values_only=True):
        cells += len(row)
        if cells > _MOST_CELLS or len(rows) >= _MOST_ROWS:
            raise TableError(
                f"{path}: sheet {shown(sheet.title)}: more than {_MOST_ROWS} rows or {_MOST_CELLS} cells; remove "
                "empty ones"
            )
        rows.append([_text(value) for value in row])
    return rows


def _text(value: object) -> str:
    """Write a cell as a CSV table would hold it; an id that was rounded is written so that it is recognized."""
    if value is None:
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not math.isfinite(value):
            return str(value)
        if abs(value) >= _LARGEST_EXACT:
            return f"{value:.15e}"
        return str(int(value)) if value == int(value) else repr(value)
    return str(value).strip()


def _check_formulas(path: PathLike, title: str, rows: list[list[str]], written: Any) -> None:
    """Refuse a formula without a value: it would be read as a blank cell."""
    written.reset_dimensions()
    for number, row in enumerate(written.iter_rows(values_only=True), start=1):
        for column, cell in enumerate(row):
            is_formula = isinstance(cell, str) and cell.startswith("=")
            if is_formula and not (
                number <= len(rows) and column < len(rows[number - 1]) and rows[number - 1][column]
            ):
                raise TableError(
                    f"{path}: sheet {shown(title)}: row {number}: column {column + 1} holds a formula without its "
                    "value; open the file in a spreadsheet program and save it"
                )
