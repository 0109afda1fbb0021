"""Series that real exports hold: which of them are read, joined and chosen, and what is said of the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from support.dicom import make_enhanced, make_slice, picture, save, write_series
from support.made_study import sagittal

from lsdc.cohort import Study, View, discover, joined_series, read_study
from lsdc.cohort.study import Series

T1, T2, AXIAL = View.SAGITTAL_T1, View.SAGITTAL_T2, View.AXIAL_T2
SPINE: dict[str, Any] = {"PixelSpacing": [8.0, 8.0]}
"""A field of 256 by 288 mm, as one of the lumbar spine."""


def write(
    folder: Path, series: str, places: Sequence[float] = (-8, -4, 0, 4, 8), seed: int = 1, **options: Any
) -> None:
    write_series(
        folder / series, places, series=f"1.2.3.{series}", pixels=picture(seed), **{**SPINE, **options}
    )


def move(dataset: Dataset, up: float) -> Dataset:
    x, y, z = dataset.ImagePositionPatient
    dataset.ImagePositionPatient = [float(x), float(y), float(z) + up]
    return dataset


def write_moved(folder: Path, series: str, up: float, slices: int = 5, **options: Any) -> None:
    for k in range(slices):
        dataset = make_slice(
            place=4.0 * k - 8, number=k + 1, series=f"1.2.3.{series}", **{**SPINE, **options}
        )
        save(folder / series / f"{k}.dcm", move(dataset, up))


def read(folder: Path) -> Study:
    (source,) = discover(folder).studies
    return read_study(source)


def of(study: Study, series: str) -> Series:
    return next(item for item in study.series if item.series_id == f"1.2.3.{series}")


def test_a_neck_beside_the_lumbar_spine_is_passed_over_by_its_words(tmp_path: Path) -> None:
    write(tmp_path, "1", SeriesDescription="T2 SAG L-SPINE")
    write_moved(tmp_path, "2", 420, slices=9, SeriesDescription="T2 SAG C-SPINE", BodyPartExamined="CSPINE")
    study = read(tmp_path)
    assert of(study, "1").view is T2
    assert of(study, "2").view is None and of(study, "2").passed_over == "another region"


def test_a_neck_that_only_a_code_names_gives_way_to_the_lumbar_spine(tmp_path: Path) -> None:
    write(tmp_path, "1")
    write_moved(tmp_path, "2", 420, slices=9, BodyPartExamined="CSPINE")
    study = read(tmp_path)
    assert [of(study, k).view for k in "12"] == [T2, None]
    assert of(study, "2").passed_over == "lies elsewhere than the other views"


def test_a_code_alone_excludes_nothing(tmp_path: Path) -> None:
    write(tmp_path, "1", BodyPartExamined="CSPINE")
    (series,) = read(tmp_path).series
    assert series.view is T2 and "other_region" in series.traits


def test_a_copy_that_is_no_view_does_not_replace_one(tmp_path: Path) -> None:
    write(tmp_path, "1", SeriesDescription="localizer")
    write(tmp_path, "2", SeriesDescription="T2 sag")
    study = read(tmp_path)
    assert of(study, "2").view is T2 and of(study, "1").passed_over == "localizer"


def test_stations_of_one_series_are_told_apart(tmp_path: Path) -> None:
    tilted = [0.02, 0.9998, 0, 0.0, 0, -1]
    for station, up in enumerate((0, 260)):
        for k in range(6):
            dataset = make_slice(
                picture(k + station),
                place=4.0 * k,
                number=k + 6 * station,
                ImageOrientationPatient=tilted,
                **SPINE,
            )
            x, y, z = dataset.ImagePositionPatient
            dataset.ImagePositionPatient = [float(x) + station * 1.7, float(y), float(z) + up]
            save(tmp_path / f"{station}_{k}.dcm", dataset)
    assert [len(item.slices) for item in read(tmp_path).series] == [6, 6]


def test_slices_much_closer_than_the_header_says_are_flagged(tmp_path: Path) -> None:
    write_series(tmp_path, np.arange(0, 20, 2.0).tolist())
    assert "crowded" in read(tmp_path).series[0].flags


def test_different_images_at_the_same_places_are_flagged(tmp_path: Path) -> None:
    for k in range(12):
        save(tmp_path / f"{k}.dcm", make_slice(picture(k), place=4.0 * (k % 6), number=k, **SPINE))
    (series,) = read(tmp_path).series
    assert len(series.slices) == 6 and "crowded" in series.flags
    (problem,) = read(tmp_path).problems
    assert problem.reason == "slices of one series lie much closer than its header says, or at one place"


def test_axial_images_made_of_others_give_way_to_originals(tmp_path: Path) -> None:
    write(tmp_path, "1", plane="axial", SeriesDescription="T2 ax")
    made = {"ImageType": ["DERIVED", "SECONDARY", "MPR"], "SpacingBetweenSlices": 1}
    write(
        tmp_path, "2", np.arange(-9, 10, 1.0).tolist(), 2, plane="axial", SeriesDescription="T2 MPR", **made
    )
    study = read(tmp_path)
    assert [of(study, k).view for k in "12"] == [AXIAL, None]
    assert "made from other images" in of(study, "2").passed_over


@pytest.mark.parametrize("modality", ["MRI", "RM", "IRM", "mr"])
def test_other_names_of_mr_are_read_and_flagged(tmp_path: Path, modality: str) -> None:
    write(tmp_path, "1", Modality=modality)
    (series,) = read(tmp_path).series
    assert series.view is T2 and "odd_header" in series.flags


def test_a_contrast_in_cyrillic_letters(tmp_path: Path) -> None:
    unknown: dict[str, Any] = {"EchoTime": None, "RepetitionTime": None, "SpecificCharacterSet": "ISO_IR 192"}
    write(tmp_path, "1", SeriesDescription="Т2 САГ", **unknown)
    assert read(tmp_path).series[0].view is T2


@pytest.mark.parametrize(
    ("field", "odd"), [(288, False), (256, False), (300, False), (216, True), (360, True)]
)
def test_a_spacing_that_contradicts_the_field_of_view_is_flagged(
    tmp_path: Path, field: float, odd: bool
) -> None:
    write(tmp_path, "1", ReconstructionDiameter=field)
    assert ("odd_field" in read(tmp_path).series[0].flags) is odd


def test_where_nothing_tells_two_parts_of_the_patient_apart_both_stay(tmp_path: Path) -> None:
    write(tmp_path, "1")
    write_moved(tmp_path, "2", 420)
    assert [item.view for item in read(tmp_path).series] == [T2, T2]


def test_the_whole_spine_gives_way_to_the_lumbar_spine(tmp_path: Path) -> None:
    write(tmp_path, "1", SeriesDescription="T2 sag")
    tall = picture(1, (96, 36))
    for k in range(9):
        whole = make_slice(tall, place=4.0 * k - 16, number=k, series="1.2.3.2", PixelSpacing=[8.0, 8.0])
        save(tmp_path / "2" / f"{k}.dcm", move(whole, 512))
    study = read(tmp_path)
    assert of(study, "1").view is T2 and of(study, "2").view is None
    assert "shows much more than the lumbar spine" in of(study, "2").passed_over


def test_plain_images_are_preferred_to_more_slices(tmp_path: Path) -> None:
    write(tmp_path, "1", contrast="t1", SeriesDescription="T1 SAG")
    more = np.arange(-16, 17, 4.0).tolist()
    agent = {"SeriesDescription": "T1 SAG FS POST GD", "ContrastBolusAgent": "GADOLINIUM"}
    write(tmp_path, "2", more, 2, contrast="t1", **agent)
    write(tmp_path, "3", SeriesDescription="T2 SAG")
    write(tmp_path, "4", more, 2, SeriesDescription="SAG STIR", InversionTime=160)
    study = read(tmp_path)
    assert [of(study, k).view for k in "1234"] == [T1, None, T2, None]
    assert "contrast agent" in of(study, "2").passed_over


def test_after_contrast_is_better_than_nothing_and_is_flagged(tmp_path: Path) -> None:
    write(tmp_path, "2", contrast="t1", SeriesDescription="T1 SAG FS POST GD")
    (series,) = read(tmp_path).series
    assert series.view is T1 and {"contrast_agent", "fat_saturated"} <= series.traits


@pytest.mark.parametrize("place", ["one series", "four series"])
def test_of_dixon_images_never_fat(tmp_path: Path, place: str) -> None:
    number = 0
    for k, kind in enumerate(("FAT", "IN_PHASE", "OUT_PHASE", "WATER")):
        for x in (-8, -4, 0, 4, 8):
            number += 1
            dataset = make_slice(
                picture(number), place=x, number=number, SeriesDescription="t2_tse_dixon_sag",
                series="1.2.3.1" if place == "one series" else f"1.2.3.{k}",
                ImageType=["DERIVED", "PRIMARY", "DIXON", kind], **SPINE,
            )  # fmt: skip
            save(tmp_path / f"{number}.dcm", dataset)
    study = read(tmp_path)
    assert [sorted(item.traits) for item in study.series if item.view is T2] == [["in_phase"]]
    assert sorted(item.passed_over.split(";")[0] for item in study.series if item.view is None) == [
        "fat image", "opposed-phase image", "with suppressed fat or a contrast agent",
    ]  # fmt: skip


def test_one_uid_for_all_series_is_split_by_what_they_show(tmp_path: Path) -> None:
    for number, (name, contrast, plane) in enumerate(
        [("T1 sag", "t1", "sagittal"), ("T2 sag", "t2", "sagittal"), ("T2 ax", "t2", "axial")], start=2
    ):
        for k in range(4):
            dataset = make_slice(
                picture(10 * number + k), place=4.0 * k, contrast=contrast, plane=plane, number=k,
                series="1.2.3.9", SeriesDescription=name, SeriesNumber=number, **SPINE,
            )  # fmt: skip
            save(tmp_path / f"{number}_{k}.dcm", dataset)
    assert [(item.view, len(item.slices)) for item in read(tmp_path).series] == [(T1, 4), (T2, 4), (AXIAL, 4)]


@pytest.mark.parametrize("every", [2, 1])
def test_a_stack_under_several_uids_is_one_stack(tmp_path: Path, every: int) -> None:
    for k in range(8):
        uid = f"1.2.3.{k % every if every > 1 else k}"
        dataset = make_slice(place=4.5 * k, number=k, series=uid, **SPINE)
        save(tmp_path / f"{k}.dcm", dataset)
    (series,) = read(tmp_path).series
    assert len(series.slices) == 8 and series.view is T2 and "joined" in series.flags
    assert series.metadata["spacing_between_slices_mm"] == pytest.approx(4.5)


def test_images_of_a_joined_series_keep_the_id_under_which_they_are_stored(tmp_path: Path) -> None:
    """Two axial blocks, each counted from one: only with its own id does a number name one image."""
    for block in range(2):
        for k in range(4):
            dataset = make_slice(
                picture(10 * block + k), place=4.5 * (4 * block + k), plane="axial", number=k + 1,
                series=f"1.2.3.{block}", **SPINE,
            )  # fmt: skip
            save(tmp_path / f"{block}_{k}.dcm", dataset)
    (series,) = read(tmp_path).series
    ids = [series.stored_in(k) for k in range(8)]
    assert ids == ["1.2.3.0"] * 4 + ["1.2.3.1"] * 4
    assert [item.instance_number for item in series.slices] == [1, 2, 3, 4, 1, 2, 3, 4]


def test_two_acquisitions_between_each_other_stay_two(tmp_path: Path) -> None:
    write(tmp_path, "1", [0, 4.5, 9, 13.5])
    write(tmp_path, "2", [2, 6.5, 11, 15.5], 2)
    study = read(tmp_path)
    assert [len(item.slices) for item in study.series] == [4, 4] and [item.view for item in study.series] == [
        T2,
        None,
    ]


def test_an_exact_copy_counts_once(tmp_path: Path) -> None:
    write(tmp_path, "1")
    write(tmp_path, "2")
    study = read(tmp_path)
    assert of(study, "1").view is T2 and of(study, "2").passed_over == "an exact copy of another series"


def test_pictures_of_many_series_at_the_same_places_are_compared_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Hashing both series of each pair took a minute for a study of fifty."""
    asked: list[str] = []
    pictures = joined_series._pictures

    def counted(series: Series) -> set[bytes]:
        asked.append(series.series_id)
        return pictures(series)

    monkeypatch.setattr(joined_series, "_pictures", counted)
    one = sagittal(xs=range(3))
    bright = replace(one, slices=tuple(replace(item, pixels=item.pixels + 1) for item in one.slices))
    elsewhere = sagittal(xs=range(50, 53))
    given = [
        replace(item, series_id=str(k)) for k, item in enumerate([one, bright, one, bright, one, elsewhere])
    ]
    copies = [item.passed_over == joined_series.COPY for item in joined_series.join_series(given)]
    assert copies == [False, False, True, True, True, False]
    assert sorted(asked) == ["0", "1", "2", "3", "4"]


