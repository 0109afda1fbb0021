"""A store in several folders behaves as one that was made in one go."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.random_store import random_store

from lsdc.cohort.vocabulary import View
from lsdc.features.joined_array import JoinedArray
from lsdc.features.merging import merge
from lsdc.features.store import FeatureStore
from lsdc.features.store_check import ARRAYS
from lsdc.models.examples import Examples
from lsdc.runtime.artifact import read_json, write_json
from lsdc.runtime.errors import ArtifactError

STUDIES = ["a", "b", "c", "d", "e", "f", "g"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    return random_store(tmp_path_factory.mktemp("whole") / "store", STUDIES)


@pytest.fixture(scope="module")
def sharded(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    """The same studies in three shards, out of order."""
    folder = tmp_path_factory.mktemp("sharded")
    for name, studies in {"1": ["b", "f"], "2": ["a", "c", "g"], "3": ["d", "e"]}.items():
        random_store(folder / name, studies)
    merge([folder / "1", folder / "2", folder / "3"], folder / "store")
    for name in "123":
        shutil.rmtree(folder / name)  # the merged store needs them no more
    return FeatureStore.open(folder / "store")


def test_tables_are_the_same(whole: FeatureStore, sharded: FeatureStore) -> None:
    pd.testing.assert_frame_equal(sharded.rows, whole.rows)
    pd.testing.assert_frame_equal(sharded.studies, whole.studies)
    pd.testing.assert_frame_equal(sharded.to_pandas(embedding=True), whole.to_pandas(embedding=True))
    np.testing.assert_array_equal(sharded.embedding, whole.embedding)
    np.testing.assert_array_equal(sharded.numeric(), whole.numeric())
    for mine, theirs in zip(sharded.to_sklearn("foraminal"), whole.to_sklearn("foraminal")):
        np.testing.assert_array_equal(mine, theirs)
    assert sharded.problems.path.tolist() == ["b/1.dcm", "a/1.dcm", "d/1.dcm"]
    assert sharded.feature_fingerprint == whole.feature_fingerprint
    assert "7 studies, 175 rows" in repr(sharded) and "6 px" in sharded._repr_html_()


KEYS = st.one_of(
    st.integers(-175, 174),
    st.slices(175),
    st.lists(st.integers(-175, 174), max_size=9).map(lambda rows: np.array(rows, np.int64)),
    st.sampled_from([np.uint8, np.int8, np.uint16, np.uint64]).map(lambda kind: np.array([5, 127, 0], kind)),
    st.lists(st.booleans(), min_size=175, max_size=175).map(np.array),
    st.tuples(st.integers(-175, 174), st.integers(0, 2)),
    st.tuples(st.slices(175), st.integers(0, 2), st.slices(3)),
    st.tuples(st.slices(175), st.just([0, 2])),
    st.tuples(st.just([5, 3, 170, -1]), st.just(np.array([0, 2, 1, 1]))),
    st.tuples(st.just(np.array([[5, 3], [170, -1]])), st.just([0, 2]), st.just(slice(1, 2)), st.just(3)),
    st.tuples(st.just([5, 100]), st.just(Ellipsis), st.just(slice(0, 2))),
    st.just(Ellipsis),
    st.just((Ellipsis, 0)),
    st.just(None),
)


@given(key=KEYS)
def test_crops_are_indexed_as_numpy_does(whole: FeatureStore, sharded: FeatureStore, key: Any) -> None:
    expected, found = np.asarray(whole.crops)[key], sharded.crops[key]
    np.testing.assert_array_equal(found, expected)
    assert found.shape == expected.shape and found.dtype == np.uint8


@pytest.mark.parametrize(
    "key", [175, -176, (0, 3), [174, 175], np.zeros(3, bool), [0.5], (slice(None), [0, 3])]
)
def test_what_is_not_there_is_an_index_error(sharded: FeatureStore, key: Any) -> None:
    with pytest.raises(IndexError):
        _ = sharded.crops[key]


def test_arrays_are_the_same(whole: FeatureStore, sharded: FeatureStore) -> None:
    for name in ARRAYS:
        mine, theirs = sharded.array(name), whole.array(name)
        np.testing.assert_array_equal(mine, theirs)
        assert (mine.shape, mine.dtype, mine.ndim, mine.nbytes) == (
            theirs.shape, theirs.dtype, theirs.ndim, theirs.nbytes,
        )  # fmt: skip
        assert len(mine) == len(theirs) and isinstance(mine, JoinedArray)
        np.testing.assert_array_equal([item.sum() for item in mine], [item.sum() for item in theirs])
    np.testing.assert_array_equal(sharded.volume(View.AXIAL_T2)[2], whole.volume(View.AXIAL_T2)[2])
    np.testing.assert_array_equal(sharded.previews[[6, 0]], whole.previews[[6, 0]])


def test_members_and_datasets_read_the_same(whole: FeatureStore, sharded: FeatureStore) -> None:
    mine, theirs = (
        Examples.from_store(store).where(store.rows.study_id != "c") for store in (sharded, whole)
    )
    assert mine.arrays is not None and theirs.arrays is not None
    chosen = np.array([4, 0, 5])
    for graded in (False, True):
        np.testing.assert_array_equal(mine.arrays.crops(chosen, graded), theirs.arrays.crops(chosen, graded))
    np.testing.assert_array_equal(mine.arrays.volumes(chosen), theirs.arrays.volumes(chosen))
    np.testing.assert_array_equal(mine.arrays.previews(chosen), theirs.arrays.previews(chosen))
    assert mine.arrays.fingerprint() == theirs.arrays.fingerprint()
    one, other = sharded.to_torch("spinal"), whole.to_torch("spinal")
    sent = pickle.loads(pickle.dumps(one))  # noqa: S301 - as DataLoader sends it
    assert len(one) == len(other) == len(sent)
    for k in (0, 9, len(one) - 1):
        np.testing.assert_array_equal(one[k][0], other[k][0])
        np.testing.assert_array_equal(sent[k][0], other[k][0])


def test_arrays_travel_without_the_tables(sharded: FeatureStore) -> None:
    _ = sharded.rows, sharded.embedding
    assert len(pickle.dumps(sharded.arrays)) < 20_000


def changed(store: FeatureStore, folder: Path, **content: Any) -> Path:
    copy = Path(shutil.copytree(store.path, folder / "store"))
    write_json(copy / "manifest.json", read_json(copy / "manifest.json") | content)
    return copy


def test_opening_reads_no_shard_and_damage_is_named_when_it_is_met(
    sharded: FeatureStore, tmp_path: Path
) -> None:
    copy = changed(sharded, tmp_path)
    (copy / "shards" / "00001" / "crops.npy").write_bytes(b"1")
    (copy / "shards" / "00002" / "rows.parquet").unlink()
    opened = FeatureStore.open(copy)
    with pytest.raises(ArtifactError, match=r"shards/0000[12]: damaged store, crops\.npy has 1 bytes"):
        _ = opened.rows
    (copy / "shards" / "00001" / "manifest.json").unlink()
    with pytest.raises(ArtifactError, match=r"damaged store, shards/00001/manifest\.json is missing"):
        FeatureStore.open(copy)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"n_rows": 7}, "the shards do not add up to n_rows"),
        ({"arrays": None}, "arrays is None and must be an object"),
        ({"shards": []}, "shards is list and must be a list of 1 to"),
        (
            {"shards": [{"name": "../x", "n_rows": 25, "n_studies": 1, "n_problems": 0}]},
            r"shards\[0\]\.name is",
        ),
    ],
)
def test_a_manifest_that_contradicts_itself_is_damage(
    sharded: FeatureStore, tmp_path: Path, content: dict[str, Any], message: str
) -> None:
    with pytest.raises(ArtifactError, match=message):
        FeatureStore.open(changed(sharded, tmp_path, **content))


def test_a_shard_is_listed_once_and_is_what_the_store_says(sharded: FeatureStore, tmp_path: Path) -> None:
    first, second, third = sharded.manifest["shards"]
    twice = {"shards": [first, first, third], "n_rows": 150, "n_studies": 6}
    with pytest.raises(ArtifactError, match="a shard is listed twice"):
        FeatureStore.open(changed(sharded, tmp_path / "1", **twice))
    swapped = [first | {"name": second["name"]}, second | {"name": first["name"]}, third]
    opened = FeatureStore.open(changed(sharded, tmp_path / "2", shards=swapped))
    with pytest.raises(
        ArtifactError, match=r"damaged store, shards/0000[01]: n_rows is not that of the store"
    ):
        _ = opened.rows
