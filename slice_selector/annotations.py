"""What readers marked in a study, as indices and points in the patient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lsdc.cohort.study import Study
from lsdc.cohort.vocabulary import TARGETS, Family, Side
from lsdc.slice_selector.mark_checks import is_outside

_BY_LEVEL = {
    (family, side): [
        k for k, t in enumerate(TARGETS) if t.condition.family is family and t.condition.side is side
    ]
    for family in Family
    for side in (None, *Side)
}
"""Indices into `TARGETS`, head to foot: asked for once per slice, which took a tenth of the time of an example."""


@dataclass(frozen=True)
class Annotations:
    """The marked slice and point of each target of a study.

    Parameters
    ----------
    first_row : dict of int to int
        For each series with a view, by its index: the row of its first slice when all their slices are counted.
    rows : (25,) int32
        Row of the marked slice in that count, -1 unknown.
    patient : (25, 3) float64
        Marked point, mm towards the patient's left, posterior, head; NaN unknown.
    """

    first_row: dict[int, int]
    rows: NDArray[np.int32]
    patient: NDArray[np.float64]

    def on(self, study: Study, index: int) -> NDArray[np.float64]:
        """Give the marked points that can be told on a series.

        Parameters
        ----------
        study : Study
            The annotated study.
        index : int
            Of the series.

        Returns
        -------
        (25, 3) float64
            As `patient`; NaN also for marks on other series unless both are placed in the patient: without places,
            coordinates of one series mean nothing on another.
        """
        first = self.first_row[index]
        here = (self.rows >= first) & (self.rows < first + len(study.series[index].slices))
        placed = np.zeros(len(TARGETS), bool)
        for other, begin in self.first_row.items():
            if study.series[index].placed and study.series[other].placed:
                placed |= (self.rows >= begin) & (self.rows < begin + len(study.series[other].slices))
        return np.where((here | placed)[:, None], self.patient, np.nan)


def read_annotations(study: Study, coordinates: pd.DataFrame | None) -> Annotations:
    """Find the marked slices in a study and map the marked pixels to the patient.

    Parameters
    ----------
    study : Study
        As read.
    coordinates : DataFrame or None
        The study's rows of the coordinate table (series_id, instance_number, condition, level, x, y in px). Marks on
        slices that the study does not have, or outside of their image, are left out; `mark_problems` names them.

    Returns
    -------
    Annotations
        All unknown where `coordinates` is None.
    """
    first_row, count = {}, 0
    for k, series in enumerate(study.series):
        if series.view is not None:
            first_row[k] = count
            count += len(series.slices)
    rows, patient = np.full(len(TARGETS), -1, np.int32), np.full((len(TARGETS), 3), np.nan)
    if coordinates is None:
        return Annotations(first_row, rows, patient)
    slices = {
        (study.series[k].series_id, item.instance_number): (k, number)
        for k in first_row
        for number, item in enumerate(study.series[k].slices)
    }
    targets = {(target.condition.value, target.level.value): k for k, target in enumerate(TARGETS)}
    marks: Any = coordinates.itertuples()
    for mark in marks:
        marked = slices.get((str(mark.series_id), int(mark.instance_number)))
        target = targets.get((str(mark.condition), str(mark.level)))
        if marked is None or target is None:
            continue
        series_index, number = marked
        item = study.series[series_index].slices[number]
        if is_outside(float(mark.x), float(mark.y), item.pixels.shape):
            continue
        rows[target] = first_row[series_index] + number
        patient[target] = item.plane.to_patient([[mark.x, mark.y]])[0]
    return Annotations(first_row, rows, patient)


def targets_by_level(family: Family, side: Side | None = None) -> list[int]:
    """List the targets of a condition from head to foot.

    Parameters
    ----------
    family : Family
        Which conditions.
    side : Side, optional
        The patient's side; None for the canal.

    Returns
    -------
    list of int
        Five indices into `TARGETS`.

    Examples
    --------
    >>> targets_by_level(Family.SPINAL)
    [0, 1, 2, 3, 4]
    """
    return list(_BY_LEVEL[family, side])
