from __future__ import annotations

from typing import Any

import pytest
from pydicom.dataset import Dataset

from lsdc.cohort.dicom.headers import Header, read_header
from lsdc.cohort.dicom.kinds import kind_of, object_kind, shown_by, traits_of


def header(**attributes: Any) -> Header:
    dataset = Dataset()
    for name, value in attributes.items():
        setattr(dataset, name, value)
    return read_header(dataset)


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [
        ("", {"SeriesDescription": "t2_tse_sag", "ImageType": ["ORIGINAL", "PRIMARY", "M", "ND", "NORM"]}),
        ("localizer", {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}),
        ("localizer", {"ProtocolName": "Localizer", "SeriesDescription": "sag"}),
        ("mosaic", {"ImageType": ["ORIGINAL", "PRIMARY", "M", "MOSAIC"]}),
        ("diffusion", {"DiffusionBValue": 800.0}),
        ("", {"DiffusionBValue": 0.0}),
        ("diffusion", {"SequenceName": "*ep_b1000t"}),
        ("diffusion", {"AcquisitionContrast": "DIFFUSION"}),
        ("map", {"ImageType": ["DERIVED", "PRIMARY", "ADC"]}),
        ("map", {"ImageType": ["ORIGINAL", "PRIMARY", "METABOLITE_MAP", "NONE"]}),
        ("phase image", {"ComplexImageComponent": "PHASE"}),
        ("phase image", {"ImageType": ["ORIGINAL", "PRIMARY", "P", "ND"]}),
        ("projection", {"ImageType": ["DERIVED", "SECONDARY", "PROJECTION IMAGE"]}),
        ("fat image", {"ImageType": ["DERIVED", "PRIMARY", "DIXON", "FAT"]}),
        ("opposed-phase image", {"ImageType": ["DERIVED", "PRIMARY", "DIXON", "OUT_PHASE"]}),
        ("another region", {"SeriesDescription": "T2 SAG C-SPINE", "BodyPartExamined": "LSPINE"}),
        ("another region", {"ProtocolName": "HWS", "BodyPartExamined": "CSPINE"}),
        ("", {"BodyPartExamined": "CSPINE"}),
        ("", {"SeriesDescription": "SAG T2 FSE", "ProtocolName": "L-SPINE DWI"}),
        ("diffusion", {"SeriesDescription": "sag", "ProtocolName": "L-SPINE DWI"}),
        ("map", {"ImageType": ["DERIVED", "SECONDARY", "T2_MAP"]}),
        ("map", {"ImageType": ["ORIGINAL", "PRIMARY", "T2*MAP"]}),
        ("subtraction", {"ImageType": ["DERIVED", "SECONDARY", "SUBTRACTED"]}),
        ("screen capture", {"ImageType": ["DERIVED", "SECONDARY", "SCREEN_SAVE"]}),
        ("screen capture", {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}),
        ("", {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7", "ImagePositionPatient": [0, 0, 0]}),
    ],
)
def test_kinds(kind: str, attributes: dict[str, Any]) -> None:
    assert kind_of(header(**attributes)) == kind


def test_objects_that_are_no_images() -> None:
    assert object_kind("1.2.840.10008.5.1.4.1.1.4.2", placed=True) == "spectroscopy"
    assert object_kind("1.2.840.10008.5.1.4.1.1.66", placed=False) == "raw data"
    assert object_kind("1.2.840.10008.5.1.4.1.1.4", placed=True) == ""


def test_traits() -> None:
    agent = header(ContrastBolusAgent="GADOLINIUM", ScanOptions="FS", SeriesDescription="T1 L-SPINE")
    assert traits_of(agent) == {"contrast_agent", "fat_saturated", "lumbar"}
    assert traits_of(header(ContrastBolusAgent="NONE")) == frozenset()
    assert traits_of(header(BodyPartExamined="CSPINE")) == {"other_region"}
    assert traits_of(header(SeriesDescription="T1 SAG", ProtocolName="LUMBAR WITH CONTRAST")) == {"lumbar"}
    assert traits_of(header(ImageType=["DERIVED", "SECONDARY", "MPR"])) == {"derived"}
    assert traits_of(header(InversionTime=160)) == {"inversion"}
    assert traits_of(header(ManufacturerModelName="lsdc phantom")) == {"simulated"}
    assert traits_of(header(ManufacturerModelName="Ingenia")) == frozenset()
    assert traits_of(header(ImageType=["DERIVED", "PRIMARY", "DIXON", "WATER"])) == {"water"}


@pytest.mark.parametrize(
    ("said", "given"),
    [("Without contrast", False), ("NC", False), ("nativ", False), ("0 ml", False), ("0.0", False), ("---", False),
     ("Gadovist 7 ml", True), ("10 ml", True), ("Nonionic", True), ("Dotarem without delay", True)],
)  # fmt: skip
def test_what_the_attribute_of_agents_says(said: str, given: bool) -> None:
    assert ("contrast_agent" in traits_of(header(ContrastBolusAgent=said))) == given


def test_images_of_one_uid_are_told_apart_by_number_and_description() -> None:
    images = [(header(SeriesNumber=2 + k // 3, SeriesDescription=f"s{k // 3}"), k) for k in range(6)]
    assert shown_by(images) == [("", [0, 1, 2]), ("", [3, 4, 5])]


def test_an_image_that_lost_its_description_stays_with_the_others() -> None:
    images = [(header(SeriesNumber=2, SeriesDescription="" if k == 1 else "t2"), k) for k in range(4)]
    images.append((header(), 4))
    assert shown_by(images) == [("", [0, 1, 2, 3, 4])]


def test_descriptions_that_differ_in_every_image_say_nothing() -> None:
    assert shown_by([(header(SeriesDescription=f"t2 {k}"), k) for k in range(6)]) == [("", list(range(6)))]


def test_unweighted_images_of_a_diffusion_series_are_of_it() -> None:
    images = [(header(SeriesDescription="x", DiffusionBValue=float(b)), b) for b in (0, 0, 800, 800)]
    assert shown_by(images) == [("diffusion", [0, 0, 800, 800])]