def test_images_taken_again_and_again_are_no_view(tmp_path: Path) -> None:
    for k in range(12):
        save(tmp_path / f"{k}.dcm", make_slice(place=4.0 * (k % 3), number=k))
    (series,) = read(tmp_path).series
    assert series.view is None and series.passed_over == "repeated images"


def test_frames_of_one_place_are_no_view(tmp_path: Path) -> None:
    save(tmp_path / "x.dcm", make_enhanced([0.0] * 6))
    (series,) = read(tmp_path).series
    assert series.view is None and series.passed_over == "all images at one place"


def test_a_private_position_never_overrides_the_public_one(tmp_path: Path) -> None:
    dataset = make_enhanced([0, 4, 8])
    for frame in dataset.PerFrameFunctionalGroupsSequence:
        inner = Dataset()
        inner.ImagePositionPatient = [1000, 1000, 1000]
        frame.private_block(0x2005, "Philips MR Imaging DD 005", create=True).add_new(0x0F, "SQ", [inner])
    save(tmp_path / "x.dcm", dataset)
    assert [item.plane.origin[0] for item in read(tmp_path).series[0].slices] == [0, 4, 8]


def test_a_scout_of_three_planes_needs_no_name(tmp_path: Path) -> None:
    for plane in ("sagittal", "axial", "coronal"):
        for k in range(3):
            save(tmp_path / f"{plane}{k}.dcm", make_slice(plane=plane, place=20.0 * k, number=k, **SPINE))
    assert {item.passed_over for item in read(tmp_path).series} == {"localizer"}


@pytest.mark.parametrize(
    ("attributes", "spacing"),
    [({"PixelSpacing": ("UT", "0,5\\0,75")}, (0.5, 0.75)), ({"PixelSpacing": ("LO", "0.6")}, (0.6, 0.6)),
     ({"Modality": ("CS", "mr")}, (0.5, 0.75))],
)  # fmt: skip
def test_odd_headers_are_read_and_flagged(
    tmp_path: Path, attributes: dict[str, tuple[str, str]], spacing: tuple[float, float]
) -> None:
    for k in range(3):
        dataset = make_slice(place=4.0 * k, number=k)
        for name, (vr, value) in attributes.items():
            del dataset[name]
            dataset.add_new(name, vr, value)
        save(tmp_path / f"{k}.dcm", dataset)
    (series,) = read(tmp_path).series
    assert series.view is T2 and "odd_header" in series.flags and series.slices[0].plane.spacing == spacing


def test_a_spacing_that_no_scanner_has_is_no_spacing(tmp_path: Path) -> None:
    write_series(tmp_path, [0, 4, 8], PixelSpacing=[0.011, 0.011])
    assert "no_pixel_spacing" in read(tmp_path).series[0].flags
