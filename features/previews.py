"""The eight slices of a study on which most targets were located, for a person to check."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import Family, Level, Side, Target
from lsdc.features.located_study import LocatedStudy
from lsdc.features.store import PREVIEWS
from lsdc.features.volumes import FIELD_MM


def cut_previews(located: LocatedStudy, px: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Cut the slices that most targets were located on: canal, left and right foramina, five axial levels.

    Parameters
    ----------
    located : LocatedStudy
        The study with n located targets.
    px : int
        Side of a preview, px.

    Returns
    -------
    previews : (8, px, px) uint8
        In the order of `preview_slot`; zeros where nothing was located.
    points : (n, 3) float32
        Preview, column and row of each target; NaN where it was not located in the view where it is graded.
    """
    previews = np.zeros((PREVIEWS, px, px), np.uint8)
    points = np.full((len(located.locations), 3), np.nan, np.float32)
    slots = [preview_slot(location.target) for location in located.locations]
    for slot in range(PREVIEWS):
        rows = [
            row
            for row, location in enumerate(located.locations)
            if slots[row] == slot
            and location.view in located.projections[row]
            and location.series is not None
        ]
        if rows:
            previews[slot], points[rows, 1:] = _cut_preview(located, rows, px)
            points[rows, 0] = slot
    return previews, points


def _cut_preview(
    located: LocatedStudy, rows: Sequence[int], px: int
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Cut the slice that most of some targets lie on; column and row of all of them in it, (len(rows), 2) px."""
    graded = [projection for row in rows if (projection := located.graded(row)) is not None]
    slices = Counter((projection.series, projection.slice) for projection in graded)
    (series, index), _ = slices.most_common(1)[0]
    plane = located.study.series[series].slices[index].plane
    pixels = [plane.to_pixel(projection.patient(located.study))[0] for projection in graded]
    column, row = np.mean(pixels, axis=0)
    center, mm = (float(column), float(row)), FIELD_MM[located.locations[rows[0]].view]
    cutter = located.cutters[series]
    points = [cutter.place(index, center, (pixel[0], pixel[1]), mm, px) for pixel in pixels]
    return cutter.cut(index, center, mm, px), np.array(points)


def preview_slot(target: Target) -> int:
    """Tell which of the eight previews shows a target.

    Parameters
    ----------
    target : Target
        One of the 25.

    Returns
    -------
    int
        0 for the canal, 1 and 2 for the left and right foramina, 3 to 7 for the recesses of the five levels.

    Examples
    --------
    >>> from lsdc.cohort.vocabulary import TARGETS
    >>> [preview_slot(target) for target in TARGETS[::5]]
    [0, 1, 2, 3, 3]
    """
    if target.condition.family is Family.SPINAL:
        return 0
    if target.condition.family is Family.FORAMINAL:
        return 1 if target.condition.side is Side.LEFT else 2
    return 3 + list(Level).index(target.level)
