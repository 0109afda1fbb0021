"""Prediction tables: read and checked by row id, as arrays, and written as submissions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from lsdc.cohort.label_tables import UNLABELED, labels_of
from lsdc.cohort.table_words import find_column
from lsdc.cohort.text_tables import TextTable
from lsdc.cohort.vocabulary import TARGETS, parse_row_id
from lsdc.metrics.official import Probabilities
from lsdc.metrics.prediction_forms import ROUNDED, holds_predictions, open_graded, prediction_rows
from lsdc.metrics.table_arrays import COLUMNS as COLUMNS
from lsdc.metrics.table_arrays import SHAPE as SHAPE
from lsdc.metrics.table_arrays import SLUGS
from lsdc.metrics.table_arrays import grades_of as grades_of
from lsdc.metrics.table_arrays import labeled_row_ids as labeled_row_ids
from lsdc.metrics.table_arrays import row_ids as row_ids
from lsdc.metrics.table_arrays import table_of as table_of
from lsdc.metrics.table_arrays import to_cube as to_cube
from lsdc.metrics.table_checks import check_row_ids, probability_columns
from lsdc.runtime import ConfigError, TableError
from lsdc.runtime.artifact import atomic
from lsdc.runtime.console import warn
from lsdc.runtime.paths import PathLike
from lsdc.runtime.safe_text import safe_cell
from lsdc.runtime.whole_files import check_output_file

_OTHER_ENDINGS = (".parquet", ".xlsx", ".xls", ".ods", ".json", ".gz", ".zip", ".bz2", ".xz", ".zst")
"""What a CSV table must not be called, for its readers would go by the name."""


def read_predictions(
    path: PathLike,
    *,
    required: Iterable[str] = (),
    known: Iterable[str] | None = None,
    decimal_comma: bool = False,
) -> pd.DataFrame:
    """Read a prediction table, whoever wrote it.

    Parameters
    ----------
    path : path
        CSV, .xlsx or Parquet with row_id, normal_mild, moderate, severe, in any order of rows; or with study,
        condition, level and perhaps side in place of row_id. Case, spaces and signs in headers do not matter; other
        columns are dropped.
    required : iterable of str
        Row ids that must be there.
    known : iterable of str, optional
        All row ids that may be there; by default any.
    decimal_comma : bool
        Whether a comma in a number is its decimal mark also where the row does not add up to 1.

    Returns
    -------
    DataFrame
        row_id (str) and the three probabilities (float), divided by their sum.

    Raises
    ------
    TableError
        When the file is absent or unreadable; a row id is malformed, unknown, missing or comes twice; a value is not a
        probability; or a column `weighting` says that these are not the competition's probabilities.
    """
    return predictions_of(open_graded(path), required=required, known=known, decimal_comma=decimal_comma)


def predictions_of(
    table: TextTable,
    *,
    required: Iterable[str] = (),
    known: Iterable[str] | None = None,
    decimal_comma: bool = False,
) -> pd.DataFrame:
    """Take predictions from an opened table.

    Parameters
    ----------
    table : TextTable
        As `open_graded` gives it.
    required : iterable of str
        Row ids that must be there.
    known : iterable of str, optional
        All row ids that may be there; by default any.
    decimal_comma : bool
        As for `read_predictions`.

    Returns
    -------
    DataFrame
        As `read_predictions` gives it.

    Raises
    ------
    TableError
        As `read_predictions` does.
    """
    rows = prediction_rows(table, decimal_comma)
    if _lacks_weights(table):
        raise TableError(
            f"{table.where}: column weighting says none: the competition's weights were taken out of these "
            "probabilities; predict again with weighting='competition'"
        )
    ids = rows["row_id"]
    check_row_ids(table.where, ids, required, known)
    values = probability_columns(table.where, rows, list(rows.columns[1:]))
    zero = np.flatnonzero(values.sum(axis=1) == 0)
    if len(zero):
        raise TableError(
            f"{table.where}: row {rows.index[zero[0]]}: {ids.iloc[zero[0]]!r} has only zeros in columns "
            f"{', '.join(rows.columns[1:])}; at least one must be positive"
        )
    sums = values.sum(axis=1)
    odd = np.flatnonzero(np.abs(sums - 1) > ROUNDED)
    if len(odd):
        warn(
            f"{table.where}: {len(odd)} rows do not add up to 1, the first in row {rows.index[odd[0]]} "
            f"({sums[odd[0]]:g}); each is divided by its sum"
        )
    return table_of(ids.tolist(), values / sums[:, None])


def _lacks_weights(table: TextTable) -> bool:
    """Tell whether a table says, in a column that `predict` adds, that the competition's weights were taken out."""
    column = find_column(table.header, "weighting")
    return column is not None and bool((table.cells[column].astype(str) == "none").any())


