"""The simulated cohort as others see it: files, tables, truth."""

from __future__ import annotations

import csv
import filecmp
from pathlib import Path
from typing import Any

import pydicom
import pytest

from lsdc.cohort.vocabulary import TARGETS
from lsdc.commands.phantom import main
from lsdc.phantom.study import StudyRows, simulate_study
from lsdc.phantom.writer import Simulation, simulate
from lsdc.runtime import ArtifactError, ConfigError


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_layout_is_the_competitions(small_cohort: Path) -> None:
    labels = rows(small_cohort / "train.csv")
    assert list(labels[0]) == ["study_id", *(target.slug for target in TARGETS)]
    assert len(labels) == 12
    described = rows(small_cohort / "train_series_descriptions.csv")
    for row in described:
        files = list((small_cohort / "train_images" / row["study_id"] / row["series_id"]).iterdir())
        assert {path.stem for path in files} == {str(k + 1) for k in range(len(files))}
    tests = rows(small_cohort / "test_labels.csv")
    assert {row["study_id"] for row in tests} == {p.name for p in (small_cohort / "test_images").iterdir()}
    assert len(rows(small_cohort / "sample_submission.csv")) == 25 * 4
    assert len(rows(small_cohort / "measurements.csv")) == 25 * 16


def test_points_lie_in_their_images(small_cohort: Path) -> None:
    for row in rows(small_cohort / "train_label_coordinates.csv"):
        path = (
            small_cohort
            / "train_images"
            / row["study_id"]
            / row["series_id"]
            / f"{row['instance_number']}.dcm"
        )
        header = pydicom.dcmread(path, stop_before_pixels=True)
        assert 0 < float(row["x"]) < header.Columns
        assert 0 < float(row["y"]) < header.Rows


def test_the_seed_decides_not_the_number_of_workers(tmp_path: Path) -> None:
    simulate(tmp_path / "one", studies=2, seed=3, workers=1)
    simulate(tmp_path / "two", studies=2, seed=3, workers=2)
    files = [p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*") if p.is_file()]
    same, different, absent = filecmp.cmpfiles(
        tmp_path / "one", tmp_path / "two", map(str, files), shallow=False
    )
    assert (different, absent) == ([], [])
    assert len(same) > 60


def test_a_killed_run_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import lsdc.phantom.writer as writer

    calls: list[tuple[Any, ...]] = []

    def dies_at_the_second(*args: Any) -> StudyRows:
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return simulate_study(*args)

    monkeypatch.setattr(writer, "simulate_study", dies_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        simulate(tmp_path / "out", studies=2, seed=3, workers=1)
    simulate(tmp_path / "out", studies=2, seed=3, workers=1)
    assert len(calls) == 3
    assert len(rows(tmp_path / "out" / "train.csv")) == 2


def test_mistakes_are_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match="studies must be at least 1, not 0"):
        simulate(tmp_path / "a", studies=0)
    with pytest.raises(ConfigError, match=r"test_fraction must be at least 0 and below 1, not 1.5"):
        simulate(tmp_path / "a", studies=1, test_fraction=1.5)
    with pytest.raises(ConfigError, match="seed must be at least 0, not -1"):
        simulate(tmp_path / "a", studies=1, seed=-1)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    with pytest.raises(ArtifactError, match="exists and is not empty"):
        simulate(tmp_path / "mine", studies=1)
    assert main(["make", str(tmp_path / "mine")]) == 2
    assert "choose another folder" in capsys.readouterr().err


def test_another_configuration_is_refused(small_cohort: Path) -> None:
    with pytest.raises(ArtifactError, match=r"begun with another configuration \(seed differ"):
        simulate(small_cohort, studies=16, seed=6, test_fraction=0.25)


def test_the_result_counts_the_studies_and_a_finished_cohort_is_kept(small_cohort: Path) -> None:
    before = (small_cohort / "measurements.csv").stat().st_mtime_ns
    simulation = simulate(str(small_cohort), 16, seed=5, test_fraction=0.25)
    assert isinstance(simulation, Simulation)
    assert (simulation.path, simulation.studies, simulation.train, simulation.test) == (
        small_cohort,
        16,
        12,
        4,
    )
    assert simulation.measurements.stat().st_mtime_ns == before
