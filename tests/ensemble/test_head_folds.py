"""Heads fitted by several processes: the same files, and nothing is fitted twice."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from support.store import fake_store

from lsdc.ensemble.head_folds import fit_heads
from lsdc.ensemble.training_data import TrainingData, training_rows
from lsdc.features.store import FeatureStore
from lsdc.models.crossfit import cross_fit
from lsdc.models.examples import Examples
from lsdc.models.heads.members import Forest, Logistic
from lsdc.models.member import Member


class Foreign(Logistic):
    """A head of somebody else, which another process may not be able to import."""

    name = "foreign"


MEMBERS: dict[str, Callable[[], Member]] = {
    "forest": partial(Forest, 0),
    "logistic": partial(Logistic, 0),
    "foreign": partial(Foreign, 0),
}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.processes
def test_heads_fitted_by_two_processes_are_those_of_one(tmp_path: Path) -> None:
    store = FeatureStore.open(fake_store(tmp_path / "store", 24, folds=3).path)
    examples = Examples.from_store(store).where(training_rows(store))
    data, two = TrainingData.of(store), tmp_path / "two"
    seconds = fit_heads(MEMBERS, data, examples, two, workers=2)
    assert seconds.keys() == {"forest", "logistic"} and all(taken > 0 for taken in seconds.values())
    for name in seconds:
        cross_fit(MEMBERS[name], examples, tmp_path / "one" / name)
    assert contents(two) == contents(tmp_path / "one")
    assert fit_heads(MEMBERS, data, examples, two, workers=2) == {}
