"""What a person decided about doubtful labels: read from a CSV, checked against the store's labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lsdc.cohort.text_tables import read_text_table
from lsdc.cohort.vocabulary import GRADES, Grade
from lsdc.metrics.prediction_tables import COLUMNS
from lsdc.metrics.table_checks import check_row_ids, probability_columns
from lsdc.runtime import TableError
from lsdc.runtime.artifact import fingerprint
from lsdc.runtime.paths import PathLike

DECISIONS = ("keep", "change", "drop", "soften")
"""What may stand in the column `decision`; an empty cell decides nothing."""
_GIVEN = ["row_id", "label", "proposed", *COLUMNS, "decision", "grade"]
_CODES = {name.casefold(): k for k, grade in enumerate(Grade) for name in (grade.title, grade.value)}


@dataclass(frozen=True)
class Decisions:
    """What members learn for the rows that were decided; use `read_decisions`.

    Parameters
    ----------
    row_ids : tuple of str
        The m decided rows.
    labels : (m, 3) float64
        Probability of each grade: one of them 1 where a label is kept or changed, all 0 where it is dropped.
    """

    row_ids: tuple[str, ...]
    labels: NDArray[np.float64]

    @property
    def hash(self) -> str:
        """Sixteen hexadecimal digits of SHA-256 over rows and labels, in whatever order they were read."""
        by_row = {
            row_id: label.round(9).tolist() for row_id, label in zip(self.row_ids, self.labels, strict=True)
        }
        return fingerprint(by_row)

    def apply(
        self, row_ids: pd.Series, labels: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Put the decided labels in the place of those of the store.

        Parameters
        ----------
        row_ids : Series of str
            The n rows of some studies.
        labels : (n, 3) float64
            Their labels: probability of each grade, all 0 where unlabeled.

        Returns
        -------
        labels : (n, 3) float64
            With the decided rows replaced.
        decided : (n,) bool
            True for the decided rows.
        """
        where = pd.Index(self.row_ids).get_indexer(pd.Index(row_ids))
        decided = where >= 0
        changed = labels.copy()
        changed[decided] = self.labels[where[decided]]
        return changed, decided


def one_hot(grades: NDArray[np.int64]) -> NDArray[np.float64]:
    """Write grades as probabilities.

    Parameters
    ----------
    grades : (n,) int
        0, 1, 2, or -1 where unlabeled.

    Returns
    -------
    (n, 3) float64
        1 for the grade, all 0 where unlabeled.

    Examples
    --------
    >>> one_hot(np.array([2, -1])).tolist()
    [[0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
    """
    return np.asarray(grades[:, None] == np.arange(len(Grade)), float)


def read_decisions(path: PathLike, rows: pd.DataFrame) -> Decisions:
    """Read a suspects.csv whose column `decision` was filled in.

    Parameters
    ----------
    path : path
        CSV with the columns that `find_suspects` writes. `keep` learns the label as it is, `change` the grade in the
        column `grade` or, where that is empty, in `proposed`; `drop` does not learn the row, and `soften` learns the
        probabilities in `normal_mild`, `moderate` and `severe`. Rows with an empty cell are not decided.
    rows : DataFrame
        row_id and grade (-1 unlabeled) of the store's rows.

    Returns
    -------
    Decisions
        Of the rows with a decision.

    Raises
    ------
    TableError
        When the table is absent or lacks a column, a word or a row is unknown, or a label is not the store's.
    """
    path = Path(path)
    table = read_text_table(path, _GIVEN)
    check_row_ids(path, table["row_id"], known=rows["row_id"])
    words = table["decision"].str.casefold()
    _refuse(
        path, table, "decision", ~words.isin(["", *DECISIONS]), f"expected {', '.join(DECISIONS)} or nothing"
    )
    chosen = table[words != ""]
    stray = (table["grade"] != "") & (words != "change")
    _refuse(path, table, "grade", stray, "a grade belongs to the decision 'change' alone")
    labels = _grades(path, chosen, "label")
    in_store = rows.set_index("row_id")["grade"].loc[chosen["row_id"]].to_numpy(np.int64)
    _refuse(
        path, chosen, "label", pd.Series(labels != in_store, chosen.index),
        "the store has another one; make the list of suspects again",
    )  # fmt: skip
    learned = one_hot(labels)
    is_word = {word: (words.loc[chosen.index] == word).to_numpy() for word in DECISIONS}
    learned[is_word["drop"]] = 0.0
    changed = chosen[is_word["change"]]
    target = changed.assign(grade=changed["grade"].where(changed["grade"] != "", changed["proposed"]))
    learned[is_word["change"]] = one_hot(_grades(path, target, "grade"))
    learned[is_word["soften"]] = _soft_labels(path, chosen[is_word["soften"]])
    return Decisions(tuple(chosen["row_id"]), learned)


def _grades(path: Path, table: pd.DataFrame, column: str) -> NDArray[np.int64]:
    """Read a column of grades by either of their names."""
    codes = table[column].str.casefold().map(_CODES)
    _refuse(path, table, column, codes.isna(), f"expected a grade: {', '.join(GRADES)}")
    return np.asarray(codes, np.int64)


def _soft_labels(path: Path, table: pd.DataFrame) -> NDArray[np.float64]:
    """Read the probabilities of the grades and divide them by their sum."""
    values = probability_columns(path, table, COLUMNS)
    total = values.sum(axis=1, keepdims=True)
    _refuse(
        path, table, COLUMNS[0], pd.Series(total[:, 0] == 0, table.index), "the row's probabilities are all 0"
    )
    return np.asarray(values / total)


def _refuse(path: Path, table: pd.DataFrame, column: str, bad: pd.Series, why: str) -> None:
    """Refuse a table at its first bad cell."""
    wrong = table.index[bad.to_numpy(bool)]
    if len(wrong):
        cell = table[column][wrong[0]]
        raise TableError(f"{path}: row {wrong[0]}: {cell!r} in column {column!r}: {why}")
