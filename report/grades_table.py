"""The table of grades that people and other programs read: one row per study and target, in words."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from lsdc.report.graded_study import GradedStudy, GradedTarget
from lsdc.runtime.artifact import atomic
from lsdc.runtime.safe_text import safe_cell

GRADES_TABLE = "grades.csv"
"""Name of the table in a report."""
COLUMNS = (
    "study_id", "condition", "side", "level", "grade", "normal_mild", "moderate", "severe", "weighting",
    "not_excluded", "status", "reason", "place_confidence", "level_doubt", "series_id", "instance_number",
    "column", "row", "truth",
)  # fmt: skip
"""Columns of the table."""
_PLACES = 4


def rows_of_study(graded: GradedStudy, rows: pd.DataFrame) -> list[dict[str, object]]:
    """Describe the 25 targets of a study.

    Parameters
    ----------
    graded : GradedStudy
        The study; its images are not needed.
    rows : DataFrame
        Its 25 rows of the store.

    Returns
    -------
    list of dict
        With the keys of `COLUMNS`. `grade` is empty for a target that was not seen or is refused: its probabilities
        tell what is known without looking. `not_excluded` is empty there too, and where the probabilities are for the
        competition's score.
    """
    stored = rows.to_dict("records")
    return [_row(graded, item, row) for item, row in zip(graded.targets, stored)]


def write_grades(path: Path, rows: Iterable[dict[str, object]]) -> int:
    """Write the table.

    Parameters
    ----------
    path : Path
        CSV to write.
    rows : iterable of dict
        What `rows_of_study` gave for each study.

    Returns
    -------
    int
        Number of rows.
    """
    table = pd.DataFrame(list(rows), columns=list(COLUMNS))
    with atomic(path) as temporary:
        table.to_csv(temporary, index=False)
    return len(table)


def _row(graded: GradedStudy, item: GradedTarget, row: Mapping[Hashable, Any]) -> dict[str, object]:
    """Describe a target."""
    location, side = item.location, item.target.condition.side
    number = int(row["instance_number"]) if row["series_id"] else None  # numbers of images may be negative
    probabilities = tuple(round(p, _PLACES) for p in item.probabilities)
    values = (
        graded.study_id, item.target.condition.value, "" if side is None else side.value,
        item.target.level.value, "" if item.grade is None else item.grade.value, *probabilities, graded.weighting,
        "" if item.not_excluded is None else item.not_excluded.value, location.status.value,
        safe_cell(location.reason), _number(location.confidence), _number(location.level_doubt),
        safe_cell(row["series_id"]), number, _number(row["x"], 1), _number(row["y"], 1),
        "" if item.truth is None else item.truth.value,
    )  # fmt: skip
    return dict(zip(COLUMNS, values))


def _number(value: float, places: int = 3) -> float | None:
    """Round a number; None where it is not known."""
    return round(value, places) if math.isfinite(value) else None
