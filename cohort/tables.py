"""The competition's tables, checked: an error names file, row and column."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from lsdc.cohort.label_tables import UNLABELED as UNLABELED
from lsdc.cohort.label_tables import read_labels as read_labels
from lsdc.cohort.table_cells import identifiers, numbers, refuse_doubled, whole_numbers
from lsdc.cohort.text_tables import read_text_table
from lsdc.cohort.vocabulary import Condition, Level, RowIdError, parse_row_id
from lsdc.runtime import TableError
from lsdc.runtime.paths import PathLike
from lsdc.runtime.safe_text import shown


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
        result[name] = identifiers(path, table, name)
    result["instance_number"] = whole_numbers(path, table, "instance_number")
    for name, words in (("condition", Condition), ("level", Level)):
        known = {text.casefold(): word.value for word in words for text in (word.title, word.value)}
        values = table[name].str.casefold().map(known)
        bad = values.index[values.isna()]
        if len(bad):
            raise TableError(f"{path}: row {bad[0]}: unknown {name} {shown(table[name][bad[0]])}")
        result[name] = values
    for name in ("x", "y"):
        result[name] = numbers(path, table, name).astype(float)
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
        table[name] = identifiers(path, table, name)
    refuse_doubled(path, table["study_id"] + " / " + table["series_id"], "series")
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
    refuse_doubled(path, table["row_id"], "row id")
    return table["row_id"].tolist()
