"""Prediction tables: read and checked by row id, as arrays, and written as submissions."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from lsdc.cohort.tables import UNLABELED, read_labels
from lsdc.cohort.text_tables import column_names, read_text_table
from lsdc.cohort.vocabulary import TARGETS, Condition, Grade, Level, parse_row_id
from lsdc.metrics.official import Grades, Probabilities
from lsdc.metrics.table_checks import check_row_ids, probability_columns, read_table
from lsdc.runtime import TableError
from lsdc.runtime.artifact import atomic
from lsdc.runtime.paths import PathLike
from lsdc.runtime.safe_text import safe_cell

SHAPE = (len(Condition), len(Level))
"""Conditions and levels: the shape of the grades of one study."""
COLUMNS: list[str] = [grade.value for grade in Grade]
"""The columns of a prediction table that hold probabilities."""
_SLUGS = [target.slug for target in TARGETS]


def row_ids(studies: Iterable[str]) -> list[str]:
    """Name all rows of some studies.

    Parameters
    ----------
    studies : iterable of str
        Study ids.

    Returns
    -------
    list of str
        25 row ids per study, in the order of `TARGETS`.

    Examples
    --------
    >>> row_ids(["4003253"])[0]
    '4003253_spinal_canal_stenosis_l1_l2'
    """
    return [f"{study}_{slug}" for study in studies for slug in _SLUGS]


def labeled_row_ids(studies: Sequence[str], grades: Grades) -> list[str]:
    """Name the rows of some studies that have a label: those that a submission is scored on.

    Parameters
    ----------
    studies : sequence of str
        The n study ids.
    grades : (n, 5, 5) int8
        -1 where unlabeled.

    Returns
    -------
    list of str
        Their row ids, in the order of `row_ids`.
    """
    return [row_id for row_id, grade in zip(row_ids(studies), grades.ravel()) if grade != UNLABELED]


def read_predictions(
    path: PathLike, *, required: Iterable[str] = (), known: Iterable[str] | None = None
) -> pd.DataFrame:
    """Read a prediction table, CSV or Parquet, whoever wrote it.

    Parameters
    ----------
    path : path
        Table with row_id, normal_mild, moderate, severe, in any order of rows; other columns are dropped.
    required : iterable of str
        Row ids that must be there.
    known : iterable of str, optional
        All row ids that may be there; by default any.

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
    path = Path(path)
    table = read_table(path, ["row_id", *COLUMNS])
    if _lacks_weights(path):
        raise TableError(
            f"{path}: column weighting says none: the competition's weights were taken out of these probabilities; "
            "predict again with weighting='competition'"
        )
    ids = table["row_id"]
    check_row_ids(path, ids, required, known)
    values = probability_columns(path, table, COLUMNS)
    zero = np.flatnonzero(values.sum(axis=1) == 0)
    if len(zero):
        raise TableError(
            f"{path}: row {table.index[zero[0]]}: {ids.iloc[zero[0]]!r} has only zeros in columns "
            f"{', '.join(COLUMNS)}; at least one must be positive"
        )
    return table_of(ids.tolist(), values / values.sum(axis=1, keepdims=True))


def _lacks_weights(path: Path) -> bool:
    """Tell whether a table says, in a column that `predict` adds, that the competition's weights were taken out."""
    if path.suffix == ".parquet" or "weighting" not in column_names(path):
        return False
    said = read_text_table(path, ["weighting"])
    return len(said) > 0 and str(said.iloc[0, 0]) == "none"


def table_of(ids: Sequence[str], values: ArrayLike) -> pd.DataFrame:
    """Make a prediction table.

    Parameters
    ----------
    ids : sequence of str
        The n row ids.
    values : (n, 3) float
        Probabilities in the order of `Grade`; taken as they are.

    Returns
    -------
    DataFrame
        row_id, normal_mild, moderate, severe.

    Examples
    --------
    >>> table_of(["1_spinal_canal_stenosis_l1_l2"], [[0.7, 0.2, 0.1]])
                              row_id  normal_mild  moderate  severe
    0  1_spinal_canal_stenosis_l1_l2          0.7       0.2     0.1
    """
    table = pd.DataFrame(np.asarray(values, float), columns=COLUMNS)
    table.insert(0, "row_id", pd.Series(list(ids), dtype=str))
    return table


def to_cube(table: pd.DataFrame, studies: Sequence[str]) -> Probabilities:
    """Arrange a prediction table as an array; the reverse of `table_of`.

    Parameters
    ----------
    table : DataFrame
        row_id and the three probabilities, in any order; rows of other studies are left out. Rows are divided by
        their sum: members that compute in single precision miss 1 by a little.
    studies : sequence of str
        The n studies that are wanted.

    Returns
    -------
    (n, 5, 5, 3) float64
        By study, condition, level and grade; NaN where the table has no row.
    """
    where = pd.Index(table["row_id"]).get_indexer(pd.Index(row_ids(studies)))
    values = table[COLUMNS].to_numpy(float)
    cube = np.full((len(where), len(COLUMNS)), np.nan)
    cube[where >= 0] = values[where[where >= 0]]
    cube /= cube.sum(axis=1, keepdims=True)
    return cube.reshape(len(studies), *SHAPE, len(COLUMNS))


def grades_of(labels: pd.DataFrame) -> Grades:
    """Arrange labels as an array.

    Parameters
    ----------
    labels : DataFrame
        As `lsdc.cohort.read_labels` or `read_truth` gives them: one row per study, one column per target.

    Returns
    -------
    (n, 5, 5) int8
        By study, condition and level; -1 where unlabeled.
    """
    return labels[_SLUGS].to_numpy(np.int8).reshape(len(labels), *SHAPE)


def read_truth(path: PathLike) -> pd.DataFrame:
    """Read labels to score against: train.csv, or a solution table with one-hot grades per row id.

    Parameters
    ----------
    path : path
        CSV; it is a solution table where its header has a column `row_id`.

    Returns
    -------
    DataFrame of int8
        As `lsdc.cohort.read_labels`: index study_id, the 25 targets as columns, -1 where unlabeled.

    Raises
    ------
    TableError
        When the table is absent, is neither, or is malformed.
    """
    path = Path(path)
    return _read_solution(path) if _has_row_ids(path) else read_labels(path)


def _has_row_ids(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
            return "row_id" in next(csv.reader(stream), [])
    except OSError:
        return False


def _read_solution(path: Path) -> pd.DataFrame:
    """Turn one-hot rows into one row per study, in the order in which studies first come."""
    table = read_text_table(path, ["row_id", *COLUMNS])
    check_row_ids(path, table["row_id"])
    values = probability_columns(path, table, COLUMNS)
    bad = np.flatnonzero(~(np.isin(values, (0, 1)).all(axis=1) & (values.sum(axis=1) == 1)))
    if len(bad):
        raise TableError(
            f"{path}: row {table.index[bad[0]]}: not one-hot in columns {', '.join(COLUMNS)}; "
            "expected a single 1"
        )
    parsed = [parse_row_id(row_id) for row_id in table["row_id"]]
    studies = list(dict.fromkeys(study for study, _ in parsed))
    row = {study: k for k, study in enumerate(studies)}
    column = {target: k for k, target in enumerate(TARGETS)}
    labels = np.full((len(studies), len(TARGETS)), UNLABELED, np.int8)
    labels[[row[study] for study, _ in parsed], [column[target] for _, target in parsed]] = values.argmax(
        axis=1
    )
    return pd.DataFrame(labels, index=pd.Index(studies, name="study_id", dtype=str), columns=_SLUGS)


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
        table.to_csv(temporary, index=False)
    return len(table)
