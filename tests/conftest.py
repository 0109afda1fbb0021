"""Fixtures that all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings

from lsdc.phantom.writer import simulate

# Machines are noisy: how long an example takes says nothing about whether it is right.
settings.register_profile("lsdc", deadline=None)
settings.load_profile("lsdc")


@pytest.fixture(scope="session")
def small_cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated cohort of 12 training and 4 test studies, in the competition's layout; do not change it."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if base.name.startswith("popen-") else base
    with FileLock(shared / "cohort.lock"):
        simulate(shared / "cohort", studies=16, seed=5, test_fraction=0.25)
    return shared / "cohort"
