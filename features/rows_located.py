"""Where the rows of a store lie in a study that is read again."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from lsdc.cohort.location import Location, Status
from lsdc.cohort.study import Study
from lsdc.cohort.vocabulary import Condition, Level, Target, View
from lsdc.features.sight import rows_with_status


def locations_of(study: Study, rows: pd.DataFrame) -> tuple[Location, ...]:
    """Find the locations that a store's rows describe in the study that they were located in.

    Parameters
    ----------
    study : Study
        The study, read as it was when the store was made.
    rows : DataFrame
        Its rows in a store.

    Returns
    -------
    tuple of Location
        One per row, in their order. `series` and `slice` are None where nothing was located, and where the study no
        longer has the slice.
    """
    return tuple(_location(study, row) for row in rows_with_status(rows).to_dict("records"))


def _location(study: Study, row: Mapping[Hashable, Any]) -> Location:
    """Build the location of one row."""
    view = View(row["view"])
    patient = (float(row["left_mm"]), float(row["posterior_mm"]), float(row["head_mm"]))
    place = _slice(study, view, row)
    doubt = row.get("level_doubt")
    return Location(
        target=Target(Condition(row["condition"]), Level(row["level"])),
        view=view,
        series=None if place is None else place[0],
        slice=None if place is None else place[1],
        point=(float(row["x"]), float(row["y"])) if place else (math.nan, math.nan),
        patient=patient,
        confidence=float(row["confidence"]),
        located_by=str(row["located_by"]),
        level_doubt=math.nan if doubt is None else float(doubt),
        status=Status(row["status"]),
        reason=str(row["reason"]),
    )


def _slice(study: Study, view: View, row: Mapping[Hashable, Any]) -> tuple[int, int] | None:
    """Find series and slice of a row; of several with its number, that whose point lies where the row says."""
    if not row["series_id"]:  # numbers of images may be negative
        return None
    patient = np.array([row["left_mm"], row["posterior_mm"], row["head_mm"]], float)
    found = []
    for number, series in enumerate(study.series):
        if series.view is not view:
            continue
        for index, item in enumerate(series.slices):
            exact = series.stored_in(index) == row["series_id"]
            # Earlier versions named a joined series by its first part.
            if item.instance_number == row["instance_number"] and (
                exact or series.series_id == row["series_id"]
            ):
                point = item.plane.to_patient((row["x"], row["y"]))[0]
                distance = float(np.linalg.norm(point - patient)) if np.isfinite(patient).all() else 0.0
                found.append((distance, not exact, number, index))
    return min(found)[2:] if found else None
