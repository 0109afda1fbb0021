"""Merging links what fits together, and names what does not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support.random_store import SIZES, random_store
from support.store import fake_store

from lsdc.commands.features import main
from lsdc.features import merging
from lsdc.features.extractor import selector_digest
from lsdc.features.merging import merge
from lsdc.features.store import FeatureStore
from lsdc.features.writer import write_store
from lsdc.runtime.artifact import read_json, write_json
from lsdc.runtime.console import logger
from lsdc.runtime.errors import ArtifactError, ConfigError


@pytest.fixture
def two(tmp_path: Path) -> list[Path]:
    stores = (
        random_store(tmp_path / "a", ["a", "c"], selector=b"1"),
        random_store(tmp_path / "b", ["b"], selector=b"1"),
    )
    return [store.path for store in stores]


def test_files_are_linked_and_the_extractor_comes_along(two: list[Path], tmp_path: Path) -> None:
    found = merge(two, tmp_path / "out")
    assert (found.studies, found.rows, found.problems, found.shards) == (3, 75, 2, 2)
    out = FeatureStore.open(tmp_path / "out")
    assert (two[0] / "crops.npy").samefile(out.path / "shards" / "00000" / "crops.npy")
    assert selector_digest(out) == selector_digest(FeatureStore.open(two[1]))
    assert not (out.path / "shards" / "00000" / "selector").exists()
    assert merge(two, tmp_path / "out") == found
    assert out.studies.study_id.tolist() == ["a", "b", "c"]


def test_where_links_cannot_be_files_are_copied(
    two: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*given: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(Path, "hardlink_to", refused)
    merge(two, tmp_path / "out")
    for path in two:
        shutil.rmtree(path)
    assert FeatureStore.open(tmp_path / "out").rows.study_id.nunique() == 3


def test_a_merged_store_can_be_merged(two: list[Path], tmp_path: Path) -> None:
    merge(two, tmp_path / "out")
    random_store(tmp_path / "c", ["aa", "d"], selector=b"1")
    assert merge([tmp_path / "out", tmp_path / "c"], tmp_path / "more").shards == 3
    assert FeatureStore.open(tmp_path / "more").studies.study_id.tolist() == ["a", "aa", "b", "c", "d"]


def test_an_interrupted_merge_resumes(
    two: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(merging, "write_shards", lambda *given: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            merge(two, tmp_path / "out")
    with pytest.raises(ArtifactError, match="not a finished store"):
        FeatureStore.open(tmp_path / "out")
    linked: list[Path] = []
    monkeypatch.setattr(shutil, "copyfile", lambda *given: linked.append(given[1]))
    assert merge(two, tmp_path / "out").studies == 3 and not linked
    with pytest.raises(ArtifactError, match=r"begun with another configuration \(merge differ\)"):
        merge(two[::-1], tmp_path / "out")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"configuration": {"backbone": "other"}}, r"they differ in backbone \('other' and 'mine'\)"),
        ({"configuration": {"backbone": "mine", "crop_mm": {"x": 1}}}, "they differ in crop_mm"),
        ({"columns": {"meta_more": 1.0}}, "they differ in numeric_names"),
        (
            {"selector": b"2"},
            r"located by different selectors, .*lsdc-features extract DATA --out STORE --like .*/a",
        ),
        (
            {"sizes": replace(SIZES, volume_px=9)},
            r"they differ in the size of volumes/sagittal_t1.npy \(\[3, 9, 9\]",
        ),
    ],
)
def test_what_does_not_fit_is_named(
    two: list[Path], tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    random_store(tmp_path / "c", ["x"], **({"selector": b"1"} | options))
    with pytest.raises(ArtifactError, match=rf"c: cannot be merged with .*a: .*{message}"):
        merge([two[0], tmp_path / "c"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_stores_that_share_studies_are_refused(two: list[Path], tmp_path: Path) -> None:
    random_store(tmp_path / "c", ["a", "b", "x"], selector=b"1")
    with pytest.raises(
        ArtifactError, match=r"c: 2 studies are in more than one of the stores \(a, b\); extract only"
    ):
        merge([*two, tmp_path / "c"], tmp_path / "out")
    with pytest.raises(ConfigError, match="stores must be at least two, not 1"):
        merge(two[:1], tmp_path / "out")


def test_stores_without_digests_are_refused(two: list[Path], tmp_path: Path) -> None:
    manifest = read_json(two[1] / "manifest.json")
    del manifest["files"]
    write_json(two[1] / "manifest.json", manifest | {"schema": 1})
    with pytest.raises(
        ArtifactError, match="made by an earlier version, which kept no digests; extract it again"
    ):
        merge(two, tmp_path / "out")


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    """What the toolkit warns of."""
    monkeypatch.setattr(logger, "propagate", True)
    caplog.set_level("WARNING", logger.name)
    return caplog


def test_folds_that_do_not_match_are_said(tmp_path: Path, warnings: pytest.LogCaptureFixture) -> None:
    stores = {
        name: fake_store(tmp_path / name, 10, folds=folds, prefix=name).path
        for name, folds in (("a", 5), ("b", 5), ("c", 2))
    }
    a, b, c = stores.values()
    merge([a, b], tmp_path / "same")
    assert not warnings.messages
    merge([a, b, c], tmp_path / "out")
    assert warnings.messages == [
        f"the stores have different folds ({a} has 5, {b} has 5, {c} has 2), and studies keep theirs: models are "
        "fitted over 5 folds, and 2, 3, 4 hold studies of some of the stores alone; for folds of one size, add the "
        "studies with `lsdc-features extract --append` instead"
    ]
    rows = FeatureStore.open(tmp_path / "out").rows
    assert rows.groupby("fold")["study_id"].nunique().tolist() == [9, 9, 4, 4, 4]


def test_labeled_studies_without_a_fold_are_said(tmp_path: Path, warnings: pytest.LogCaptureFixture) -> None:
    one, other = (fake_store(tmp_path / name, 4, folds=2, n_test=1, prefix=name).path for name in "ab")
    other = rewritten(
        other, lambda rows: rows.assign(fold=rows["fold"].where(rows["study_id"] != "b000", -1))
    )
    merge([one, other], tmp_path / "out")
    assert [text.partition(",")[0] for text in warnings.messages] == [
        f"{other}: 1 studies with labels have no fold (b000)"
    ]


def rewritten(path: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Path:
    """Write a store again with other rows."""
    store = FeatureStore.open(path)
    write_store(
        path.with_name(f"{path.name}2"),
        change(store.rows),
        store.embedding,
        configuration={"backbone": "fake"},
    )
    return path.with_name(f"{path.name}2")


def test_the_command_merges(two: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["merge", *map(str, two), "--out", str(tmp_path / "out"), "--json"]
    assert main(words) == 0
    assert '"studies": 3' in capsys.readouterr().out


def test_a_store_is_not_merged_into_one_of_its_parts(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is, or lies in, a store to be merged"):
        merge([tmp_path / "one", tmp_path / "two"], tmp_path / "one" / "in")
