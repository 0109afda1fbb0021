"""Shrinkage: no member is worse than knowing nothing, and a good one is left alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Self

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from support.member import Linear, Memory

from lsdc.metrics.official import GRADE_WEIGHTS
from lsdc.models.crossfit import cross_fit, predict_folds
from lsdc.models.examples import Examples
from lsdc.models.fold_model import make_splits
from lsdc.models.member import Member
from lsdc.models.shrinkage import SHRINKAGE, Shrinkage, target_fractions
from lsdc.runtime import ArtifactError, LsdcError
from lsdc.testing.losses import weighted_loss
from lsdc.testing.planted_examples import make_examples

COLUMNS = ["normal_mild", "moderate", "severe"]


class Noise(Linear):
    """Grades at random, and surely."""

    name = "noise"

    def predict_proba(self, examples: Examples) -> NDArray[np.float64]:
        rng = np.random.default_rng(len(examples))
        return rng.dirichlet([0.3, 0.3, 0.3], len(examples)) * 0.98 + 0.02 / 3


class Refitted(Linear):
    """Notes how many studies it was fitted on last."""

    name = "refitted"
    studies = 0

    def refit(self, examples: Examples) -> Self:
        self.fit(examples, examples.where(np.zeros(len(examples), bool)))
        type(self).studies = len(examples) // 25
        return self


def grades_of(examples: Examples) -> NDArray[np.int64]:
    return examples.grades.reshape(-1, 25)


def out_of_fold(member: type[Member], examples: Examples, folder: Path) -> tuple[float, float]:
    """The loss of a member's out-of-fold predictions, and that of the prior, counted without each fold too."""
    table = cross_fit(member, examples, folder).set_index("row_id").loc[examples.rows["row_id"], COLUMNS]
    prior, fold = np.empty((len(examples), 3)), examples.rows["fold"].to_numpy()
    for number in np.unique(fold):
        fractions = target_fractions(grades_of(examples.where(fold != number)))
        prior[fold == number] = np.tile(fractions, ((fold == number).sum() // 25, 1))
    return weighted_loss(examples.grades, table.to_numpy()), weighted_loss(examples.grades, prior)


@pytest.mark.parametrize("folds", [2, 5])
@pytest.mark.parametrize("member", [Noise, Memory])
def test_what_learned_nothing_is_about_as_good_as_the_prior(
    member: type[Member], folds: int, tmp_path: Path
) -> None:
    loss, prior = out_of_fold(member, make_examples(45, signal=0.0, folds=folds), tmp_path)
    assert loss < 1.03 * prior


def test_what_learned_something_is_not_worse_for_it(tmp_path: Path) -> None:
    examples = make_examples(60)
    cross_fit(Linear, examples, tmp_path)
    new = make_examples(60, first=900)
    shrunk = predict_folds(tmp_path, Linear, new)[COLUMNS].to_numpy()
    plain = np.mean([Linear.load(tmp_path / f"fold_{k}").predict_proba(new) for k in range(5)], axis=0)
    assert weighted_loss(new.grades, shrunk) < 1.04 * weighted_loss(new.grades, plain)


def test_a_model_of_an_earlier_version_is_not_shrunk(tmp_path: Path) -> None:
    examples, new = make_examples(20), make_examples(2, first=900)
    cross_fit(Linear, examples, tmp_path)
    for path in tmp_path.glob(f"*/{SHRINKAGE}"):
        path.unlink()
    plain = np.mean([Linear.load(tmp_path / f"fold_{k}").predict_proba(new) for k in range(5)], axis=0)
    assert_allclose(predict_folds(tmp_path, Linear, new)[COLUMNS], plain)


def test_one_that_can_be_refitted_learns_from_the_stopping_studies_too(tmp_path: Path) -> None:
    cross_fit(Refitted, make_examples(20), tmp_path)
    assert Refitted.studies == 16


def test_it_is_saved_and_read_as_it_was(tmp_path: Path) -> None:
    examples = make_examples(30)
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet([1, 1, 1], (30, 25))
    shrinkage = Shrinkage.fit(probabilities, grades_of(examples), grades_of(examples))
    shrinkage.save(tmp_path)
    again = Shrinkage.load(tmp_path)
    assert again is not None
    assert_array_equal(again.apply(probabilities), shrinkage.apply(probabilities))
    assert Shrinkage.load(tmp_path / "absent") is None


@pytest.mark.parametrize(
    "change",
    [
        {"trust": [1, 1]},
        {"trust": [1, 1, 2]},
        {"trust": None},
        {"fraction": [0, 0, float("nan")]},
        {"fraction": [0, 0, -0.1]},
        {"prior": [[0.5, 0.5, 0]] * 25},
        {"prior": "x"},
    ],
)
def test_a_damaged_file_is_refused(change: dict[str, object], tmp_path: Path) -> None:
    Shrinkage.fit(np.zeros((0, 25, 3)), np.zeros((0, 25), int), np.zeros((9, 25), int)).save(tmp_path)
    path = tmp_path / SHRINKAGE
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ArtifactError, match=r"shrinkage.json: damaged .*fit the model again"):
        Shrinkage.load(tmp_path)


def test_without_held_out_labels_a_member_stays_as_it_is() -> None:
    probabilities = np.random.default_rng(0).dirichlet([1, 1, 1], (4, 25))
    unknown = np.full((4, 25), -1)
    shrinkage = Shrinkage.fit(probabilities, unknown, np.zeros((9, 25), int))
    assert_allclose(shrinkage.apply(probabilities), probabilities)


def test_probabilities_stay_probabilities() -> None:
    examples = make_examples(20)
    sure = np.eye(3)[grades_of(examples)[:, ::-1]]  # zeros, and often wrong
    shrunk = Shrinkage.fit(sure, grades_of(examples), grades_of(examples)).apply(sure)
    assert (shrunk > 0).all()
    assert_allclose(shrunk.sum(axis=-1), 1)


def test_the_prior_is_the_weighted_fraction_by_family_and_level() -> None:
    grades = np.full((10, 25), 0)
    grades[:5, 0] = 2
    fractions = target_fractions(grades)
    weights = np.array([5.0, 0.0, 5 * GRADE_WEIGHTS[2]])
    assert_allclose(fractions[0], weights / weights.sum(), atol=0.05)
    assert_array_equal(fractions[5:10], fractions[10:15])  # left and right foramina
    assert fractions[1, 2] < 0.1 < fractions[0, 2]


def test_with_two_folds_a_fifth_of_the_others_is_held_out() -> None:
    examples = make_examples(20, folds=2)
    for split in make_splits(examples):
        held_out = split.held_out(examples, 0)
        assert held_out.sum() == 2 * 25
        assert not (held_out & (examples.rows["fold"] == split.fold)).any()


def test_few_labels_of_a_family_count_as_few() -> None:
    grades = np.full((100, 25), -1)
    grades[:, 5:] = np.random.default_rng(0).integers(0, 3, (100, 20))
    found = np.eye(3)[np.maximum(grades, 0)] * 0.94 + 0.02
    alone = Shrinkage.fit(found, grades, grades)
    grades[0, 0] = 2  # one label of a canal, which the member gets wrong
    assert Shrinkage.fit(found, grades, grades).trust[0] == alone.trust[0]


def test_what_is_no_number_is_said() -> None:
    found = np.full((4, 25, 3), 1 / 3)
    found[1, 7] = np.nan
    with pytest.raises(LsdcError, match="predicts values that are no numbers"):
        Shrinkage.fit(found, np.zeros((4, 25), int), np.zeros((4, 25), int))
