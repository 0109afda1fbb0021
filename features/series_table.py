"""The table of what was read of each study: which series are its views, and why others were passed over."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lsdc.cohort.coverage import extent_of
from lsdc.cohort.dicom.kinds import SIMULATED
from lsdc.cohort.geometry import plane_of
from lsdc.cohort.study import Series
from lsdc.features.located_study import LocatedStudy
from lsdc.runtime.artifact import atomic
from lsdc.runtime.safe_text import safe_cell

SERIES = "series.csv"
"""The name of the table in a store."""
_MOST_SAID = 6
COLUMNS = (
    "study_id", "series_id", "part", "plane", "view", "chosen", "targets", "slices", "rows", "columns",
    "row_spacing_mm", "column_spacing_mm", "slice_distance_mm", "foot_mm", "head_mm", "passed_over", "traits", "flags",
)  # fmt: skip
"""Columns of the table."""


def series_of(located: LocatedStudy) -> list[dict[str, Any]]:
    """Describe every series of a study, whether used or not.

    Parameters
    ----------
    located : LocatedStudy
        The study with its located targets.

    Returns
    -------
    list of dict
        One per series, as JSON holds it, with the keys of `COLUMNS`: `part` counts the stacks of one series id;
        `chosen` tells whether it is one of the study's views, `targets` how many targets were located on it;
        `passed_over` why it is no view.
    """
    study = located.study
    on = [item.series for item in located.locations]
    parts: dict[str, int] = {}
    result = []
    for k, series in enumerate(study.series):
        parts[series.series_id] = parts.get(series.series_id, 0) + 1
        result.append(
            {
                "study_id": study.study_id,
                "series_id": safe_cell(series.series_id),
                "part": parts[series.series_id],
            }
            | _described(series)
            | {"targets": on.count(k)}
        )
    return [{name: row[name] for name in COLUMNS} for row in result]


def write_series(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write the table of a store's series.

    Parameters
    ----------
    path : Path
        CSV to write.
    rows : iterable of mapping
        What `series_of` gave for each study.
    """
    with atomic(path) as temporary:
        pd.DataFrame([dict(row) for row in rows], columns=list(COLUMNS)).to_csv(temporary, index=False)


def with_numbers(series: pd.DataFrame) -> pd.DataFrame:
    """Read the numbers and the truths in a table of series, of which all cells are text.

    Parameters
    ----------
    series : DataFrame
        The store's, `FeatureStore.series`, or some of its rows.

    Returns
    -------
    DataFrame
        The same; columns without an empty cell that hold numbers or truths alone have their type, ids stay text.
    """
    text = io.StringIO(series.to_csv(index=False))
    return pd.read_csv(text, dtype={"study_id": str, "series_id": str}, keep_default_na=False)


def passed_over(series: pd.DataFrame | None) -> tuple[str, ...]:
    """Say which series of a store are no view, and why.

    Parameters
    ----------
    series : DataFrame or None
        The store's, `FeatureStore.series`.

    Returns
    -------
    tuple of str
        One sentence; empty where all series are views, and for stores of earlier versions, which have no such table.
    """
    if series is None:
        return ()
    reasons = series.loc[series["chosen"] != "True", "passed_over"].value_counts()
    if reasons.empty:
        return ()
    words = ", ".join(f"{count} {reason}" for reason, count in reasons.head(_MOST_SAID).items())
    more = ", …" if len(reasons) > _MOST_SAID else ""
    return (f"series passed over, {reasons.sum()} of {len(series)}: {words}{more}; see {SERIES}",)


def simulated_studies(series: pd.DataFrame | None) -> frozenset[str]:
    """Find the studies of simulated patients.

    Parameters
    ----------
    series : DataFrame or None
        The store's, `FeatureStore.series`, or some of its rows.

    Returns
    -------
    frozenset of str
        Ids of the studies of which a series has the trait `simulated`; empty where there is no table.
    """
    if series is None:
        return frozenset()
    made = [SIMULATED in str(traits).split() for traits in series["traits"]]
    return frozenset(map(str, series.loc[made, "study_id"]))


def _described(series: Series) -> dict[str, Any]:
    """Describe what a series is, and how it lies."""
    first, extent = series.slices[0], extent_of(series)
    view = "" if series.view is None else series.view.value
    reason = series.passed_over or ("" if view else "plane or contrast is none of the three views")
    return {
        "plane": plane_of(first.plane.normal),
        "view": view,
        "chosen": bool(view),
        "slices": len(series.slices),
        "rows": first.pixels.shape[0],
        "columns": first.pixels.shape[1],
        "row_spacing_mm": round(first.plane.spacing[0], 4),
        "column_spacing_mm": round(first.plane.spacing[1], 4),
        "slice_distance_mm": round(series.step, 3) if len(series.slices) > 1 else None,
        "foot_mm": round(extent.foot, 1) if np.isfinite(extent.foot) else None,
        "head_mm": round(extent.head, 1) if np.isfinite(extent.head) else None,
        "passed_over": reason,
        "traits": " ".join(sorted(series.traits)),
        "flags": " ".join(sorted(series.flags)),
    }
