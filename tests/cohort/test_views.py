from __future__ import annotations

import math
from typing import Any

import pytest
from pydicom.dataset import Dataset

from lsdc.cohort.dicom.headers import Header, read_header
from lsdc.cohort.dicom.views import describe_view, guess_view
from lsdc.cohort.geometry import Axes, plane_of
from lsdc.cohort.vocabulary import View

T1, T2, AXIAL = View.SAGITTAL_T1, View.SAGITTAL_T2, View.AXIAL_T2
SAGITTAL_AXES = ((0, 1, 0), (0, 0, -1))
AXIAL_AXES = ((1, 0, 0), (0, 1, 0))
CORONAL_AXES = ((1, 0, 0), (0, 0, -1))


@pytest.mark.parametrize(
    ("description", "view"),
    [
        ("Sagittal T1", T1),
        ("Sagittal T2/STIR", T2),
        ("Axial T2", AXIAL),
        ("SAG T1 FSE", T1),
        ("t1_tse_sag_320", T1),
        ("sagT1W", T1),
        ("T2 TSE SAG", T2),
        ("t2_space_sag", T2),
        ("t2_tirm_sag", T2),
        ("SAG STIR", T2),
        ("T2W_TSE_TRA", AXIAL),
        ("AX T2 OBL", AXIAL),
        ("oAx T2", AXIAL),
        ("AxT2", AXIAL),
        ("t2_tse_tra_msma", AXIAL),
        ("Sag T2 T12-S1", T2),
        ("AX T1", None),
        ("COR T2", None),
        ("T2 sag and tra", None),
        ("T1 T2 sag", None),
        ("localizer", None),
        ("PD sag", None),
        ("", None),
        (None, None),
    ],
)
def test_words(description: str | None, view: View | None) -> None:
    assert describe_view(description) is view


def header(echo: float | None = None, repetition: float | None = None, **attributes: Any) -> Header:
    dataset = Dataset()
    for name, value in (("EchoTime", echo), ("RepetitionTime", repetition), *attributes.items()):
        if value is not None:
            setattr(dataset, name, value)
    return read_header(dataset)


@pytest.mark.parametrize(
    ("axes", "echo", "repetition", "attributes", "view"),
    [
        (SAGITTAL_AXES, 10, 500, {}, T1),
        (SAGITTAL_AXES, 10, None, {}, T1),
        (SAGITTAL_AXES, 100, 3500, {}, T2),
        (SAGITTAL_AXES, 124, 1000, {}, T2),
        (SAGITTAL_AXES, 40, 4000, {"InversionTime": 160}, T2),
        (SAGITTAL_AXES, 12, 2200, {"InversionTime": 860}, T1),
        (SAGITTAL_AXES, 30, 2500, {}, None),
        (SAGITTAL_AXES, 900, 8000, {}, None),
        (SAGITTAL_AXES, 4, 12, {"ScanningSequence": "GR"}, None),
        (SAGITTAL_AXES, 80, 5000, {"ScanningSequence": ["EP", "SE"]}, None),
        (SAGITTAL_AXES, 10, 500, {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, None),
        (SAGITTAL_AXES, 10, 500, {"SeriesDescription": "3-plane localizer"}, None),
        (SAGITTAL_AXES, None, None, {}, None),
        (SAGITTAL_AXES, None, None, {"SeriesDescription": "T1 lumbar"}, T1),
        (AXIAL_AXES, 100, 4000, {}, AXIAL),
        (AXIAL_AXES, 10, 500, {}, None),
        (AXIAL_AXES, 60, 3000, {"SeriesDescription": "tra PD TSE FS"}, None),
        (AXIAL_AXES, 90, 3000, {"SeriesDescription": "tra PD T2 TSE"}, AXIAL),
        (AXIAL_AXES, 100, 4000, {"SeriesDescription": "T2 SAG reformatted"}, AXIAL),
        (CORONAL_AXES, 100, 4000, {}, None),
        (None, 100, 4000, {"SeriesDescription": "ax lumbar"}, AXIAL),
        (None, 100, 4000, {}, None),
    ],
)
def test_numbers(
    axes: Axes | None,
    echo: float | None,
    repetition: float | None,
    attributes: dict[str, Any],
    view: View | None,
) -> None:
    assert guess_view(header(echo, repetition, **attributes), axes) is view


@pytest.mark.parametrize(("tilt", "plane"), [(0, "axial"), (45, "axial"), (58, "axial"), (65, "coronal")])
def test_a_tilted_lumbosacral_slice_is_axial(tilt: float, plane: str) -> None:
    assert plane_of((0, math.sin(math.radians(tilt)), math.cos(math.radians(tilt)))) == plane
