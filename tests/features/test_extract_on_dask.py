"""A store that Dask workers extracted, while one of them was killed, is the store that this process extracts."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from support.cluster import LoopbackCluster

from lsdc.commands.features import main
from lsdc.features import extraction
from lsdc.features.extraction import extract
from lsdc.features.store_settings import Settings
from lsdc.runtime import ConfigError, LsdcError, dask_connection
from lsdc.runtime.remote_cache import CACHE

TINY = Settings("mobilenetv3_small_050", "random", folds=2, crop_px=32, volume_slices=4, volume_px=32)
pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoopbackCluster]:
    with LoopbackCluster(tmp_path_factory.mktemp("cluster")) as cluster:
        for _ in range(3):
            cluster.start_worker()
        yield cluster


def contents(folder: Path) -> dict[str, bytes]:
    return {str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file()}


def test_the_store_is_the_same_although_a_worker_dies(
    few_studies: Path, cluster: LoopbackCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, out = tmp_path / "data", tmp_path / "dask"
    data.mkdir()
    for path in few_studies.iterdir():  # without coordinates, nothing is fitted
        if path.name != "train_label_coordinates.csv":
            (data / path.name).symlink_to(path)
    extract(data, tmp_path / "local", TINY, workers=1)

    def kill_one() -> None:
        while not list(out.glob("work/*.arrow")):
            time.sleep(0.02)
        cluster.workers[0].kill()

    killer = threading.Thread(target=kill_one, daemon=True)
    killer.start()
    monkeypatch.chdir(tmp_path)  # relative paths mean what they mean here
    found = extract("data", "dask", TINY, engine="dask", scheduler=cluster.address)
    killer.join(10)
    assert not killer.is_alive() and found.studies == 5
    left, right = contents(tmp_path / "local"), contents(out)
    assert left.keys() == right.keys()
    assert {name for name in left if left[name] != right[name]} == set()
    assert pd.read_csv(out / "problems.csv").empty or left["problems.csv"] == right["problems.csv"]


def test_where_no_worker_works_nothing_is_claimed(
    few_studies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_connection, "_CONNECT", 1.0)
    monkeypatch.setattr(dask_connection, "_PATIENCE", 1.0)
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    out = tmp_path / "store"
    away = {"like": "bundled", "engine": "dask", "scheduler": "tcp://127.0.0.1:9"}
    for place in (out, f"file://{tmp_path}/there"):
        with pytest.raises(ConfigError, match="no Dask scheduler answers"):
            extract(few_studies, place, TINY, **away)  # type: ignore[arg-type]
    assert list(out.iterdir()) == [] and not list((tmp_path / "there").iterdir())
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    (tmp_path / "empty").mkdir()
    with (
        LoopbackCluster(tmp_path / "empty") as empty,  # a scheduler without workers
        monkeypatch.context() as patch,
        pytest.raises(LsdcError, match="no Dask worker is there"),
    ):
        patch.setattr(dask_connection, "_CONNECT", 30.0)  # it answers, on a busy machine late
        extract(few_studies, out, TINY, **away | {"scheduler": empty.address})  # type: ignore[arg-type]
    assert list(out.iterdir()) == []
    other = replace(TINY, crop_px=48)
    with monkeypatch.context() as patch:
        patch.setattr(extraction, "_run_stages", lambda *given: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):  # begun here, with other settings
            extract(few_studies, out, other, like="bundled")
    with pytest.raises(ConfigError, match="no Dask scheduler answers"):
        extract(few_studies, out, other, **away)  # type: ignore[arg-type]
    assert (out / "config.json").is_file()  # which another run has written


def test_the_command_says_what_is_missing(
    few_studies: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["extract", str(few_studies), "--out", str(tmp_path / "store"), "--engine", "dask"]
    assert main(words) == 2
    assert "the engine 'dask' needs the address of a scheduler" in capsys.readouterr().err
    assert main([*words, "--scheduler", "tcp://127.0.0.1:1", "--workers", "2"]) == 2
    assert "workers counts processes of this machine" in capsys.readouterr().err
    assert not (tmp_path / "store").exists()
