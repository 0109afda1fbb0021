"""Files to studies where UIDs were lost, shared or multiplied: two patients are never one study."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydicom import config
from pydicom.uid import generate_uid
from support.dicom import make_slice, save

from lsdc.cohort import Cohort, discover, read_study

VIEWS = (("sagittal", "t1"), ("sagittal", "t2"), ("axial", "t2"))


def examine(folder: Path, patient: str, frame: str = "", **attributes: Any) -> None:
    """Write a study of three series; the patient decides on the name, the id, the UIDs and the frame of reference."""
    for plane, contrast in VIEWS:
        for k in range(3):
            dataset = make_slice(
                plane=plane, contrast=contrast, place=4.0 * k, number=k,
                study=generate_uid(entropy_srcs=[patient]),
                series=generate_uid(entropy_srcs=[patient, plane, contrast]),
                **{
                    "PatientID": patient, "PatientName": f"Name^{patient}", "PatientBirthDate": None,
                    "FrameOfReferenceUID": generate_uid(entropy_srcs=[frame or patient]),
                    **attributes,
                },
            )  # fmt: skip
            save(folder / f"{plane}_{contrast}" / f"{k}.dcm", dataset)


def sizes(cohort: Cohort) -> list[int]:
    return sorted(len(study.series) for study in cohort.studies)


def reasons(cohort: Cohort) -> list[str]:
    return [problem.reason for problem in cohort.problems]


SPLIT = "one StudyInstanceUID for 2 patients or examinations, as their headers say"


@pytest.mark.parametrize(
    "same",
    [
        {"PatientName": "A^B"},
        {"PatientID": "ANON"},
        {"PatientID": None, "PatientName": None},
        {"PatientID": "ANON", "PatientName": "ANON"},
    ],
    ids=[
        "ids differ",
        "names differ",
        "frames of reference differ, nobody is named",
        "frames of reference differ",
    ],
)
def test_one_study_uid_for_two_patients(tmp_path: Path, same: dict[str, Any]) -> None:
    for patient in ("one", "two"):
        examine(tmp_path / patient, patient, StudyInstanceUID="1.2.3.4", **same)
    cohort = discover(tmp_path)
    assert sizes(cohort) == [3, 3] and reasons(cohort) == [SPLIT]
    assert not any("one" in problem.reason.split()[1:] for problem in cohort.problems)
    assert [study.study_id for study in cohort.studies] == ["1.2.3.4", "1.2.3.4-2"]


@pytest.mark.parametrize(
    "name",
    [
        "PatientBirthDate",
        "PatientSex",
        "StudyDate",
        "PatientID",
        "PatientAge",
        "MagneticFieldStrength",
        "AcquisitionDate",
    ],
)
def test_birth_dates_sexes_days_and_ids_that_differ_are_two_examinations(tmp_path: Path, name: str) -> None:
    values: tuple[Any, Any] = {
        "PatientBirthDate": ("19510203", "19620304"), "PatientSex": ("F", "M"), "StudyDate": ("20240229", "20240301"),
        "PatientID": ("P1_12", "P11_2"), "PatientAge": ("057Y", "75Y"), "MagneticFieldStrength": (1.5, 30000),
        "AcquisitionDate": ("20240228", "20240301"),
    }[name]  # fmt: skip
    for folder, value in zip(("a", "b"), values):
        series: dict[str, Any] = {"SeriesInstanceUID": f"1.2.{folder == 'a':d}", name: value}
        examine(tmp_path / folder, "same", **series)
    assert len(discover(tmp_path).studies) == 2


def test_the_same_age_field_strength_and_night_written_otherwise_are_one_examination(tmp_path: Path) -> None:
    values: dict[str, tuple[Any, Any]] = {"PatientAge": ("057Y", "57Y"), "MagneticFieldStrength": (1.49, 15000),
              "AcquisitionDate": ("20240229", "20240301")}  # fmt: skip
    for k, folder in enumerate("ab"):
        examine(
            tmp_path / folder,
            "same",
            SeriesInstanceUID=f"1.2.{k}",
            **{name: pair[k] for name, pair in values.items()},
        )
    assert len(discover(tmp_path).studies) == 1


def test_each_view_twice_of_nobody_in_one_folder_is_recorded(tmp_path: Path) -> None:
    lost: dict[str, Any] = {
        "PatientID": "ANON",
        "PatientName": "ANON",
        "PatientBirthDate": None,
        "FrameOfReferenceUID": None,
    }
    for patient in ("one", "two"):
        examine(tmp_path / patient, patient, StudyInstanceUID="1.2.3.4", **lost)
        for k, path in enumerate(sorted((tmp_path / patient).rglob("*.dcm"))):
            path.rename(tmp_path / f"{patient}{k}.dcm")
    assert reasons(discover(tmp_path)) == ["all three views are there twice, and no header says of whom"]


def test_where_nothing_tells_them_apart_there_is_a_record(tmp_path: Path) -> None:
    for patient in ("one", "two"):
        examine(
            tmp_path / patient,
            patient,
            "same",
            StudyInstanceUID="1.2.3.4",
            PatientID="ANON",
            PatientName="ANON",
        )
    cohort = discover(tmp_path)
    assert reasons(cohort) == ["2 folders share one StudyInstanceUID, and each looks like a whole study"]


def test_a_study_exported_twice_is_no_case_for_a_record(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        examine(tmp_path / folder, "one")
    cohort = discover(tmp_path)
    assert sizes(cohort) == [3] and not cohort.problems
    assert [len(series.slices) for series in read_study(cohort.studies[0]).series] == [3, 3, 3]


@pytest.mark.parametrize("uid", ["ANONYMIZED", ""])
@pytest.mark.parametrize("export", ["", "export/2024"])
def test_a_word_or_nothing_for_all_uids(tmp_path: Path, uid: str, export: str) -> None:
    for patient in ("one", "two"):
        lost = {"StudyInstanceUID": uid, "SeriesInstanceUID": uid, "FrameOfReferenceUID": uid}
        with config.disable_value_validation():
            examine(tmp_path / export / patient, patient, **lost, PatientID="X", PatientName="X")
    cohort = discover(tmp_path)
    assert sizes(cohort) == [3, 3]
    assert all(len(series.files) == 3 for study in cohort.studies for series in study.series)


def test_a_word_for_the_uids_of_one_study(tmp_path: Path) -> None:
    with config.disable_value_validation():
        examine(tmp_path, "one", StudyInstanceUID="ANON", SeriesInstanceUID="ANON")
    assert sizes(discover(tmp_path)) == [3]


def test_a_study_uid_for_each_series(tmp_path: Path) -> None:
    examine(tmp_path, "one")
    for folder in tmp_path.iterdir():
        for path in folder.iterdir():
            dataset = make_slice(
                plane=folder.name.split("_")[0], contrast=folder.name.split("_")[1], place=4.0 * int(path.stem),
                study=generate_uid(entropy_srcs=[folder.name]), FrameOfReferenceUID="1.2.9", StudyDate="20240229",
            )  # fmt: skip
            save(path, dataset)
    cohort = discover(tmp_path)
    assert len(cohort.studies) == 1
    assert reasons(cohort) == ["3 StudyInstanceUIDs for series of one patient, day and frame of reference"]


@pytest.mark.parametrize(
    "unknown",
    [{"StudyDate": None}, {"PatientID": "ANON", "PatientName": "Anonymous"}, {"FrameOfReferenceUID": "x"}],
)
def test_studies_are_not_joined_on_words_that_anybody_may_have(
    tmp_path: Path, unknown: dict[str, Any]
) -> None:
    for k, plane in enumerate(("sagittal", "axial")):
        for place in (0, 4):
            known = {
                "FrameOfReferenceUID": "1.2.9",
                "StudyDate": "20240229",
                "PatientBirthDate": None,
                **unknown,
            }
            with config.disable_value_validation():
                dataset = make_slice(plane=plane, place=place, study=f"1.2.{k}", series=f"1.2.{k}.1", **known)
                save(tmp_path / str(k) / f"{place}.dcm", dataset)
    assert len(discover(tmp_path).studies) == 2


def test_a_study_and_a_series_uid_for_each_file(tmp_path: Path) -> None:
    for k in range(6):
        dataset = make_slice(
            place=4.0 * k, number=k, study=f"1.2.{k}", series=f"1.3.{k}", FrameOfReferenceUID="1.9",
            PixelSpacing=[4.0, 4.0], StudyDate="20240229",
        )  # fmt: skip
        save(tmp_path / "a" / f"{k}.dcm", dataset)
    (source,) = discover(tmp_path).studies
    assert [len(series.slices) for series in read_study(source).series] == [6]


def test_patients_of_one_series_each_are_not_joined(tmp_path: Path) -> None:
    for k in range(3):
        for place in (0, 4):
            dataset = make_slice(
                place=place, study=f"1.2.{k}", series=f"1.2.{k}.1", FrameOfReferenceUID="1.9", PatientID="ANON",
                PatientName="ANON",
            )  # fmt: skip
            save(tmp_path / str(k) / f"{place}.dcm", dataset)
    assert len(discover(tmp_path).studies) == 3


def test_an_id_for_each_series_is_one_patient_in_one_frame_of_reference(tmp_path: Path) -> None:
    for plane, contrast in VIEWS:
        for k in range(3):
            dataset = make_slice(
                plane=plane, contrast=contrast, place=4.0 * k, series=generate_uid(entropy_srcs=[plane, contrast]),
                PatientID=plane + contrast, PatientName=None, FrameOfReferenceUID="1.2.9",
            )  # fmt: skip
            save(tmp_path / plane / contrast / f"{k}.dcm", dataset)
    assert sizes(discover(tmp_path)) == [3]


def test_a_part_without_names_belongs_to_the_only_patient(tmp_path: Path) -> None:
    examine(tmp_path / "a", "one")
    for path in (tmp_path / "a" / "axial_t2").iterdir():
        save(
            path,
            make_slice(
                plane="axial", place=4.0 * int(path.stem), study=generate_uid(entropy_srcs=["one"]), series="1.7",
                PatientID=None, PatientName=None, PatientBirthDate=None, PatientSex=None,
            ),
        )  # fmt: skip
    assert sizes(discover(tmp_path)) == [3]
