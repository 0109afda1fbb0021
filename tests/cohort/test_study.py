"""What studies, series, slices and cohorts show of themselves, and reading the folder of one study."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.dicom import write_series

from lsdc.cohort.discovery.sources import DiscoveryError
from lsdc.cohort.discovery.studies import discover, read_study
from lsdc.cohort.study import Study
from lsdc.cohort.vocabulary import View


def test_each_shows_itself_in_one_line_without_pixels(tmp_path: Path) -> None:
    study = Study.from_images([np.zeros((40, 30))] * 3, "Axial T2", spacing=(0.5, 0.75), study_id="7")
    assert repr(study) == "Study('7', Axial T2 x 3; problems: 0)"
    assert repr(study.series[0]) == "Series('1', Axial T2 x 3)"
    assert repr(study.series[0].slices[0]) == "Slice(1, 40 x 30 px of 0.5 x 0.75 mm)"
    assert repr(Study("8", ())) == "Study('8', no series; problems: 0)"
    write_series(tmp_path, [0, 4], study="1.1")
    assert repr(discover(tmp_path)) == f"Cohort('{tmp_path}', studies: 1 new, labeled: 0, problems: 0)"


def test_the_folder_of_one_study_can_be_read_at_once(tmp_path: Path) -> None:
    write_series(tmp_path / "one", [0, 4, 8], study="1.1")
    (tmp_path / "one" / "notes.txt").write_text("nothing of interest")
    for folder in (tmp_path / "one", str(tmp_path / "one")):
        study = read_study(folder)
        assert study.study_id == "1.1" and len(study.series[0].slices) == 3
        assert [problem.reason for problem in study.problems] == ["not a DICOM file"]
    write_series(tmp_path / "other", [0, 4, 8], study="1.2")
    with pytest.raises(DiscoveryError, match=r"holds 2 studies, and read_study takes .* with discover"):
        read_study(tmp_path)
    with pytest.raises(DiscoveryError, match="no such folder"):
        read_study(tmp_path / "nowhere")


def test_a_study_of_the_competitions_layout_keeps_its_name_and_description(tmp_path: Path) -> None:
    for name in ("11", "12"):
        write_series(tmp_path / "test_images" / name / "21", [0, 4, 8], study=f"1.{name}")
    (tmp_path / "test_series_descriptions.csv").write_text(
        "study_id,series_id,series_description\n11,21,Sagittal T1\n"
    )
    study = read_study(tmp_path / "test_images" / "11")
    assert study.study_id == "11" and study.series[0].view is View.SAGITTAL_T1
    assert study.series[0].series_id == "21" and not study.series[0].flags
    assert read_study(discover(tmp_path).studies[0]).series[0].view is View.SAGITTAL_T1
