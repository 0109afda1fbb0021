from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsdc.cohort.folds import make_folds, read_folds
from lsdc.cohort.vocabulary import TARGETS
from lsdc.runtime import ConfigError, TableError


def labels_of(n: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    burden = rng.beta(1, 4, n)[:, None]
    grades = (rng.random((n, 25)) < burden).astype(np.int8) + (rng.random((n, 25)) < burden)
    return pd.DataFrame(grades, index=[f"s{k}" for k in range(n)], columns=[t.slug for t in TARGETS])


@given(st.integers(2, 60), st.integers(2, 7), st.integers(0, 3))
@settings(max_examples=25, deadline=None)
def test_every_study_has_a_fold_and_folds_are_even(n: int, k: int, seed: int) -> None:
    folds = make_folds(labels_of(n), k, seed)
    counts = np.bincount(list(folds.values()))
    assert len(folds) == n and len(counts) == min(n, k)
    assert counts.max() - counts.min() <= 1


def test_order_of_rows_does_not_matter() -> None:
    labels = labels_of(40)
    assert make_folds(labels) == make_folds(labels.sample(frac=1, random_state=1))
    assert make_folds(labels) != make_folds(labels, seed=1)


def test_severity_is_spread() -> None:
    labels = labels_of(200)
    folds = pd.Series(make_folds(labels))
    severe = (labels == 2).sum(axis=1).groupby(folds).mean()
    assert severe.max() / severe.min() < 1.3
    canal = (labels.filter(like="spinal") == 2).any(axis=1).groupby(folds).sum()
    assert canal.max() - canal.min() <= 2


def test_one_study_cannot_be_cross_fitted() -> None:
    with pytest.raises(ConfigError, match="at least 2 labeled studies and found 1"):
        make_folds(labels_of(1))


def test_repeated_study_is_named() -> None:
    with pytest.raises(ConfigError, match="'s0' has more than one row"):
        make_folds(pd.concat([labels_of(3), labels_of(1)]))


@pytest.mark.parametrize(
    "text",
    [
        "study_id,fold\n7,0\n8,1\n",
        "study_id,fold\n7.0,0.0\n8.0,1.0\n",
        "Study ID;Fold\n7;0\n8;1\n",
        "row_id,study_id,fold\n7_a,7,0\n7_b,7,0\n8_a,8,1\n",
    ],
)
def test_folds_are_read_whoever_wrote_them(tmp_path: Path, text: str) -> None:
    (tmp_path / "folds.csv").write_text(text)
    assert read_folds(tmp_path / "folds.csv", ["8", "7"]).tolist() == [1, 0]


def test_studies_to_append_may_be_in_one_fold(tmp_path: Path) -> None:
    (tmp_path / "folds.csv").write_text("study_id,fold\n7,1\n8,1\n")
    assert read_folds(tmp_path / "folds.csv", ["7"], least=1).tolist() == [1]
    with pytest.raises(TableError, match="all studies are in fold 1; at least two folds are needed"):
        read_folds(tmp_path / "folds.csv", ["7", "8"])
