"""Text of a CSV table, in whatever encoding and with whatever separator a spreadsheet of any country wrote it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from lsdc.runtime import TableError
from lsdc.runtime.paths import PathLike

MAX_BYTES = 2**29
"""Larger tables are refused."""
_SEPARATORS = (",", ";", "\t")
_OTHER_FORMATS = {
    b"\xd0\xcf\x11\xe0": "an old spreadsheet",
    b"PAR1": "a Parquet table",
    b"\x1f\x8b": "a gzip file",
    b"%PDF": "a PDF document",
    b"{\\rtf": "a text document",
    b"<!DOC": "a web page",
    b"<html": "a web page",
}
_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def decoded(path: PathLike) -> str:
    """Read a table's text, or say what the file is instead.

    Parameters
    ----------
    path : path
        A file in UTF-8, with or without a byte order mark, in UTF-16, or in the Latin-1 of Windows.

    Returns
    -------
    str
        The text, without a byte order mark.

    Raises
    ------
    TableError
        When the file is absent, too large, or no text.
    """
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
    text = _text_of(path, content)
    if "\x00" in text:
        place = text.count("\n", 0, text.index("\x00")) + 1
        raise TableError(f"{path}: row {place}: has a null character; save it again as CSV")
    return text


def _text_of(path: PathLike, content: bytes) -> str:
    """Decode by the byte order mark, else as UTF-8, else as what Western spreadsheets wrote before it."""
    try:
        if content.startswith(_UTF_16_MARKS):
            return content.decode("utf-16")
        if content[1:40:2] == bytes(len(content[1:40:2])) and content:
            return content.decode("utf-16-le")
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if not content.startswith(_UTF_16_MARKS):
            # Five bytes mean nothing in Windows' Latin-1: a table in another encoding often has one of them.
            try:
                return content.decode("cp1252")
            except UnicodeDecodeError:
                pass
        raise TableError(
            f"{path}: cannot be read as a CSV table in UTF-8 (byte {error.start} is none); save it as CSV in UTF-8"
        ) from error


def separated(text: str) -> tuple[str, bool]:
    """Tell what separates cells, by the first line.

    Parameters
    ----------
    text : str
        The table.

    Returns
    -------
    separator : str
        Comma, semicolon or tab.
    named : bool
        Whether the first line names the separator and is no part of the table.

    Examples
    --------
    >>> separated("a;b,c;d"), separated("sep=;")
    ((';', False), (';', True))
    """
    first = text.lstrip("\r\n \t").partition("\n")[0].rstrip("\r")
    if first[:4].casefold() == "sep=" and first[4:5] in _SEPARATORS:
        return first[4], True  # a line that a spreadsheet wrote for itself
    outside = "".join(first.split('"')[::2])
    return max(_SEPARATORS, key=outside.count), False


def lines_of(path: PathLike, text: str) -> Iterator[tuple[int, list[str]]]:
    """Split a table's text into its rows.

    Parameters
    ----------
    path : path
        The file, for errors.
    text : str
        What `decoded` gave.

    Yields
    ------
    number : int
        The row, from 1.
    cells : list of str
        As they stand there.

    Raises
    ------
    TableError
        When quotes or cells make no table.
    """
    separator, named = separated(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        for number, row in enumerate(reader, start=1):
            if named and any(cell.strip() for cell in row):
                named = False
                continue
            yield number, row
    except csv.Error as error:
        raise TableError(
            f"{path}: row {reader.line_num}: cannot be read as a CSV table ({error}); save it again as CSV"
        ) from error
