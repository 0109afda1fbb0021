from __future__ import annotations

import stat
from pathlib import Path

import pandas as pd
import pytest
from support.dicom import write_series

from lsdc.cohort import discover
from lsdc.cohort.discovery.study_ids import hide_paths, write_ids
from lsdc.runtime import ConfigError, Problem


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    write_series(tmp_path / "Doe Jane" / "s1", [0, 4], study="1.2.3", series="1.2.3.1", StudyDate="20240229")
    (tmp_path / "Doe Jane" / "s1" / "bad.dcm").write_bytes(b"no image")
    return tmp_path


def test_studies_are_named_as_asked(tree: Path) -> None:
    assert discover(tree).studies[0].study_id == "1.2.3"
    assert discover(tree, study_id="folder").studies[0].study_id == "Doe-Jane-s1"
    hidden = discover(tree, study_id="hash").studies[0]
    assert hidden.study_id == "c47f5b18b8a430e6" and hidden.series[0].series_id == "4974ae191ce3ec78"


def test_an_unknown_way_is_refused(tree: Path) -> None:
    with pytest.raises(ConfigError, match="study_id must be one of uid, folder, hash, not 'name'"):
        discover(tree, study_id="name")  # type: ignore[arg-type]


def test_studies_of_the_competition_keep_their_names(tmp_path: Path) -> None:
    write_series(tmp_path / "test_images" / "11" / "21", [0, 4])
    assert discover(tmp_path, study_id="folder").studies[0].study_id == "11"
    with pytest.raises(ConfigError, match="have the names of their folders"):
        discover(tmp_path, study_id="hash")


def test_whose_it_is_is_written_for_its_owner_alone(tree: Path, tmp_path: Path) -> None:
    path = write_ids(discover(tree, study_id="hash"), tmp_path / "ids.csv")
    (row,) = pd.read_csv(path, dtype=str).to_dict("records")
    assert row == {
        "study_id": "c47f5b18b8a430e6", "folder": str(tree / "Doe Jane" / "s1"), "patient_id": "SECRET-7",
        "study_date": "20240229", "files": "2",
    }  # fmt: skip
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_nobody_else_can_read_it_while_it_is_written(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[int] = []

    def note(*_: object, **__: object) -> None:
        modes.extend(stat.S_IMODE(item.stat().st_mode) for item in tmp_path.glob(".ids.*"))

    monkeypatch.setattr(pd.DataFrame, "to_csv", note)
    write_ids(discover(tree, study_id="hash"), tmp_path / "ids.csv")
    assert modes == [0o600]


def test_hidden_problems_name_no_folder(tree: Path) -> None:
    cohort = discover(tree, study_id="hash")
    problems = [
        *cohort.problems,
        Problem(str(tree / "Doe Jane"), "3 files: not a DICOM file (Jane.txt, b, c)"),
    ]
    for problem in hide_paths(problems, cohort):
        assert problem.path.startswith(str(tree)) and "Jane" not in problem.path + problem.reason
    assert hide_paths(problems, discover(tree)) == problems


def test_hidden_problems_of_the_folder_here(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree)
    cohort = discover(".", study_id="hash")
    problems = [*cohort.problems, Problem(cohort.studies[0].study_id, "study failed")]
    found = [problem.path for problem in hide_paths(problems, cohort)]
    assert len(found) == 2 and found[1] == cohort.studies[0].study_id
    assert not any("Jane" in path for path in found) and found[0].startswith("./")
