"""The columns of a store's rows.parquet, and what stands in them where something is absent."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from lsdc.cohort.vocabulary import Condition
from lsdc.features.store_check import check_rows, check_text

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


def column_types(rows: pd.DataFrame) -> dict[str, pa.DataType]:
    """Give the columns of rows that rows.parquet takes, those of `ROW_TYPES` first, and the types that they get in it.

    Parameters
    ----------
    rows : DataFrame
        With any columns; others than `meta_*` and `flag_*` are left out.

    Returns
    -------
    dict of str to DataType
        By name.
    """
    known = {name: kind for name, (kind, _) in ROW_TYPES.items()}
    extra = [name for name in map(str, rows.columns) if name.startswith(("meta_", "flag_"))]
    return known | {name: pa.bool_() if name.startswith("flag_") else pa.float32() for name in extra}


def checked_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Complete rows that another program has made, give them the types of a store, and refuse what it cannot hold.

    Parameters
    ----------
    rows : DataFrame
        As `complete_rows` takes it; an empty cell of whole numbers or of text becomes what means absent.

    Returns
    -------
    DataFrame
        A copy with all columns and a new index 0..n-1.

    Raises
    ------
    ValueError
        With what is wrong.
    """
    for name in ("study_id", "condition", "level"):
        if name not in rows:
            raise ValueError(f"the column {name!r} is missing")
        check_text(rows, name)
    filled = complete_rows(rows)
    types = column_types(filled)
    for name, kind in types.items():
        column = filled[name].fillna(ROW_TYPES[name][1]) if name in ROW_TYPES else filled[name]
        if pa.types.is_boolean(kind) and column.isna().any():
            raise ValueError(f"the column {name!r} has empty cells")
        try:
            filled[name] = pa.array(column, type=kind, from_pandas=False).to_numpy(zero_copy_only=False)
        except (pa.ArrowException, TypeError, OverflowError) as error:
            raise ValueError(f"the column {name!r} cannot be read as {kind} ({error})") from error
    check_rows(filled, [name for name in types if name not in ROW_TYPES])
    return filled
