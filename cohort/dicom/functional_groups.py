"""Multi-frame files: the attributes of each frame, from the file's shared and per-frame functional groups."""

from __future__ import annotations

from pydicom.dataset import Dataset

from lsdc.cohort.dicom.headers import ACQUISITION_ATTRIBUTES
from lsdc.cohort.dicom.safe_attributes import items, value

_OF_ALL_FRAMES = (
    "Modality", "Rows", "Columns", "SeriesDescription", "ProtocolName", "BodyPartExamined", "PatientAge", "PatientSex",
    "MagneticFieldStrength", "ImageType", "ScanningSequence", "SequenceName", "ScanOptions", "EchoPulseSequence",
    "AcquisitionContrast", "ComplexImageComponent", "ContrastBolusAgent", "ContrastBolusAgentSequence", "SOPClassUID",
    "SeriesNumber", "FrameOfReferenceUID", "BurnedInAnnotation", "RescaleSlope", "RescaleIntercept",
)  # fmt: skip
_PLANE = ("ImageOrientationPatient", "PixelSpacing", "ReconstructionDiameter")
_ENHANCED_NAMES = {
    "EffectiveEchoTime": "EchoTime",
    "InversionTimes": "InversionTime",
    "EchoPulseSequence": "ScanningSequence",
}


def frame_datasets(dataset: Dataset, count: int) -> list[Dataset]:
    """Make one flat data set per frame, as if each frame were a file of its own.

    A file without functional groups describes all its frames alike; of several frames only the first then has
    a position.

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
    groups = items(dataset, "PerFrameFunctionalGroupsSequence")
    shared = items(dataset, "SharedFunctionalGroupsSequence")[:1]
    if not groups and not shared:
        names = (*_OF_ALL_FRAMES, *ACQUISITION_ATTRIBUTES.values(), *_PLANE)
        rest = [_picked(dataset, names)] if count > 1 else []
        return [dataset] + rest * (count - 1)
    return [_flat(dataset, [*shared, *groups[k : k + 1]]) for k in range(count)]


def _flat(dataset: Dataset, groups: list[Dataset]) -> Dataset:
    """Spread the attributes nested in functional groups over one data set; later groups win.

    Private groups are left out: Philips' (2005,140F) repeats public attributes with other values.
    """
    flat = _picked(dataset, _OF_ALL_FRAMES)
    for group in groups:
        for tag in [tag for tag in list(group.keys()) if not tag.is_private]:
            for macro in items(group, tag)[:1]:
                flat.update(macro)
    for enhanced, name in _ENHANCED_NAMES.items():
        found = value(flat, enhanced)
        if name not in flat and found is not None and not isinstance(found, bytes):
            setattr(flat, name, found)
    return flat


def _picked(dataset: Dataset, names: tuple[str, ...]) -> Dataset:
    """Copy some attributes of a data set without parsing them."""
    flat = Dataset()
    for name in names:
        if name in dataset:
            element = dataset.get_item(name)
            flat[element.tag] = element
    return flat
