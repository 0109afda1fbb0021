"""The competition's tables, checked: an error names file, row and column."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from lsdc.cohort.text_tables import read_text_table
from lsdc.cohort.vocabulary import TARGETS, Condition, Grade, Level, RowIdError, parse_row_id
from lsdc.runtime import TableError
from lsdc.runtime.paths import PathLike
from lsdc.runtime.safe_text import shown

UNLABELED = -1
"""Code of a blank label."""
_LONGEST_ID = 100


def _identifier(path: Path, table: pd.DataFrame, column: str) -> pd.Series:
    """Check a column of ids, which spreadsheets may have turned into floats.

    Long ids that have become powers of ten have lost their digits and are refused.
    """
    ids = table[column].str.replace(r"^([0-9]+)\.0+$", r"\1", regex=True)
    blank = ids.index[ids == ""]
    if len(blank):
        raise TableError(f"{path}: row {blank[0]}: empty cell in column {column!r}")
    rounded = ids.index[ids.str.fullmatch(r"[0-9]+([.,][0-9]+)?[eE]\+?[0-9]+")]
    if len(rounded):
        raise TableError(
            f"{path}: row {rounded[0]}: {shown(ids[rounded[0]])} in column {column!r} is no id; "
            "a spreadsheet has rounded it, use the original table"
        )
    for row, name in ids.items():
        if len(name) > _LONGEST_ID or not name.isprintable():
            raise TableError(f"{path}: row {row}: {shown(name)} in column {column!r} is no id")
    return ids


def _numbers(path: Path, table: pd.DataFrame, column: str) -> pd.Series:
    """Parse a column of finite numbers."""
    values = pd.to_numeric(table[column], errors="coerce")
    bad = values.index[~np.isfinite(values)]
    if len(bad):
        raise TableError(
            f"{path}: row {bad[0]}: {shown(table[column][bad[0]])} in column {column!r} is not a finite number"
        )
    return values


def _whole_numbers(path: Path, table: pd.DataFrame, column: str) -> pd.Series:
    """Parse a column of whole numbers that fit into 32 bits."""
    values = _numbers(path, table, column)
    bad = values.index[(values % 1 != 0) | (values.abs() >= 2**31)]
    if len(bad):
        raise TableError(
            f"{path}: row {bad[0]}: {shown(table[column][bad[0]])} in column {column!r} is not a whole number"
        )
    return values.astype(np.int64)


def _unique(path: Path, ids: pd.Series, what: str) -> None:
    """Refuse ids that come twice."""
    twice = ids.index[ids.duplicated()]
    if len(twice):
        first = ids.index[ids == ids[twice[0]]][0]
        raise TableError(f"{path}: row {twice[0]}: {what} {shown(ids[twice[0]])} was already in row {first}")


def read_labels(path: PathLike) -> pd.DataFrame:
    """Read train.csv.

    Parameters
    ----------
    path : path
        A CSV table with a column `study_id` and one for each of the 25 targets, which holds `Normal/Mild`, `Moderate`,
        `Severe` (or `normal_mild` …) or nothing.

    Returns
    -------
    DataFrame of int8, one row per study and the 25 targets as columns
        0 normal or mild, 1 moderate, 2 severe, -1 blank. The index is the study id, a string.

    Raises
    ------
    TableError
        When there is no such table, a column is missing, a label is unknown, or a study comes twice.
    """
    path = Path(path)
    slugs = [target.slug for target in TARGETS]
    table = read_text_table(path, ["study_id", *slugs])
    ids = _identifier(path, table, "study_id")
    _unique(path, ids, "study")
    codes = {"": UNLABELED, "nan": UNLABELED}
    codes |= {name.casefold(): k for k, grade in enumerate(Grade) for name in (grade.title, grade.value)}
    labels = {}
    for slug in slugs:
        values = table[slug].str.casefold().map(codes)
        bad = values.index[values.isna()]
        if len(bad):
            names = ", ".join(grade.title for grade in Grade)
            raise TableError(
                f"{path}: row {bad[0]}: unknown grade {shown(table[slug][bad[0]])} in column {slug!r}; "
                f"expected one of {names} or an empty cell"
            )
        labels[slug] = values.to_numpy(np.int8)
    return pd.DataFrame(labels, index=pd.Index(ids.to_numpy(), name="study_id", dtype=str))


def read_coordinates(path: PathLike) -> pd.DataFrame:
    """Read train_label_coordinates.csv, the annotated points.

    Parameters
    ----------
    path : path
        A CSV table with one point per row: study_id, series_id, instance_number, condition, level, x, y.

    Returns
    -------
    DataFrame
        study_id, series_id (str), instance_number (int), condition, level (slugs), x and y (column and row in px of
        that slice); rows that repeat another one are dropped.

    Raises
    ------
    TableError
        When there is no such table, a column is missing, a condition or level unknown, or a number malformed.
    """
    path = Path(path)
    names = ["study_id", "series_id", "instance_number", "condition", "level", "x", "y"]
    table = read_text_table(path, names)
    result = pd.DataFrame(index=table.index)
    for name in ("study_id", "series_id"):
        result[name] = _identifier(path, table, name)
    result["instance_number"] = _whole_numbers(path, table, "instance_number")
    for name, words in (("condition", Condition), ("level", Level)):
        known = {text.casefold(): word.value for word in words for text in (word.title, word.value)}
        values = table[name].str.casefold().map(known)
        bad = values.index[values.isna()]
        if len(bad):
            raise TableError(f"{path}: row {bad[0]}: unknown {name} {shown(table[name][bad[0]])}")
        result[name] = values
    for name in ("x", "y"):
        result[name] = _numbers(path, table, name).astype(float)
    return result.drop_duplicates(ignore_index=True)


def read_series_descriptions(path: PathLike) -> pd.DataFrame:
    """Read train_ or test_series_descriptions.csv, the view of each series.

    Parameters
    ----------
    path : path
        A CSV table with one series per row.

    Returns
    -------
    DataFrame of str
        study_id, series_id, series_description (such as `Sagittal T1`; may be empty).

    Raises
    ------
    TableError
        When there is no such table, a column is missing, or a series comes twice.
    """
    path = Path(path)
    table = read_text_table(path, ["study_id", "series_id", "series_description"])
    for name in ("study_id", "series_id"):
        table[name] = _identifier(path, table, name)
    _unique(path, table["study_id"] + " / " + table["series_id"], "series")
    return table.reset_index(drop=True)


def read_sample_submission(path: PathLike) -> list[str]:
    """Read the row ids that a submission must hold from sample_submission.csv.

    Parameters
    ----------
    path : path
        A CSV table with a column `row_id`.

    Returns
    -------
    list of str
        Row ids in the table's order.

    Raises
    ------
    TableError
        When there is no such table, or an id is malformed or comes twice.
    """
    path = Path(path)
    table = read_text_table(path, ["row_id"])
    for row, row_id in table["row_id"].items():
        try:
            parse_row_id(row_id)
        except RowIdError as error:
            raise TableError(f"{path}: row {row}: {error}") from None
    _unique(path, table["row_id"], "row id")
    return table["row_id"].tolist()
