"""The page of a cohort: headers tell what reading would find, figures hold the tables' numbers, and the page opens."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest
from support.browser import Browser
from support.dicom import picture, write_series

from lsdc.cohort.discovery.sources import DiscoveryError
from lsdc.cohort.discovery.studies import discover, read_study
from lsdc.cohort.study import Study
from lsdc.cohort.vocabulary import TARGETS, Condition, Level, View
from lsdc.commands.features_overview import Overview as Command
from lsdc.report.cohort_page.annotation_sections import annotation_places
from lsdc.report.cohort_page.cohort_headers import CohortHeaders, read_study_headers, without_root
from lsdc.report.cohort_page.label_sections import correlations, grade_counts, grade_section
from lsdc.report.cohort_page.overview_page import Overview, overview
from lsdc.report.cohort_page.series_facts import choices_of, series_facts
from lsdc.report.section_pages import titled
from lsdc.report.sections import Drawing
from lsdc.runtime import Problem


@pytest.fixture(scope="module")
def headers(small_cohort: Path) -> CohortHeaders:
    """The small cohort's headers."""
    return CohortHeaders.read(small_cohort, workers=2)


@pytest.fixture(scope="module")
def page(small_cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Overview:
    """The small cohort's page, with its plots as files."""
    folder = tmp_path_factory.mktemp("overview")
    return Command(small_cohort, folder / "overview.html", plots=folder / "plots", workers=1).run()


def described(study: Study) -> list[object]:
    return [
        (
            series.series_id, series.view, series.passed_over, series.traits, series.flags, series.metadata.keys(),
            [(item.instance_number, item.pixels.shape, item.plane, item.source) for item in series.slices],
        )
        for series in study.series
    ]  # fmt: skip


def test_headers_tell_what_reading_finds(small_cohort: Path) -> None:
    for source in discover(small_cohort).studies[:6]:
        assert described(read_study_headers(source).study) == described(read_study(source))


def test_headers_tell_what_reading_finds_without_tables(small_cohort: Path, tmp_path: Path) -> None:
    """Views are recognized by the headers, and series are joined and chosen, where no table describes them."""
    first = next(path for path in sorted((small_cohort / "train_images").iterdir()) if path.is_dir())
    shutil.copytree(first, tmp_path / "export" / "one")
    (source,) = discover(tmp_path / "export").studies
    assert described(read_study_headers(source).study) == described(read_study(source))


def test_headers_tell_dixon_images_apart(tmp_path: Path) -> None:
    for letter, series in (("F", "1.2.3.8"), ("W", "1.2.3.9")):
        write_series(
            tmp_path / letter, [-4, 0, 4], series=series, pixels=picture(ord(letter)),
            SeriesDescription=f"T2 TSE SAG_{letter}", PixelSpacing=[8.0, 8.0],
        )  # fmt: skip
    (source,) = discover(tmp_path).studies
    passed = {item.series_id: item.passed_over for item in read_study(source).series}
    assert passed == {"1.2.3.8": "fat image", "1.2.3.9": ""}
    assert {item.series_id: item.passed_over for item in read_study_headers(source).study.series} == passed


def test_images_that_were_not_read_are_not_said_to_be_copies(tmp_path: Path) -> None:
    for number in (1, 2):
        write_series(
            tmp_path / str(number), [-4, 0, 4], series=f"1.2.3.{number}", pixels=picture(number),
            PixelSpacing=[8.0, 8.0],
        )  # fmt: skip
    (source,) = discover(tmp_path).studies
    passed = {item.passed_over for item in read_study_headers(source).study.series}
    assert passed == {"", "stored twice, or repeated; pixels were not read"}


def test_facts_count_series_and_slices(headers: CohortHeaders) -> None:
    facts = series_facts(headers)
    assert facts["slices"].sum() == sum(one.files for one in headers.studies)
    assert set(facts["view"]) <= {*(view.value for view in View), "no view"}
    assert (facts["echo_ms"] > 0).all() and facts["vendor"].isin(
        ["Siemens", "GE", "Philips", "Toshiba"]
    ).all()
    choices, by_store = choices_of(facts, None)
    assert not by_store and choices.equals(facts[["plane", "view", "passed_over"]])


def test_grades_are_counted_by_hand() -> None:
    labels = pd.DataFrame(0, index=["a", "b", "c"], columns=[target.slug for target in TARGETS])
    labels.loc["a", "spinal_canal_stenosis_l4_l5"] = 2
    labels.loc["b", "spinal_canal_stenosis_l4_l5"] = -1
    counts = grade_counts(labels)
    canal, l4_l5 = list(Condition).index(Condition.SPINAL_CANAL_STENOSIS), list(Level).index(Level.L4_L5)
    assert counts[canal, l4_l5].tolist() == [1, 0, 1, 1] and counts.sum() == 75
    section = grade_section(labels)
    assert "1 of 75 labels (1.3 %) are missing, in 1 studies" in section.lead
    drawing = section.parts[0]
    assert isinstance(drawing, Drawing)
    bars = drawing.panels[0].figure.axes[0].containers[2]
    assert [bar.get_width() for bar in bars] == [0, 0, 0, 1, 0]  # type: ignore[attr-defined]


def test_correlations_leave_out_missing_labels() -> None:
    rng = np.random.default_rng(0)
    labels = pd.DataFrame(rng.integers(0, 3, (40, 25)), columns=[target.slug for target in TARGETS])
    one, other, rare = (TARGETS[k].slug for k in (0, 1, 2))
    labels[other] = labels[one]
    labels.loc[:9, other] = -1
    labels.loc[:34, rare] = -1
    found = correlations(labels)
    assert found.loc[one, other] == pytest.approx(1)
    assert np.isnan(found[rare][one])


def test_places_of_annotations_are_fractions(headers: CohortHeaders) -> None:
    places = annotation_places(headers)
    assert headers.coordinates is not None and len(places) == len(headers.coordinates)
    assert places[["across", "down", "slice"]].ge(0).all(axis=None)
    assert places[["across", "down", "slice"]].le(1).all(axis=None)
    sagittal = places[places["view"] == View.SAGITTAL_T1.value]
    right = sagittal.loc[sagittal["condition"].str.startswith("right"), "slice"].median()
    assert right < 0.5 < sagittal.loc[sagittal["condition"].str.startswith("left"), "slice"].median()
    canal = places.loc[places["condition"] == Condition.SPINAL_CANAL_STENOSIS.value]
    heights = canal.groupby("level")["down"].median()
    assert heights[[level.value for level in Level]].is_monotonic_increasing


def test_problems_are_named_below_the_folder(tmp_path: Path) -> None:
    inside = without_root(Problem(f"{tmp_path}/study/a.dcm", "damaged", "copy it again"), tmp_path)
    assert inside == Problem("study/a.dcm", "damaged", "copy it again")
    assert without_root(Problem("/elsewhere/b.dcm", "damaged"), tmp_path).path == "b.dcm"


def test_a_cohort_without_labels_and_with_damage_has_a_page(small_cohort: Path, tmp_path: Path) -> None:
    first = next(path for path in sorted((small_cohort / "test_images").iterdir()) if path.is_dir())
    shutil.copytree(first, tmp_path / "data" / "export")
    files = sorted((tmp_path / "data").rglob("*.dcm"))
    for path in files:
        dataset = pydicom.dcmread(path)
        dataset.PatientName, dataset.PatientID = "Secret^Name", "SECRET-7"
        dataset.save_as(path)
    files[-1].write_bytes(files[-1].read_bytes()[:200])
    done = overview(tmp_path / "data", tmp_path / "page.html", workers=1)
    text = done.page.read_text(encoding="utf-8")
    assert (done.labeled, done.problems) == (0, 1)
    assert "the cohort has no labels" in text and "train_label_coordinates.csv" in text
    assert "a DICOM object without an image" in text and str(tmp_path) not in text
    assert "secret" not in text.lower()


def test_an_empty_folder_has_no_page(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with pytest.raises(DiscoveryError, match="the folder holds no file"):
        overview(tmp_path / "data", tmp_path / "page.html")


def test_the_page_holds_counts_and_plots(page: Overview, headers: CohortHeaders) -> None:
    assert page.studies == len(headers.studies) == 16 and page.labeled == 12
    assert page.files == sum(one.files for one in headers.studies) and page.problems == 0
    names = {path.name for path in page.plots}
    assert {"correlations.svg", "grades_spinal_canal_stenosis.png", "acquisition_echo_ms.svg"} < names
    assert page.page.stat().st_size < 3_000_000
    text = page.page.read_text(encoding="utf-8")
    assert f"<title>{titled('Cohort', headers.root.name)}</title>" in text
    assert "All 16 studies are of simulated patients." in text
    assert "still gets its 25 rows" not in text and "Distance from slice to slice" in text


@pytest.mark.parametrize(("width", "dark"), [(1280, True), (390, False)])
def test_the_page_opens_without_a_fault(
    page: Overview, page_browser: Browser, width: int, dark: bool
) -> None:
    page_browser.visit(page.page, width, dark=dark)
    page_browser.run("document.querySelectorAll('details').forEach(one => { one.open = true })")
    assert page_browser.sideways() == 0
    assert page_browser.audit() == []
    assert page_browser.faults() == []
