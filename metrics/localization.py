"""How far the located targets are from where readers marked them, beside baselines that need no learning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd

from lsdc.cohort.mean_positions import slice_fraction
from lsdc.cohort.study import Study
from lsdc.cohort.vocabulary import TARGETS, Condition, Family, Target

BASELINES: dict[Family, str] = {
    Family.SPINAL: "middle slice",
    Family.FORAMINAL: "constant fraction per side and level",
    Family.SUBARTICULAR: "nearest plane to the located canal point",
}
"""How the slice that the selector is compared with is chosen, in words."""

SliceIndex = tuple[int, int]
"""Index into the study's series and into its slices."""


@dataclass(frozen=True)
class LocationError:
    """How far one target was located from the point that a reader marked.

    Parameters
    ----------
    family : Family
        Of the target.
    slices : float
        Slices between the chosen one and the marked one; infinite where the chosen one is in another series or absent.
    baseline_slices : float
        The same for the slice that the family's baseline chooses.
    mm : float
        In-plane distance between the points, mm; NaN where nothing was located.
    """

    family: Family
    slices: float
    baseline_slices: float
    mm: float


@dataclass(frozen=True)
class SliceHits:
    """Fractions of the targets, 0 to 1, whose chosen slice is near the marked one.

    Parameters
    ----------
    exact : float
        The slice is the marked one.
    within_1, within_2 : float
        The slice is at most so many slices from it.
    """

    exact: float
    within_1: float
    within_2: float

    @classmethod
    def of(cls, slices: Sequence[float]) -> Self:
        """Count how many distances are small.

        Parameters
        ----------
        slices : sequence of float
            Distances in slices, at least one; infinite ones count as misses.

        Returns
        -------
        SliceHits
            The fractions.

        Examples
        --------
        >>> SliceHits.of([0, 1, 3, np.inf])
        SliceHits(exact=0.25, within_1=0.5, within_2=0.5)
        """
        steps = np.array(slices)
        return cls(*(float((steps <= most).mean()) for most in (0, 1, 2)))


@dataclass(frozen=True)
class LocationErrorSummary:
    """The location errors of one family of conditions.

    Parameters
    ----------
    family : Family
        Which conditions.
    n : int
        Number of targets that a reader marked.
    selector, baseline : SliceHits
        How often the chosen slice, and the baseline's, is near the marked one.
    baseline_name : str
        The baseline in words.
    median_mm, p95_mm : float
        Median and 95th percentile of the in-plane distance, mm, over the targets that were located on the marked
        series.
    """

    family: Family
    n: int
    selector: SliceHits
    baseline: SliceHits
    baseline_name: str
    median_mm: float
    p95_mm: float


def location_errors(study: Study, coordinates: pd.DataFrame, located: pd.DataFrame) -> list[LocationError]:
    """Compare where targets of a study were located with where readers marked them.

    Parameters
    ----------
    study : Study
        As read; its slices in anatomical order.
    coordinates : DataFrame
        The study's rows of the coordinate table (series_id, instance_number, condition, level, and x, y in px). Marks
        on a slice that the study does not have are left out.
    located : DataFrame
        The study's 25 rows of a feature store: condition, level, series_id, instance_number, x and y (px), left_mm,
        posterior_mm, head_mm.

    Returns
    -------
    list of LocationError
        One per marked target, in the order of `TARGETS`.
    """
    indices: dict[tuple[str, int], SliceIndex] = {}
    for k, series in enumerate(study.series):
        for number, item in enumerate(series.slices):
            indices[series.series_id, item.instance_number] = (k, number)
    # `Any`: pandas types a row of a table as a row or a table.
    marks: Any = coordinates.set_index(["condition", "level"])
    locations: Any = located.set_index(["condition", "level"])
    result = []
    for target in TARGETS:
        key = (target.condition.value, target.level.value)
        if key not in marks.index:
            continue
        mark, location = marks.loc[key], locations.loc[key]
        marked = indices.get((str(mark["series_id"]), int(mark["instance_number"])))
        if marked is None:
            continue
        chosen = indices.get((str(location["series_id"]), int(location["instance_number"])))
        spacing = study.series[marked[0]].slices[marked[1]].plane.spacing
        across, down = (location["x"] - mark["x"]) * spacing[1], (location["y"] - mark["y"]) * spacing[0]
        baseline = _baseline(study, target, marked, locations)
        # Pixels of two series cannot be compared: each has its own origin.
        mm = float(np.hypot(across, down)) if chosen and chosen[0] == marked[0] else np.nan
        result.append(
            LocationError(
                target.condition.family,
                _slices_between(chosen, marked),
                _slices_between(baseline, marked),
                mm,
            )
        )
    return result


def _slices_between(chosen: SliceIndex | None, marked: SliceIndex) -> float:
    return np.inf if chosen is None or chosen[0] != marked[0] else float(abs(chosen[1] - marked[1]))


def _baseline(study: Study, target: Target, marked: SliceIndex, locations: Any) -> SliceIndex | None:
    """Choose the slice that needs no learning; it knows which series was marked, but not which of its slices."""
    if target.condition.family is not Family.SUBARTICULAR:
        n = len(study.series[marked[0]].slices)
        if target.condition.family is Family.SPINAL:
            return marked[0], n // 2
        return marked[0], round(slice_fraction(target) * (n - 1))
    canal = locations.loc[(Condition.SPINAL_CANAL_STENOSIS.value, target.level.value)]
    point = canal[["left_mm", "posterior_mm", "head_mm"]].to_numpy(float)
    if not np.isfinite(point).all():
        return None
    distances = [
        (abs(float(item.plane.distance(point)[0])), (k, number))
        for k, series in enumerate(study.series)
        if series.view is target.condition.view
        for number, item in enumerate(series.slices)
    ]
    return min(distances)[1] if distances else None


def summarize_location_errors(errors: Sequence[LocationError]) -> list[LocationErrorSummary]:
    """Summarize location errors of many studies per family of conditions.

    Parameters
    ----------
    errors : sequence of LocationError
        Of any number of studies.

    Returns
    -------
    list of LocationErrorSummary
        One per family that has an error, in the order of `Family`.
    """
    result = []
    for family in Family:
        of_family = [error for error in errors if error.family is family]
        if not of_family:
            continue
        mm = np.array([error.mm for error in of_family])
        result.append(
            LocationErrorSummary(
                family=family,
                n=len(of_family),
                selector=SliceHits.of([error.slices for error in of_family]),
                baseline=SliceHits.of([error.baseline_slices for error in of_family]),
                baseline_name=BASELINES[family],
                median_mm=float(np.nanmedian(mm)),
                p95_mm=float(np.nanquantile(mm, 0.95)),
            )
        )
    return result
