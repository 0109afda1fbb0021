"""Graded studies of DICOM files, without a model: targets where a rule puts them, probabilities of a fixed table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from lsdc.cohort.location import Location, Status
from lsdc.cohort.study import Study
from lsdc.cohort.vocabulary import TARGETS, Target
from lsdc.features.located_study import LocatedStudy
from lsdc.features.series_table import COLUMNS, series_of
from lsdc.report.graded_study import GradedStudy, GradedTarget

STATEMENT = ("a made model, of no worth",)
SHARES = ((0.7, 0.2, 0.1), (0.2, 0.5, 0.3), (0.1, 0.2, 0.7))


def graded_of(study: Study, unseen: Sequence[Target] = (), unsure: Sequence[Target] = ()) -> GradedStudy:
    """Grade a study: each target lies near the middle of the middle slice of the first series of its view."""
    locations = [_location(study, target, target in unseen, target in unsure) for target in TARGETS]
    located = LocatedStudy.of(study, locations)
    targets = tuple(GradedTarget(item, SHARES[k % 3]) for k, item in enumerate(locations))
    table = pd.DataFrame(series_of(located), columns=list(COLUMNS))
    return GradedStudy(located, targets, table, "made", STATEMENT, "none", ("2 targets were not seen",))


def _location(study: Study, target: Target, unseen: bool, unsure: bool) -> Location:
    view = target.condition.view
    number = next((k for k, series in enumerate(study.series) if series.view is view), None)
    if unseen or number is None:
        nowhere = (np.nan, np.nan, np.nan)
        return Location(
            target, view, None, None, (np.nan, np.nan), nowhere, 0.0, "absent", frozenset({"view_absent"}),
            status=Status.NOT_SEEN, reason=f"no series of the view {view}",
        )  # fmt: skip
    series = study.series[number]
    index = len(series.slices) // 2
    item = series.slices[index]
    rows, columns = item.pixels.shape
    offset = 8.0 * (TARGETS.index(target) % 5 - 2)
    point = (columns / 2 + offset / 4, rows / 2 + offset)
    patient = tuple(float(value) for value in item.plane.to_patient([point])[0])
    found = Location(target, view, number, index, point, (patient[0], patient[1], patient[2]), 0.9, "network")
    return replace(found, status=Status.UNSURE, reason="its place is uncertain") if unsure else found
