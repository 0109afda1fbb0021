"""Rows of a store in which exactly what readers marked was found."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from lsdc.cohort.study import Study
from lsdc.cohort.vocabulary import TARGETS

COLUMNS = [
    "condition", "level", "series_id", "instance_number", "x", "y", "left_mm", "posterior_mm", "head_mm",
]  # fmt: skip


def rows_at_marks(study: Study, coordinates: pd.DataFrame) -> pd.DataFrame:
    """Make the 25 rows of a study, given the marks in it; targets without a mark were not found."""
    slices = {(s.series_id, item.instance_number): item for s in study.series for item in s.slices}
    marks: Any = coordinates.itertuples()
    marked = {(mark.condition, mark.level): mark for mark in marks}
    rows: list[tuple[Any, ...]] = []
    for target in TARGETS:
        key = (target.condition.value, target.level.value)
        if key not in marked:
            rows.append((*key, "", -1, *[np.nan] * 5))
            continue
        mark = marked[key]
        plane = slices[mark.series_id, mark.instance_number].plane
        patient = plane.to_patient([[mark.x, mark.y]])[0]
        rows.append((*key, mark.series_id, mark.instance_number, mark.x, mark.y, *patient))
    return pd.DataFrame(rows, columns=COLUMNS)
