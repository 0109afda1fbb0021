"""What is written of one graded study, in any process: its page, its rows, and files for other systems."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from lsdc.cohort.dicom.files import path_text
from lsdc.cohort.discovery.sources import StudySource
from lsdc.cohort.discovery.studies import read_study
from lsdc.cohort.study import Study
from lsdc.cohort.vocabulary import GRADES, Grade
from lsdc.ensemble.weighting import Weighting
from lsdc.features.located_study import LocatedStudy
from lsdc.features.rows_located import locations_of
from lsdc.report.graded_study import GradedStudy, GradedTarget
from lsdc.report.pages.study_page import write_study_page
from lsdc.report.study_record import StudyRecord
from lsdc.runtime.artifact import fingerprint
from lsdc.runtime.errors import LsdcError, Problem
from lsdc.runtime.output_faults import writing_to


@dataclass(frozen=True)
class StudyOutputs:
    """The order to write what a report says of a study.

    Parameters
    ----------
    source : StudySource
        Where its files are.
    rows : DataFrame
        Its 25 rows of the store.
    probabilities : tuple of (float, float, float)
        Of the 25 targets, in their order and in the weighting of the report.
    refused : tuple of bool
        Which of them the caller refused.
    worst : tuple of Grade or None
        The worst grade of each that is not excluded; None for probabilities that are for the competition's score.
    series : DataFrame
        Its rows of the store's table of series.
    unread : str
        Why nothing of it was read; empty for a study that was.
    failure : str
        Why its images could not be shown; empty at first.
    names_files : bool
        Whether problems may name files, which may be named after patients.
    summary : tuple of str
        What was not seen and what is unsure, in sentences.
    model : str
        Name of the model.
    statement : tuple of str
        What must be said wherever its grades are shown.
    weighting : `competition` or `none`
        What the probabilities are.
    page : Path
        HTML file to write.
    index : str
        Link from the page to the list of all studies.
    structured_reports, pdfs : Path or None
        Folders for a DICOM structured report with the points as presentation state, and for a PDF; None writes none.
    """

    source: StudySource
    rows: pd.DataFrame
    probabilities: tuple[tuple[float, float, float], ...]
    refused: tuple[bool, ...]
    worst: tuple[Grade | None, ...]
    series: pd.DataFrame
    unread: str
    failure: str
    names_files: bool
    summary: tuple[str, ...]
    model: str
    statement: tuple[str, ...]
    weighting: Weighting
    page: Path
    index: str
    structured_reports: Path | None
    pdfs: Path | None

    @property
    def pdf(self) -> Path | None:
        """The PDF file that is asked for."""
        return None if self.pdfs is None else self.pdfs / f"{self.page.stem}.pdf"

    @property
    def record(self) -> Path:
        """The file that says what was written; the last one."""
        return self.page.with_name(f".{self.page.stem}.json")

    def earlier(self) -> StudyRecord | None:
        """Look for what an earlier call wrote.

        Returns
        -------
        StudyRecord or None
            None unless all that is asked for is there, says the same, and was written without fault.
        """
        if not self.record.is_file() or not self.page.is_file() or (self.pdf and not self.pdf.is_file()):
            return None
        record = StudyRecord.read(self.record)
        if record.failed or record.content != self.content:
            return None
        if record.dicom is None and self.structured_reports:
            return None
        return record if all(path.is_file() for path in self.dicom(record)) else None

    @property
    def content(self) -> str:
        """Hash of all that is said of the study: files that say something else are written anew."""
        said = (
            self.probabilities,
            self.refused,
            self.worst,
            self.unread,
            self.summary,
            self.model,
            self.statement,
            self.weighting,
        )
        return fingerprint({"rows": self.rows.to_csv(), "series": self.series.to_csv(), "said": said})

    def dicom(self, record: StudyRecord) -> list[Path]:
        """List the DICOM objects that were written, of those asked for.

        Parameters
        ----------
        record : StudyRecord
            What was written.

        Returns
        -------
        list of Path
            Empty where none are asked for.
        """
        if self.structured_reports is None:
            return []
        return [self.structured_reports / name for name in record.dicom or ()]


def write_outputs(order: StudyOutputs) -> StudyRecord:
    """Read a study again and write what a report says of it.

    Parameters
    ----------
    order : StudyOutputs
        The study, its grades, and where the files go.

    Returns
    -------
    StudyRecord
        What was written.

    Raises
    ------
    OutputError
        When the files cannot be written.
    """
    if order.unread or order.failure:
        return _written(order, unread_study(order))
    with order.source.present() as source:
        return _written(replace(order, source=source), read_study(source))


def _written(order: StudyOutputs, study: Study) -> StudyRecord:
    """Write what is said of a study that was read."""
    graded = graded_study(order, study)
    with writing_to(order.page):
        return _write(order, graded)


def _write(order: StudyOutputs, graded: GradedStudy) -> StudyRecord:
    """Write the files that are asked for, and at last the record."""
    write_study_page(graded, order.page, home=order.index)
    dicom: list[str] | None = None
    problems: list[Problem] = []
    if order.structured_reports is not None:
        from lsdc.report.dicom_objects.presentation_state import write_points
        from lsdc.report.dicom_objects.structured_report import write_structured_report

        dicom = []
        for write, what in (
            (write_structured_report, "structured report"),
            (write_points, "presentation state"),
        ):
            try:
                dicom += [path.name for path in write(graded, order.structured_reports).files]
            except LsdcError as error:
                said = f"no {what}: {error if order.names_files else type(error).__name__}"
                problems.append(Problem(graded.study_id, said, "look at its page instead"))
    if order.pdf is not None:
        from lsdc.report.study_pdf import write_study_pdf

        write_study_pdf(graded, order.pdf)
    names = None if dicom is None else tuple(dicom)
    record = StudyRecord(names, tuple(problems), bool(order.failure), order.content)
    record.write(order.record)
    return record


def unread_study(order: StudyOutputs) -> Study:
    """Stand for a study of which no image is needed, or could be read.

    Parameters
    ----------
    order : StudyOutputs
        The study; why it is unread is a problem of it.

    Returns
    -------
    Study
        Without series.
    """
    problems = order.source.problems
    for why in filter(None, (order.unread, order.failure)):
        problems += (Problem(order.source.study_id, why, "look at its files, or leave it out"),)
    return Study(order.source.study_id, (), problems)


def graded_study(order: StudyOutputs, study: Study) -> GradedStudy:
    """Join a study's images with its places and grades.

    Parameters
    ----------
    order : StudyOutputs
        The grades.
    study : Study
        The study as it was read, or without series.

    Returns
    -------
    GradedStudy
        What pages and reports are made of.
    """
    locations = locations_of(study, order.rows)
    targets = tuple(
        GradedTarget(location, probabilities, None if grade < 0 else Grade(GRADES[grade]), refused, worst)
        for location, probabilities, grade, refused, worst in zip(
            locations, order.probabilities, order.rows["grade"], order.refused, order.worst
        )
    )
    return GradedStudy(
        LocatedStudy.of(study, locations),
        targets,
        order.series,
        order.model,
        order.statement,
        order.weighting,
        order.summary,
        {path_text(path): path for series in order.source.series for path in series.files},
    )
