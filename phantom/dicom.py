"""Write a simulated series as DICOM files, with the habits of its vendor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, MRImageStorage, RLELossless

from lsdc.cohort.dicom.kinds import SIMULATOR
from lsdc.phantom.patient import Patient
from lsdc.phantom.series_plan import SeriesPlan, Vendor
from lsdc.runtime.artifact import atomic

_UID_ROOT = "2.25."


def series_dataset(
    patient: Patient, plan: SeriesPlan, vendor: Vendor, study_id: str, series_id: str
) -> Dataset:
    """Make the attributes that all files of a series share.

    Parameters
    ----------
    patient : Patient
        For age and sex.
    plan : SeriesPlan
        For description, timing, thickness and phase axis.
    vendor : Vendor
        For the manufacturer's name.
    study_id, series_id : str
        Digits; they form the UIDs, and the study's id is the patient's.

    Returns
    -------
    pydicom.Dataset
        Without pixels or position.
    """
    dataset = Dataset()
    dataset.SOPClassUID = MRImageStorage
    dataset.Modality = "MR"
    dataset.Manufacturer = vendor.name
    dataset.ManufacturerModelName = SIMULATOR
    dataset.SeriesDescription = plan.name
    dataset.PatientID = study_id
    dataset.PatientName = f"Phantom^{study_id}"
    dataset.PatientAge = f"{int(patient.age):03d}Y"
    dataset.PatientSex = "M" if patient.male else "F"
    dataset.PatientPosition = "HFS"
    dataset.StudyInstanceUID = f"{_UID_ROOT}{study_id}"
    dataset.SeriesInstanceUID = f"{_UID_ROOT}{study_id}{series_id}"
    dataset.FrameOfReferenceUID = f"{_UID_ROOT}{study_id}1"
    contrast = plan.contrast
    dataset.ScanningSequence = ["SE", "IR"] if contrast.ti else "SE"
    dataset.SequenceVariant = "SK"
    dataset.RepetitionTime = f"{contrast.tr:.1f}"
    dataset.EchoTime = f"{contrast.te:.2f}"
    if contrast.ti:
        dataset.InversionTime = f"{contrast.ti:.0f}"
    dataset.EchoTrainLength = contrast.echo_train
    dataset.MagneticFieldStrength = f"{contrast.field:g}"
    dataset.FlipAngle = "150"
    dataset.SliceThickness = f"{plan.thickness:.2f}"
    dataset.SpacingBetweenSlices = f"{plan.thickness + plan.gap:.3f}"
    dataset.InPlanePhaseEncodingDirection = "COL" if plan.phase_axis == 0 else "ROW"
    return dataset


def write_series(
    folder: Path, shared: Dataset, plan: SeriesPlan, vendor: Vendor, images: list[NDArray[np.float32]],
    syntax: str,
) -> None:  # fmt: skip
    """Write one DICOM file per slice, named by its instance number, from 1.

    Parameters
    ----------
    folder : Path
        Of the series.
    shared : pydicom.Dataset
        From `series_dataset`.
    plan : SeriesPlan
        For the positions of the slices.
    vendor : Vendor
        For pixel type and scale.
    images : list of (rows, columns) float32
        In the order of the plan's planes; one scale is used for all.
    syntax : str
        Transfer syntax: `explicit`, `implicit` (both little endian) or `rle`.
    """
    scale = vendor.peak / max(float(np.percentile(np.stack([image[::4, ::4] for image in images]), 99)), 1e-6)
    for number, (image, plane) in enumerate(zip(images, plan.planes), start=1):
        dataset = Dataset()
        dataset.update(shared)
        dataset.SOPInstanceUID = f"{shared.SeriesInstanceUID}.{number}"
        dataset.InstanceNumber = number
        dataset.ImagePositionPatient = [f"{value:.4f}" for value in plane.origin]
        dataset.ImageOrientationPatient = [
            f"{v:.7f}" for v in (*plane.row_direction, *plane.column_direction)
        ]
        dataset.PixelSpacing = [f"{value:.6f}" for value in plane.spacing]
        _pixels(dataset, image * scale, vendor)
        _save(folder / f"{number}.dcm", dataset, syntax)


def _pixels(dataset: Dataset, values: NDArray[np.float32], vendor: Vendor) -> None:
    """Store pixel values in the vendor's type, with window and rescale attributes."""
    top = 32767 if vendor.signed or vendor.peak > 4000 else 4095
    stored = np.clip(np.rint(values), 0, top).astype("<i2" if vendor.signed else "<u2")
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = stored.shape
    dataset.BitsAllocated = 16
    dataset.BitsStored = 16 if top > 4095 else 12
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(vendor.signed)
    if vendor.rescale:
        dataset.RescaleSlope, dataset.RescaleIntercept = "1.7", "0"
    dataset.WindowCenter, dataset.WindowWidth = str(int(vendor.peak / 2)), str(int(vendor.peak))
    dataset.PixelData = stored.tobytes()


def _save(path: Path, dataset: Dataset, syntax: str) -> None:
    """Write a file with its meta header in the transfer syntax, whole or not at all."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ImplicitVRLittleEndian if syntax == "implicit" else ExplicitVRLittleEndian
    dataset.file_meta = meta
    dataset["PixelData"].VR = "OW"
    if syntax == "rle":
        dataset.compress(RLELossless, generate_instance_uid=False)
    with atomic(path) as temporary:
        dataset.save_as(temporary, enforce_file_format=True)
