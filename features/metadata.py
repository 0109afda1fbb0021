"""Numbers per target from acquisition and geometry, by allowlist; the same for a mirrored patient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lsdc.cohort.location import Location
from lsdc.cohort.study import Series, Study
from lsdc.cohort.vocabulary import Condition, Level, Side, Target, View
from lsdc.features.located_study import LocatedStudy
from lsdc.features.projections import Projection

SHORT = {View.SAGITTAL_T1: "t1", View.SAGITTAL_T2: "t2", View.AXIAL_T2: "axial"}
"""What each view is called in the names of columns."""

ACQUISITION = (
    "repetition_time_ms",
    "echo_time_ms",
    "field_strength_t",
    "slice_thickness_mm",
    "spacing_between_slices_mm",
    "row_spacing_mm",
    "column_spacing_mm",
    "rows",
    "columns",
    "flip_angle_deg",
    "echo_train_length",
    "pixel_bandwidth_hz",
    "n_slices",
)
"""The header values that are taken of each view's series."""

PATIENT = ("age_years", "sex_male")
"""The header values that are taken of the first series that has them."""

SERIES_FLAGS = (
    "no_orientation",
    "no_pixel_spacing",
    "no_thickness",
    "no_spacing_between",
    "no_position",
    "duplicates_dropped",
    "split",
    "view_guessed",
)
"""Flags of the series that show the target."""

LOCATED_BY = ("geometry", "mean_position", "absent")
"""Ways of locating that deserve a flag; what remains is the network."""


def metadata_of(located: LocatedStudy) -> pd.DataFrame:
    """Collect acquisition and geometry of every target of a study as numbers that a model may use.

    Lateral quantities are mirrored for right-sided targets and folded for the canal, so that a mirrored
    patient has the same numbers on the other side.

    Parameters
    ----------
    located : LocatedStudy
        The study with its 25 targets located, in the order of TARGETS.

    Returns
    -------
    DataFrame
        One row per target; columns `meta_*` (float32, NaN where unknown) and `flag_*` (bool),
        the same for every study.
    """
    study = located.study
    places = {item.target: item for item in located.locations}
    acquisition, patient = _acquisitions(study, located.projections), _patient(study)
    rows = [
        taken
        | patient
        | _in_series(study, location, projections)
        | _geometry(study, location, places)
        | _flags(study, location, projections)
        for taken, location, projections in zip(acquisition, located.locations, located.projections)
    ]
    parts = []
    for prefix, dtype in (("meta_", np.float32), ("flag_", np.bool_)):
        names = [name for name in rows[0] if name.startswith(prefix)]
        parts.append(
            pd.DataFrame(np.array([[row[name] for name in names] for row in rows], dtype), columns=names)
        )
    return pd.concat(parts, axis=1)


def _acquisitions(study: Study, projections: Sequence[Mapping[View, Projection]]) -> list[dict[str, float]]:
    """Collect, for each target, the header values of the series that show it; most are shown by the same."""
    shown = [tuple(_series_showing(study, view, one) for view in SHORT) for one in projections]
    found = {series: _acquisition(study, series) for series in dict.fromkeys(shown)}
    return [found[series] for series in shown]


def _series_showing(study: Study, view: View, projections: Mapping[View, Projection]) -> int | None:
    """Find the index of the series of a view that shows the target, else of the first of that view."""
    if view in projections:
        return projections[view].series
    return next((k for k, series in enumerate(study.series) if series.view is view), None)


def _acquisition(study: Study, shown: Sequence[int | None]) -> dict[str, float]:
    """Collect the header values of a series per view, and count the series."""
    found: dict[str, float] = {}
    for (view, short), index in zip(SHORT.items(), shown):
        series = None if index is None else study.series[index]
        for name in ACQUISITION:
            found[f"meta_{short}_{name}"] = _number(series, name)
        found[f"meta_{short}_series"] = len({item.series_id for item in study.of_view(view)})
    return found


def _patient(study: Study) -> dict[str, float]:
    """Collect age and sex from the first series that has them."""
    known = {name: [_number(series, name) for series in study.series] for name in PATIENT}
    return {
        f"meta_{name}": next((v for v in values if np.isfinite(v)), np.nan) for name, values in known.items()
    }


