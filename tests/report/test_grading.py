"""One command from a folder to a report."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pydicom
import pytest

import lsdc
from lsdc.__main__ import main
from lsdc.cohort.discovery.studies import discover, read_study
from lsdc.cohort.vocabulary import TARGETS, View
from lsdc.features.rows_located import locations_of
from lsdc.features.store import FeatureStore
from lsdc.report import study_outputs, study_record
from lsdc.report.grades_table import COLUMNS
from lsdc.report.grading import GradedFolder
from lsdc.runtime import ArtifactError, ConfigError
from lsdc.runtime.artifact import read_json

PROBABILITIES = ["normal_mild", "moderate", "severe"]


@pytest.fixture(scope="module")
def patients(small_cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two studies as a scanner exports them, of one of which the axial series is missing, and a letter."""
    root = tmp_path_factory.mktemp("grading") / "patients"
    table = pd.read_csv(small_cohort / "test_series_descriptions.csv", dtype=str)
    for number, study in enumerate(sorted((small_cohort / "test_images").iterdir())[:2]):
        rows = table[table["study_id"] == study.name]
        for series, description in zip(rows["series_id"], rows["series_description"]):
            if number == 0 or description != View.AXIAL_T2.value:
                shutil.copytree(study / series, root / f"patient{number}" / series)
    (root / "letter.txt").write_text("not a picture", encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def report(patients: Path, tmp_path_factory: pytest.TempPathFactory) -> GradedFolder:
    out = tmp_path_factory.mktemp("grading") / "report"
    return lsdc.grade(patients, out, study_id="folder", pdf=True, dicom_sr=out / "sr", workers=1)


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype={"study_id": str, "series_id": str}, keep_default_na=False)


def test_the_table_has_a_row_for_each_study_and_target(report: GradedFolder) -> None:
    table = read(report.grades)
    assert list(table.columns) == list(COLUMNS)
    assert (report.studies, report.rows, len(table)) == (2, 50, 50)
    assert table["study_id"].unique().tolist() == ["patient0", "patient1"]
    assert [f"{c}_{lv}" for c, lv in zip(table["condition"][:25], table["level"][:25])] == [
        t.slug for t in TARGETS
    ]
    assert table[PROBABILITIES].sum(axis=1).between(0.999, 1.001).all()
    seen = table[table["status"] != "not seen"]
    assert (seen["grade"] == seen[PROBABILITIES].astype(float).idxmax(axis=1)).all()
    assert seen["series_id"].ne("").all() and seen["place_confidence"].ne("").all()
    order = PROBABILITIES.index
    assert (seen["not_excluded"].map(order) >= seen["grade"].map(order)).all()
    worse = (seen["not_excluded"] != seen["grade"]).groupby(seen["study_id"]).sum()
    for study, count in worse.items():
        page = (report.index.parent / "studies" / f"{study}.html").read_text(encoding="utf-8")
        assert page.count("<li>Not ruled out: ") == count


def test_what_was_not_seen_gets_no_grade_and_says_why(report: GradedFolder) -> None:
    table = read(report.grades)
    absent = table[(table["study_id"] == "patient1") & table["condition"].str.contains("subarticular")]
    assert absent["status"].unique().tolist() == ["not seen"] and absent["grade"].unique().tolist() == [""]
    assert absent["reason"].str.contains("no axial T2 series").all()
    assert report.status["not seen"] == 10
    assert any("no axial T2 series" in sentence for sentence in report.summary)


def test_pages_name_no_patient_and_link_to_each_other(report: GradedFolder) -> None:
    index = report.index.read_text(encoding="utf-8")
    for study in ("patient0", "patient1"):
        page = report.index.parent / "studies" / f"{study}.html"
        assert f'href="studies/{study}.html"' in index
        text = page.read_text(encoding="utf-8")
        assert 'href="../index.html"' in text and "DEMONSTRATION" in text
        assert "<li>The patient is simulated: nobody was imaged.</li>" in text
    assert "All 2 studies are of simulated patients." in index
    assert len(report.pdfs) == 2 and all(path.read_bytes().startswith(b"%PDF") for path in report.pdfs)


def test_files_for_other_systems_are_written(report: GradedFolder) -> None:
    found = [pydicom.dcmread(path) for path in report.dicom]
    assert sorted({one.Modality for one in found}) == ["PR", "SR"]


