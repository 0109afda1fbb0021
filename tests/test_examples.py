"""The examples run, print what they promise, and draw their images."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock
from PIL import Image

import lsdc

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


@pytest.fixture(scope="session")
def work(small_cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder that all examples use, with the shared cohort and its store."""
    folder = small_cohort.parent / "examples"
    with FileLock(small_cohort.parent / "examples.lock"):
        folder.mkdir(exist_ok=True)
        if not (folder / "cohort").exists():
            (folder / "cohort").symlink_to(small_cohort)
        lsdc.extract(folder / "cohort", folder / "store", workers=1)
    return folder


def test_every_example_is_tested() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(PRINTED) | MODULES


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_examples_are_short_and_explain_themselves(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    assert ast.get_docstring(ast.parse(text))


@pytest.mark.slow
@pytest.mark.parametrize("name", PRINTED)
def test_example_runs_prints_and_draws(name: str, work: Path) -> None:
    environment = {**os.environ, "MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), str(work)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert PRINTED[name] in done.stdout
    with Image.open(work / "images" / f"{name}.png") as image:
        assert min(image.size) > 100
        assert len(image.convert("L").getcolors() or []) > 10
