"""Models are the same whether their store was made in one go, merged of parts, or lies behind a URL."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from support.member import Linear
from support.store import fake_store

from lsdc.ensemble.fit_card import FitCard
from lsdc.ensemble.fitting import fit
from lsdc.ensemble.prediction import predict
from lsdc.features.merging import merge
from lsdc.features.series_table import SERIES
from lsdc.features.store import FeatureStore
from lsdc.features.writer import write_store
from lsdc.models.registry import MEMBERS
from lsdc.runtime.remote_cache import CACHE
from lsdc.testing.damage import relist

pytestmark = pytest.mark.usefixtures("brief_learners")


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(MEMBERS, "linear", Linear)
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))


def in_parts(path: Path, folder: Path) -> Path:
    """Deal the studies of a store over two, and merge them."""
    store = FeatureStore.open(path)
    place = (pd.factorize(store.rows["study_id"])[0] % 2).astype(bool)
    for name, mask in (("odd", place), ("even", ~place)):
        rows = store.rows[mask].reset_index(drop=True)
        write_store(folder / name, rows, store.embedding[mask], configuration=store.manifest["configuration"])
    merge([folder / "odd", folder / "even"], folder / "merged")
    return folder / "merged"


def test_a_merged_store_gives_the_same_predictions(tmp_path: Path) -> None:
    whole = fake_store(tmp_path / "whole", 16, n_test=4, folds=2).path
    merged = in_parts(whole, tmp_path)
    MemoryFileSystem().put(str(merged), "/grown/store", recursive=True)
    written = []
    for name, store in (("whole", whole), ("merged", merged), ("cloud", "memory://grown/store")):
        members = ["linear", "lightgbm"]
        fitted = fit(store, tmp_path / f"model_{name}", members, trials=3)
        predict(fitted.model, store, tmp_path / f"{name}.csv")
        written.append((tmp_path / f"{name}.csv").read_bytes())
    assert written[0] == written[1] == written[2]


def test_simulated_patients_are_counted_where_a_part_has_no_table_of_series(tmp_path: Path) -> None:
    merged = in_parts(fake_store(tmp_path / "whole", 6, folds=2).path, tmp_path)
    for name in ("odd", "even"):
        assert not FeatureStore.open(tmp_path / name).listed.has(SERIES)
    ids = FeatureStore.open(tmp_path / "odd").studies["study_id"]
    pd.DataFrame({"study_id": ids, "traits": "simulated"}).to_csv(tmp_path / "odd" / SERIES, index=False)
    relist(tmp_path / "odd")
    shutil.rmtree(merged)
    merge([tmp_path / "odd", tmp_path / "even"], merged)
    store = FeatureStore.open(merged)
    assert FitCard.of(store, store.rows, seed=0).learned_from == "6 studies, 3 of them of simulated patients"
