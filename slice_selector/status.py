"""Whether each target was seen, is unsure, or was not seen, and why: nothing is graded silently."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from lsdc.cohort.joined_series import COPY
from lsdc.cohort.location import Location, Status
from lsdc.cohort.series_choice import ELSEWHERE, LIKE, REASONS
from lsdc.cohort.study import Series, Study
from lsdc.cohort.vocabulary import Condition, Family, View

_SAGITTAL = (View.SAGITTAL_T1, View.SAGITTAL_T2)
NO_SPINE = "no lumbar spine found"
"""Beginning of the reason where the pictures show something else."""
DOUBTFUL = 0.3
"""From this `level_doubt` on, levels are unsure: one half is as much evidence for the next level as for this one."""
_SPINE_CONFIDENCE = {5: 0.15, 4: 0.85}
"""Mean confidence of five levels below which a series shows no lumbar spine, by how many neighbors among L1 to S1 are
seen below each other: all five on nearly every real series, four at most on noise and other pictures."""
_PARTLY = 3
_CHOICES = frozenset({"", COPY, ELSEWHERE, LIKE, *REASONS})
"""Why series are passed over of which another one is used; a missing view has other reasons."""
SURE = {"sagittal": 0.5, "axial": 0.3}
"""Confidence from which a place is trusted. Of real foramina 80 % of the places below .5 lie within 8 mm of the marked
point, and 95 % of those above (benchmarks/status.py); for recesses the bound is that of simulated patients, as no real
ones were at hand."""
_NO_SAGITTAL = "no sagittal series shows that this is the lumbar spine, and at which level"
_DISAGREE = (
    "the sagittal series put the levels at different places: "
    "a spacing or a position is wrong, or the patient moved"
)
_ONE_SIDE = "the sagittal series is so narrow that it may show one side only"
_SPAN_MM = (75.0, 200.0)
"""Shortest and longest distance from L1/L2 to L5/S1. Closer bounds would not pay: docs/formats/reading.md has what
they find and cost (benchmarks/false_spacing.py)."""


def with_status(
    study: Study,
    locations: Sequence[Location],
    chained: int,
    disagree: bool = False,
    sides_known: bool = True,
) -> list[Location]:
    """Tell of every location how much it can be trusted.

    Parameters
    ----------
    study : Study
        The study that was searched.
    locations : sequence of Location
        One per target, in the order of `TARGETS`.
    chained : int
        How many neighbors among the vertebrae L1 to S1 the pictures show below each other, 0 to 5.
    disagree : bool, default False
        Whether the sagittal T1 series shows the levels clearly elsewhere than the T2 series says they are.
    sides_known : bool, default True
        Whether another series or its width tells which slices of the sagittal T1 series lie on which side.

    Returns
    -------
    list of Location
        The same with status and reason.
    """
    least = _SPINE_CONFIDENCE.get(chained, 1.0)
    shows_spine = any(_shows_spine(group, least) for group in _by_condition(locations) if _is_sagittal(group))
    doubts = {condition: _doubt_of(group) for condition, group in zip(Condition, _by_condition(locations))}
    result = []
    for location in locations:
        if location.series is None:
            status, reason = Status.NOT_SEEN, _absent(study, location)
        elif location.located_by == "mean_position" and shows_spine:
            status, reason = Status.NOT_SEEN, f"it was not found in the {_name(location.view)} series"
        elif not shows_spine and any(item.view in _SAGITTAL for item in study.series):
            whole = "; some vertebrae of L1 to S1 are seen, but not all" if chained >= _PARTLY else ""
            status, reason = Status.NOT_SEEN, f"{NO_SPINE} on the sagittal series{whole}"
        elif not shows_spine:
            status, reason = Status.NOT_SEEN, _NO_SAGITTAL
        else:
            series = study.series[location.series]
            is_foramen = location.target.condition.family is Family.FORAMINAL
            reasons = [
                *([_DISAGREE] if disagree else []),
                *([_ONE_SIDE] if is_foramen and not sides_known else []),
                *doubts[location.target.condition],
                *_against(location, series, study),
            ]
            status, reason = (Status.UNSURE if reasons else Status.SEEN), "; ".join(reasons)
        result.append(replace(location, status=status, reason=reason))
    return result


def _by_condition(locations: Sequence[Location]) -> list[list[Location]]:
    return [[item for item in locations if item.target.condition is condition] for condition in Condition]


def _is_sagittal(group: Sequence[Location]) -> bool:
    return group[0].view in _SAGITTAL and group[0].series is not None


def _shows_spine(group: Sequence[Location], least: float) -> bool:
    """Judge whether the five levels of a condition were found on pictures."""
    by_pictures = all(item.located_by == "network" for item in group)
    return by_pictures and float(np.mean([item.confidence for item in group])) >= least


def _doubt_of(group: Sequence[Location]) -> list[str]:
    """Say what speaks against all levels of a condition."""
    reasons = []
    if max((item.level_doubt for item in group), default=np.nan) >= DOUBTFUL:
        reasons.append("levels may be one too high or too low")
    if _is_sagittal(group):
        span = float(np.linalg.norm(np.subtract(group[-1].patient, group[0].patient)))
        if not _SPAN_MM[0] <= span <= _SPAN_MM[1]:
            reasons.append(
                f"{span:.0f} mm from L1/L2 to L5/S1 fit no adult spine; the pixel spacing may be wrong"
            )
    return reasons


def _against(location: Location, series: Series, study: Study) -> list[str]:
    """Say what speaks against one place."""
    reasons = []
    if location.confidence < SURE[location.view.plane]:
        reasons.append("its place is uncertain")
    if series.flags & {"no_position", "no_orientation"}:
        reasons.append("the header does not say where the images lie; sides follow the order of the slices")
    if "no_pixel_spacing" in series.flags:
        reasons.append("the header gives no pixel spacing")
    if "odd_field" in series.flags:
        reasons.append("the pixel spacing does not fit the field of view that the header states")
    if location.view is View.SAGITTAL_T1 and series.traits & {"fat_saturated", "water"}:
        reasons.append("the only T1 series has suppressed fat")
    if "crowded" in series.flags:
        reasons.append("slices lie closer than the header says, as if two series or patients were in it")
    if "other_region" in series.traits:
        reasons.append("the header names another part of the body")
    if location.view is View.AXIAL_T2 and not _led_to(series, study):
        reasons.append("no sagittal series tells the level")
    elif location.view is View.AXIAL_T2 and _elsewhere(series, study, _SAGITTAL):
        reasons.append("another frame of reference than that of the sagittal series")
    if location.view is View.SAGITTAL_T1 and _elsewhere(series, study, (View.SAGITTAL_T2,)):
        reasons.append("another frame of reference than that of the sagittal T2 series")
    return reasons


def _led_to(series: Series, study: Study) -> bool:
    """Tell whether a sagittal series leads to the levels of an axial one."""
    return series.placed and any(item.view in _SAGITTAL and item.placed for item in study.series)


def _elsewhere(series: Series, study: Study, views: Collection[View]) -> bool:
    """Tell whether a series has another frame of reference than all of some views: coordinates do not compare."""
    others = [item for item in study.series if item.view in views]
    return bool(others) and not any(study.may_share_coordinates(series, item) for item in others)


def _absent(study: Study, location: Location) -> str:
    """Say why a target has no slice."""
    if study.of_view(location.view):
        lacks = "reaches it" if location.view is View.AXIAL_T2 else "shows this side"
        return f"no {_name(location.view)} slice {lacks}"
    passed = Counter(item.passed_over for item in study.series if item.passed_over not in _CHOICES)
    words = ", ".join(f"{count} {reason}" for reason, count in sorted(passed.items()))
    return f"no {_name(location.view)} series" + (f" (passed over: {words})" if words else "")


def _name(view: View) -> str:
    """Write a view as it stands in a sentence."""
    return {View.SAGITTAL_T1: "sagittal T1", View.SAGITTAL_T2: "sagittal T2", View.AXIAL_T2: "axial T2"}[view]
