"""The search for a member's settings, and what becomes of them in a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

import numpy as np
import optuna
import pytest
from sklearn.linear_model import LogisticRegression
from support.member import Linear
from support.store import FakeStore, fake_store

from lsdc.commands.ensemble import main
from lsdc.ensemble import member_tuning
from lsdc.ensemble.fitting import fit
from lsdc.ensemble.member_tuning import tune_member
from lsdc.ensemble.tuning.member_problem import METRIC
from lsdc.ensemble.tuning.settings_file import read_settings
from lsdc.ensemble.tuning.storage import JOURNAL, open_storage
from lsdc.models.default_members import auto_members, expand_auto
from lsdc.models.heads.sklearn_member import SklearnMember
from lsdc.models.registry import MEMBERS
from lsdc.models.search_space import Range
from lsdc.runtime import ArtifactError, ConfigError
from lsdc.runtime.folder_lock import only_writer

pytestmark = pytest.mark.usefixtures("brief_learners")


class Ridge(SklearnMember):
    """A member of a user's own that says what can be searched."""

    name = "ridge"
    ranges: ClassVar[dict[str, Range]] = {
        "C": Range(1e-4, 10, log=True),
        "max_iter": Range(50, 200, whole=True),
    }

    def __init__(self, seed: int = 0, options: object = None) -> None:
        super().__init__(LogisticRegression(C=1e-4), seed=seed)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FakeStore:
    """Thirty labeled studies; not to be changed."""
    return fake_store(tmp_path_factory.mktemp("tuned") / "store", 30, folds=3)


def trials_of(where: Path | str, name: str) -> list[optuna.trial.FrozenTrial]:
    return optuna.load_study(study_name=f"member {name}", storage=open_storage(where)).trials


def test_defaults_come_first_and_the_best_is_written(store: FakeStore, tmp_path: Path) -> None:
    tuned = tune_member(store.path, "logistic", tmp_path / "tuned", trials=6)
    trials = trials_of(tmp_path / "tuned" / JOURNAL, "logistic")
    assert trials[0].params == {"C": 0.01}
    assert tuned.trials == len(trials) == 6
    assert tuned.default_loss is not None and tuned.loss <= tuned.default_loss
    assert read_settings(tuned.file) == {"logistic": tuned.settings}
    assert {METRIC, "spinal", "foraminal", "subarticular"} <= set(trials[0].user_attrs)


def test_a_search_resumes_and_members_share_a_file(store: FakeStore, tmp_path: Path) -> None:
    tune_member(store.path, "logistic", tmp_path / "one", trials=3)
    resumed = tune_member(store.path, "logistic", tmp_path / "one", trials=5)
    whole = tune_member(store.path, "logistic", tmp_path / "whole", trials=5)
    assert resumed.settings == whole.settings
    tune_member(store.path, Ridge, tmp_path / "one", trials=2)
    assert set(read_settings(resumed.file)) == {"logistic", "ridge"}
    with pytest.raises(ConfigError, match="holds a search 'member logistic' over other"):
        tune_member(store.path, "logistic", tmp_path / "one", trials=6, seed=1)


def test_a_search_that_never_began_leaves_no_journal_but_that_of_others(
    store: FakeStore, tmp_path: Path
) -> None:
    journal = tmp_path / JOURNAL
    for trials in (0, 1):
        study = optuna.create_study(
            storage=open_storage(journal), study_name="member logistic", load_if_exists=True
        )
        study.enqueue_trial({})
        if trials:
            study.optimize(lambda trial: 1.0, n_trials=trials)
        with only_writer(tmp_path, owned=False):
            member_tuning._forget_unused(journal)
        assert journal.is_file()  # another run holds it
        member_tuning._forget_unused(journal)
        assert journal.is_file() == bool(trials)


def test_hopeless_trials_end_after_a_fold(store: FakeStore, tmp_path: Path) -> None:
    tune_member(store.path, "logistic", tmp_path, trials=12)
    pruned = [
        t for t in trials_of(tmp_path / JOURNAL, "logistic") if t.state == optuna.trial.TrialState.PRUNED
    ]
    assert pruned
    assert all(len(trial.intermediate_values) < 9 for trial in pruned)


