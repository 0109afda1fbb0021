"""Images of Dixon sequences: never fat, never opposed phase."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.dicom import make_slice, picture, save

from lsdc.cohort import Study, View, discover, read_study
from lsdc.cohort.dicom.dixon import dixon_hint, dixon_part

T2 = View.SAGITTAL_T2


@pytest.mark.parametrize(
    ("part", "description", "image_type"),
    [
        ("fat", "t2_tse_dixon_sag_F", ""),
        ("in-phase", "t2_tse_dixon_sag_in", ""),
        ("opposed-phase", "t2_tse_dixon_sag_opp", ""),
        ("water", "Sag T2 IDEAL WATER", ""),
        ("fat", "FAT: Ax T2 FSE IDEAL", ""),
        ("water", "t2 sag", "DERIVED\\PRIMARY\\DIXON\\WATER"),
        ("fat", "t2_tse_dixon_sag_W", "DERIVED\\PRIMARY\\DIXON\\FAT"),
        ("in-phase", "", "DERIVED\\PRIMARY\\DIXON\\IN_PHASE"),
        ("", "T2W_mDIXON_TSE SAG", ""),
        ("fat", "FAT:Sag T2", "ORIGINAL\\PRIMARY\\OTHER"),
        ("water", "WATER:Sag T2", ""),
        ("in-phase", "InPhase:Sag T2", ""),
        ("opposed-phase", "OutPhase: Sag T2", ""),
        ("fat", "t1 graisse", ""),
        ("in-phase", "t1 en phase", ""),
        ("opposed-phase", "t1 opposition de phase", ""),
        ("fat", "T1 WFS sag Fat", ""),
        ("", "t2_tse_sag", "ORIGINAL\\PRIMARY\\F\\NORMAL"),
        ("", "t2 sag F", ""),
    ],
)
def test_dixon_parts(part: str, description: str, image_type: str) -> None:
    assert dixon_part(description, image_type) == part


@pytest.mark.parametrize(
    "description",
    [
        "T1 SAG SATURATION DE GRAISSE",
        "T1 dixon fat sat",
        "t1 sag suppression de graisse",
        "t1 sag sans graisse",
    ],
)
def test_suppressed_fat_is_no_image_of_fat(description: str) -> None:
    assert dixon_part(description, "") == ""


@pytest.mark.parametrize(
    ("part", "description", "image_type"),
    [("fat", "t2_tse_sag_F", ""), ("water", "t2_tse_sag W", ""), ("in-phase", "t2 sag in", ""), ("", "sag T2W", ""),
     ("fat", "t2 sag", "ORIGINAL\\PRIMARY\\F\\NORMAL"), ("", "t2_tse_sag", ""), ("", "t2_tse_sag_fs", "")],
)  # fmt: skip
def test_hints(part: str, description: str, image_type: str) -> None:
    assert dixon_hint(description, image_type) == part


def write(folder: Path, name: str, description: str, seed: int, shift: float = 0.0, **options: Any) -> None:
    for k in range(4):
        dataset = make_slice(
            picture(10 * seed + k), place=4.0 * k + shift, number=k, series=f"1.2.3.{name}", PixelSpacing=[8.0, 8.0],
            SeriesDescription=description, **options,
        )  # fmt: skip
        save(folder / name / f"{k}.dcm", dataset)


def read(folder: Path) -> Study:
    (source,) = discover(folder).studies
    return read_study(source)


def views(study: Study) -> dict[str, tuple[View | None, str]]:
    return {item.series_id[-1]: (item.view, item.passed_over) for item in study.series}


@pytest.mark.parametrize("fat", ["t2_tse_sag_F", "t2_tse_sag fat"])
@pytest.mark.parametrize("other", ["t2_tse_sag_W", "t2_tse_sag_in", "t2_tse_sag"])
def test_a_letter_beside_another_series_of_the_same_places_tells_fat(
    tmp_path: Path, fat: str, other: str
) -> None:
    write(tmp_path, "1", fat, 1)
    write(tmp_path, "2", other, 2)
    assert views(read(tmp_path)) == {"1": (None, "fat image"), "2": (T2, "")}


def test_water_beside_fat_has_its_trait(tmp_path: Path) -> None:
    write(tmp_path, "1", "t2_tse_sag_F", 1)
    write(tmp_path, "2", "t2_tse_sag_W", 2)
    assert [sorted(item.traits) for item in read(tmp_path).series] == [[], ["water"]]


def test_in_phase_is_preferred_to_water_and_never_opposed_phase(tmp_path: Path) -> None:
    for k, end in enumerate(("F", "opp", "W", "in"), start=1):
        write(tmp_path, str(k), f"t2_tse_sag_{end}", k)
    found = views(read(tmp_path))
    assert [found[k][0] for k in "1234"] == [None, None, None, T2]
    assert [found[k][1] for k in "12"] == ["fat image", "opposed-phase image"]


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_a_letter_alone_says_nothing(tmp_path: Path, shift: float) -> None:
    write(tmp_path, "1", "t2_tse_sag_F", 1)
    if shift:
        write(tmp_path, "2", "t2_tse_sag_W", 2, shift)
    assert views(read(tmp_path))["1"] == (T2, "")


def test_image_types_of_one_letter_in_one_series(tmp_path: Path) -> None:
    for k in range(4):
        for letter in "FW":
            number = 2 * k + (letter == "W")
            dataset = make_slice(
                picture(number), place=4.0 * k, number=number, PixelSpacing=[8.0, 8.0], SeriesDescription="t2 sag",
                ImageType=["ORIGINAL", "PRIMARY", letter, letter],
            )  # fmt: skip
            save(tmp_path / f"{number}.dcm", dataset)
    (chosen,) = (item for item in read(tmp_path).series if item.view is not None)
    assert {item.instance_number % 2 for item in chosen.slices} == {1} and "water" in chosen.traits
