"""Scoring files: the competition's cases, and the command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from support.scoring import make_grades, make_probabilities, plain_score, shared

from lsdc.cohort.vocabulary import TARGETS
from lsdc.commands.ensemble import main
from lsdc.metrics.official import Grades, official_score
from lsdc.metrics.prediction_tables import grades_of, read_predictions, read_truth, row_ids, table_of, to_cube
from lsdc.metrics.scoring import score

CASES = ["hard_zero_one", "missing_labels", "random", "sharp", "uniform"]


@pytest.mark.parametrize("name", CASES)
def test_competition_cases(name: str) -> None:
    folder = shared("metric-cases", name)
    expected = json.loads((folder / "expected.json").read_text())
    full = expected["any_severe_scalar=1.0"]
    scores = score(str(folder / "solution.csv"), folder / "submission.csv")
    truth = read_truth(folder / "solution.csv")
    cube = to_cube(read_predictions(folder / "submission.csv"), truth.index.tolist())
    parts = [scores.spinal, scores.foraminal, scores.subarticular, scores.any_severe, scores.total]
    wanted = [full[key] for key in ("spinal", "foraminal", "subarticular", "any_spinal", "metric")]
    assert_allclose(parts, wanted, atol=1e-9, rtol=0)
    half = official_score(grades_of(truth), cube, any_severe_scalar=0.5)
    assert half.total == pytest.approx(expected["any_severe_scalar=0.5"], abs=1e-9)


def write_train(path: Path, grades: Grades, studies: list[str]) -> None:
    words = np.array(["Normal/Mild", "Moderate", "Severe", ""])
    lines = ["study_id," + ",".join(target.slug for target in TARGETS)]
    lines += [f"{study}," + ",".join(words[g.ravel()]) for study, g in zip(studies, grades)]
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, list[float]]:
    rng = np.random.default_rng(1)
    studies = ["11", "22", "33"]
    grades, probabilities = make_grades(rng, 3, 0.1), make_probabilities(rng, 3)
    write_train(tmp_path / "train.csv", grades, studies)
    table = table_of(row_ids(studies), probabilities.reshape(-1, 3)).sample(frac=1, random_state=0)
    table.to_csv(tmp_path / "submission.csv", index=False)
    return tmp_path, plain_score(row_ids(studies), grades, probabilities)


def test_command_prints_one_json_object(
    files: tuple[Path, list[float]], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, expected = files
    assert main(["score", str(folder / "train.csv"), str(folder / "submission.csv"), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert list(printed) == ["spinal", "foraminal", "subarticular", "any_severe", "total"]
    assert_allclose(list(printed.values()), expected, rtol=1e-9)


def test_command_shows_a_table(files: tuple[Path, list[float]], capsys: pytest.CaptureFixture[str]) -> None:
    folder, expected = files
    assert main(["score", str(folder / "train.csv"), str(folder / "submission.csv")]) == 0
    captured = capsys.readouterr()
    assert captured.out == "" and f"{expected[-1]:.4f}" in captured.err


def test_missing_file_is_one_line_and_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", str(tmp_path / "no.csv"), str(tmp_path / "no.csv")]) == 2
    assert "no.csv: no such file" in capsys.readouterr().err
