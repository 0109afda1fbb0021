"""What a presentation state draws: circles around located targets, labels, and the gray window below."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from highdicom.pr import (
    GraphicAnnotation,
    GraphicLayer,
    GraphicObject,
    GraphicTypeValues,
    SoftcopyVOILUTTransformation,
    TextObject,
)
from pydicom.dataset import Dataset

from lsdc.cohort.location import Status
from lsdc.cohort.study import Series
from lsdc.report.dicom_objects.source_headers import SourceImage
from lsdc.report.dicom_objects.target_groups import image_point
from lsdc.report.graded_study import GradedTarget

_RADIUS_MM = 3.0
_TEXT_PX = (8.0, 70.0, 14.0)
"""Of a label: how far right of its point it begins, how wide and how high it is, px of the image."""


class Marked(NamedTuple):
    """A target that is drawn.

    Parameters
    ----------
    item : GradedTarget
        The target.
    image : SourceImage
        The image on which it was located.
    series : Series
        That image's series.
    spacing : (float, float)
        mm between rows and between columns of the image.
    """

    item: GradedTarget
    image: SourceImage
    series: Series
    spacing: tuple[float, float]


def gray_window(mark: Marked) -> SoftcopyVOILUTTransformation:
    """Give the gray window of a target's series.

    Parameters
    ----------
    mark : Marked
        The target.

    Returns
    -------
    SoftcopyVOILUTTransformation
        The 1st to 99th percentile; the whole range where small values are bright.
    """
    low, high = mark.series.window
    if mark.image.inverted:
        slope, intercept = mark.image.rescale
        low, high = intercept, slope * 2.0 ** int(mark.image.header.BitsStored) + intercept
    return SoftcopyVOILUTTransformation(
        window_center=float(f"{(low + high) / 2:.8g}"), window_width=float(f"{max(high - low, 1.0):.8g}")
    )


def annotation_of(mark: Marked, layer: GraphicLayer) -> GraphicAnnotation:
    """Draw a circle around a target and a label beside it.

    Parameters
    ----------
    mark : Marked
        The target.
    layer : GraphicLayer
        Of the presentation state.

    Returns
    -------
    GraphicAnnotation
        On the target's image, and its frame, alone.
    """
    header = mark.image.header
    point = image_point(mark.item.location.point)[0]
    center = np.clip(point, 0, [header.Columns, header.Rows])
    radius = _RADIUS_MM / mark.spacing[1]
    across = center[0] + radius if center[0] + radius <= header.Columns else max(0.0, center[0] - radius)
    edge = (across, center[1])
    circle = GraphicObject(GraphicTypeValues.CIRCLE, np.array([center, edge]), "PIXEL")
    label = TextObject(
        label_of(mark.item), "PIXEL", bounding_box=_box(center, header), text_justification="LEFT"
    )
    return GraphicAnnotation(
        [header],
        layer,
        referenced_frame_number=mark.image.frame,
        graphic_objects=[circle],
        text_objects=[label],
    )


def _box(center: np.ndarray, header: Dataset) -> tuple[float, float, float, float]:
    """Place a label right of a point, or left of it where the image ends."""
    gap, width, height = _TEXT_PX
    columns, rows = float(header.Columns), float(header.Rows)
    left = center[0] + gap if center[0] + gap + width <= columns else max(0.0, center[0] - gap - width)
    top = float(np.clip(center[1] - height / 2, 0.0, max(0.0, rows - height)))
    return float(left), top, min(float(left + width), columns), min(top + height, rows)


def label_of(item: GradedTarget) -> str:
    """Name a target in short, with its grade.

    Parameters
    ----------
    item : GradedTarget
        The target.

    Returns
    -------
    str
        Side, level and grade; a question mark where its place is unsure.
    """
    condition, level = item.target
    side = f"{condition.side.value[0].upper()} " if condition.side else ""
    grade = "no grade" if item.grade is None else item.grade.title
    doubt = "?" if item.location.status is Status.UNSURE else ""
    return f"{side}{level.title} {grade}{doubt}"
