"""What reports copy of the header of an image: patient, study and UIDs, checked."""

from __future__ import annotations

import re

from pydicom.dataset import Dataset

from lsdc.cohort.dicom.safe_attributes import numbers, text
from lsdc.runtime import LsdcError

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
TAGS = [
    *_UIDS, *_SIZES, *_PATTERNS, *_DATES, "SOPClassUID", "NumberOfFrames", "PhotometricInterpretation", "RescaleSlope",
    "RescaleIntercept", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
]  # fmt: skip
"""The attributes to read of a file."""
_REMEDY = "reports need images whose headers hold the UIDs of study, series and image"
_NO_DATE = "19000101"


class SourceError(LsdcError):
    """The images of a study do not say whose they are, or cannot be read again."""


def copied_header(header: Dataset, source: str, frame: int | None) -> Dataset:
    """Copy what reports copy of a header.

    Parameters
    ----------
    header : Dataset
        Holds those of `TAGS` that the file has.
    source : str
        The file, for errors.
    frame : int or None
        The frame of a multi-frame file, from 1.

    Returns
    -------
    Dataset
        Patient, study, UIDs and size; what is malformed in the file is empty.

    Raises
    ------
    SourceError
        When a UID is absent or malformed.
    """
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


def examination_date(header: Dataset) -> str:
    """Find the day of the examination.

    Parameters
    ----------
    header : Dataset
        Holds those of `TAGS` that the file has.

    Returns
    -------
    str
        YYYYMMDD; 19000101 where no attribute tells.
    """
    days = (text(header, keyword) for keyword in _DATES)
    return next((day for day in days if re.fullmatch(r"[0-9]{8}", day)), _NO_DATE)
