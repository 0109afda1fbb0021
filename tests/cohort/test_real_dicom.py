"""Real lumbar MR of six patients beside the repository (SPIDER, CC-BY-4.0, van der Graaf et al. 2024)."""

from __future__ import annotations

import pytest
from pydicom import dcmread
from support.scoring import shared

from lsdc.cohort.discovery.sources import Cohort
from lsdc.cohort.discovery.studies import discover, read_study
from lsdc.cohort.vocabulary import View


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return discover(shared("real-dicom"))


def test_six_studies_with_meaningless_names(cohort: Cohort) -> None:
    assert len(cohort.studies) == 6 and not cohort.problems
    assert sum(len(series.files) for study in cohort.studies for series in study.series) == 30


def test_views_follow_what_the_scanner_wrote(cohort: Cohort) -> None:
    for source in cohort.studies:
        study = read_study(source)
        assert not study.problems and not study.of_view(View.AXIAL_T2)
        assert len(study.of_view(View.SAGITTAL_T1)) == len(study.of_view(View.SAGITTAL_T2)) == 1
        for series in study.series:
            header = dcmread(series.slices[0].source, stop_before_pixels=True)
            expected = View.SAGITTAL_T1 if "T1" in header.SeriesDescription.upper() else View.SAGITTAL_T2
            if series.view is None:  # of the two T2 series, that with fewer slices
                assert series.passed_over == "fewer slices than the series that was chosen"
                assert expected is View.SAGITTAL_T2
                continue
            assert series.view is expected
            assert (series.view is View.SAGITTAL_T1) == (header.EchoTime < 20)


def test_space_and_single_slices(cohort: Cohort) -> None:
    for source in cohort.studies:
        study = read_study(source)
        assert sorted(len(series.slices) for series in study.series) == [1, 1, 3]
        space = next(series for series in study.series if len(series.slices) == 3)
        assert [item.plane.origin[0] for item in space.slices] == pytest.approx([-0.9, 0, 0.9])
        assert space.flags == {"view_guessed", "no_spacing_between"}
        assert space.metadata["spacing_between_slices_mm"] == pytest.approx(0.9)
        assert all(item.pixels.std() > 10 for item in space.slices)
