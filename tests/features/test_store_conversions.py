"""A store as pandas, scikit-learn, PyTorch and notebooks take it."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import GroupKFold, cross_val_score
from torch.utils.data import DataLoader

from lsdc.cohort.vocabulary import TARGETS, Condition, Family, View
from lsdc.features.store import FeatureStore
from lsdc.features.writer import write_store
from lsdc.runtime.errors import ConfigError

STUDIES = ["a", "b", "c", "t"]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    """Three train studies, one row of which is unlabeled, and a test study; crops hold the number of their row."""
    rows = pd.DataFrame(
        [(study, *target) for study in STUDIES for target in TARGETS],
        columns=["study_id", "condition", "level"],
    )
    n = len(rows)
    rows["split"] = np.repeat(["train", "train", "train", "test"], len(TARGETS))
    rows["grade"] = np.where(rows["split"] == "test", -1, np.arange(n) % 3)
    rows.loc[2, "grade"] = -1
    rows["fold"] = np.where(rows["split"] == "test", -1, 1)
    rows["meta_depth"] = np.arange(n, dtype=np.float32)
    embedding = np.repeat(np.arange(n, dtype=np.float32)[:, None], 3, axis=1)
    embedding[0, 2] = np.nan
    crops = np.zeros((n, 3, 3, 4, 4), np.uint8)
    crops += np.arange(n, dtype=np.uint8)[:, None, None, None, None]
    crops[:, 1] += 100
    folder = tmp_path_factory.mktemp("conversions") / "<store>"
    return write_store(folder, rows, embedding, crops, configuration={"backbone": "regnetx_002"})


def scaled_down(crop: torch.Tensor) -> torch.Tensor:
    return crop[:, ::2, ::2]


def test_pandas_rows_are_readable(store: FeatureStore) -> None:
    table = store.to_pandas()
    assert table.index.name == "row_id" and len(table) == 100
    row = table.loc["a_left_subarticular_stenosis_l4_l5"]
    assert (row["family"], row["side"], row["level"]) == ("subarticular", "left", "l4_l5")
    assert table["side"].isna().sum() == 20  # the canal's rows
    assert list(table["grade"].cat.categories) == ["normal_mild", "moderate", "severe"]
    assert table["grade"].isna().sum() == 26 and table["fold"].isna().sum() == 25
    assert table["instance_number"].isna().all() and "embedding" not in table
    assert (table[table["grade"] >= "moderate"]["grade"] != "normal_mild").all()
    pd.testing.assert_series_equal(store.rows["grade"], pd.read_parquet(store.path / "rows.parquet")["grade"])


def test_pandas_takes_the_embedding_too(store: FeatureStore) -> None:
    table = store.to_pandas(embedding=True)
    np.testing.assert_array_equal(table[["e0", "e1", "e2"]], store.embedding)


def test_sklearn_gets_labeled_training_rows(store: FeatureStore) -> None:
    X, y, groups = store.to_sklearn()
    assert X.shape == (74, 5) and X.dtype == np.float32 and np.isnan(X[0, 2])
    assert store.feature_names == ["e0", "e1", "e2", "meta_depth", "confidence"]
    assert set(y) == {0, 1, 2} and y.dtype == np.int64 and set(groups) == {"a", "b", "c"}
    scores = cross_val_score(DummyClassifier(), X, y, groups=groups, cv=GroupKFold(3))
    assert np.isfinite(scores).all()


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        (None, 74),
        ("spinal", 14),
        (Family.FORAMINAL, 30),
        (Condition.LEFT_SUBARTICULAR_STENOSIS, 15),
        ("right_neural_foraminal_narrowing", 15),
    ],
)
def test_conditions_and_families_are_selected(
    store: FeatureStore, condition: Condition | Family | str | None, rows: int
) -> None:
    assert len(store.to_sklearn(condition).y) == rows == len(store.to_torch(condition))


def test_unlabeled_rows_are_there_for_prediction(store: FeatureStore) -> None:
    assert set(store.to_sklearn(split="test", labeled=False).y) == {-1}
    assert len(store.to_sklearn(split=None, labeled=False).X) == 100


def test_what_does_not_exist_is_named(store: FeatureStore) -> None:
    with pytest.raises(ConfigError, match="condition: 'canal' is unknown; expected one of spinal, foraminal"):
        store.to_sklearn("canal")
    with pytest.raises(
        ConfigError, match=r"no row has split 'test'.* and a grade; its splits are test, train"
    ):
        store.to_torch(split="test")
    with pytest.raises(
        ConfigError, match="views: 'coronal' is unknown; expected graded, all, or one of Sagittal"
    ):
        store.to_torch(views="coronal")  # type: ignore[arg-type]


def test_torch_items_are_copies_of_the_graded_view(store: FeatureStore) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        crop, label = store.to_torch("spinal")[1]
    assert crop.shape == (3, 4, 4) and crop.dtype == torch.uint8 and isinstance(label, int)
    assert (crop == 101).all() and label == 1  # sagittal T2, row 1
    crop += 1
    assert (store.crops[1, 1] == 101).all()


def test_torch_views_scale_and_transform(store: FeatureStore) -> None:
    assert (store.to_torch("spinal", views=View.AXIAL_T2)[1][0] == 1).all()
    assert store.to_torch(views="all")[0][0].shape == (3, 3, 4, 4)
    crop, _ = store.to_torch("spinal", scaled=True, transform=scaled_down)[1]
    assert (
        crop.shape == (3, 2, 2) and crop.dtype == torch.float32 and crop[0, 0, 0] == pytest.approx(101 / 255)
    )


def test_torch_dataset_travels_to_workers(store: FeatureStore) -> None:
    dataset = store.to_torch("foraminal", transform=scaled_down)
    assert dataset[0][0].shape == (3, 2, 2)
    assert len(pickle.dumps(dataset)) < 10_000  # without the open file
    loader = DataLoader(dataset, batch_size=8, num_workers=2, multiprocessing_context="spawn")
    crops, labels = zip(*loader)
    assert torch.cat(crops).shape == (30, 3, 2, 2)
    np.testing.assert_array_equal(torch.cat(labels), store.to_sklearn("foraminal").y)


def test_it_prints_in_a_line_and_as_escaped_html(store: FeatureStore) -> None:
    assert repr(store) == f"FeatureStore({str(store.path)!r}, 4 studies, 100 rows, regnetx_002)"
    page = store._repr_html_()
    assert "&lt;store&gt;" in page and "<store>" not in page and "<td>100</td>" in page


def test_a_store_that_names_no_backbone_prints(tmp_path: Path) -> None:
    rows = pd.DataFrame([("a", *target) for target in TARGETS], columns=["study_id", "condition", "level"])
    made = write_store(tmp_path / "s", rows, np.zeros((25, 2), np.float32))
    assert repr(made).endswith("25 rows, unknown backbone)")
