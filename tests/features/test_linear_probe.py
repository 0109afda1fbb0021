"""Probes answer for groups they have not seen, and reference encoders describe crops of any size."""

from __future__ import annotations

import numpy as np
import pytest

from lsdc.features.linear_probe import linear_probe, ridge_probe
from lsdc.features.reference_encoders import pixel_features, texture_features
from lsdc.runtime import ConfigError

RNG = np.random.default_rng(0)
GROUPS = np.arange(240) // 8
VALUE = RNG.normal(size=240)
FEATURES = np.column_stack([VALUE + 0.1 * RNG.normal(size=240), RNG.normal(size=(240, 4))])


def test_a_probe_finds_what_is_there_and_nothing_else() -> None:
    truth = VALUE > 0
    assert linear_probe(FEATURES, truth, GROUPS).auc > 0.97
    assert abs(linear_probe(FEATURES[:, 1:], truth, GROUPS).auc - 0.5) < 0.15
    assert ridge_probe(FEATURES, VALUE, GROUPS).r2 > 0.9


def test_groups_stay_whole_and_rows_sum_to_one() -> None:
    probe = linear_probe(FEATURES, np.digitize(VALUE, (-0.5, 0.5)), GROUPS, strength=1.0)
    assert all(len(np.unique(probe.fold[group == GROUPS])) == 1 for group in np.unique(GROUPS))
    assert probe.scores.shape == probe.probabilities.shape == (240, 3)
    np.testing.assert_allclose(probe.probabilities.sum(axis=1), 1)


def test_a_label_that_leaks_by_group_is_not_learned() -> None:
    one_hot = np.eye(30)[GROUPS]
    truth = RNG.permutation(30)[GROUPS] % 2
    assert linear_probe(one_hot, truth, GROUPS, strength=1.0).auc < 0.7


def test_classes_that_are_absent_from_training_get_the_floor() -> None:
    truth = (GROUPS == 0).astype(int)
    probe = linear_probe(FEATURES, truth, GROUPS, classes=(0, 1, 2), floor=0.01)
    left_out = probe.probabilities[GROUPS == 0]
    np.testing.assert_allclose(left_out[:, 1:], 0.01 / 1.02)


def test_one_group_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least two folds and two groups, not folds=5 and 1 groups"):
        linear_probe(FEATURES, VALUE > 0, np.zeros(240))


def test_reference_features_do_not_depend_on_the_size_of_an_even_crop() -> None:
    crops = [np.full(shape, 120, np.uint8) for shape in ((20, 40), (64, 31))]
    pixels, textures = pixel_features(crops), texture_features(crops)
    assert pixels.shape == (2, 128) and textures.shape == (2, 266)
    np.testing.assert_allclose(pixels, 120 / 255)
    np.testing.assert_array_equal(textures[0], textures[1])
