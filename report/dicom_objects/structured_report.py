"""Structured reports: what was found in a study, as DICOM systems store and read it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import (
    AlgorithmIdentification,
    ComprehensiveSR,
    DeviceObserverIdentifyingAttributes,
    MeasurementReport,
    ObservationContext,
    ObserverContext,
    RelationshipTypeValues,
    TextContentItem,
)
from pydicom.dataset import Dataset

from lsdc.cohort.discovery.sources import usable_id
from lsdc.cohort.location import Status
from lsdc.ensemble.weighting import MEANING
from lsdc.report.dicom_objects import concepts
from lsdc.report.dicom_objects.identity import MANUFACTURER, derived_uid, settle_date, toolkit_version
from lsdc.report.dicom_objects.source_headers import SourceImage, Sources
from lsdc.report.dicom_objects.target_groups import group_of
from lsdc.report.graded_study import GradedStudy, GradedTarget
from lsdc.runtime.paths import PathLike
from lsdc.runtime.whole_files import atomic, check_output_folder

_SERIES_NUMBER = 9901


@dataclass(frozen=True)
class ReportFiles:
    """DICOM objects that were written of a study.

    Parameters
    ----------
    study_id : str
        The study's id.
    files : tuple of Path
        The DICOM files.
    instances : tuple of str
        Their SOPInstanceUIDs, in the same order.
    graded : int
        Targets that they give a grade or a point of.
    """

    study_id: str
    files: tuple[Path, ...]
    instances: tuple[str, ...]
    graded: int


def write_structured_report(graded: GradedStudy, out: PathLike) -> ReportFiles:
    """Write what was found in a study as a DICOM Structured Report (Comprehensive SR, TID 1500).

    Each of the 25 targets is a measurement group: what was graded, disc level and side as finding site, whether it was
    seen, the grade, the three probabilities, why it is unsure, and its point on its image. Targets that were not seen
    are `Not visualized`, and have no grade. The report belongs to the patient and study of the images, and refers to
    them. It is unverified; what the model's card says stands in it. The same input gives the same file: UIDs are
    derived of the content, and the content's date is that of the examination.

    Parameters
    ----------
    graded : GradedStudy
        The study, read of DICOM files that are still there.
    out : path
        Folder for the file, `STUDY.sr.dcm`; it is made.

    Returns
    -------
    ReportFiles
        Where the report is.

    Raises
    ------
    SourceError
        When the study was not read of DICOM files, they have gone, lack UIDs, or are of two studies or patients.
    LsdcError
        When `out` cannot be a folder.
    """
    folder = check_output_folder(out)
    sources = Sources(graded.located.study, graded.files)
    images = [_image_of(item, graded, sources) for item in graded.targets]
    report = _report(graded, images, sources)
    path = folder / f"{usable_id(graded.study_id)}.sr.dcm"
    with atomic(path) as temporary:
        report.save_as(temporary, enforce_file_format=True)
    count = sum(item.grade is not None for item in graded.targets)
    return ReportFiles(graded.study_id, (path,), (str(report.SOPInstanceUID),), count)


def _image_of(item: GradedTarget, graded: GradedStudy, sources: Sources) -> SourceImage | None:
    """Find the image on which a target was located; what was not seen is on none."""
    location = item.location
    if location.series is None or location.slice is None or location.status is Status.NOT_SEEN:
        return None
    return sources.of(graded.located.study.series[location.series].slices[location.slice])


def _report(graded: GradedStudy, images: list[SourceImage | None], sources: Sources) -> Dataset:
    """Compose the report."""
    first = sources.any()
    study = str(first.header.StudyInstanceUID)
    algorithm = AlgorithmIdentification(
        f"lsdc, model {graded.model}"[:64], toolkit_version(), [f"weighting: {graded.weighting}"]
    )
    groups = [
        group_of(item, image, derived_uid(study, graded.model, item.target.slug), algorithm, graded.weighting)
        for item, image in zip(graded.targets, images)
    ]
    content = MeasurementReport(
        ObservationContext(observer_device_context=_observer(graded.model)), concepts.PROCEDURE, groups
    )
    for sentence in _sentences(graded):
        item = TextContentItem(concepts.COMMENT, sentence, RelationshipTypeValues.CONTAINS)
        content[0].ContentSequence.append(item)
    report = ComprehensiveSR(
        evidence=sources.headers,
        content=content,
        series_instance_uid=derived_uid(study, graded.model, "reports"),
        series_number=_SERIES_NUMBER,
        sop_instance_uid=derived_uid(study, "report", _content(graded, images)),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=graded.model[:64],
        software_versions=toolkit_version(),
        is_complete=True,
        series_description="Lumbar spine grading (lsdc)",
        content_date=first.date,
        content_time="000000",
        coding_schemes=[
            CodingSchemeIdentificationItem(
                concepts.SCHEME, name="Private codes of lsdc", responsible_organization="lsdc"
            )
        ],
        specific_character_set="ISO_IR 192",
    )
    settle_date(report, first.date)
    return report


def _observer(model: str) -> ObserverContext:
    """Say that a program, and no person, observed."""
    attributes = DeviceObserverIdentifyingAttributes(
        uid=derived_uid("observer", model), name="lsdc", manufacturer_name=MANUFACTURER, model_name=model[:64]
    )
    return ObserverContext(concepts.DEVICE, attributes)


def _sentences(graded: GradedStudy) -> list[str]:
    """List what must be said with the grades."""
    said = ["Not reviewed by a physician; no medical device.", *graded.statement, *graded.summary]
    meaning = MEANING[graded.weighting]
    return list(dict.fromkeys(said if any(meaning in item for item in said) else [*said, meaning]))


def _content(graded: GradedStudy, images: list[SourceImage | None]) -> str:
    """Write down what the report says, so that its UID changes with it."""
    rows = [
        [
            item.target.slug,
            item.location.status,
            item.location.reason,
            item.refused,
            [f"{value:.6f}" for value in item.probabilities],
            [f"{value:.3f}" for value in item.location.point],
            "" if image is None else f"{image.header.SOPInstanceUID}#{image.frame}",
        ]
        for item, image in zip(graded.targets, images)
    ]
    return json.dumps([graded.model, graded.weighting, _sentences(graded), rows])
