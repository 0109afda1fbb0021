"""The columns of a store's rows.parquet, and what stands in them where something is absent."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from lsdc.cohort.vocabulary import Condition

ROW_TYPES: dict[str, tuple[pa.DataType, Any]] = {
    "row_id": (pa.string(), ""),
    "study_id": (pa.string(), ""),
    "split": (pa.string(), "train"),
    "condition": (pa.string(), ""),
    "level": (pa.string(), ""),
    "grade": (pa.int8(), -1),
    "fold": (pa.int16(), -1),
    "view": (pa.string(), ""),
    "series_id": (pa.string(), ""),
    "instance_number": (pa.int32(), -1),
    "x": (pa.float32(), np.nan),
    "y": (pa.float32(), np.nan),
    "left_mm": (pa.float32(), np.nan),
    "posterior_mm": (pa.float32(), np.nan),
    "head_mm": (pa.float32(), np.nan),
    "confidence": (pa.float32(), 0.0),
    "level_doubt": (pa.float32(), np.nan),
    "located_by": (pa.string(), "absent"),
    "status": (pa.string(), "seen"),
    "reason": (pa.string(), ""),
    "volume_slice": (pa.int16(), -1),
    "volume_x": (pa.float32(), np.nan),
    "volume_y": (pa.float32(), np.nan),
    "preview": (pa.int8(), -1),
    "preview_x": (pa.float32(), np.nan),
    "preview_y": (pa.float32(), np.nan),
}
"""Columns of rows.parquet before `meta_*`, `flag_*` and `embedding`: type, and the value where absent."""


def complete_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Add the columns of `ROW_TYPES` that a table lacks, filled with what means absent.

    Parameters
    ----------
    rows : DataFrame
        One row per target; `study_id`, `condition` and `level` must be there.

    Returns
    -------
    DataFrame
        A copy with all columns and a new index 0..n-1; `row_id` and `view` follow from the target.
    """
    filled = rows.reset_index(drop=True).copy()
    if "row_id" not in filled:
        filled["row_id"] = filled["study_id"] + "_" + filled["condition"] + "_" + filled["level"]
    if "view" not in filled:
        filled["view"] = [Condition(value).view.value for value in filled["condition"]]
    for name, (_, absent) in ROW_TYPES.items():
        if name not in filled:
            filled[name] = absent
    return filled
