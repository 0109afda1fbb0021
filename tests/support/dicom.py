"""Small synthetic DICOM files: slices, series, enhanced multi-frame files, in every encoding we can write."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    EnhancedMRImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    MRImageStorage,
    RLELossless,
    generate_uid,
)
from support.lossless_jpeg import encode_lossless

NATIVE = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
)
COMPRESSED = (RLELossless, JPEGLSLossless, JPEG2000Lossless, JPEGLosslessSV1)
ORIENTATIONS = {
    "sagittal": (0, 1, 0, 0, 0, -1),
    "axial": (1, 0, 0, 0, 1, 0),
    "coronal": (1, 0, 0, 0, 0, -1),
}
CONTRASTS = {"t1": (500, 10), "t2": (3500, 100)}


def picture(
    seed: int = 0,
    shape: tuple[int, ...] = (32, 36),
    dtype: DTypeLike = np.uint16,
    low: int = 0,
    high: int = 4095,
) -> NDArray:
    """Random stored values that use the whole range."""
    values = np.random.default_rng(seed).integers(low, high + 1, shape).astype(dtype)
    values.flat[:2] = low, high
    return values


def make_slice(
    pixels: NDArray | None = None,
    plane: str = "sagittal",
    place: float = 0.0,
    contrast: str = "t2",
    number: int = 1,
    study: str = "1.2.3",
    series: str = "1.2.3.1",
    **attributes: Any,
) -> Dataset:
    """One image.

    Parameters
    ----------
    pixels : (rows, columns) int
        Stored values; by default a picture that depends on `number`.
    plane : str
        A name in ORIENTATIONS.
    place : float
        Position along the axis that the plane's normal runs along, mm.
    contrast : str
        A name in CONTRASTS.
    attributes
        Set, or with None removed, at the end.
    """
    pixels = picture(number) if pixels is None else pixels
    dataset = Dataset()
    dataset.SOPClassUID = MRImageStorage
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=[study, series, str(number), plane, str(place)])
    dataset.Modality = "MR"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
    dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate = "Secret^Name", "SECRET-7", "19510203"
    dataset.PatientAge, dataset.PatientSex = "057Y", "F"
    dataset.InstanceNumber = number
    dataset.ImageOrientationPatient = list(ORIENTATIONS[plane])
    position = {"sagittal": [place, -80, 90], "axial": [-80, -90, place], "coronal": [-80, place, 90]}[plane]
    dataset.ImagePositionPatient = position
    dataset.PixelSpacing = [0.5, 0.75]
    dataset.SliceThickness, dataset.SpacingBetweenSlices = 4, 4.5
    dataset.RepetitionTime, dataset.EchoTime = CONTRASTS[contrast]
    dataset.MagneticFieldStrength, dataset.FlipAngle = 1.5, 150
    dataset.EchoTrainLength, dataset.PixelBandwidth = 12, 200
    _set_pixels(dataset, pixels)
    for name, value in attributes.items():
        if value is not None:
            setattr(dataset, name, value)
        elif name in dataset:
            delattr(dataset, name)
    return dataset


def _set_pixels(dataset: Dataset, pixels: NDArray) -> None:
    bits = 8 * pixels.dtype.itemsize
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = pixels.shape[-2:]
    dataset.BitsAllocated, dataset.BitsStored = bits, 12 if bits == 16 else bits
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.PixelData = pixels.tobytes()
    dataset["PixelData"].VR = "OW" if bits > 8 else "OB"


def save(path: Path, dataset: Dataset, syntax: UID = ExplicitVRLittleEndian, bare: bool = False) -> Path:
    """Write a data set in an encoding; `bare` without preamble and meta header."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    syntax = UID(syntax)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = syntax if syntax in NATIVE else ExplicitVRLittleEndian
    if syntax == JPEGLosslessSV1:
        bits = int(dataset.BitsAllocated)
        frames = np.frombuffer(dataset.PixelData, np.uint8 if bits == 8 else "<u2")
        frames = frames.reshape(-1, dataset.Rows, dataset.Columns)
        dataset.PixelData = encapsulate([encode_lossless(frame, bits) for frame in frames])
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True
        dataset.file_meta.TransferSyntaxUID = syntax
    elif syntax not in NATIVE:
        dataset.compress(syntax, generate_instance_uid=False)
    elif syntax == ExplicitVRBigEndian and dataset.get("BitsAllocated", 0) > 8 and "PixelData" in dataset:
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
    if bare:
        del dataset.file_meta
        dataset.save_as(
            path,
            implicit_vr=syntax == ImplicitVRLittleEndian,
            little_endian=syntax != ExplicitVRBigEndian,
            enforce_file_format=False,
        )
    else:
        dataset.save_as(path, enforce_file_format=True)
    return path


def write_series(
    folder: Path,
    places: Sequence[float],
    plane: str = "sagittal",
    names: str = "{}.dcm",
    syntax: UID = ExplicitVRLittleEndian,
    **options: Any,
) -> list[Path]:
    """Write one slice per place, numbered from 1 in that order; the paths."""
    return [
        save(
            Path(folder) / names.format(k), make_slice(plane=plane, place=place, number=k, **options), syntax
        )
        for k, place in enumerate(places, start=1)
    ]


def make_enhanced(
    places: Sequence[float],
    pixels: NDArray | None = None,
    slopes: Sequence[float] | None = None,
    **attributes: Any,
) -> Dataset:
    """An enhanced multi-frame sagittal T2 image with one frame per place."""
    pixels = np.stack([picture(k) for k in range(len(places))]) if pixels is None else pixels
    dataset = make_slice(pixels, SOPClassUID=EnhancedMRImageStorage)
    for name in ("ImageOrientationPatient", "ImagePositionPatient", "PixelSpacing", "SliceThickness",
                 "SpacingBetweenSlices", "RepetitionTime", "EchoTime", "FlipAngle", "EchoTrainLength"):  # fmt: skip
        delattr(dataset, name)
    dataset.NumberOfFrames = len(places)
    dataset.SharedFunctionalGroupsSequence = [
        _nest(
            PlaneOrientationSequence={"ImageOrientationPatient": list(ORIENTATIONS["sagittal"])},
            PixelMeasuresSequence={
                "PixelSpacing": [0.5, 0.75],
                "SliceThickness": 4,
                "SpacingBetweenSlices": 4.5,
            },
            MRTimingAndRelatedParametersSequence={"RepetitionTime": 3500, "FlipAngle": 150},
            MREchoSequence={"EffectiveEchoTime": 100.0},
        )
    ]
    dataset.PerFrameFunctionalGroupsSequence = [
        _nest(
            PlanePositionSequence={"ImagePositionPatient": [place, -80, 90]},
            **(
                {"PixelValueTransformationSequence": {"RescaleSlope": slopes[k], "RescaleIntercept": 0}}
                if slopes
                else {}
            ),
        )
        for k, place in enumerate(places)
    ]
    for name, value in attributes.items():
        setattr(dataset, name, value)
    return dataset


def _nest(**groups: dict[str, Any]) -> Dataset:
    result = Dataset()
    for name, values in groups.items():
        inner = Dataset()
        for key, value in values.items():
            setattr(inner, key, value)
        setattr(result, name, [inner])
    return result
