"""Prediction tables: read and checked by row id, as arrays, and written as submissions."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from lsdc.cohort.tables import UNLABELED, read_labels, read_text_table
from lsdc.cohort.vocabulary import TARGETS, Condition, Grade, Level, RowIdError, parse_row_id
from lsdc.metrics.official import Grades, Probabilities
from lsdc.runtime import TableError
from lsdc.runtime.artefact import atomic

SHAPE = (len(Condition), len(Level))
COLUMNS: list[str] = [grade.value for grade in Grade]
_SLUGS = [target.slug for target in TARGETS]


def row_ids(studies: Iterable[str]) -> list[str]:
    """The row ids of whole studies: 25 each, in the order of TARGETS."""
    return [f"{study}_{slug}" for study in studies for slug in _SLUGS]


def read_predictions(
    path: Path, *, required: Iterable[str] = (), known: Iterable[str] | None = None
) -> pd.DataFrame:
    """Read a prediction table, CSV or Parquet.

    Parameters
    ----------
    path : Path
        Table with row_id, normal_mild, moderate, severe, in any order of rows; other columns are dropped.
    required : iterable of str
        Row ids that must be there.
    known : iterable of str, optional
        All row ids that may be there; default any.

    Returns
    -------
    DataFrame
        row_id (str) and the three probabilities (float), divided by their sum.

    Raises
    ------
    TableError
        When a row id is malformed, unknown, missing or comes twice, or a value is not a probability.
    """
    table = _read_any(path, ["row_id", *COLUMNS])
    ids = table["row_id"]
    _check_ids(path, ids, required, known)
    values = np.column_stack([_probabilities(path, table, name) for name in COLUMNS])
    zero = np.flatnonzero(values.sum(axis=1) == 0)
    if len(zero):
        raise TableError(
            f"{path}: row {table.index[zero[0]]}: {ids.iloc[zero[0]]!r} has only zeros in columns "
            f"{', '.join(COLUMNS)}; at least one must be positive"
        )
    return table_of(ids.tolist(), values / values.sum(axis=1, keepdims=True))


def _read_any(path: Path, columns: list[str]) -> pd.DataFrame:
    if path.suffix != ".parquet":
        return read_text_table(path, columns)
    try:
        table = pd.read_parquet(path)
    except FileNotFoundError:
        raise TableError(f"{path}: no such file") from None
    except (OSError, ValueError, pa.ArrowException) as error:
        raise TableError(f"{path}: cannot be read as a Parquet table ({error})") from error
    missing = [name for name in columns if name not in table]
    if missing:
        raise TableError(f"{path}: no column {missing[0]!r}; found {', '.join(map(str, table.columns))}")
    table.index = pd.RangeIndex(1, len(table) + 1)
    return table[columns].astype({"row_id": str})


def _check_ids(path: Path, ids: pd.Series, required: Iterable[str], known: Iterable[str] | None) -> None:
    for row, row_id in ids.items():
        try:
            parse_row_id(row_id)
        except RowIdError as error:
            raise TableError(f"{path}: row {row}: column 'row_id': {error}") from None
    twice = ids.index[ids.duplicated()]
    if len(twice):
        first = ids.index[ids == ids[twice[0]]][0]
        raise TableError(f"{path}: row {twice[0]}: row_id {ids[twice[0]]!r} was already in row {first}")
    if known is not None:
        unknown = ids.index[~ids.isin(list(known))]
        if len(unknown):
            raise TableError(
                f"{path}: row {unknown[0]}: unknown row_id {ids[unknown[0]]!r} ({len(unknown)} such rows); "
                "leave out rows that are not asked for"
            )
    there = set(ids)
    missing = [row_id for row_id in required if row_id not in there]
    if missing:
        raise TableError(
            f"{path}: {len(missing)} rows are missing, the first is row_id {missing[0]!r}; add them"
        )


def _probabilities(path: Path, table: pd.DataFrame, column: str) -> np.ndarray:
    values = pd.to_numeric(table[column], errors="coerce").to_numpy(float, na_value=np.nan)
    for bad, reason in ((~np.isfinite(values), "is not a finite number"), (values < 0, "is negative")):
        if bad.any():
            k = int(np.argmax(bad))
            cell = f"{str(table[column].iloc[k])!r} in column {column!r}"
            raise TableError(f"{path}: row {table.index[k]}: {cell} {reason}; expected a probability")
    return values


def table_of(ids: Sequence[str], values: np.ndarray) -> pd.DataFrame:
    """A prediction table of row ids and (n, 3) probabilities."""
    table = pd.DataFrame(np.asarray(values, float), columns=COLUMNS)
    table.insert(0, "row_id", pd.Series(list(ids), dtype=str))
    return table


def to_cube(table: pd.DataFrame, studies: Sequence[str]) -> Probabilities:
    """The probabilities of `studies` as an array [study, condition, level, grade]; NaN where absent.

    Rows are divided by their sum: members that compute in single precision miss 1 by a little.
    """
    where = pd.Index(table["row_id"]).get_indexer(pd.Index(row_ids(studies)))
    values = table[COLUMNS].to_numpy(float)
    cube = np.full((len(where), len(COLUMNS)), np.nan)
    cube[where >= 0] = values[where[where >= 0]]
    cube /= cube.sum(axis=1, keepdims=True)
    return cube.reshape(len(studies), *SHAPE, len(COLUMNS))


def grades_of(labels: pd.DataFrame) -> Grades:
    """Labels as `read_labels` gives them, as an array [study, condition, level]."""
    return labels[_SLUGS].to_numpy(np.int8).reshape(len(labels), *SHAPE)


def labeled_row_ids(studies: Sequence[str], grades: Grades) -> list[str]:
    """The row ids that have a label."""
    return [row_id for row_id, grade in zip(row_ids(studies), grades.ravel()) if grade != UNLABELED]


def read_truth(path: Path) -> pd.DataFrame:
    """Read labels to score against: train.csv, or a solution table with one-hot grades per row id.

    Returns
    -------
    DataFrame of int8
        As `lsdc.cohort.read_labels`: index study_id, the 25 targets as columns, -1 where unlabeled.

    Raises
    ------
    TableError
        When the table is neither, or malformed.
    """
    return _read_solution(path) if _has_row_ids(path) else read_labels(path)


def _has_row_ids(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
            return "row_id" in next(csv.reader(stream), [])
    except OSError:
        return False


def _read_solution(path: Path) -> pd.DataFrame:
    table = read_text_table(path, ["row_id", *COLUMNS])
    _check_ids(path, table["row_id"], (), None)
    values = np.column_stack([_probabilities(path, table, name) for name in COLUMNS])
    bad = np.flatnonzero(~(np.isin(values, (0, 1)).all(axis=1) & (values.sum(axis=1) == 1)))
    if len(bad):
        raise TableError(
            f"{path}: row {table.index[bad[0]]}: not one-hot in columns {', '.join(COLUMNS)}; "
            "expected a single 1"
        )
    parsed = [parse_row_id(row_id) for row_id in table["row_id"]]
    studies = list(dict.fromkeys(study for study, _ in parsed))
    index = pd.Index(studies, name="study_id", dtype=str)
    labels = np.full((len(studies), len(TARGETS)), UNLABELED, np.int8)
    place = {study: k for k, study in enumerate(studies)}
    column = {target: k for k, target in enumerate(TARGETS)}
    rows = [place[study] for study, _ in parsed]
    labels[rows, [column[target] for _, target in parsed]] = values.argmax(axis=1)
    return pd.DataFrame(labels, index=index, columns=_SLUGS)


def write_submission(
    path: Path, probabilities: Probabilities, studies: Sequence[str], order: Sequence[str] | None = None
) -> int:
    """Write a submission, whole or not at all, and return its number of rows.

    Parameters
    ----------
    path : Path
        CSV to write.
    probabilities : (n, 5, 5, 3) float
        Finite; rows sum to 1.
    studies : sequence of str
        Their ids.
    order : sequence of str, optional
        The row ids to write, as in sample_submission.csv. Default: all, in the order of TARGETS.

    Raises
    ------
    TableError
        When `order` asks for a row that is not there.
    """
    table = table_of(row_ids(studies), probabilities.reshape(-1, len(COLUMNS)))
    if order is not None:
        here = set(table["row_id"])
        unknown = [row_id for row_id in order if row_id not in here]
        if unknown:
            raise TableError(f"{path}: not written: nothing is known of row_id {unknown[0]!r}")
        table = table.set_index("row_id").loc[list(order)].reset_index()
    with atomic(path) as temporary:
        table.to_csv(temporary, index=False)
    return len(table)
