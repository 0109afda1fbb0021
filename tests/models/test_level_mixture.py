"""Where the selector may have counted the levels wrongly, neighbors have a say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from support.member import Linear

from lsdc.models.crossfit import cross_fit, predict_folds
from lsdc.models.examples import Examples
from lsdc.models.fold_model import fit_shrunk, make_splits, predict_shrunk
from lsdc.models.level_mixture import doubts_of, mixed_across_levels
from lsdc.models.shrinkage import SHRINKAGE, Shrinkage
from lsdc.testing.losses import weighted_loss
from lsdc.testing.planted_examples import make_examples

COLUMNS = ["normal_mild", "moderate", "severe"]


def doubtful(examples: Examples, doubt: float | NDArray[np.float64]) -> Examples:
    """Say how likely each level is one off."""
    return replace(examples, rows=examples.rows.assign(level_doubt=doubt))


def one_too_low(examples: Examples, studies: NDArray[np.bool_]) -> Examples:
    """Let the points of some studies lie one level too low; what their last level really shows is lost."""
    embedding = examples.embedding.reshape(len(studies), 5, 5, -1).copy()
    embedding[studies, :, :-1] = embedding[studies, :, 1:]
    return replace(examples, embedding=embedding.reshape(examples.embedding.shape))


class WholeImage(Linear):
    """Does not look at the points."""

    name = "whole_image"
    at_points = False


@given(seed=st.integers(0, 1000), doubt=st.floats(0, 1))
def test_mixtures_are_probabilities_and_no_doubt_changes_nothing(seed: int, doubt: float) -> None:
    probabilities = np.random.default_rng(seed).dirichlet([1, 1, 1], (3, 25))
    mixed = mixed_across_levels(probabilities, np.full((3, 25), doubt))
    assert_allclose(mixed.sum(axis=-1), 1)
    assert (mixed >= 0).all()
    assert_array_equal(mixed_across_levels(probabilities, np.zeros((3, 25))), probabilities)


def test_neighbors_are_those_of_the_same_condition() -> None:
    probabilities = np.tile([1.0, 0.0, 0.0], (1, 25, 1))
    probabilities[0, 5] = [0.0, 0.0, 1.0]  # the first level of the second condition
    severe = mixed_across_levels(probabilities, np.full((1, 25), 0.4))[0, :, 2]
    assert_allclose(severe[[4, 5, 6, 7]], [0, 0.8, 0.2, 0])


def test_doubt_that_is_not_known_is_none() -> None:
    examples = make_examples(2)
    assert not doubts_of(examples).any()
    known = np.where(np.arange(50) == 7, 0.25, np.nan)
    assert_array_equal(doubts_of(doubtful(examples, known))[0, :8], [0, 0, 0, 0, 0, 0, 0, 0.25])


def test_doubt_pays_where_levels_are_really_off() -> None:
    examples = make_examples(120, signal=3.0)
    off = np.arange(120) % 2 == 1
    shifted = one_too_low(examples, off)
    split = make_splits(examples)[0]
    member, shrinkage = fit_shrunk(Linear(), examples, split)
    truth = examples.grades[np.repeat(off, 25)]
    rows = np.repeat(off, 25)
    told = predict_shrunk(member, shrinkage, doubtful(shifted, 0.5).where(rows))
    not_told = predict_shrunk(member, shrinkage, shifted.where(rows))
    assert weighted_loss(truth, told) < 0.95 * weighted_loss(truth, not_told)


@pytest.mark.parametrize("member", [Linear, WholeImage])
def test_only_members_that_look_at_the_points_are_mixed(member: type[Linear], tmp_path: Path) -> None:
    examples = make_examples(20)
    plain = cross_fit(member, examples, tmp_path / "plain")[COLUMNS].to_numpy()
    mixed = cross_fit(member, doubtful(examples, 0.3), tmp_path / "doubtful")[COLUMNS].to_numpy()
    assert np.array_equal(plain, mixed) == (member is WholeImage)


def test_models_of_earlier_versions_predict_what_they_were_stacked_on(tmp_path: Path) -> None:
    examples = make_examples(20)
    cross_fit(Linear, examples, tmp_path / "model")
    before = predict_folds(tmp_path / "model", Linear, examples)[COLUMNS].to_numpy()
    folders = sorted((tmp_path / "model").glob("fold_*"))
    assert all(Shrinkage.load(folder).across_levels for folder in folders)  # type: ignore[union-attr]
    asked = doubtful(examples, 0.3)
    assert not np.array_equal(predict_folds(tmp_path / "model", Linear, asked)[COLUMNS].to_numpy(), before)
    for folder in folders:
        path = folder / SHRINKAGE
        path.write_text(path.read_text().replace('"across_levels": true', '"of_another_time": true'))
    assert_array_equal(predict_folds(tmp_path / "model", Linear, asked)[COLUMNS].to_numpy(), before)
