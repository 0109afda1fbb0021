"""Parquet tables of artifact directories: read within bounds, after a check of the footer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import types

from lsdc.runtime.parquet_pages import unpacked_size

_LONGEST_FOOTER = 64 * 2**20
_MOST_COLUMNS, _MOST_ROWS, _MOST_GROUPS = 100_000, 100_000_000, 1_000_000
_RATIO, _FREE_BYTES = 50, 256 * 2**20
"""A table may be so many times as large as its file, and so much more: constant columns are packed well."""
_LONGEST_TEXT = 4096
ERRORS = (
    OSError, ValueError, TypeError, LookupError, ArithmeticError, RuntimeError, MemoryError, pa.ArrowException
)  # fmt: skip
"""What Arrow and pandas raise on damaged files."""


def open_parquet(path: Path) -> pq.ParquetFile:
    """Open a table after checking the sizes that its footer speaks of.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    ParquetFile
        With columns of numbers, strings, booleans and lists of numbers alone.

    Raises
    ------
    ValueError
        When the file cannot be read, or speaks of more than a file of its size can hold.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            stream.seek(max(0, size - 8))
            end = stream.read(8)
        length = int.from_bytes(end[:4], "little")
        if end[4:] != b"PAR1" or not 0 < length <= min(_LONGEST_FOOTER, size - 12):
            raise ValueError("a footer of impossible length")
        opened = pq.ParquetFile(
            path,
            thrift_string_size_limit=_LONGEST_FOOTER,
            thrift_container_size_limit=_MOST_GROUPS,
            pre_buffer=False,  # the packed bytes of a large file would stay in memory as long as it is open
        )
        with path.open("rb") as stream:
            _check_sizes(opened.metadata, size, stream)
        for field in opened.schema_arrow:
            if not _is_plain(field.type):
                raise ValueError(f"the column {ascii(field.name)[:60]} is of the type {field.type}")
    except ERRORS as error:
        raise ValueError(_first_line(error)) from error
    return opened


def read_parquet(
    path: Path, columns: Sequence[str] | None = None, wanted: Callable[[str], bool] | None = None
) -> pd.DataFrame:
    """Read a table.

    Parameters
    ----------
    path : Path
        The file.
    columns : sequence of str, optional
        Columns that must be there.
    wanted : callable, optional
        Tells by the name which columns are read; by default all.

    Returns
    -------
    DataFrame
        Index 0..n-1, whatever index pandas noted in the file.

    Raises
    ------
    ValueError
        When the file is damaged, or lacks a column.
    """
    opened = open_parquet(path)
    names = list(opened.schema_arrow.names)
    if len(set(names)) != len(names):
        raise ValueError("two columns of one name")
    missing = [name for name in columns or () if name not in names]
    if missing:
        raise ValueError(f"the column {missing[0]!r} is missing")
    names = [name for name in names if wanted is None or wanted(name)]
    texts = [name for name in names if _is_text(opened.schema_arrow.field(name).type)]
    try:
        # Texts are read as numbers of words, so that one long word for many rows is seen before it is written out.
        table = pq.ParquetFile(path, read_dictionary=texts).read(names, use_threads=False)
        table.validate(full=True)
        table = _written_out(table, path.stat().st_size)
        frame: pd.DataFrame = table.replace_schema_metadata(None).to_pandas()
    except ERRORS as error:
        raise ValueError(_first_line(error)) from error
    return frame


def _check_sizes(found: pq.FileMetaData, size: int, stream: BinaryIO) -> None:
    """Refuse numbers that no sound file has."""
    if not 0 <= found.num_rows <= _MOST_ROWS or not 0 < found.num_columns <= _MOST_COLUMNS:
        raise ValueError("an impossible number of rows or columns")
    if not 0 <= found.num_row_groups <= _MOST_GROUPS:
        raise ValueError("an impossible number of row groups")
    rows = unpacked = taken = 0
    for k in range(found.num_row_groups):
        group = found.row_group(k)
        rows += group.num_rows
        for j in range(group.num_columns):
            column = group.column(j)
            packed = column.total_compressed_size
            first = column.dictionary_page_offset or column.data_page_offset
            first = min(first, column.data_page_offset)
            if not 0 <= packed <= size or not 4 <= first <= size - packed:
                raise ValueError("a column that lies outside of the file")
            taken += packed
            if taken > size:
                raise ValueError("columns that lie upon each other")
            unpacked += unpacked_size(stream, first, packed)
    if rows > size:
        raise ValueError(f"{rows} rows in {size} bytes")
    if rows != found.num_rows:
        raise ValueError("row groups that do not add up to the rows")
    if unpacked > _RATIO * size + _FREE_BYTES:
        raise ValueError(f"{unpacked} bytes packed into {size}")


def _is_text(kind: pa.DataType) -> bool:
    """Tell whether values are strings."""
    return bool(types.is_string(kind) or types.is_large_string(kind))


def _written_out(table: pa.Table, size: int) -> pa.Table:
    """Replace numbers of words by the words, where these do not become more than a file of the size may hold."""
    for place, field in enumerate(table.schema):
        if not types.is_dictionary(field.type):
            continue
        column = table.column(place)
        words = [chunk.dictionary for chunk in column.chunks]
        longest = max((int(pc.max(pc.binary_length(one)).as_py() or 0) for one in words), default=0)
        if longest > _LONGEST_TEXT or longest * len(table) > _RATIO * size + _FREE_BYTES:
            raise ValueError(f"the column {ascii(field.name)[:60]} holds too long texts")
        table = table.set_column(place, field.name, column.cast(pa.large_string()))
    return table


def _is_plain(kind: pa.DataType) -> bool:
    """Tell whether values are numbers, strings, booleans or lists of numbers."""
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return types.is_floating(kind.value_type) or types.is_integer(kind.value_type)
    if types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return _is_text(kind) or bool(
        types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_null(kind)
    )


def _first_line(error: BaseException) -> str:
    """Take the first line of an error, in bounded length."""
    lines = str(error).splitlines() or [""]
    kind = "" if type(error) is ValueError else f"{type(error).__name__}: "
    return ascii(f"{kind}{lines[0]}"[:200])[1:-1]
