"""The front door: names that are there, quickly, and every module that can be imported."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest
from test_docstrings import modules

FACES = (
    "lsdc", "lsdc.runtime", "lsdc.cohort", "lsdc.phantom", "lsdc.metrics", "lsdc.slice_selector", "lsdc.features",
    "lsdc.models", "lsdc.ensemble", "lsdc.ensemble.stackers", "lsdc.report",
)  # fmt: skip


@pytest.mark.parametrize("module", list(modules()))
def test_every_module_can_be_imported(module: str) -> None:
    assert importlib.import_module(module).__doc__


@pytest.mark.parametrize("face", FACES)
def test_every_public_name_is_there(face: str) -> None:
    package = importlib.import_module(face)
    assert package.__all__
    assert all(getattr(package, name) is not None for name in package.__all__)
    assert set(package.__all__) <= set(dir(package))
    with pytest.raises(AttributeError, match="magic"):
        _ = package.magic


def test_a_dozen_names_for_python_users_and_the_rooms() -> None:
    names = sorted(importlib.import_module("lsdc").__all__)
    assert names == [
        "FeatureStore", "Location", "SliceSelector", "Study", "blend", "cohort", "discover", "ensemble", "evaluate",
        "extract", "features", "fit", "grade", "metrics", "models", "phantom", "predict", "read_study", "report",
        "score", "simulate", "slice_selector",
    ]  # fmt: skip


def test_importing_loads_nothing_heavy() -> None:
    code = (
        "import sys, lsdc, lsdc.cohort, lsdc.ensemble, lsdc.models\n"
        "print([name for name in ('numpy', 'pandas', 'pydicom', 'torch', 'sklearn', 'optuna') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_predicting_loads_no_library_that_fits() -> None:
    code = (
        "import sys, lsdc.ensemble.prediction, lsdc.ensemble.stackers.registry, lsdc.models.heads.severity_axis\n"
        "heavy = ('sklearn', 'scipy.optimize', 'scipy.stats', 'optuna', 'lightgbm', 'xgboost', 'skops', 'torch')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("program", ["features", "ensemble", "phantom", "pretrain"])
def test_help_loads_nothing_heavy(program: str) -> None:
    code = (
        f"import sys\nfrom lsdc.commands.{program} import COMMANDS, main\n"
        "assert main(['--help']) == 0 and all(main([name, '--help']) == 0 for name in COMMANDS)\n"
        "heavy = ('torch', 'pandas', 'optuna', 'sklearn', 'pydicom')\n"
        "print([name for name in heavy if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip().endswith("[]")
    assert "Examples" in done.stdout
