"""Fixtures that all tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings

from lsdc.phantom.writer import simulate
from lsdc.runtime import engine, worker

_MAY_HAVE_NO_CHILDREN = engine._may_have_no_children

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


@pytest.fixture(scope="module", autouse=True)
def worked_on_here(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let the toolkit work on studies in the test's own process: to start others takes longer than most tests do.

    Tests of processes carry the mark `processes`; where a fixture of theirs needs others, their module carries it.
    """
    with pytest.MonkeyPatch.context() as patch:
        if request.node.get_closest_marker("processes") is None:
            patch.setattr(engine, "_may_have_no_children", lambda: True)
            patch.setattr(worker, "start_ahead", lambda *modules: None)
        yield


@pytest.fixture(autouse=True)
def worked_on_elsewhere(request: pytest.FixtureRequest, worked_on_here: None) -> Iterator[None]:
    """Undo that for a single test that carries the mark."""
    with pytest.MonkeyPatch.context() as patch:
        if request.node.get_closest_marker("processes"):
            patch.setattr(engine, "_may_have_no_children", _MAY_HAVE_NO_CHILDREN)
        yield