def read_truth(path: PathLike, grades: str | None = None) -> pd.DataFrame:
    """Read labels to score against: train.csv, a reader's own table, or a solution table with one-hot grades.

    Parameters
    ----------
    path : path
        A table as `lsdc.cohort.read_labels` takes it; or as `read_predictions` does, with a single 1 in each row.
    grades : str, optional
        What codes of grades mean, such as `1=normal_mild,2=moderate,3=severe`.

    Returns
    -------
    DataFrame of int8
        As `lsdc.cohort.read_labels`: index study_id, the 25 targets as columns, -1 where unlabeled.

    Raises
    ------
    TableError
        When the table is absent, is neither, or is malformed.
    ConfigError
        When `grades` cannot be understood.
    """
    table = open_graded(path)
    return _solution_of(table) if holds_predictions(table.header) else truth_of(table, grades)


def truth_of(table: TextTable, grades: str | None = None) -> pd.DataFrame:
    """Take readers' grades from an opened table that is no solution table.

    Parameters
    ----------
    table : TextTable
        As `open_graded` gives it.
    grades : str, optional
        As for `read_truth`.

    Returns
    -------
    DataFrame of int8
        As `read_truth` gives it.

    Raises
    ------
    TableError, ConfigError
        As `read_truth` does.
    """
    # A missing number of a Parquet table stays one when it is turned into text.
    cells = table.cells.astype(object).where(table.cells.notna(), "").astype(str)
    return labels_of(TextTable(table.where, cells, table.decimal_commas), grades)


def _solution_of(table: TextTable) -> pd.DataFrame:
    """Turn one-hot rows into one row per study, in the order in which studies first come."""
    rows = prediction_rows(table)
    check_row_ids(table.where, rows["row_id"])
    values = probability_columns(table.where, rows, list(rows.columns[1:]))
    bad = np.flatnonzero(~(np.isin(values, (0, 1)).all(axis=1) & (values.sum(axis=1) == 1)))
    if len(bad):
        raise TableError(
            f"{table.where}: row {rows.index[bad[0]]}: not one-hot in columns {', '.join(rows.columns[1:])}; "
            "expected a single 1"
        )
    return one_hot_labels(rows["row_id"].tolist(), values.argmax(axis=1).tolist())


def one_hot_labels(ids: Sequence[str], codes: Sequence[int]) -> pd.DataFrame:
    """Put grades by row id into one row per study.

    Parameters
    ----------
    ids : sequence of str
        The n row ids.
    codes : sequence of int
        Their grades, 0 to 2.

    Returns
    -------
    DataFrame of int8
        As `read_truth` gives it; studies in the order in which they first come.
    """
    parsed = [parse_row_id(row_id) for row_id in ids]
    studies = list(dict.fromkeys(study for study, _ in parsed))
    row = {study: k for k, study in enumerate(studies)}
    column = {target: k for k, target in enumerate(TARGETS)}
    labels = np.full((len(studies), len(TARGETS)), UNLABELED, np.int8)
    labels[[row[study] for study, _ in parsed], [column[target] for _, target in parsed]] = codes
    return pd.DataFrame(labels, index=pd.Index(studies, name="study_id", dtype=str), columns=SLUGS)


def check_submission(path: PathLike, inputs: Iterable[PathLike | None] = ()) -> Path:
    """Refuse a name for a submission under which it could not be written, or would be taken for something else.

    Parameters
    ----------
    path : path
        Where it is to be written.
    inputs : iterable of path or None, default none
        What it is made from, which is not to be replaced.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ConfigError
        When it has the ending of another kind of table or of a compressed file, or is one of the inputs.
    LsdcError
        When it is a folder or a device.
    """
    if Path(path).suffix.lower() in _OTHER_ENDINGS:
        raise ConfigError(f"{path}: submissions are written as CSV; give a name that ends in .csv")
    return check_output_file(path, inputs)


def write_submission(
    path: PathLike,
    probabilities: Probabilities,
    studies: Sequence[str],
    order: Sequence[str] | None = None,
    notes: Mapping[str, str | Sequence[str]] | None = None,
) -> int:
    """Write a submission.csv, whole or not at all.

    Parameters
    ----------
    path : path
        CSV to write; what is there is replaced.
    probabilities : (n, 5, 5, 3) float
        Finite; rows sum to 1.
    studies : sequence of str
        The n study ids.
    order : sequence of str, optional
        The row ids to write, as in sample_submission.csv. By default all 25 of each study, in the order of `TARGETS`.
    notes : mapping of str to str or sequence of str, optional
        Columns to add behind the competition's: one text for all rows, or one for each of the 25 of each study. A
        spreadsheet does not run them.

    Returns
    -------
    int
        Number of rows written.

    Raises
    ------
    TableError
        When `order` asks for a row that is not there.
    """
    path = Path(path)
    table = table_of(row_ids(studies), probabilities.reshape(-1, len(COLUMNS))).assign(**(notes or {}))
    for name in notes or {}:
        table[name] = table[name].map(safe_cell)
    if order is not None:
        here = set(table["row_id"])
        unknown = [row_id for row_id in order if row_id not in here]
        if unknown:
            raise TableError(f"{path}: not written: nothing is known of row_id {unknown[0]!r}")
        table = table.set_index("row_id").loc[list(order)].reset_index()
    with atomic(path) as temporary:
        table.to_csv(temporary, index=False, compression=None)
    return len(table)
