"""Marks of readers that cannot be right: outside of the image, on a slice that is not there, on the wrong view."""

from __future__ import annotations

from typing import Any

import pandas as pd

from lsdc.cohort.study import Study
from lsdc.cohort.vocabulary import Condition, View
from lsdc.runtime import Problem
from lsdc.runtime.first_names import first_of

_MARGIN_PX = 1.0


def is_outside(x: float, y: float, shape: tuple[int, ...]) -> bool:
    """Tell whether a mark lies outside of its image.

    Parameters
    ----------
    x, y : float
        Column and row, px.
    shape : (rows, columns)
        Size of the image.

    Returns
    -------
    bool
        True from one pixel beyond the edge on.

    Examples
    --------
    >>> is_outside(12.0, 3.0, (320, 300)), is_outside(310.0, 3.0, (320, 300))
    (False, True)
    """
    rows, columns = shape[:2]
    return not (-_MARGIN_PX <= x <= columns - 1 + _MARGIN_PX and -_MARGIN_PX <= y <= rows - 1 + _MARGIN_PX)


def mark_problems(study: Study, coordinates: pd.DataFrame) -> list[Problem]:
    """Record the marks of a study that teach nothing, or something else than they say.

    Parameters
    ----------
    study : Study
        As read.
    coordinates : DataFrame
        The study's rows of the coordinate table, as `read_coordinates` gives them.

    Returns
    -------
    list of Problem
        At most one per kind of fault, with how many marks have it and the first three; its path is the study's id.
    """
    views: dict[str, set[View | None]] = {}
    shapes: dict[tuple[str, int], tuple[int, ...]] = {}
    for series in study.series:
        views.setdefault(series.series_id, set()).add(series.view)
        for item in series.slices:
            shapes.setdefault((series.series_id, item.instance_number), item.pixels.shape)
    absent, outside, elsewhere = [], [], []
    marks: Any = coordinates.itertuples()
    for mark in marks:
        series_id, number = str(mark.series_id), int(mark.instance_number)
        name = f"series {series_id} image {number}: {mark.condition} {mark.level}"
        shape = shapes.get((series_id, number))
        if shape is None:
            absent.append(name)
        elif is_outside(float(mark.x), float(mark.y), shape):
            outside.append(name)
        elif Condition(str(mark.condition)).view not in views[series_id]:
            elsewhere.append(name)
    return [
        *_count(
            study,
            absent,
            "annotated points lie on images that the study does not have or that cannot be read",
        ),
        *_count(study, outside, "annotated points lie outside of their image"),
        *_count(
            study,
            elsewhere,
            "annotated points lie on a series of another view than their condition is graded in",
        ),
    ]


def _count(study: Study, names: list[str], what: str) -> list[Problem]:
    if not names:
        return []
    remedy = "check the table of coordinates and that of series descriptions"
    return [Problem(study.study_id, f"{len(names)} {what} ({first_of(names)})", remedy)]
