import numpy as np
import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from lsdc.ensemble.tune import Search, minimize
from lsdc.runtime import ArtefactError

SEARCH = Search("bowl", "height", ["a", "b"], [{"a": 1.0, "b": 0.0}, {"a": 0.5, "b": 0.5}], trials=25, seed=3)


class Bowl:
    """Counts its calls; can be killed at one of them."""

    def __init__(self, killed_at=None):
        self.points = []
        self.killed_at = killed_at

    def __call__(self, point):
        if len(self.points) == self.killed_at:
            raise KeyboardInterrupt
        self.points.append(tuple(point.values()))
        return (point["a"] - 0.3) ** 2 + (point["b"] - 0.8) ** 2


def trials_in(path):
    study = optuna.load_study(study_name="bowl", storage=JournalStorage(JournalFileBackend(str(path))))
    return study, [t for t in study.trials if t.state == TrialState.COMPLETE]


def test_starts_come_first_and_the_best_is_found():
    bowl = Bowl()
    best = minimize(SEARCH, bowl)
    assert bowl.points[:2] == [(1.0, 0.0), (0.5, 0.5)]
    assert len(bowl.points) == 25
    assert bowl(best) == min(Bowl()({"a": a, "b": b}) for a, b in bowl.points)


def test_same_seed_same_points():
    one, two = Bowl(), Bowl()
    assert minimize(SEARCH, one) == minimize(SEARCH, two)
    assert one.points == two.points


@pytest.mark.parametrize("killed_at", [0, 1, 7, 20])
def test_a_killed_search_goes_on_and_repeats_nothing(tmp_path, killed_at):
    path = tmp_path / "optuna.journal"
    first, second, whole = Bowl(killed_at), Bowl(), Bowl()
    with pytest.raises(KeyboardInterrupt):
        minimize(SEARCH, first, path)
    best = minimize(SEARCH, second, path)
    assert best == minimize(SEARCH, whole)
    assert sorted(first.points + second.points) == sorted(whole.points)
    third = Bowl()
    assert minimize(SEARCH, third, path) == best and third.points == []


def test_a_process_that_died_left_a_running_trial(tmp_path):
    path = tmp_path / "optuna.journal"
    storage = JournalStorage(JournalFileBackend(str(path)))
    study = optuna.create_study(storage=storage, study_name="bowl")
    study.enqueue_trial({"a": 1.0, "b": 0.0})
    trial = study.ask()
    trial.suggest_float("a", 0, 1)
    bowl = Bowl()
    minimize(SEARCH, bowl, path)
    study, complete = trials_in(path)
    assert (1.0, 0.0) in bowl.points and len(complete) == 25
    assert study.trials[0].state == TrialState.FAIL
    assert study.metric_names == ["height"]


def test_a_line_cut_short_by_a_kill_is_dropped(tmp_path):
    path = tmp_path / "optuna.journal"
    first, second = Bowl(8), Bowl()
    with pytest.raises(KeyboardInterrupt):
        minimize(SEARCH, first, path)
    with path.open("ab") as stream:
        stream.write(b'{"op_code":5,"tri')
    assert minimize(SEARCH, second, path) == minimize(SEARCH, Bowl())
    assert len(first.points + second.points) == 25


def test_damaged_journal_is_named(tmp_path):
    path = tmp_path / "optuna.journal"
    path.write_text("no journal\nat all\n")
    with pytest.raises(ArtefactError, match=r"optuna\.journal: a damaged Optuna journal"):
        minimize(SEARCH, Bowl(), path)


def test_search_beats_its_starts():
    best = minimize(SEARCH, Bowl())
    assert np.hypot(best["a"] - 0.3, best["b"] - 0.8) < 0.3
