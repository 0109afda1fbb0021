"""The examples run, print what they promise, and draw their images."""

from __future__ import annotations

import ast
import os
import runpy
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from filelock import FileLock
from PIL import Image

import lsdc
from lsdc.features.store_settings import Settings

EXAMPLES = Path(__file__).parents[1] / "examples"
PRINTED = {
    "read_a_study": "Sagittal T1: ",
    "find_the_slices": "targets located, median distance in the plane ",
    "forest_on_a_store": "forest: AUC of moderate or worse, by study: ",
    "fit_compare_explain": "test studies: ",
    "grade_a_study": "drawn with the grades of 25 targets",
    "stack_two_tables": "densenet",
    "own_member": "centroid",
    "own_stacker": "median",
    "images_without_dicom": "L5/S1 slice ",
}
"""What each example prints; modules that others import are not among them."""
MODULES = {"centroid_member", "median_stacker"}
MOST_LINES = 60


@pytest.fixture
def work(small_cohort: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder that all examples use, one at a time, with the shared cohort; their store has two folds."""
    monkeypatch.setattr(lsdc, "extract", partial(lsdc.extract, settings=Settings(folds=2)))
    folder = small_cohort.parent / "examples"
    with FileLock(small_cohort.parent / "examples.lock"):
        folder.mkdir(exist_ok=True)
        if not (folder / "cohort").exists():
            (folder / "cohort").symlink_to(small_cohort)
        yield folder


def test_every_example_is_tested() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(PRINTED) | MODULES


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_examples_are_short_and_explain_themselves(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    assert ast.get_docstring(ast.parse(text))


@pytest.mark.slow
@pytest.mark.parametrize("name", PRINTED)
def test_example_runs_prints_and_draws(
    name: str, work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.setattr(sys, "argv", [f"{name}.py", str(work)])
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    assert PRINTED[name] in capsys.readouterr().out
    with Image.open(work / "images" / f"{name}.png") as image:
        assert min(image.size) > 100
        assert len(image.convert("L").getcolors() or []) > 10


def test_an_example_is_a_program(work: Path) -> None:
    environment = {**os.environ, "MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(EXAMPLES / "read_a_study.py"), str(work)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert PRINTED["read_a_study"] in done.stdout
