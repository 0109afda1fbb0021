"""Multi-frame files: the attributes of each frame, from the file's shared and per-frame functional groups."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.tag import Tag

from lsdc.cohort.dicom.headers import ACQUISITION_ATTRIBUTES
from lsdc.cohort.dicom.safe_attributes import items, value

_GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
_GROUP_TAGS = [Tag(name) for name in _GROUPS]
_OF_ALL_FRAMES = (
    "Modality", "Rows", "Columns", "SeriesDescription", "ProtocolName", "BodyPartExamined", "PatientAge", "PatientSex",
    "ImageType", "ScanningSequence", "SequenceName", "ScanOptions", "EchoPulseSequence", "AcquisitionContrast",
    "ComplexImageComponent", "ContrastBolusAgent", "ContrastBolusAgentSequence", "SOPClassUID", "SeriesNumber",
    "FrameOfReferenceUID", "BurnedInAnnotation", "RescaleSlope", "RescaleIntercept", "ImageOrientationPatient",
    "PixelSpacing", "ReconstructionDiameter", *ACQUISITION_ATTRIBUTES.values(),
)  # fmt: skip
_ENHANCED_NAMES = {
    "EffectiveEchoTime": "EchoTime",
    "InversionTimes": "InversionTime",
    "EchoPulseSequence": "ScanningSequence",
}


def frame_datasets(dataset: Dataset, count: int) -> list[Dataset]:
    """Make one flat data set per frame, as if each frame were a file of its own.

    What functional groups do not say is taken from the file itself: plain files of some vendors have groups with
    data of the coils alone. A file describes all its frames alike, so that of several frames only the first has a
    position where no group gives one.

    Parameters
    ----------
    dataset : Dataset
        What was read of a file.
    count : int
        How many frames were decoded; groups for more frames are ignored, frames without group have only what is
        shared.

    Returns
    -------
    list of Dataset
        `count` data sets, to be parsed by `read_header`.

    References
    ----------
    DICOM PS3.3 C.7.6.16, Multi-frame Functional Groups Module.
    """
    shared, groups = items(dataset, _GROUPS[0])[:1], items(dataset, _GROUPS[1])
    rest = [_picked(dataset, _OF_ALL_FRAMES)] * (count - 1) if count > 1 else []
    own = [dataset, *rest]
    if not groups and not shared:
        return own
    return [_flat(of_file, [*shared, *groups[k : k + 1]]) for k, of_file in enumerate(own)]


def _flat(of_file: Dataset, groups: list[Dataset]) -> Dataset:
    """Spread the attributes nested in functional groups over those of the file; later groups win.

    Private groups are left out: Philips' (2005,140F) repeats public attributes with other values.
    """
    nested, flat = Dataset(), Dataset()
    for group in groups:
        for tag in [tag for tag in list(group.keys()) if not tag.is_private]:
            for macro in items(group, tag)[:1]:
                nested.update(macro)
    _name_as_usual(nested)
    for tag in list(of_file.keys()):
        if tag not in _GROUP_TAGS:
            flat[tag] = of_file.get_item(tag)
    flat.update(nested)
    _name_as_usual(flat)
    return flat


def _name_as_usual(dataset: Dataset) -> None:
    """Copy what enhanced objects name in another way to its usual name."""
    for enhanced, name in _ENHANCED_NAMES.items():
        found = value(dataset, enhanced)
        if name not in dataset and found is not None and not isinstance(found, bytes):
            setattr(dataset, name, found)


def _picked(dataset: Dataset, names: tuple[str, ...]) -> Dataset:
    """Copy some attributes of a data set without parsing them."""
    flat = Dataset()
    for name in names:
        if name in dataset:
            element = dataset.get_item(name)
            flat[element.tag] = element
    return flat