def test_time_ends_a_search(store: FakeStore, tmp_path: Path) -> None:
    tuned = tune_member(store.path, "logistic", tmp_path, trials=500, timeout=1e-3)
    assert tuned.trials == 1
    with pytest.raises(ConfigError, match="timeout must be above 0 seconds, not 0"):
        tune_member(store.path, "logistic", tmp_path, timeout=0)


def test_workers_share_a_database(store: FakeStore, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'trials.db'}"
    for name in ("one", "two"):
        tuned = tune_member(store.path, "logistic", tmp_path / name, trials=3, storage=url)
        assert tuned.trials == 3
    assert len(trials_of(url, "logistic")) == 3
    assert read_settings(tmp_path / "one/settings.json") == read_settings(tmp_path / "two/settings.json")


def test_a_member_without_settings_is_refused(
    store: FakeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MEMBERS, "linear", Linear)
    with pytest.raises(ConfigError, match="member: 'linear' declares no settings to search"):
        tune_member(store.path, "linear", tmp_path)
    with pytest.raises(ConfigError, match="settings: the member 'linear' has none"):
        fit(store.path, tmp_path / "model", ["linear"], settings={"linear": {"C": 1}})


def test_settings_are_part_of_the_model(store: FakeStore, tmp_path: Path) -> None:
    chosen = {"logistic": {"C": 0.003}}
    fit(store.path, tmp_path / "model", ["logistic"], trials=2, settings=chosen)
    loaded = MEMBERS["logistic"].load(tmp_path / "model/members/logistic/fold_0")
    assert getattr(loaded, "settings", None) == chosen["logistic"]
    manifest = json.loads((tmp_path / "model/manifest.json").read_text())
    assert manifest["configuration"]["settings"] == chosen
    with pytest.raises(ArtifactError, match="settings differ"):
        fit(store.path, tmp_path / "model", ["logistic"], trials=2, settings={"logistic": {"C": 0.1}})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"leaf": 1}, "settings: 'forest' has no setting 'leaf'; it has trees, min_rows, columns"),
        ({"trees": 1}, "'trees' of 'forest' must be a whole number from 50 to 500, not 1"),
        ({"trees": 60.5}, "'trees' of 'forest' must be a whole number from 50 to 500, not 60.5"),
        ({"columns": float("nan")}, "'columns' of 'forest' must be a number from 0.03 to 0.6, not nan"),
    ],
)
def test_wrong_settings_are_refused(
    store: FakeStore, tmp_path: Path, settings: dict[str, float], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        fit(store.path, tmp_path / "model", ["forest"], settings={"forest": settings})


@pytest.mark.parametrize("name", ["lightgbm", "xgboost", "mlp", "logistic", "forest"])
def test_every_head_takes_any_settings_of_its_space(name: str) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 5)).astype(np.float32)
    y = np.digitize(X[:, 0], [0.3, 1])
    member = MEMBERS[name]()
    for end in ("low", "high"):
        settings = {key: getattr(bounds, end) for key, bounds in member.space().items()}  # type: ignore[attr-defined]
        head = member.configured(settings).new_head().fit(X, y, X[:20], y[:20], 0)  # type: ignore[attr-defined]
        assert np.isfinite(head.refit(X, y, 0).predict(X)).all()


def test_a_file_that_holds_no_settings_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text('{"lightgbm": 3}')
    with pytest.raises(ConfigError, match=r"s.json: must hold settings by member"):
        read_settings(tmp_path / "s.json")


def test_the_command_tunes_and_fits(store: FakeStore, tmp_path: Path) -> None:
    out = tmp_path / "tuned"
    assert main(["tune", str(store.path), "--member", "logistic", "--out", str(out), "--trials", "2"]) == 0
    command = [
        "fit",
        str(store.path),
        "--out",
        str(tmp_path / "model"),
        "--members",
        "logistic",
        "--trials",
        "2",
    ]
    assert main([*command, "--settings", str(out / "settings.json")]) == 0
    assert main(["tune", str(store.path), "--member", "logistic"]) == 2
    assert main(["tune", "--labels", "train.csv"]) == 2


def test_auto_depends_on_the_number_of_studies() -> None:
    few, many = auto_members(45), auto_members(2000)
    assert set(few) < set(many) <= set(MEMBERS)
    assert expand_auto(["auto", "volume", few[0]], 45) == [*few, "volume"]
    assert expand_auto(["mlp"], 45) == ["mlp"]
