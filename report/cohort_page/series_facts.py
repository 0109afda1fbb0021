"""One row per series of a cohort: what it is, how it was acquired, and whether it was chosen."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lsdc.cohort.geometry import plane_of
from lsdc.cohort.study import Series
from lsdc.features.store import FeatureStore
from lsdc.report.cohort_page.cohort_headers import CohortHeaders

NO_VIEW = "no view"
"""Stands for the view of a series that is none of the three."""
_UNRECOGNIZED = "plane or contrast is none of the three views"


def series_facts(cohort: CohortHeaders) -> pd.DataFrame:
    """Describe all series by their headers.

    Parameters
    ----------
    cohort : CohortHeaders
        The cohort.

    Returns
    -------
    DataFrame
        One row per stack of parallel slices: study_id, series_id, split, plane, view (`no view` for series that are
        not used), passed_over (why), slices, rows, columns (px), spacing_mm (between rows), distance_mm (between
        slices), vendor, field_t, echo_ms, repetition_ms (NaN where unknown).
    """
    rows = [
        {
            "study_id": one.study.study_id,
            "series_id": series.series_id,
            "split": one.split,
            "vendor": one.vendors.get(series.series_id, "unknown"),
        }
        | _described(series)
        for one in cohort.studies
        for series in one.study.series
    ]
    columns = (
        "study_id", "series_id", "split", "vendor", "plane", "view", "passed_over", "slices", "rows", "columns",
        "spacing_mm", "distance_mm", "field_t", "echo_ms", "repetition_ms",
    )  # fmt: skip
    return pd.DataFrame(rows, columns=list(columns))


def choices_of(facts: pd.DataFrame, store: FeatureStore | None) -> tuple[pd.DataFrame, bool]:
    """Tell which series are views and why others are not: as a store's extraction saw them, else by their headers.

    Parameters
    ----------
    facts : DataFrame
        What `series_facts` gave.
    store : FeatureStore or None
        Where pictures were looked at as well.

    Returns
    -------
    DataFrame
        Columns plane, view and passed_over; one row per stack of slices.
    bool
        Whether a store decided; those of earlier versions do not tell.
    """
    table = None if store is None else store.series
    if table is None:
        return facts[["plane", "view", "passed_over"]], False
    chosen = table["chosen"] == "True"
    view = table["view"].where(chosen & (table["view"] != ""), NO_VIEW)
    reason = table["passed_over"].where(~chosen, "")
    return pd.DataFrame({"plane": table["plane"], "view": view, "passed_over": reason}), True


def _described(series: Series) -> dict[str, object]:
    """Describe one series."""
    first, known = series.slices[0], series.metadata
    steps = np.abs(np.diff(series.positions))
    return {
        "plane": plane_of(first.plane.normal),
        "view": NO_VIEW if series.view is None else series.view.value,
        "passed_over": series.passed_over or ("" if series.view else _UNRECOGNIZED),
        "slices": len(series.slices),
        "rows": first.pixels.shape[0],
        "columns": first.pixels.shape[1],
        "spacing_mm": first.plane.spacing[0],
        "distance_mm": float(np.median(steps)) if len(steps) else np.nan,
        "field_t": known.get("field_strength_t", np.nan),
        "echo_ms": known.get("echo_time_ms", np.nan),
        "repetition_ms": known.get("repetition_time_ms", np.nan),
    }
