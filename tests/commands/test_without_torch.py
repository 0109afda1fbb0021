"""Grading on a CPU with what is shipped leaves alone what trains and fits, whose import takes longer than a study."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

GRADE = """
import sys
from pathlib import Path

from lsdc.runtime import engine, worker

engine._may_have_no_children = lambda: True  # what workers import is to be seen here
worker.start_ahead = lambda *modules: None

from lsdc.commands.grade import Grade
from lsdc.runtime.commands import Compute

Grade(sys.argv[1], Path(sys.argv[2]), compute=Compute(device="cpu")).run()
left_alone = {"torch", "timm", "torchvision", "sklearn", "scipy", "xgboost", "lightgbm", "optuna", "matplotlib"}
print(sorted(left_alone & sys.modules.keys()))
"""


@pytest.mark.processes
def test_grading_imports_nothing_that_trains_or_fits(small_cohort: Path, tmp_path: Path) -> None:
    study = min((small_cohort / "test_images").iterdir())
    done = subprocess.run(
        [sys.executable, "-c", GRADE, str(study), str(tmp_path / "report")],
        capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "[]"
    assert (tmp_path / "report" / "grades.csv").is_file()
