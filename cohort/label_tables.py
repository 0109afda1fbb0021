"""Readers' grades from whatever table they are in: wide or long, words or codes, all targets or some."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lsdc.cohort.table_cells import identifiers, refuse_doubled
from lsdc.cohort.table_words import (
    bare,
    condition_of,
    find_column,
    grade_words,
    level_of,
    read_coding,
    target_of,
)
from lsdc.cohort.text_tables import TextTable, open_table
from lsdc.cohort.vocabulary import TARGETS, Grade, RowIdError, Target, parse_row_id
from lsdc.runtime import TableError
from lsdc.runtime.console import say
from lsdc.runtime.paths import PathLike
from lsdc.runtime.safe_text import shown

UNLABELED = -1
"""Code of a blank label."""
_SLUGS = [target.slug for target in TARGETS]


def read_labels(path: PathLike, grades: str | None = None) -> pd.DataFrame:
    """Read readers' grades, such as train.csv.

    Parameters
    ----------
    path : path
        A CSV table or .xlsx workbook. Wide: `study_id` and a column for each target, or for some of the 25. Long:
        `study_id` (or `study`, `case` …), `condition`, perhaps `side`, `level` and `grade` (or `severity` …), one row
        per target; or `row_id` and `grade`. Case, spaces and signs in headers and cells do not matter. Grades are
        words (`Normal/Mild`, `normal`, `moderate` …), nothing, or the codes 0, 1 and 2.
    grades : str, optional
        What the codes mean, such as `1=normal_mild,2=moderate,3=severe`; needed for all codes but 0, 1 and 2.

    Returns
    -------
    DataFrame of int8, one row per study and the 25 targets as columns
        0 normal or mild, 1 moderate, 2 severe, -1 blank or not in the table. The index is the study id, a string.

    Raises
    ------
    TableError
        When there is no such table, a column is missing, a label is unknown or ambiguous, or a target comes twice.
    ConfigError
        When `grades` cannot be understood.
    """
    return labels_of(open_table(path, holds_labels), grades)


def holds_labels(header: Sequence[str]) -> bool:
    """Tell by its header whether a table holds grades.

    Parameters
    ----------
    header : sequence of str
        The names of its columns.

    Returns
    -------
    bool
        True for the forms that `read_labels` takes.
    """
    try:
        if find_column(header, "grade") is None:
            return any(target_of(name) for name in header)
        return find_column(header, "row_id") is not None or (
            find_column(header, "condition") is not None and find_column(header, "level") is not None
        )
    except ValueError:
        return True  # the reader says what is ambiguous


def labels_of(table: TextTable, grades: str | None = None) -> pd.DataFrame:
    """Take the grades from an opened table.

    Parameters
    ----------
    table : TextTable
        Of one of the forms of `read_labels`.
    grades : str, optional
        What the codes mean.

    Returns
    -------
    DataFrame of int8
        As `read_labels` gives it.

    Raises
    ------
    TableError, ConfigError
        As `read_labels` does.
    """
    try:
        columns = {target: name for name in table.header if (target := target_of(name)) is not None}
        if len(columns) < sum(target_of(name) is not None for name in table.header):
            raise ValueError("two columns are named after the same target; keep one")
        places = _of_columns(table, columns) if columns else _of_rows(table)
    except ValueError as error:
        raise TableError(f"{table.where}: {error}") from None
    return _arranged(places, _codes(table.where, places, grades))


def _of_columns(table: TextTable, columns: dict[Target, str]) -> pd.DataFrame:
    """Take a wide table apart: study, target's number, grade, row and column of each cell."""
    column = find_column(table.header, "study_id")
    if column is None:
        raise table.missing(["study_id"])
    ids = identifiers(table.where, table.cells, column)
    refuse_doubled(table.where, ids, "study")
    lacking = len(TARGETS) - len(columns)
    if lacking:
        say(f"{table.where}: holds {len(columns)} of the 25 targets; the other {lacking} count as unlabeled")
    parts = [
        pd.DataFrame(
            {"study": ids, "target": TARGETS.index(target), "grade": table.cells[name], "column": name},
            index=ids.index,
        )
        for target, name in columns.items()
    ]
    return pd.concat(parts).rename_axis("row").reset_index()


def _of_rows(table: TextTable) -> pd.DataFrame:
    """Take a long table apart in the same form."""
    grade, row_id = find_column(table.header, "grade"), find_column(table.header, "row_id")
    if grade is None:
        raise TableError(
            f"{table.where}: no column {_SLUGS[0]!r} or of another target, and no column 'grade'; "
            f"found {table.found()}"
        )
    study, target = row_targets(table) if row_id is None else _by_row_id(table, row_id)
    places = pd.DataFrame(
        {"study": study, "target": target, "grade": table.cells[grade], "column": grade},
        index=table.cells.index,
    )
    slugs = np.array(_SLUGS, object)[places["target"].to_numpy(int)]
    refuse_doubled(table.where, places["study"] + "_" + slugs, "the target")
    return places.rename_axis("row").reset_index()


