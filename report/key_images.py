"""The pictures that stand for a study on one page: canal, both rows of foramina, and the worst axial level."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.location import Status
from lsdc.cohort.vocabulary import Condition, Family, View
from lsdc.report.graded_study import GradedStudy, GradedTarget
from lsdc.report.pages.shown_series import series_names

PX = 480
"""Side of a key image, px."""
_LEAST_MM, _MOST_MM, _MARGIN_MM = 110.0, 260.0, 30.0
_AXIAL_MM = 90.0
_TITLES = {
    Condition.SPINAL_CANAL_STENOSIS: "Canal",
    Condition.RIGHT_NEURAL_FORAMINAL_NARROWING: "Right foramina",
    Condition.LEFT_NEURAL_FORAMINAL_NARROWING: "Left foramina",
}


@dataclass(frozen=True)
class Mark:
    """A located point on a key image.

    Parameters
    ----------
    x, y : float
        Column and row in the image, px of `PX`.
    label : str
        The level, with the side on axial images.
    unsure : bool
        Whether its place is uncertain.
    here : bool
        Whether it was located on this very slice; others are projected on it.
    """

    x: float
    y: float
    label: str
    unsure: bool
    here: bool


@dataclass(frozen=True)
class KeyImage:
    """An upright picture of one slice with its points.

    Parameters
    ----------
    title : str
        What it shows.
    caption : str
        View, series and slice.
    pixels : (PX, PX) uint8
        Gray values.
    mm : float
        Side of the picture in the patient.
    letters : (str, str, str, str)
        What lies at the left, the right, the top and the bottom: R, L, A, P, H or F.
    marks : tuple of Mark
        The points.
    """

    title: str
    caption: str
    pixels: NDArray[np.uint8]
    mm: float
    letters: tuple[str, str, str, str]
    marks: tuple[Mark, ...]


def key_images(graded: GradedStudy) -> tuple[KeyImage, ...]:
    """Choose and cut the key images of a study.

    Parameters
    ----------
    graded : GradedStudy
        The study.

    Returns
    -------
    tuple of KeyImage
        At most four: the canal, the right and the left foramina, and the recesses of the level that is probably
        worst. One whose targets were not seen is left out.
    """
    images = [_sagittal(graded, condition, title) for condition, title in _TITLES.items()]
    return tuple(image for image in (*images, _axial(graded)) if image is not None)


def severity(item: GradedTarget) -> float:
    """Estimate how severe a target is.

    Parameters
    ----------
    item : GradedTarget
        The target.

    Returns
    -------
    float
        The expected grade, from 0 (normal or mild) to 2 (severe).
    """
    return item.probabilities[1] + 2 * item.probabilities[2]


def _located(targets: Sequence[GradedTarget]) -> list[GradedTarget]:
    """Select the targets that were located on a slice."""
    return [
        item
        for item in targets
        if item.location.series is not None and item.location.status is not Status.NOT_SEEN
    ]


def _sagittal(graded: GradedStudy, condition: Condition, title: str) -> KeyImage | None:
    """Cut the slice on which most levels of a condition were located."""
    targets = _located([item for item in graded.targets if item.target.condition is condition])
    if not targets:
        return None
    places = Counter((item.location.series, item.location.slice) for item in targets)
    series, index = places.most_common(1)[0][0]
    here = [item for item in targets if item.location.series == series]
    return _cut(graded, here, (series or 0, index or 0), title, None)


def _axial(graded: GradedStudy) -> KeyImage | None:
    """Cut the slice of the recess that is probably the most severe, with both of its level's recesses."""
    recesses = [item for item in graded.targets if item.target.condition.family is Family.SUBARTICULAR]
    targets = _located(recesses)
    if not targets:
        return None
    worst = max(targets, key=severity)
    here = [
        item
        for item in targets
        if item.target.level is worst.target.level and item.location.series == worst.location.series
    ]
    place = (worst.location.series or 0, worst.location.slice or 0)
    return _cut(graded, here, place, f"Recesses {worst.target.level.title}", _AXIAL_MM)


def _cut(
    graded: GradedStudy, targets: list[GradedTarget], place: tuple[int, int], title: str, mm: float | None
) -> KeyImage | None:
    """Cut a square around the points of some targets of one series."""
    number, index = place
    series = graded.located.study.series[number]
    cutter = graded.located.cutters.get(number)
    if cutter is None:
        return None
    plane = series.slices[index].plane
    pixels = []
    for item in targets:
        own = series.slices[item.location.slice or 0].plane
        pixels.append(plane.to_pixel(own.to_patient([item.location.point]))[0])
    points = np.array(pixels)
    low, high = points.min(0), points.max(0)
    center = (float((low[0] + high[0]) / 2), float((low[1] + high[1]) / 2))
    if mm is None:
        extent = (high - low) * (plane.spacing[1], plane.spacing[0])
        mm = float(np.clip(extent.max() + 2 * _MARGIN_MM, _LEAST_MM, _MOST_MM))
    marks = []
    for item, point in zip(targets, points):
        x, y = cutter.place(index, center, (float(point[0]), float(point[1])), mm, PX)
        side = item.target.condition.side
        label = side.value[0].upper() if side and cutter.view is View.AXIAL_T2 else item.target.level.title
        marks.append(Mark(x, y, label, item.location.status is Status.UNSURE, item.location.slice == index))
    letters = ("R", "L", "A", "P") if cutter.view is View.AXIAL_T2 else ("A", "P", "H", "F")
    name = series_names(graded.located.study)[number]
    caption = f"{cutter.view.value}, {name}, slice {index + 1} of {len(series.slices)}"
    return KeyImage(title, caption, cutter.cut(index, center, mm, PX), mm, letters, tuple(marks))
