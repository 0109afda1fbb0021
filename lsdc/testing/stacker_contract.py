"""What every stacker must do; a test class per stacker inherits it in one line."""

from __future__ import annotations

import json
from typing import ClassVar

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import Condition
from lsdc.ensemble.predictions import Predictions
from lsdc.ensemble.stackers.contract import Stacker
from lsdc.ensemble.stackers.prior import WeightedPrior
from lsdc.testing.planted_predictions import make_predictions

_N = 30


def without_some(predictions: Predictions, fraction: float = 0.3, seed: int = 0) -> Predictions:
    """Remove random rows of random members.

    Parameters
    ----------
    predictions : Predictions
        Left alone.
    fraction : float
        Fraction of the rows that become NaN.
    seed : int
        Decides which.

    Returns
    -------
    Predictions
        The same members and studies.
    """
    cubes = predictions.cubes.copy()
    cubes[np.random.default_rng(seed).random(cubes.shape[:4]) < fraction] = np.nan
    return Predictions(predictions.members, predictions.studies, cubes)


class StackerContract:
    """Tests of a stacker; a subclass names the `stacker`, and may say how it is made.

    The stacker returns itself from `fit`, predicts probabilities for any studies and any subset of the members,
    predicts each study for itself, treats left and right alike, leaves its input alone, and survives being written as
    JSON.

    Examples
    --------
    >>> class TestPrior(StackerContract):
    ...     stacker = WeightedPrior
    """

    stacker: ClassVar[type[Stacker]]
    """The class under test."""

    @classmethod
    def make(cls) -> Stacker:
        """Make an unfitted stacker.

        Returns
        -------
        Stacker
            By default `stacker()`.
        """
        return cls.stacker()

    def _check(self, probabilities: NDArray[np.float64], n: int) -> None:
        assert probabilities.shape == (n, 5, 5, 3)
        assert (probabilities >= 0).all()
        assert_allclose(probabilities.sum(axis=-1), 1, atol=1e-12)

    def test_fit_returns_itself_and_predicts_probabilities(self) -> None:
        """Fitting returns the stacker, whose predictions are probabilities."""
        predictions, grades = make_predictions()
        stacker = self.make()
        assert stacker.fit(predictions, grades) is stacker
        self._check(stacker.predict(predictions), _N)

    def test_saved_and_restored_it_predicts_the_same(self) -> None:
        """The state survives JSON, and a stacker restored from it predicts the same bit by bit."""
        predictions, grades = make_predictions()
        stacker = self.make().fit(predictions, grades)
        restored = type(stacker).restore(json.loads(json.dumps(stacker.state())))
        assert_array_equal(restored.predict(predictions), stacker.predict(predictions))

    def test_same_data_same_result(self) -> None:
        """Two fits on the same data are the same."""
        predictions, grades = make_predictions()
        one, two = (self.make().fit(predictions, grades).state() for _ in range(2))
        assert json.dumps(one) == json.dumps(two)

    def test_each_study_is_predicted_for_itself(self) -> None:
        """Other studies of the same call change nothing."""
        predictions, grades = make_predictions()
        stacker = self.make().fit(predictions, grades)
        some = np.arange(_N) % 3 == 1
        among = stacker.predict(predictions)[some]
        assert_allclose(stacker.predict(predictions.where(some)), among, atol=1e-12)

    def test_missing_rows_members_and_studies(self) -> None:
        """Missing rows and members are allowed; with no member left the weighted prior is predicted."""
        predictions, grades = make_predictions()
        holes = without_some(predictions)
        stacker = self.make().fit(holes, grades)
        self._check(stacker.predict(holes), _N)
        self._check(stacker.predict(holes.of(["m1"])), _N)
        nobody = holes.of(["unknown"])
        expected = WeightedPrior().fit(holes, grades).predict(nobody)
        assert_allclose(stacker.predict(nobody), expected)

    def test_a_member_may_lack_a_family(self) -> None:
        """Members that predict some conditions alone can be stacked."""
        predictions, grades = make_predictions()
        predictions.cubes[0, :, 1:] = np.nan
        predictions.cubes[1:, :, 0] = np.nan
        stacker = self.make().fit(predictions, grades)
        self._check(stacker.predict(predictions), _N)

    def test_one_study_and_none_labeled(self) -> None:
        """A single study is enough to fit on, and a condition without labels does no harm."""
        predictions, grades = make_predictions(n=12)
        one = np.arange(12) == 3
        self._check(self.make().fit(predictions.where(one), grades[one]).predict(predictions.where(one)), 1)
        grades[:, 1:3] = -1
        self._check(self.make().fit(predictions, grades).predict(predictions), 12)

    def test_mirrored_studies_get_mirrored_predictions(self) -> None:
        """Left and right are treated alike."""
        predictions, grades = make_predictions()
        sides = [list(Condition).index(condition.mirrored) for condition in Condition]
        mirrored = Predictions(predictions.members, predictions.studies, predictions.cubes[:, :, sides])
        stacker = self.make().fit(predictions, grades)
        assert_allclose(stacker.predict(mirrored), stacker.predict(predictions)[:, sides], atol=1e-9)

    def test_input_is_left_alone(self) -> None:
        """Neither predictions nor grades are changed."""
        predictions, grades = make_predictions()
        cubes, before = predictions.cubes.copy(), grades.copy()
        self.make().fit(predictions, grades).predict(predictions)
        assert_array_equal(predictions.cubes, cubes)
        assert_array_equal(grades, before)

    def test_unlabeled_studies_change_nothing(self) -> None:
        """Studies without labels do not change what is learned."""
        predictions, grades = make_predictions()
        grades[20:] = -1
        some = np.arange(_N) < 20
        one = self.make().fit(predictions, grades).predict(predictions)
        two = self.make().fit(predictions.where(some), grades[some]).predict(predictions)
        assert_allclose(one, two, atol=1e-9)
