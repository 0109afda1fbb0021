"""Headers of the images that a report refers to: read again from the files, checked, and reduced to what is copied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset

from lsdc.cohort.dicom.functional_groups import frame_datasets
from lsdc.cohort.dicom.headers import read_header
from lsdc.cohort.dicom.opening import UnreadableError, open_header
from lsdc.cohort.dicom.safe_attributes import text, tolerant
from lsdc.cohort.study import Slice, Study
from lsdc.report.dicom_objects.copied_header import TAGS, SourceError, copied_header, examination_date


@dataclass(frozen=True)
class SourceImage:
    """An image that a report can refer to.

    Parameters
    ----------
    header : Dataset
        Patient, study, UIDs and size; what is malformed in the file is empty.
    frame : int or None
        Its frame in a multi-frame file, from 1; None in others.
    date : str
        The day of the examination, YYYYMMDD; 19000101 where no header tells.
    rescale : (float, float)
        Slope and intercept that turn its stored values into those of `Slice.pixels`.
    inverted : bool
        Whether its small values are bright, in which `Slice.pixels` differs from it.
    """

    header: Dataset
    frame: int | None
    date: str
    rescale: tuple[float, float]
    inverted: bool

    @property
    def frames(self) -> list[int] | None:
        """The frame as references want it."""
        return None if self.frame is None else [self.frame]


class Sources:
    """Reads the header of each image once, and checks that all are of one patient and study.

    Parameters
    ----------
    study : Study
        As `read_study` gives it; its files must still be there.
    files : mapping of str to Path, optional
        Where the files lie whose names in the study are no paths, as those of an archive.
    """

    def __init__(self, study: Study, files: Mapping[str, Path] | None = None) -> None:
        self._study, self._files = study, files or {}
        self._found: dict[str, SourceImage] = {}

    def any(self) -> SourceImage:
        """Read one image of the study, for patient and study.

        Returns
        -------
        SourceImage
            The first slice of the first series.

        Raises
        ------
        SourceError
            As `of`, and when the study has no image.
        """
        if self._found:
            return next(iter(self._found.values()))
        slices = [item for series in self._study.series for item in series.slices]
        if not slices:
            raise SourceError(
                f"study {self._study.study_id}: no image could be read; there is nothing to report on"
            )
        return self.of(slices[0])

    def of(self, item: Slice) -> SourceImage:
        """Read the header of a slice's file.

        Parameters
        ----------
        item : Slice
            A slice of the study.

        Returns
        -------
        SourceImage
            What can be referred to.

        Raises
        ------
        SourceError
            When the slice is of no DICOM file, the file has gone, lacks a UID, or is of another study or patient than
            those read before.
        """
        if item.source not in self._found:
            found = _read(item.source, self._files)
            for other in list(self._found.values())[:1]:
                _check_same(other.header, found.header, item.source)
            self._found[item.source] = found
        return self._found[item.source]

    @property
    def headers(self) -> list[Dataset]:
        """The headers read so far, each file's once."""
        by_uid = {str(item.header.SOPInstanceUID): item.header for item in self._found.values()}
        return list(by_uid.values())


def _read(source: str, files: Mapping[str, Path]) -> SourceImage:
    """Open a file as `Slice.source` names it, and take what is copied."""
    path, frame = _opened(source, files)
    try:
        with tolerant():
            header = open_header(path, TAGS)
            flat = frame_datasets(header, frame or 1)[-1]
            inverted = text(header, "PhotometricInterpretation") == "MONOCHROME1"
            reduced = copied_header(header, source, frame)
            return SourceImage(reduced, frame, examination_date(header), read_header(flat).rescale, inverted)
    except UnreadableError as error:
        raise SourceError(f"{source}: cannot be read again: {error.reason}; {error.remedy}") from error


def _opened(source: str, files: Mapping[str, Path]) -> tuple[Path, int | None]:
    """Find the file that a source names."""
    name, mark, number = source.rpartition("#")
    candidates: list[tuple[str, int | None]] = [(source, None)]
    if mark and number.isdigit():
        candidates.append((name, int(number)))
    for name_, frame in candidates:
        path = files.get(name_, Path(name_))
        if name_ and path.is_file():
            return path, frame
    raise SourceError(
        f"{source or 'an image'}: no such DICOM file; reports are written of studies that `read_study` read of files"
    )


def _check_same(first: Dataset, other: Dataset, source: str) -> None:
    """Refuse images of another study or patient: a report belongs to one."""
    for keyword, what in (("StudyInstanceUID", "study"), ("PatientID", "patient")):
        if getattr(first, keyword) != getattr(other, keyword):
            raise SourceError(
                f"{source}: belongs to another {what} ({keyword}) than the images before it; a report is about one "
                f"{what}: split the study's folder"
            )
