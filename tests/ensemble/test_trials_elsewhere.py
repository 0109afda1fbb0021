"""Trials that an engine runs: the same as here, one at a time; each counted once, several at a time."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

import optuna
import pytest
from support.store import fake_store

from lsdc.ensemble.training_data import TrainingData
from lsdc.ensemble.tuning.search import Point, ReportStep, Search, minimize
from lsdc.ensemble.tuning.storage import open_storage
from lsdc.features.store import FeatureStore
from lsdc.models.search_space import Range
from lsdc.runtime import ArtifactError, engine_choice
from lsdc.runtime.worker_process import Answer

SEARCH = Search(
    "bowl", "height", [{"x": Range(-3, 3), "y": Range(-3, 3)}], [{"x": 2.0, "y": 2.0}], 14, seed=3
)


class HereEngine:
    """Runs items in this process after a round trip, several at a time in name."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self.batches: list[int] = []

    def slots(self) -> int:
        return self._slots

    def outcomes(
        self, work: Callable[[Any], Any], items: Sequence[Any], seconds: Callable[[Any], float] | None
    ) -> Generator[tuple[Any, Answer], None, None]:
        self.batches.append(len(items))
        for item in reversed(items):
            yield item, Answer(work(ForkingPickler.loads(ForkingPickler.dumps(item))))


@contextmanager
def chosen(engine: HereEngine) -> Iterator[None]:
    token = engine_choice._CHOSEN.set(engine)
    try:
        yield
    finally:
        engine_choice._CHOSEN.reset(token)


def bowl(point: Point, report_step: ReportStep) -> dict[str, float]:
    """Far from the center, the loss of every fold is higher."""
    height = point["x"] ** 2 + point["y"] ** 2
    for fold in range(8):
        report_step(fold, height + 0.01 * fold)
    return {"height": height, "left": point["x"]}


def hole(point: Point, report_step: ReportStep) -> dict[str, float]:
    return {"height": float("nan")}


def trials_of(storage: Any) -> list[optuna.trial.FrozenTrial]:
    return optuna.load_study(study_name="bowl", storage=storage).trials


def test_one_at_a_time_they_are_the_same_trials() -> None:
    here, there, engine = open_storage(None), open_storage(None), HereEngine(1)
    best = minimize(SEARCH, bowl, here)
    with chosen(engine):
        assert minimize(SEARCH, bowl, there) == best
    states = [trial.state.name for trial in trials_of(here)]
    assert {"COMPLETE", "PRUNED"} == set(states)
    for one, other in zip(trials_of(here), trials_of(there), strict=True):
        assert (one.params, one.state, one.user_attrs) == (other.params, other.state, other.user_attrs)
        assert one.intermediate_values == other.intermediate_values
    assert engine.batches == [1] * 14


def test_several_at_a_time_each_counts_once(tmp_path: Path) -> None:
    engine = HereEngine(4)
    with chosen(engine):
        minimize(replace(SEARCH, trials=6), bowl, open_storage(tmp_path / "journal"))
        minimize(SEARCH, bowl, open_storage(tmp_path / "journal"))  # goes on
    trials = trials_of(open_storage(tmp_path / "journal"))
    assert engine.batches == [4, 2, 4, 4] and len(trials) == 14
    assert all(trial.state.is_finished() for trial in trials)
    assert trials[0].params == {"x": 2.0, "y": 2.0} and trials[0].state.name == "COMPLETE"
    assert len({tuple(trial.params.items()) for trial in trials}) == 14


def test_losses_that_are_no_numbers_end_the_search() -> None:
    with chosen(HereEngine(3)), pytest.raises(ArtifactError, match="no loss is a number"):
        minimize(SEARCH, hole, open_storage(None))


def test_another_store_at_the_same_place_is_noticed(tmp_path: Path) -> None:
    store = fake_store(tmp_path / "store", 6, folds=2)
    data = TrainingData.of(FeatureStore.open(store.path))
    assert len(data.examples()) == 150
    with pytest.raises(ArtifactError, match="another store than the one that the run began with"):
        replace(data, rows_sha256="0").examples()
