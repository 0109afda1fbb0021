"""The coded concepts of reports: DICOM's and SNOMED CT's where they say what is meant, private ones otherwise.

The private scheme is `99LSDC`. SNOMED CT's `76107001 Spinal stenosis` is not used: as a finding it says that there is
one, and every target is reported, graded or not.
"""

from __future__ import annotations

from highdicom.sr import CodedConcept

from lsdc.cohort.location import Status
from lsdc.cohort.vocabulary import Family, Grade, Level, Side
from lsdc.ensemble.weighting import Weighting

SCHEME = "99LSDC"
"""The private coding scheme of this toolkit."""


def _dicom(value: str, meaning: str) -> CodedConcept:
    """Make a concept of DICOM's own dictionary (PS3.16, annex D)."""
    return CodedConcept(value, "DCM", meaning)


def _snomed(value: str, meaning: str) -> CodedConcept:
    """Make a SNOMED CT concept, with the meaning that DICOM's context groups give it."""
    return CodedConcept(value, "SCT", meaning)


def _private(value: str, meaning: str) -> CodedConcept:
    """Make a concept of the private scheme; values have at most 16 characters."""
    return CodedConcept(value, SCHEME, meaning)


LEVELS = {
    Level.L1_L2: _snomed("80064006", "L1/L2 disc"),
    Level.L2_L3: _snomed("67459009", "L2/L3 disc"),
    Level.L3_L4: _snomed("62551000", "L3/L4 disc"),
    Level.L4_L5: _snomed("84020006", "L4/L5 disc"),
    Level.L5_S1: _snomed("715056000", "L5/S1 disc"),
}
"""The finding site of each level (CID 7604, Intervertebral Disc)."""
SIDES = {Side.LEFT: _snomed("7771000", "Left"), Side.RIGHT: _snomed("24028007", "Right")}
"""The laterality of a finding site (CID 244)."""
CONDITIONS = {
    Family.SPINAL: _private("CANAL_GRADING", "Grading of spinal canal stenosis"),
    Family.FORAMINAL: _private("FORAMEN_GRADING", "Grading of neural foraminal narrowing"),
    Family.SUBARTICULAR: _private("RECESS_GRADING", "Grading of subarticular stenosis"),
}
"""What was graded, without its side."""
SEVERITY = _snomed("246112005", "Severity")
"""The question whose answer is the grade."""
GRADES = {
    Grade.NORMAL_MILD: _private("NORMAL_MILD", "Normal or mild"),
    Grade.MODERATE: _snomed("6736007", "Moderate"),
    Grade.SEVERE: _snomed("24484000", "Severe"),
}
"""The answers (moderate and severe are those of CID 3716)."""
VISIBILITY = _private("VISIBILITY", "Whether the target was seen")
"""The question whose answer is the status."""
STATUSES = {
    Status.SEEN: _private("SEEN", "Seen"),
    Status.UNSURE: _private("UNSURE", "Seen at an uncertain place"),
    Status.NOT_SEEN: _dicom("122288", "Not visualized"),
}
"""Its answers."""
PROBABILITIES: dict[Weighting, dict[Grade, CodedConcept]] = {
    "none": {
        Grade.NORMAL_MILD: _private("P_NORMAL_MILD", "Probability of normal or mild"),
        Grade.MODERATE: _private("P_MODERATE", "Probability of moderate"),
        Grade.SEVERE: _private("P_SEVERE", "Probability of severe"),
    },
    "competition": {
        Grade.NORMAL_MILD: _private("C_NORMAL_MILD", "Competition-weighted share of normal or mild"),
        Grade.MODERATE: _private("C_MODERATE", "Competition-weighted share of moderate"),
        Grade.SEVERE: _private("C_SEVERE", "Competition-weighted share of severe"),
    },
}
"""Names of the three numbers; those for the competition's score are no probabilities, and are not called so."""
NO_UNIT = CodedConcept("1", "UCUM", "no units")
"""The unit of a probability."""
COMMENT = _dicom("121106", "Comment")
"""Free text."""
DEVICE = _dicom("121007", "Device")
"""The type of an observer that is a program."""
PROCEDURE = _private("LUMBAR_MR", "Magnetic resonance imaging of the lumbar spine")
"""What was reported on."""