def _by_row_id(table: TextTable, column: str) -> tuple[pd.Series, pd.Series]:
    ids = table.cells[column]
    parsed = []
    for row, row_id in ids.items():
        try:
            parsed.append(parse_row_id(row_id))
        except RowIdError as error:
            raise TableError(f"{table.where}: row {row}: column {column!r}: {error}") from None
    studies = pd.Series([study for study, _ in parsed], ids.index, dtype=str)
    return studies, pd.Series([TARGETS.index(target) for _, target in parsed], ids.index, dtype=int)


def row_targets(table: TextTable) -> tuple[pd.Series, pd.Series]:
    """Read study and target of each row of a long table.

    Parameters
    ----------
    table : TextTable
        With study, condition, level and perhaps side.

    Returns
    -------
    study : Series of str
        The study's id.
    target : Series of int
        Place in `TARGETS`.

    Raises
    ------
    TableError
        When a column is missing, or a cell is no id, condition or level.
    ValueError
        When it is not clear which column is meant.
    """
    cells, where = table.cells.astype(str), table.where
    names = {role: find_column(table.header, role) for role in ("study_id", "condition", "level", "side")}
    absent = [role for role in ("study_id", "condition", "level") if names[role] is None]
    if absent:
        raise table.missing(absent)
    study, condition, level = (str(names[role]) for role in ("study_id", "condition", "level"))
    sides = pd.Series("", cells.index) if names["side"] is None else cells[str(names["side"])]
    known = {pair: condition_of(*pair) for pair in set(zip(cells[condition], sides))}
    levels = {text: level_of(text) for text in cells[level].unique()}
    place = {target: k for k, target in enumerate(TARGETS)}
    targets = []
    for row, text, side, name in zip(cells.index, cells[condition], sides, cells[level]):
        found, at = known[text, side], levels[name]
        if found is None:
            raise TableError(
                f"{where}: row {row}: unknown condition {shown(text)} in column {condition!r}; expected one such as "
                "'spinal canal stenosis' or 'left foraminal narrowing', with its side here or in a column 'side'"
            )
        if at is None:
            raise TableError(
                f"{where}: row {row}: unknown level {shown(name)} in column {level!r}; expected L1/L2 to L5/S1"
            )
        targets.append(place[Target(found, at)])
    return identifiers(where, cells, study), pd.Series(targets, cells.index, dtype=int)


def _codes(where: str, places: pd.DataFrame, grades: str | None) -> pd.Series:
    """Turn cells into indices of grades."""
    cells = places["grade"].map({text: bare(text) for text in places["grade"].unique()})
    coding = {} if grades is None else read_coding(grades)
    known = grade_words() | coding
    found = set(cells.unique())
    if not coding:
        _refuse_unclear(where, {cell for cell in found - set(known) if cell.isdecimal()})
        known |= {"0": 0, "1": 1, "2": 2, "-1": UNLABELED}
    codes = cells.map(known)
    bad = places[codes.isna()].sort_values("row", kind="stable")
    if len(bad):
        first = bad.iloc[0]
        names = ", ".join(grade.title for grade in Grade)
        remedy = "" if grades is None else f" (or a code of grades={grades!r})"
        raise TableError(
            f"{where}: row {first['row']}: unknown grade {shown(first['grade'])} in column {first['column']!r}; "
            f"expected one of {names} or an empty cell{remedy}"
        )
    return codes


def _refuse_unclear(where: str, codes: set[str]) -> None:
    """Refuse codes of which it is not sure that they count from 0 for normal to 2 for severe."""
    if not codes or codes == {"0"} or {"0", "2"} <= codes <= {"0", "1", "2"}:
        return
    listed = ", ".join(sorted(codes, key=lambda code: (len(code), code))[:10])
    raise TableError(
        f"{where}: the grades are codes ({listed}) that can mean more than one thing; say what they mean, such as "
        "grades='1=normal_mild,2=moderate,3=severe'"
    )


def _arranged(places: pd.DataFrame, codes: pd.Series) -> pd.DataFrame:
    """Put codes into one row per study, in the order in which studies first come."""
    rows, studies = pd.factorize(places["study"])
    labels = np.full((len(studies), len(TARGETS)), UNLABELED, np.int8)
    labels[rows, places["target"].to_numpy(int)] = codes.to_numpy(np.int8)
    return pd.DataFrame(labels, index=pd.Index(studies, name="study_id", dtype=str), columns=_SLUGS)