def test_the_same_call_again_writes_nothing_anew(
    report: GradedFolder, patients: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = report.index.parent
    before = {path: path.stat().st_mtime_ns for path in out.glob("studies/*.html")}

    def fail(*_: object) -> None:
        raise AssertionError("a page was written again")

    monkeypatch.setattr("lsdc.report.grading.write_outputs", fail)
    again = lsdc.grade(patients, out, study_id="folder", pdf=True, dicom_sr=out / "sr", workers=1)
    assert again == report and before == {path: path.stat().st_mtime_ns for path in before}
    with pytest.raises(ArtifactError, match="begun with another configuration"):
        lsdc.grade(patients, out, study_id="folder", weighting="competition")


def test_a_record_is_read_once_a_study(
    report: GradedFolder, patients: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[str] = []

    def counted(path: Path) -> Any:
        reads.append(path.name)
        return read_json(path)

    monkeypatch.setattr(study_record, "read_json", counted)
    out = report.index.parent
    assert lsdc.grade(patients, out, study_id="folder", pdf=True, dicom_sr=out / "sr", workers=1) == report
    assert sorted(reads) == [".patient0.json", ".patient1.json"]


def test_a_page_that_fails_loses_no_grade(
    report: GradedFolder, patients: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(report.index.parent / "features", tmp_path / "r" / "features")
    (tmp_path / "r" / "config.json").write_bytes((report.index.parent / "config.json").read_bytes())

    def fail(source: object) -> object:
        if source.study_id == "patient0":  # type: ignore[attr-defined]
            raise RuntimeError("secret")
        return read_study(source)  # type: ignore[arg-type]

    monkeypatch.setattr(study_outputs, "read_study", fail)
    again = lsdc.grade(
        patients, tmp_path / "r", study_id="folder", pdf=True, dicom_sr=tmp_path / "sr", workers=1
    )
    assert again.grades.read_bytes() == report.grades.read_bytes()
    assert again.problems is not None
    words = again.problems.read_text(encoding="utf-8")
    assert "its images could not be shown: RuntimeError" in words and "secret" not in words
    assert "could not be shown" in (tmp_path / "r" / "studies" / "patient0.html").read_text(encoding="utf-8")

    monkeypatch.undo()
    mended = lsdc.grade(
        patients, tmp_path / "r", study_id="folder", pdf=True, dicom_sr=tmp_path / "sr", workers=1
    )
    assert "could not be shown" not in (
        "" if mended.problems is None else mended.problems.read_text(encoding="utf-8")
    )
    assert len(mended.pdfs) == 2
    assert "could not be shown" not in (tmp_path / "r" / "studies" / "patient0.html").read_text(
        encoding="utf-8"
    )


def test_a_later_call_adds_files_and_replaces_lost_ones(
    report: GradedFolder, patients: Path, tmp_path: Path
) -> None:
    shutil.copytree(report.index.parent, tmp_path / "r")
    (tmp_path / "r" / "studies" / "patient1.pdf").unlink()
    again = lsdc.grade(
        patients, tmp_path / "r", study_id="folder", pdf=True, dicom_sr=tmp_path / "b", workers=1
    )
    assert len(again.pdfs) == 2 and all(path.is_file() for path in again.pdfs)
    assert {path.parent for path in again.dicom} == {tmp_path / "b"}
    assert [path.read_bytes() for path in again.dicom] == [path.read_bytes() for path in report.dicom]


def test_a_full_disk_is_no_studys_fault(
    report: GradedFolder, patients: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(report.index.parent / "features", tmp_path / "r" / "features")
    (tmp_path / "r" / "config.json").write_bytes((report.index.parent / "config.json").read_bytes())

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(study_outputs, "write_study_page", fail)
    with pytest.raises(OSError, match="No space left"):
        lsdc.grade(patients, tmp_path / "r", study_id="folder", workers=1)
    assert not list((tmp_path / "r").glob("studies/.*.json"))


def test_a_series_that_comes_later_is_no_finished_study(patients: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(patients / "patient1", data / "one")
    later = sorted((data / "one").iterdir())[0]
    shutil.move(later, tmp_path / "later")
    lsdc.grade(data, tmp_path / "r", study_id="folder", workers=1)
    shutil.move(tmp_path / "later", later)
    with pytest.raises(
        ArtifactError, match=r"files .* have changed since it was begun; choose another folder"
    ):
        lsdc.grade(data, tmp_path / "r", study_id="folder", workers=1)


def test_an_empty_name_is_not_the_working_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="data is empty"):
        lsdc.grade("", tmp_path / "r")


@pytest.mark.processes
def test_an_archive_of_several_studies_has_structured_reports_and_no_names(
    patients: Path, tmp_path: Path
) -> None:
    for number in range(2):
        shutil.copytree(patients / "patient0", tmp_path / "data" / f"DOE_JANE_{number}")
        for path in sorted((tmp_path / "data" / f"DOE_JANE_{number}").rglob("*.dcm")):
            change_study(path, number)
    shutil.make_archive(str(tmp_path / "export"), "zip", tmp_path / "data")
    done = lsdc.grade(tmp_path / "export.zip", tmp_path / "r", study_id="hash", dicom_sr=tmp_path / "sr")
    assert done.studies == 2 and done.problems is None
    assert len({path.name.partition(".")[0] for path in done.dicom}) == 2
    for path in (*(tmp_path / "r").rglob("*"), *done.dicom):
        assert "DOE_JANE" not in str(path.relative_to(tmp_path))
        assert path.is_dir() or b"DOE_JANE" not in path.read_bytes(), path


def change_study(path: Path, number: int) -> None:
    """Make files of another study and patient; one of them with a UID that is none."""
    dataset = pydicom.dcmread(path)
    for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID"):
        setattr(dataset, name, f"{dataset[name].value}.{number}")
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.PatientID = f"p{number}"
    dataset.save_as(path)


def test_rows_of_a_store_are_found_again_in_the_study(report: GradedFolder, patients: Path) -> None:
    store = FeatureStore.open(report.index.parent / "features")
    rows = store.rows[store.rows["study_id"] == "patient0"]
    study = read_study(discover(patients, study_id="folder").studies[0])
    for location, row in zip(locations_of(study, rows), rows.itertuples()):
        assert location.series is not None and location.slice is not None
        item = study.series[location.series].slices[location.slice]
        found = item.plane.to_patient(location.point)[0]
        assert item.instance_number == row.instance_number
        assert found == pytest.approx([row.left_mm, row.posterior_mm, row.head_mm], abs=6.0)


def test_the_command_prints_json_and_refuses_nonsense(
    report: GradedFolder, patients: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = report.index.parent
    flags = ["--study-id", "folder", "--pdf", "--dicom-sr", str(out / "sr"), "--workers", "1"]
    assert main(["grade", str(patients), "--out", str(out), *flags, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["studies"] == 2 and printed["grades"].endswith("grades.csv")
    assert main(["grade", str(tmp_path / "nowhere"), "--out", str(tmp_path / "x")]) == 2
    assert "nowhere" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="workers must be at least 1"):
        lsdc.grade(patients, tmp_path / "y", workers=0)
