"""What decides to which study and series a file belongs, read of its header and kept in memory only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from lsdc.cohort.dicom.headers import other_modality
from lsdc.cohort.dicom.kinds import object_kind
from lsdc.cohort.dicom.lenient_numbers import lenient_number, lenient_numbers
from lsdc.cohort.dicom.safe_attributes import number, text
from lsdc.cohort.geometry import plane_of

HEADER_TAGS = [
    "SOPClassUID", "SOPInstanceUID", "Modality", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID",
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "PatientAge", "StudyDate", "AcquisitionDate", "Rows",
    "EchoTime", "MagneticFieldStrength",
    "ImagePositionPatient", "ImageOrientationPatient",
]  # fmt: skip
"""The attributes that are read of every file to find its series."""
_T2_ECHO_MS = 50.0
_STRONGEST_T, _GAUSS = 20.0, 1e4
_NOBODY = frozenset((
    "", "anon", "anonym", "anonymous", "anonymized", "anonymised", "unknown", "patient", "test", "none",
    "na", "hidden", "removed", "deidentified", "x",
))  # fmt: skip
"""What anonymizers write for everybody."""
_UID = re.compile(r"[0-9]+(?:\.[0-9]+)+")


@dataclass(frozen=True)
class Person:
    """What a header says of who was examined, when, and in which magnet; empty where it is silent.

    Parameters
    ----------
    patient_id : str
        In lower case.
    name, birth_date, sex : str
        In lower case, letters and digits alone.
    date : str
        StudyDate.
    age : str
        PatientAge, without leading zeros.
    field_strength : str
        MagneticFieldStrength, to a tenth of a tesla.
    acquired : str
        AcquisitionDate, where it is one; images that were made of others keep that of the originals.
    """

    patient_id: str
    name: str
    birth_date: str
    sex: str
    date: str
    age: str = ""
    field_strength: str = ""
    acquired: str = ""

    @property
    def values(self) -> tuple[str, ...]:
        """All that is known, in a fixed order."""
        return (
            self.patient_id, self.name, self.birth_date, self.sex, self.date, self.age, self.field_strength,
            self.acquired,
        )  # fmt: skip

    @property
    def is_somebody(self) -> bool:
        """Whether it tells one person from others: an id, or a name with a birth date, that no anonymizer wrote."""
        known = self.patient_id if self.patient_id not in _NOBODY else ""
        named = self.name not in _NOBODY and bool(self.birth_date)
        return bool(known) or named

    def contradicts(self, other: Person) -> bool:
        """Tell whether the two cannot be the same person at the same time.

        Parameters
        ----------
        other : Person
            Of another file.

        Returns
        -------
        bool
            True where something is known of both, and differs; a name may be the beginning of the other, and images
            may be acquired before and after midnight.
        """
        exact = (
            (self.patient_id, other.patient_id), (self.date, other.date), (self.age, other.age),
            (self.field_strength, other.field_strength),
        )  # fmt: skip
        if self.acquired and other.acquired and _days(self.acquired, other.acquired) > 1:
            return True
        if any(mine and others and mine != others for mine, others in exact):
            return True
        return any(
            mine and others and not (mine.startswith(others) or others.startswith(mine))
            for mine, others in zip(self.values[1:4], other.values[1:4])
        )


@dataclass(frozen=True)
class FileRecord:
    """One file, before it is grouped.

    Parameters
    ----------
    path : Path
        The file.
    folders : tuple of str
        The folders between the root and the file.
    study, series, frame_of_reference, image : str
        StudyInstanceUID, SeriesInstanceUID, FrameOfReferenceUID and SOPInstanceUID; empty where absent.
    person : Person
        Who was examined, and when.
    shows : str
        Plane and weighting, roughly: two files that show the same are alike.
    place : tuple of float
        ImagePositionPatient, to a tenth of a millimeter; empty where absent.
    """

    path: Path
    folders: tuple[str, ...]
    study: str
    series: str
    frame_of_reference: str
    image: str
    person: Person
    shows: str
    place: tuple[float, ...]


def is_uid(value: str) -> bool:
    """Tell whether a value can be a UID, and not a word that an anonymizer wrote.

    Parameters
    ----------
    value : str
        What a header holds.

    Returns
    -------
    bool
        True for numbers with dots between them.

    Examples
    --------
    >>> is_uid("1.2.840.10008.1"), is_uid("ANONYMIZED")
    (True, False)
    """
    return _UID.fullmatch(value) is not None


def record_of(path: Path, root: Path, header: Dataset) -> FileRecord:
    """Take from a header what decides where its file belongs.

    Parameters
    ----------
    path : Path
        A file below `root`.
    root : Path
        The folder that is searched.
    header : Dataset
        Holds at least those of `HEADER_TAGS` that the file has.

    Returns
    -------
    FileRecord
        Nothing of it is written anywhere but the UIDs that stand for study and series.
    """
    name, birth_date, sex = (
        _plain(text(header, keyword)) for keyword in ("PatientName", "PatientBirthDate", "PatientSex")
    )
    person = Person(
        patient_id=text(header, "PatientID").casefold(),
        name=name,
        birth_date=birth_date,
        sex=sex,
        date=text(header, "StudyDate"),
        age=text(header, "PatientAge").lstrip("0").casefold(),
        field_strength=_field_strength(header),
        acquired=_date(text(header, "AcquisitionDate")),
    )
    place, _ = lenient_numbers(header, "ImagePositionPatient", 3)
    return FileRecord(
        path,
        path.relative_to(root).parts[:-1],
        text(header, "StudyInstanceUID"),
        text(header, "SeriesInstanceUID"),
        text(header, "FrameOfReferenceUID"),
        text(header, "SOPInstanceUID"),
        person,
        _shown(header),
        tuple(round(value, 1) for value in place or ()),
    )


def reason_against(header: Dataset) -> str:
    """Say why a file is no MR image.

    Parameters
    ----------
    header : Dataset
        Holds at least those of `HEADER_TAGS` that the file has.

    Returns
    -------
    str
        Empty for MR images.
    """
    if other := other_modality(text(header, "Modality")):
        return f"no MR image (modality {other})"
    kind = object_kind(text(header, "SOPClassUID"), bool(text(header, "ImagePositionPatient")))
    if kind == "screen capture":
        return "a screen capture"
    if kind:
        return f"no MR image ({kind})"
    return "" if number(header, "Rows") > 0 else "a DICOM object without an image"


def _field_strength(header: Dataset) -> str:
    """Write the field strength in tesla, which some scanners give in gauss; empty where it makes no sense."""
    tesla = lenient_number(header, "MagneticFieldStrength")
    tesla = tesla / _GAUSS if tesla > _STRONGEST_T else tesla
    return f"{tesla:.1f}" if 0 < tesla <= _STRONGEST_T else ""


def _date(value: str) -> str:
    """Keep what is a date."""
    try:
        datetime.strptime(value, "%Y%m%d")
    except ValueError:
        return ""
    return value


def _days(one: str, other: str) -> int:
    """Count the days between two dates."""
    return abs((datetime.strptime(one, "%Y%m%d") - datetime.strptime(other, "%Y%m%d")).days)


def _plain(value: str) -> str:
    return "".join(character for character in value.casefold() if character.isalnum())


def _shown(header: Dataset) -> str:
    """Name plane and weighting."""
    axes, _ = lenient_numbers(header, "ImageOrientationPatient", 6)
    if axes is None:
        return ""
    normal = np.cross(axes[:3], axes[3:])
    plane = plane_of(normal / max(float(np.linalg.norm(normal)), 1e-9))
    return f"{plane} {'t2' if lenient_number(header, 'EchoTime') >= _T2_ECHO_MS else 't1'}"
