"""Headers of the images that a report refers to: read again from the files, checked, and reduced to what is copied."""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset

from lsdc.cohort.dicom.functional_groups import frame_datasets
from lsdc.cohort.dicom.headers import read_header
from lsdc.cohort.dicom.opening import UnreadableError, open_header
from lsdc.cohort.dicom.safe_attributes import numbers, text, tolerant
from lsdc.cohort.study import Slice, Study
from lsdc.runtime import LsdcError
from lsdc.runtime.archives import UNPACKED_PREFIX

_UID = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))*")
_LONGEST_UID = 64
_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
_PATTERNS = {
    "PatientName": r"[^\\]{1,300}",
    "PatientID": r"[^\\]{1,64}",
    "PatientBirthDate": r"[0-9]{8}",
    "PatientSex": r"[MFO]",
    "PatientAge": r"[0-9]{3}[DWMY]",
    "StudyDate": r"[0-9]{8}",
    "StudyTime": r"[0-9]{2}([0-9]{2}([0-9]{2}(\.[0-9]{1,6})?)?)?",
    "AccessionNumber": r"[^\\]{1,16}",
    "StudyID": r"[^\\]{1,16}",
    "StudyDescription": r"[^\\]{1,64}",
    "ReferringPhysicianName": r"[^\\]{1,300}",
}
"""What is copied of patient and study, and what a value must look like; others are left empty, as nothing is known."""
_OPTIONAL = ("PatientAge", "StudyDescription")
_SIZES = ("Rows", "Columns", "BitsStored")
_DATES = ("StudyDate", "ContentDate", "SeriesDate", "AcquisitionDate")
_TAGS = [
    *_UIDS, *_SIZES, *_PATTERNS, *_DATES, "SOPClassUID", "NumberOfFrames", "PhotometricInterpretation", "RescaleSlope",
    "RescaleIntercept", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
]  # fmt: skip
_REMEDY = "reports need images whose headers hold the UIDs of study, series and image"
_NO_DATE = "19000101"


class SourceError(LsdcError):
    """The images of a study do not say whose they are, or cannot be read again."""


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
    """

    def __init__(self, study: Study) -> None:
        self._study = study
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
            found = _read(item.source)
            for other in list(self._found.values())[:1]:
                _check_same(other.header, found.header, item.source)
            self._found[item.source] = found
        return self._found[item.source]

    @property
    def headers(self) -> list[Dataset]:
        """The headers read so far, each file's once."""
        by_uid = {str(item.header.SOPInstanceUID): item.header for item in self._found.values()}
        return list(by_uid.values())


def _read(source: str) -> SourceImage:
    """Open a file as `Slice.source` names it, and take what is copied."""
    path, frame = _opened(source)
    try:
        with tolerant():
            header = open_header(path, _TAGS)
            flat = frame_datasets(header, frame or 1)[-1]
            inverted = text(header, "PhotometricInterpretation") == "MONOCHROME1"
            reduced = _reduced(header, source, frame)
            return SourceImage(reduced, frame, _date(header), read_header(flat).rescale, inverted)
    except UnreadableError as error:
        raise SourceError(f"{source}: cannot be read again: {error.reason}; {error.remedy}") from error


def _opened(source: str) -> tuple[Path, int | None]:
    """Find the file that a source names; those of an archive lie in this process's folder for temporary files."""
    name, mark, number = source.rpartition("#")
    candidates: list[tuple[str, int | None]] = [(source, None)]
    if mark and number.isdigit():
        candidates.append((name, int(number)))
    unpacked = list(Path(tempfile.gettempdir()).glob(f"{UNPACKED_PREFIX}{os.getpid()}-*"))
    for text_, frame in candidates:
        for path in (Path(text_), *(folder / text_ for folder in unpacked)):
            if text_ and path.is_file():
                return path, frame
    raise SourceError(
        f"{source or 'an image'}: no such DICOM file; reports are written of studies that `read_study` read of files"
    )


def _reduced(header: Dataset, source: str, frame: int | None) -> Dataset:
    """Copy what reports copy; malformed values become empty."""
    result = Dataset()
    for keyword in _UIDS:
        uid = text(header, keyword)
        if not _UID.fullmatch(uid) or len(uid) > _LONGEST_UID:
            raise SourceError(f"{source}: has no valid {keyword}; {_REMEDY}")
        setattr(result, keyword, uid)
    meta = getattr(header, "file_meta", None)
    kind = text(header, "SOPClassUID") or str(getattr(meta, "MediaStorageSOPClassUID", ""))
    if not _UID.fullmatch(kind):
        raise SourceError(f"{source}: does not say what kind of object it is (SOPClassUID); {_REMEDY}")
    result.SOPClassUID = kind
    for keyword, pattern in _PATTERNS.items():
        value = text(header, keyword)
        sound = re.fullmatch(pattern, value) is not None
        if sound or keyword not in _OPTIONAL:
            setattr(result, keyword, value if sound else "")
    for keyword in _SIZES:
        found = numbers(header, keyword, 1)
        setattr(result, keyword, int(found[0]) if found else 0)
    if frame is not None:
        frames = numbers(header, "NumberOfFrames", 1)
        result.NumberOfFrames = int(frames[0]) if frames else frame
    result.Modality, result.SamplesPerPixel = "MR", 1
    return result


def _date(header: Dataset) -> str:
    """Find the day of the examination."""
    days = (text(header, keyword) for keyword in _DATES)
    return next((day for day in days if re.fullmatch(r"[0-9]{8}", day)), _NO_DATE)


def _check_same(first: Dataset, other: Dataset, source: str) -> None:
    """Refuse images of another study or patient: a report belongs to one."""
    for keyword, what in (("StudyInstanceUID", "study"), ("PatientID", "patient")):
        if getattr(first, keyword) != getattr(other, keyword):
            raise SourceError(
                f"{source}: belongs to another {what} ({keyword}) than the images before it; a report is about one "
                f"{what}: split the study's folder"
            )
