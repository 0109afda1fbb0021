"""The learning curve of the benchmark of real foramina: a store in which only some studies have labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from real_foramina import limited
from support.random_store import random_store

from lsdc.features.merging import merge
from lsdc.features.store import FeatureStore


@pytest.mark.parametrize("merged", [False, True])
def test_labels_are_taken_from_the_other_studies(merged: bool, tmp_path: Path) -> None:
    """A large store lies in several folders, as a merged one does."""
    parts = [
        random_store(tmp_path / "a", ["a", "c"], selector=b"1"),
        random_store(tmp_path / "b", ["b"], selector=b"1"),
    ]
    if merged:
        merge([part.path for part in parts], tmp_path / "all")
    store = FeatureStore.open(tmp_path / "all" if merged else tmp_path / "a")
    made = FeatureStore.open(limited(store, {"c"}, tmp_path / "limited"))
    np.testing.assert_array_equal(made.embedding, store.embedding)
    found = made.rows
    same = found["study_id"] == "c"
    pd.testing.assert_frame_equal(found[same], store.rows[same])
    assert len(found) == len(store.rows) and same.sum() == 25
    assert (found.loc[~same, ["grade", "fold"]] == -1).all(axis=None)
