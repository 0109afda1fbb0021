"""CSV tables as spreadsheets of any country write them, read as text: an error names the row."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from lsdc.runtime import TableError
from lsdc.runtime.paths import PathLike
from lsdc.runtime.safe_text import shown

MAX_BYTES = 2**29
"""Larger tables are refused."""
_SEPARATORS = (",", ";", "\t")
_OTHER_FORMATS = {
    b"PK\x03\x04": "a spreadsheet or a ZIP archive",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet",
    b"PAR1": "a Parquet table",
    b"\x1f\x8b": "a gzip file",
    b"%PDF": "a PDF document",
    b"{\\rtf": "a text document",
    b"<!DOC": "a web page",
    b"<html": "a web page",
}
_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]*,[0-9]+(?:[eE][+-]?[0-9]+)?")


def read_text_table(path: PathLike, columns: Sequence[str]) -> pd.DataFrame:
    """Read a CSV table as text; blank cells become empty strings.

    Cells may be separated by commas, semicolons or tabs. Where it is not by commas, decimal commas become points.

    Parameters
    ----------
    path : path
        A CSV table in UTF-8, with or without a byte order mark, or in UTF-16.
    columns : sequence of str
        Columns that must be there; others are dropped.

    Returns
    -------
    DataFrame of str
        The columns asked for, cells without spaces around them, rows that are not all blank; the index is the row
        of the file (the header is row 1).

    Raises
    ------
    TableError
        When the file is absent, not a table, lacks a column, or a row has more or fewer cells than the header.
    """
    header, rows, numbers = _read(path)
    twice = [name for k, name in enumerate(header) if name in header[:k] and name]
    if twice:
        raise TableError(f"{path}: column {shown(twice[0])} comes twice")
    missing = [name for name in columns if name not in header]
    if missing:
        found = ", ".join(shown(name, 40)[1:-1] for name in header[:8])
        raise TableError(f"{path}: no column {missing[0]!r}; found {found}{' …' if len(header) > 8 else ''}")
    places = [header.index(name) for name in columns]
    cells = [[row[place] for place in places] for row in rows]
    index = pd.Index(numbers, dtype="int64")
    table = pd.DataFrame(cells, index=index, columns=list(columns), dtype=str)
    return table[(table != "").any(axis=1)]


def column_names(path: PathLike) -> list[str]:
    """Read the header of a CSV table.

    Parameters
    ----------
    path : path
        A table that `read_text_table` can read.

    Returns
    -------
    list of str
        The names of its columns, without spaces around them.

    Raises
    ------
    TableError
        When the file is absent or not a table.
    """
    return _read(path)[0]


def _read(path: PathLike) -> tuple[list[str], list[list[str]], list[int]]:
    """Read header, rows that are not blank, and their numbers; cells without spaces around them."""
    text = _decoded(path)
    if "\x00" in text:
        place = text.count("\n", 0, text.index("\x00")) + 1
        raise TableError(f"{path}: row {place}: has a null character; save it again as CSV")
    lines = io.StringIO(text, newline="")
    separator, skipped = _separator(text)
    decimal_commas = separator != ","
    reader = csv.reader(lines, delimiter=separator, strict=True)
    header: list[str] = []
    rows: list[list[str]] = []
    numbers: list[int] = []
    try:
        for number, row in enumerate(reader, start=1):
            cells = [cell.strip() for cell in row]
            if not header:
                if any(cells) and skipped:
                    skipped = False
                elif any(cells):
                    header = _without_blank_end(cells)
                continue
            if not any(cells):
                continue
            if len(cells) != len(header):
                cells = _fitted(path, cells, header, number)
            if decimal_commas:
                cells = [
                    cell.replace(",", ".") if "," in cell and _DECIMAL_COMMA.fullmatch(cell) else cell
                    for cell in cells
                ]
            rows.append(cells)
            numbers.append(number)
    except csv.Error as error:
        raise TableError(
            f"{path}: row {reader.line_num}: cannot be read as a CSV table ({error}); save it again as CSV"
        ) from error
    if not header:
        raise TableError(f"{path}: cannot be read as a CSV table (it is empty)")
    return header, rows, numbers


def _fitted(path: PathLike, cells: list[str], header: list[str], number: int) -> list[str]:
    """Drop blank cells beyond the header; refuse rows in which grades could stand in the wrong column."""
    if len(cells) > len(header) and not any(cells[len(header) :]):
        return cells[: len(header)]
    raise TableError(
        f"{path}: row {number}: has {len(cells)} cells, but the header names {len(header)} columns; add or remove "
        "the separators that are missing or too many"
    )


def _without_blank_end(cells: list[str]) -> list[str]:
    while cells and not cells[-1]:
        cells = cells[:-1]
    return cells


def _separator(text: str) -> tuple[str, bool]:
    """Tell what separates cells, by the first line, and whether that line is no part of the table."""
    first = text.lstrip("\r\n \t").partition("\n")[0].rstrip("\r")
    if first[:4].casefold() == "sep=" and first[4:5] in _SEPARATORS:
        return first[4], True  # a line that a spreadsheet wrote for itself
    outside = "".join(first.split('"')[::2])
    return max(_SEPARATORS, key=outside.count), False


def _decoded(path: PathLike) -> str:
    """Read a table's text, or say what the file is instead."""
    try:
        with Path(path).open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise TableError(f"{path}: no such file") from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise TableError(f"{path}: cannot be read as a CSV table ({reason})") from error
    if len(content) > MAX_BYTES:
        raise TableError(f"{path}: larger than {MAX_BYTES >> 20} MiB; give the table alone")
    for mark, kind in _OTHER_FORMATS.items():
        if content[: len(mark)].lower() == mark.lower():
            raise TableError(f"{path}: cannot be read as a CSV table (it is {kind}); save it as CSV in UTF-8")
    try:
        if content.startswith(_UTF_16_MARKS):
            return content.decode("utf-16")
        if content[1:40:2] == bytes(len(content[1:40:2])) and content:
            return content.decode("utf-16-le")
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TableError(
            f"{path}: cannot be read as a CSV table in UTF-8 (byte {error.start} is none); save it as CSV in UTF-8"
        ) from error