def _number(series: Series | None, name: str) -> float:
    """Give a header value as a float; NaN where it is absent or no number."""
    value = None if series is None else series.metadata.get(name)
    return float(value) if isinstance(value, int | float | np.number) else np.nan


def _in_series(study: Study, location: Location, projections: Mapping[View, Projection]) -> dict[str, float]:
    """Measure how far the slices of each view lie, and where in its stack the graded view's slice is."""
    found = {f"meta_{short}_distance_mm": np.nan for short in SHORT.values()}
    for view, projection in projections.items():
        found[f"meta_{SHORT[view]}_distance_mm"] = projection.distance_mm
    fraction = np.nan
    if location.view in projections:
        projection = projections[location.view]
        last = len(study.series[projection.series].slices) - 1
        fraction = projection.slice / last if last else 0.5
        if location.view is not View.AXIAL_T2:
            side = location.target.condition.side
            fraction = min(fraction, 1 - fraction) if side is None else fraction
            fraction = 1 - fraction if side is Side.RIGHT else fraction
    return found | {"meta_slice_fraction": fraction}


def _geometry(study: Study, location: Location, places: Mapping[Target, Location]) -> dict[str, float]:
    """Measure a target's place relative to the canal and to the levels above and below, mm and degrees.

    What a series shows whose place in the patient is unknown has coordinates of its own, which compare with no others.
    """
    levels, target = list(Level), location.target
    index = levels.index(target.level)
    here = np.asarray(location.patient, float)

    def at(condition: Condition, offset: int = 0) -> NDArray[np.float64]:
        if not 0 <= index + offset < len(levels):
            return np.full(3, np.nan)
        return _comparable(study, location, places.get(Target(condition, levels[index + offset])))

    above, below = at(target.condition, -1) - here, at(target.condition, +1) - here
    canal = at(Condition.SPINAL_CANAL_STENOSIS)
    lateral = here[0] - canal[0]
    if target.condition.side is None:
        pairs = [at(c) for c in Condition if c.side is not None]
        lateral = abs(here[0] - np.mean([patient[0] for patient in pairs]))
    elif target.condition.side is Side.RIGHT:
        lateral = -lateral
    first, last = (
        places.get(Target(Condition.SPINAL_CANAL_STENOSIS, levels[end])) for end in (0, len(levels) - 1)
    )
    length = np.nan if first is None else np.linalg.norm(_comparable(study, first, last) - first.patient)
    cosine = above @ below / (np.linalg.norm(above) * np.linalg.norm(below) + 1e-9)
    return {
        "meta_level": float(index),
        "meta_lateral_mm": float(lateral),
        "meta_behind_canal_mm": float(here[1] - canal[1]),
        "meta_above_canal_mm": float(here[2] - canal[2]),
        "meta_to_level_above_mm": float(np.linalg.norm(above)),
        "meta_to_level_below_mm": float(np.linalg.norm(below)),
        "meta_bend_deg": float(180 - np.degrees(np.arccos(np.clip(cosine, -1, 1)))),
        "meta_lumbar_length_mm": float(length),
    }


def _comparable(study: Study, location: Location, other: Location | None) -> NDArray[np.float64]:
    """Give the place of another target, (3,) mm; NaN where its coordinates are not those of the location."""
    unknown = np.full(3, np.nan)
    if other is None:
        return unknown
    same = other.series == location.series
    placed = [one.series is None or study.series[one.series].placed for one in (location, other)]
    return np.asarray(other.patient, float) if same or all(placed) else unknown


def _flags(study: Study, location: Location, projections: Mapping[View, Projection]) -> dict[str, bool]:
    """Note what was absent, how the target was located, and what was mended in the series that show it."""
    series = frozenset().union(
        *(study.series[projection.series].flags for projection in projections.values())
    )
    flags = {f"flag_{short}_absent": view not in projections for view, short in SHORT.items()}
    flags["flag_own_view_absent"] = location.series is None
    flags["flag_out_of_stack"] = "out_of_stack" in location.flags
    flags |= {f"flag_located_by_{name}": location.located_by == name for name in LOCATED_BY}
    return flags | {f"flag_{name}": name in series for name in SERIES_FLAGS}
