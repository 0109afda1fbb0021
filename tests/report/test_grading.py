"""One command from a folder to a report."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

import lsdc
from lsdc.__main__ import main
from lsdc.cohort.discovery.studies import discover, read_study
from lsdc.cohort.vocabulary import TARGETS, View
from lsdc.features.rows_located import locations_of
from lsdc.features.store import FeatureStore
from lsdc.report import study_outputs
from lsdc.report.grades_table import COLUMNS
from lsdc.report.grading import GradedFolder
from lsdc.runtime import ArtifactError, ConfigError

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
    assert len(report.pdfs) == 2 and all(path.read_bytes().startswith(b"%PDF") for path in report.pdfs)


def test_files_for_other_systems_are_written(report: GradedFolder) -> None:
    import pydicom

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
