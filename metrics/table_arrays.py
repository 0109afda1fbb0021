"""Tables of predictions and labels as arrays, aligned by row id."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from lsdc.cohort.label_tables import UNLABELED
from lsdc.cohort.vocabulary import TARGETS, Condition, Grade, Level
from lsdc.metrics.official import Grades, Probabilities

SHAPE = (len(Condition), len(Level))
"""Conditions and levels: the shape of the grades of one study."""
COLUMNS: list[str] = [grade.value for grade in Grade]
"""The columns of a prediction table that hold probabilities."""
SLUGS: list[str] = [target.slug for target in TARGETS]
"""The names of the 25 targets, in their order."""


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
    return [f"{study}_{slug}" for study in studies for slug in SLUGS]


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
    return labels[SLUGS].to_numpy(np.int8).reshape(len(labels), *SHAPE)
