"""Presentation states: the located points with their grades, drawn over the images by any viewer of DICOM systems."""

from __future__ import annotations

import json
from collections.abc import Sequence

from highdicom import ModalityLUTTransformation
from highdicom.pr import GraphicLayer, GrayscaleSoftcopyPresentationState
from pydicom.dataset import Dataset

from lsdc.cohort.discovery.sources import usable_id
from lsdc.cohort.location import Status
from lsdc.report.dicom_objects.identity import MANUFACTURER, derived_uid, settle_date, toolkit_version
from lsdc.report.dicom_objects.point_drawing import Marked, annotation_of, gray_window, label_of
from lsdc.report.dicom_objects.source_headers import Sources
from lsdc.report.dicom_objects.structured_report import ReportFiles
from lsdc.report.graded_study import GradedStudy
from lsdc.runtime.paths import PathLike
from lsdc.runtime.whole_files import atomic, check_output_folder

_UNSPECIFIED = "US"
"""The type of rescaled values of which nothing is known."""


_SERIES_NUMBER = 9902


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
    sources = Sources(graded.located.study, graded.files)
    groups: dict[object, list[Marked]] = {}
    for item in graded.targets:
        location = item.location
        if location.series is None or location.slice is None or location.status is Status.NOT_SEEN:
            continue
        series = graded.located.study.series[location.series]
        piece = series.slices[location.slice]
        image = sources.of(piece)
        spacing = tuple(round(value, 4) for value in piece.plane.spacing)
        key = image.header.SeriesInstanceUID, piece.pixels.shape, spacing, image.rescale, image.inverted
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
            label_of(mark.item),
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
        graphic_annotations=[annotation_of(mark, layer) for mark in marked],
        modality_lut_transformation=ModalityLUTTransformation(
            rescale_slope=first.rescale[0], rescale_intercept=first.rescale[1], rescale_type=_UNSPECIFIED
        ),
        voi_lut_transformations=[gray_window(marked[0])],
        series_description="Lumbar spine points (lsdc)",
        specific_character_set="ISO_IR 192",
    )
    state.PresentationCreationDate, state.PresentationCreationTime = first.date, "000000"
    if first.inverted:
        state.PresentationLUTShape = "INVERSE"  # MONOCHROME1: the largest value is black
    state.BodyPartExamined = "LSPINE"
    settle_date(state, first.date)
    area = state.DisplayedAreaSelectionSequence[0]
    area.PresentationPixelSpacing = [f"{value:.8g}" for value in marked[0].spacing]
    del area.PresentationPixelAspectRatio  # pixels need not be squares
    return state
