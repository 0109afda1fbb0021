"""Close-ups of marked foramina: crops around the marks, for training the second look."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.cropping import Cutter
from lsdc.cohort.study import Study
from lsdc.cohort.vocabulary import TARGETS, Family, View
from lsdc.slice_selector.annotations import Annotations

CLOSEUP_PX, CLOSEUP_MM = 96, 96.0
"""Side of a close-up, px and mm: enough for the second look's 64 mm, shifted, turned and scaled."""
LOOK_PX, LOOK_MM = 64, 64.0
"""Side of the crop that the second look sees, px and mm."""
_NEIGHBOR_MM = 10.0
"""Slices so near to the marked one show its surroundings; those beyond may show the foramen of the other side."""


@dataclass(frozen=True)
class Closeups:
    """Crops around the places of marks.

    Parameters
    ----------
    images : (n, CLOSEUP_PX, CLOSEUP_PX) uint8
        Upright gray values; the mark's place is in the middle.
    marked : (n,) bool
        Whether this is the slice that a reader marked; else it is a neighbor of that slice.
    """

    images: NDArray[np.uint8]
    marked: NDArray[np.bool_]


def annotated_closeups(study: Study, annotations: Annotations) -> Closeups:
    """Cut the surroundings of every marked foramen from the marked slice and from its two neighbors.

    Parameters
    ----------
    study : Study
        With any number of sagittal T1 series.
    annotations : Annotations
        Of that study.

    Returns
    -------
    Closeups
        None where nothing was marked.
    """
    crops = list(_crops(study, annotations))
    return Closeups(
        np.array([crop for crop, _ in crops], np.uint8).reshape(-1, CLOSEUP_PX, CLOSEUP_PX),
        np.array([marked for _, marked in crops], bool),
    )


def _crops(study: Study, annotations: Annotations) -> Iterator[tuple[NDArray[np.uint8], bool]]:
    foramina = [k for k, target in enumerate(TARGETS) if target.condition.family is Family.FORAMINAL]
    for index, first in annotations.first_row.items():
        series = study.series[index]
        if series.view is not View.SAGITTAL_T1:
            continue
        cutter = Cutter(series, View.SAGITTAL_T1)
        for target in foramina:
            number = int(annotations.rows[target]) - first
            if annotations.rows[target] < 0 or not 0 <= number < len(series.slices):
                continue
            for k in range(max(0, number - 1), min(len(series.slices), number + 2)):
                plane = series.slices[k].plane
                if k != number and abs(plane.distance(annotations.patient[target])[0]) > _NEIGHBOR_MM:
                    continue
                column, row = plane.to_pixel(annotations.patient[target])[0]
                yield cutter.cut(k, (float(column), float(row)), CLOSEUP_MM, CLOSEUP_PX), k == number
