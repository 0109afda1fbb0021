"""Presentation states: the located points with their grades, drawn over the images by any viewer of DICOM systems."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from highdicom import ModalityLUTTransformation
from highdicom.pr import (
    GraphicAnnotation,
    GraphicLayer,
    GraphicObject,
    GraphicTypeValues,
    GrayscaleSoftcopyPresentationState,
    SoftcopyVOILUTTransformation,
    TextObject,
)
from pydicom.dataset import Dataset

from lsdc.cohort.cropping import window_of
from lsdc.cohort.discovery.sources import usable_id
from lsdc.cohort.location import Status
from lsdc.cohort.study import Series
from lsdc.report.dicom_objects.identity import MANUFACTURER, derived_uid, settle_date, toolkit_version
from lsdc.report.dicom_objects.source_headers import SourceImage, Sources
from lsdc.report.dicom_objects.structured_report import ReportFiles
from lsdc.report.dicom_objects.target_groups import image_point, is_graded
from lsdc.report.graded_study import GradedStudy, GradedTarget
from lsdc.runtime.paths import PathLike
from lsdc.runtime.whole_files import atomic, check_output_folder

_UNSPECIFIED = "US"
"""The type of rescaled values of which nothing is known."""


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


_SERIES_NUMBER = 9902
_RADIUS_MM = 3.0
_TEXT_PX = (8.0, 70.0, 14.0)
"""Of a label: how far right of its point it begins, how wide and how high it is, px of the image."""


def write_points(graded: GradedStudy, out: PathLike) -> ReportFiles:
    """Write the located points as Grayscale Softcopy Presentation States.

    There is one for each series on which targets were located; where the images of a series differ in size or
    rescaling, one for each kind. Each point is a circle of 3 mm with condition, level and grade beside it; an unsure
    one has a question mark. Targets that were not seen are not drawn. The same input gives the same files.

    Parameters
    ----------
    graded : GradedStudy
        The study, read of DICOM files that are still there.
    out : path
        Folder for the files, `STUDY.points.1.pr.dcm` and so on; it is made.

    Returns
    -------
    ReportFiles
        Where they are; no file where nothing was located.

    Raises
    ------
    SourceError
        When the study was not read of DICOM files, they have gone, lack UIDs, or are of two studies or patients.
    LsdcError
        When `out` cannot be a folder.
    """
    folder = check_output_folder(out)
    groups = _groups(graded)
    files, instances = [], []
    for number, marked in enumerate(groups, start=1):
        state = _state(graded, marked, number)
        path = folder / f"{usable_id(graded.study_id)}.points.{number}.pr.dcm"
        with atomic(path) as temporary:
            state.save_as(temporary, enforce_file_format=True)
        files.append(path)
        instances.append(str(state.SOPInstanceUID))
    return ReportFiles(graded.study_id, tuple(files), tuple(instances), sum(map(len, groups)))


def _groups(graded: GradedStudy) -> list[list[Marked]]:
    """Collect the targets that one presentation state can show: those on images of one series, size and rescaling."""
    sources = Sources(graded.located.study)
    groups: dict[object, list[Marked]] = {}
    for item in graded.targets:
        location = item.location
        if location.series is None or location.slice is None or location.status is Status.NOT_SEEN:
            continue
        series = graded.located.study.series[location.series]
        piece = series.slices[location.slice]
        image = sources.of(piece)
        spacing = tuple(round(value, 4) for value in piece.plane.spacing)
        key = image.header.SeriesInstanceUID, piece.pixels.shape, spacing, image.rescale
        groups.setdefault(key, []).append(Marked(item, image, series, piece.plane.spacing))
    return list(groups.values())


def _state(graded: GradedStudy, marked: Sequence[Marked], number: int) -> Dataset:
    """Compose the presentation state of some targets."""
    first = marked[0].image
    study = str(first.header.StudyInstanceUID)
    images = [mark.image for mark in marked]
    headers = list({str(image.header.SOPInstanceUID): image.header for image in images}.values())
    layer = GraphicLayer("LSDC_POINTS", order=1, description="Located targets with their grades")
    said = [
        [
            mark.item.target.slug,
            _label(mark.item),
            str(mark.image.header.SOPInstanceUID),
            mark.image.frame,
            mark.item.location.point,
        ]
        for mark in marked
    ]
    state = GrayscaleSoftcopyPresentationState(
        referenced_images=headers,
        series_instance_uid=derived_uid(study, graded.model, "points"),
        series_number=_SERIES_NUMBER,
        sop_instance_uid=derived_uid(study, "points", graded.model, json.dumps(said)),
        instance_number=number,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=graded.model[:64],
        software_versions=toolkit_version(),
        device_serial_number="0",
        content_label="LSDC_POINTS",
        content_description="Located targets with their grades",
        graphic_layers=[layer],
        graphic_annotations=[_annotation(mark, layer) for mark in marked],
        modality_lut_transformation=ModalityLUTTransformation(
            rescale_slope=first.rescale[0], rescale_intercept=first.rescale[1], rescale_type=_UNSPECIFIED
        ),
        voi_lut_transformations=[_window(marked[0])],
        series_description="Lumbar spine points (lsdc)",
        specific_character_set="ISO_IR 192",
    )
    state.PresentationCreationDate, state.PresentationCreationTime = first.date, "000000"
    state.BodyPartExamined = "LSPINE"
    settle_date(state, first.date)
    area = state.DisplayedAreaSelectionSequence[0]
    area.PresentationPixelSpacing = [f"{value:.8g}" for value in marked[0].spacing]
    del area.PresentationPixelAspectRatio  # pixels need not be squares
    return state


def _window(mark: Marked) -> SoftcopyVOILUTTransformation:
    """Give the gray window of the series; the whole range where small values are bright."""
    low, high = window_of(mark.series)
    if mark.image.inverted:
        slope, intercept = mark.image.rescale
        low, high = intercept, slope * 2.0 ** int(mark.image.header.BitsStored) + intercept
    return SoftcopyVOILUTTransformation(
        window_center=float(f"{(low + high) / 2:.8g}"), window_width=float(f"{max(high - low, 1.0):.8g}")
    )


def _annotation(mark: Marked, layer: GraphicLayer) -> GraphicAnnotation:
    """Draw a circle around a target and a label beside it."""
    header = mark.image.header
    point = image_point(mark.item.location.point)[0]
    center = np.clip(point, 0, [header.Columns, header.Rows])
    radius = _RADIUS_MM / mark.spacing[1]
    across = center[0] + radius if center[0] + radius <= header.Columns else max(0.0, center[0] - radius)
    edge = (across, center[1])
    circle = GraphicObject(GraphicTypeValues.CIRCLE, np.array([center, edge]), "PIXEL")
    label = TextObject(
        _label(mark.item), "PIXEL", bounding_box=_box(center, header), text_justification="LEFT"
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


def _label(item: GradedTarget) -> str:
    """Name the target in short, with its grade."""
    condition, level = item.target
    side = f"{condition.side.value[0].upper()} " if condition.side else ""
    grade = item.grade.title if is_graded(item) else "no grade"
    doubt = "?" if item.location.status is Status.UNSURE else ""
    return f"{side}{level.title} {grade}{doubt}"
