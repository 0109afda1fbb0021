"""Folds that Dask workers fit are those that this process fits, and so are trials that one worker tries."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from support.cluster import LoopbackCluster
from support.store import FakeStore, fake_store

from lsdc.commands.ensemble import main
from lsdc.ensemble.fitting import fit
from lsdc.ensemble.fold_tasks import fit_folds
from lsdc.ensemble.member_tuning import tune_member
from lsdc.ensemble.stack_artifact import DURATIONS
from lsdc.ensemble.suspects.learned_labels import LearnedLabels
from lsdc.ensemble.training_data import TrainingData
from lsdc.ensemble.tuning.storage import JOURNAL, open_storage
from lsdc.features.store import FeatureStore
from lsdc.models.heads.members import Logistic
from lsdc.runtime import ConfigError, LsdcError, dask_connection
from lsdc.runtime.engine_choice import working_on

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FakeStore:
    return fake_store(tmp_path_factory.mktemp("fitted") / "store", 12, folds=2)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoopbackCluster]:
    """A scheduler and a worker; the second test brings another."""
    with LoopbackCluster(tmp_path_factory.mktemp("cluster")) as cluster:
        cluster.start_worker()
        yield cluster


def trials_of(folder: Path) -> list[optuna.trial.FrozenTrial]:
    return optuna.load_study(study_name="member logistic", storage=open_storage(folder / JOURNAL)).trials


def test_one_worker_tries_the_same_trials(store: FakeStore, cluster: LoopbackCluster, tmp_path: Path) -> None:
    local = tune_member(store.path, "logistic", tmp_path / "local", trials=6)
    chosen = {"engine": "dask", "scheduler": cluster.address}
    dask = tune_member(
        store.path, "logistic", tmp_path / "dask", trials=6, engine="dask", scheduler=cluster.address
    )
    assert dask.settings == local.settings and dask.loss == local.loss and dask.trials == local.trials == 6
    for one, other in zip(trials_of(tmp_path / "local"), trials_of(tmp_path / "dask"), strict=True):
        assert one.params == other.params and one.state == other.state
        assert one.intermediate_values == other.intermediate_values and one.user_attrs == other.user_attrs
    with pytest.raises(ConfigError, match="storage lets several searches share trials"):
        tune_member(store.path, "logistic", tmp_path / "x", storage="sqlite://", **chosen)  # type: ignore[arg-type]


def test_folds_of_all_members_are_fitted_elsewhere(
    store: FakeStore, cluster: LoopbackCluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.start_worker()
    members = ["lightgbm", "logistic"]
    fit(store.path, tmp_path / "local", members, trials=2)
    words = ["--members", ",".join(members), "--trials", "2"]
    words += ["--engine", "dask", "--scheduler", cluster.address]
    assert main(["fit", str(store.path), "--out", str(tmp_path / "dask"), *words]) == 0
    left, right = (contents(tmp_path / name) for name in ("local", "dask"))
    assert left.keys() == right.keys()
    assert {name for name in left if left[name] != right[name]} == set()
    labels = LearnedLabels("drop", seed=0)  # these labels travel, too
    with working_on("dask", cluster.address, reads=[store.path], writes=tmp_path):
        fit_folds(
            {"logistic": Logistic}, TrainingData.of(FeatureStore.open(store.path)), tmp_path / "drop", labels
        )
    assert len(list(tmp_path.glob("drop/logistic/fold_*/manifest.json"))) == 2


def test_where_no_worker_works_nothing_is_claimed(
    store: FakeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_connection, "_CONNECT", 1.0)
    monkeypatch.setattr(dask_connection, "_PATIENCE", 1.0)
    (tmp_path / "cluster").mkdir()
    with LoopbackCluster(tmp_path / "cluster") as empty:
        for address, message in (
            ("tcp://127.0.0.1:9", "no Dask scheduler answers"),
            (empty.address, "no Dask worker is there"),
        ):
            with pytest.raises(LsdcError, match=message):
                tune_member(store.path, "logistic", tmp_path / "tuned", engine="dask", scheduler=address)
            assert not list((tmp_path / "tuned").glob("*"))
            with pytest.raises(LsdcError, match=message):
                fit(store.path, tmp_path / "out", ["logistic"], engine="dask", scheduler=address)
            assert list((tmp_path / "out").iterdir()) == []
    fit(store.path, tmp_path / "out", ["logistic"], trials=2, seed=1)


def contents(folder: Path) -> dict[str, bytes]:
    """Read all files but those that hold times."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name not in (DURATIONS, JOURNAL)]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            ["--engine", "dask", "--scheduler", "tcp://127.0.0.1:1"],
            "--engine and --scheduler belong to a store",
        ),
        (["--effort", "quick"], "flags of deep members belong to a store"),
        (["--timeout", "5"], "--timeout belong to a store"),
    ],
)
def test_a_search_of_tables_takes_nothing_that_only_a_store_needs(
    flags: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--labels", "train.csv", "--members", "oof", "--storage", "sqlite://"]
    assert main(["tune", *words, *flags]) == 2
    assert message in capsys.readouterr().err
