"""Commands that read studies read them behind URLs, and write what they write of a folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
from fsspec.implementations.memory import MemoryFileSystem

import lsdc
from lsdc.cohort.discovery import origin
from lsdc.cohort.export.exporting import export_images
from lsdc.report import grading, study_outputs
from lsdc.report.cohort_page.cohort_headers import CohortHeaders
from lsdc.report.cohort_page.overview_page import overview
from lsdc.runtime.errors import LsdcError
from lsdc.runtime.remote import RemoteFolder
from lsdc.runtime.remote_errors import ObjectError, UnreachableError


@pytest.fixture(scope="module")
def data(small_cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study without a layout."""
    folder = tmp_path_factory.mktemp("urls") / "data"
    study = min((small_cohort / "test_images").iterdir())
    shutil.copytree(study, folder / "patient")
    return folder


@pytest.fixture(scope="module")
def url(data: Path) -> str:
    remote = RemoteFolder("memory://urls/data")
    for path in data.rglob("*.dcm"):
        remote.put(path, path.relative_to(data).as_posix())
    return remote.url


def test_images_are_exported(data: Path, url: str, tmp_path: Path) -> None:
    here = export_images(data, tmp_path / "here", format="nifti")
    there = export_images(url, tmp_path / "there", format="nifti")
    assert (there.studies, there.series, there.slices) == (here.studies, here.series, here.slices)
    for path in (tmp_path / "here").rglob("*.nii.gz"):
        other = tmp_path / "there" / path.relative_to(tmp_path / "here")
        assert path.read_bytes() == other.read_bytes()
    rows = [pd.read_csv(one.images, dtype=str).drop(columns="source") for one in (here, there)]
    assert rows[0].equals(rows[1])
    assert export_images(url, tmp_path / "there", format="nifti").written == 0


def test_the_page_of_a_cohort_is_written(data: Path, url: str, tmp_path: Path) -> None:
    here, there = CohortHeaders.read(data, 1), CohortHeaders.read(url, 1)
    assert [repr(one.study) for one in there.studies] == [repr(one.study) for one in here.studies]
    assert [one.vendors for one in there.studies] == [one.vendors for one in here.studies]
    page = overview(url, tmp_path / "page.html", workers=1)
    assert page.studies == 1 and "patient" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_study_that_vanishes_costs_no_page(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        away = ObjectError("patient/1.dcm", "it is not there")
        patch.setattr(origin, "fetch_many", lambda folder, names, to: dict.fromkeys(names, away))
        (study,) = CohortHeaders.read(url, 1).studies
    assert not study.study.series
    assert "files can be fetched, it is not there" in study.study.problems[-1].reason


def test_studies_are_graded(data: Path, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch, pytest.raises(UnreachableError):  # between extraction and pages
        patch.setattr(
            study_outputs, "read_study", lambda source: (_ for _ in ()).throw(UnreachableError("x", "away"))
        )
        lsdc.grade(url, tmp_path / "there", study_id="folder", dicom_sr=tmp_path / "sr", workers=1)
    here = lsdc.grade(data, tmp_path / "here", study_id="folder", workers=1)
    there = lsdc.grade(url, tmp_path / "there", study_id="folder", dicom_sr=tmp_path / "sr", workers=1)
    assert there.status == here.status and there.problems is None and there.dicom
    tables = [pd.read_csv(one.grades, dtype=str, keep_default_na=False) for one in (here, there)]
    same = [name for name in tables[0] if name != "source"]
    assert tables[0][same].equals(tables[1][same])
    page = tmp_path / "there" / grading.STUDIES / "patient.html"
    assert "data:image" in page.read_text(encoding="utf-8")


def test_a_url_that_leads_nowhere_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    MemoryFileSystem().pipe("/urls/letters/a.txt", b"no picture")
    for call in (
        lambda: lsdc.grade("memory://urls/none", tmp_path / "out"),
        lambda: export_images("memory://urls/none", tmp_path / "out"),
        lambda: overview("memory://urls/letters", tmp_path / "out.html"),
    ):
        with pytest.raises(LsdcError, match="memory://urls/"):
            call()
    assert not list(tmp_path.glob("out*"))
