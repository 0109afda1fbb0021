"""Preparation: what heads see of a row and of the study around it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from lsdc.models.examples import Examples
from lsdc.models.heads import prepare
from lsdc.models.heads.lately_fitted import LatelyFitted
from lsdc.models.heads.prepare import CONTEXT_COMPONENTS, Preparation
from lsdc.runtime import ArtifactError, LsdcError
from lsdc.testing.planted_examples import make_examples, mirrored_examples


@pytest.fixture(scope="module")
def examples() -> Examples:
    return make_examples(12)


@pytest.fixture(scope="module")
def fitted(examples: Examples) -> Preparation:
    return Preparation().fit(examples)


def changed(examples: Examples, row: int, by: float = 10.0) -> Examples:
    """The same examples, with another embedding in one row."""
    embedding = examples.embedding.copy()
    embedding[row] += by
    return replace(examples, embedding=embedding)


def test_a_row_changes_its_study_alone(examples: Examples, fitted: Preparation) -> None:
    before, after = fitted.transform(examples), fitted.transform(changed(examples, 30))
    assert set(np.flatnonzero((~np.isclose(before, after, equal_nan=True)).any(axis=1)) // 25) == {1}


@pytest.mark.parametrize(
    ("row", "seen_by"),
    [
        (2, {0, 1, 2, 3, 5, 7, 10, 12, 15, 17, 20, 22}),
        (7, {2, 6, 7, 8, 12}),
        (17, {2, 16, 17, 18, 22}),
    ],
    ids=["canal", "left foramen", "left recess"],
)
def test_context_is_the_neighborhood(
    examples: Examples, fitted: Preparation, row: int, seen_by: set[int]
) -> None:
    """Rows are conditions (canal, foramina, recesses) of five levels; row 2 is the canal at L3/L4."""
    before, after = fitted.transform(examples), fitted.transform(changed(examples, row))
    seen = set(np.flatnonzero((~np.isclose(before, after, equal_nan=True)).any(axis=1)))
    assert row in seen
    assert seen <= seen_by


def test_a_mirrored_study_has_mirrored_features(examples: Examples, fitted: Preparation) -> None:
    other, order = mirrored_examples(examples)
    assert_allclose(fitted.transform(other), fitted.transform(examples)[order], atol=1e-5)


def test_the_first_and_last_level_have_no_neighbor(examples: Examples, fitted: Preparation) -> None:
    context = fitted.transform(examples)[:, -4 * CONTEXT_COMPONENTS :]
    above, below = context[:, :CONTEXT_COMPONENTS], context[:, CONTEXT_COMPONENTS : 2 * CONTEXT_COMPONENTS]
    level = np.arange(len(examples)) % 5
    assert_array_equal(np.isnan(above).all(axis=1), level == 0)
    assert_array_equal(np.isnan(below).all(axis=1), level == 4)


def test_absent_views_and_infinities_are_unknown(examples: Examples) -> None:
    embedding, numeric = examples.embedding.copy(), examples.numeric.copy()
    embedding[:, 24:] = np.nan
    numeric[3, 0] = np.inf
    strange = replace(examples, embedding=embedding, numeric=numeric)
    features = Preparation().fit(strange).transform(strange)
    assert not np.isinf(features).any()
    assert np.isnan(features).any()


def test_every_column_of_an_uneven_embedding_counts(examples: Examples) -> None:
    uneven = replace(examples, embedding=examples.embedding[:, :11])
    preparation = Preparation().fit(uneven)
    before = preparation.transform(uneven)
    for column in range(11):
        embedding = uneven.embedding.copy()
        embedding[:, column] += 1
        assert not np.allclose(
            preparation.transform(replace(uneven, embedding=embedding)), before, equal_nan=True
        )


@pytest.mark.parametrize(
    "order",
    [np.arange(1, 300), np.r_[np.arange(24), 49, np.arange(25, 49), 24], np.r_[1, 0, np.arange(2, 25)]],
    ids=["a row lacks", "studies are mixed", "two rows are swapped"],
)
def test_rows_that_are_not_whole_studies_are_refused(
    examples: Examples, fitted: Preparation, order: NDArray[np.intp]
) -> None:
    rows = examples.rows.iloc[order].reset_index(drop=True)
    parts = replace(examples, rows=rows, embedding=examples.embedding[order], numeric=examples.numeric[order])
    with pytest.raises(LsdcError, match=r"not whole studies of 25 targets"):
        fitted.transform(parts)


def test_other_features_are_refused(examples: Examples, fitted: Preparation) -> None:
    with pytest.raises(LsdcError, match="embeddings have 35 columns, the model was fitted on 36"):
        fitted.transform(replace(examples, embedding=examples.embedding[:, 1:]))
    with pytest.raises(LsdcError, match=r"numeric columns .*\(meta_b, meta_c differ\)"):
        fitted.transform(replace(examples, numeric_names=["meta_a", "meta_c", "confidence"]))
    with pytest.raises(LsdcError, match=r"numeric columns .*\(order differ\)"):
        fitted.transform(replace(examples, numeric_names=["meta_b", "meta_a", "confidence"]))


def test_saved_and_loaded_it_is_the_same(examples: Examples, fitted: Preparation, tmp_path: Path) -> None:
    fitted.save(tmp_path / "p.safetensors")
    loaded = Preparation.load(tmp_path / "p.safetensors")
    assert_array_equal(loaded.transform(examples), fitted.transform(examples))
    (tmp_path / "p.safetensors").write_bytes(b"nothing")
    with pytest.raises(ArtifactError, match=r"p\.safetensors: damaged model file"):
        Preparation.load(tmp_path / "p.safetensors")


def test_features_do_not_depend_on_the_number_of_threads(
    examples: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An embedding as wide as the bundled encoder's, whose products several threads add up in another order."""
    rng = np.random.default_rng(3)
    scale = np.exp(rng.normal(size=1104)).astype(np.float32)
    embedding = (rng.normal(size=(len(examples), 1104)) * scale).astype(np.float32)
    wide = [replace(examples, embedding=embedding.copy()) for _ in range(2)]
    made = []
    for threads, part in zip((1, 2), wide):
        monkeypatch.setattr(prepare, "_LATELY", LatelyFitted(1))  # nothing is remembered
        with threadpool_limits(threads):
            preparation = Preparation().fit(part)
            made.append((preparation.tensors, preparation.transform(part)))
    for name, tensor in made[0][0].items():
        assert_array_equal(tensor, made[1][0][name])
    assert_array_equal(made[0][1], made[1][1])
