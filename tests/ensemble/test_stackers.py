import json

import numpy as np
import pytest
from numpy.testing import assert_allclose
from support.scoring import make_grades, make_probabilities

from lsdc.cohort.vocabulary import Family
from lsdc.ensemble.predictions import Predictions
from lsdc.ensemble.stackers.convex_mix import ConvexMix
from lsdc.ensemble.stackers.default import Tuned
from lsdc.ensemble.stackers.fixed import BestSingle, PlainMean
from lsdc.ensemble.stackers.greedy import Greedy
from lsdc.ensemble.stackers.pool import ContextPool, LogLinearPool
from lsdc.ensemble.stackers.prior import WeightedPrior
from lsdc.ensemble.stackers.registry import STACKERS, load_stacker, save_stacker
from lsdc.ensemble.stackers.rows import Boosted, Neural
from lsdc.ensemble.stackers.simplex import Simplex
from lsdc.ensemble.stackers.weighted import WeightedStacker
from lsdc.ensemble.tuning.objective import FamilyLoss, blend
from lsdc.metrics.official import FAMILIES, official_score
from lsdc.runtime import ArtefactError
from lsdc.runtime.artefact import fingerprint


def made(seed=0, n=30, skills=(0.5, 0.3, 0.1), blank=0.1):
    rng = np.random.default_rng(seed)
    grades = make_grades(rng, n, blank)
    cubes = np.stack([make_probabilities(rng, n, grades, skill) for skill in skills])
    names = tuple(f"m{k}" for k in range(len(skills)))
    return Predictions(names, tuple(f"s{k}" for k in range(n)), cubes), grades


def with_holes(predictions, share=0.3, seed=0):
    cubes = predictions.cubes.copy()
    cubes[np.random.default_rng(seed).random(cubes.shape[:4]) < share] = np.nan
    return Predictions(predictions.members, predictions.studies, cubes)


class StackerContract:
    """Every stacker's behavior; a subclass gives `make`."""

    def make(self):
        raise NotImplementedError

    def check(self, probabilities, n):
        assert probabilities.shape == (n, 5, 5, 3)
        assert (probabilities >= 0).all()
        assert_allclose(probabilities.sum(axis=-1), 1, atol=1e-12)

    def test_fit_returns_itself_and_predicts_probabilities(self):
        predictions, grades = made()
        stacker = self.make()
        assert stacker.fit(predictions, grades) is stacker
        self.check(stacker.predict(predictions), 30)

    def test_saved_and_loaded_predicts_the_same(self, tmp_path):
        predictions, grades = made()
        stacker = self.make().fit(predictions, grades)
        save_stacker(tmp_path / "stack.json", stacker)
        loaded = load_stacker(tmp_path / "stack.json")
        assert type(loaded) is type(stacker)
        np.testing.assert_array_equal(loaded.predict(predictions), stacker.predict(predictions))

    def test_same_data_same_result(self):
        predictions, grades = made()
        one, two = (self.make().fit(predictions, grades).state() for _ in range(2))
        assert json.dumps(one) == json.dumps(two)

    def test_each_study_is_predicted_for_itself(self):
        predictions, grades = made()
        stacker = self.make().fit(predictions, grades)
        some = np.arange(30) % 3 == 1
        assert_allclose(
            stacker.predict(predictions.where(some)), stacker.predict(predictions)[some], atol=1e-12
        )

    def test_missing_rows_members_and_studies(self):
        predictions, grades = made()
        holes = with_holes(predictions)
        stacker = self.make().fit(holes, grades)
        self.check(stacker.predict(holes), 30)
        self.check(stacker.predict(holes.of(["m1"])), 30)
        nobody = holes.of(["unknown"])
        expected = WeightedPrior().fit(holes, grades).predict(nobody)
        assert_allclose(stacker.predict(nobody), expected)

    def test_a_member_may_lack_a_family(self):
        predictions, grades = made()
        predictions.cubes[0, :, 1:] = np.nan
        predictions.cubes[1:, :, 0] = np.nan
        stacker = self.make().fit(predictions, grades)
        self.check(stacker.predict(predictions), 30)

    def test_one_study_and_none_labeled(self):
        predictions, grades = made(n=12)
        one = np.arange(12) == 3
        self.check(self.make().fit(predictions.where(one), grades[one]).predict(predictions.where(one)), 1)
        grades[:, 1:3] = -1
        self.check(self.make().fit(predictions, grades).predict(predictions), 12)

    def test_mirrored_studies_get_mirrored_predictions(self):
        predictions, grades = made()
        sides = [0, 2, 1, 4, 3]
        mirrored = Predictions(predictions.members, predictions.studies, predictions.cubes[:, :, sides])
        stacker = self.make().fit(predictions, grades)
        assert_allclose(stacker.predict(mirrored), stacker.predict(predictions)[:, sides], atol=1e-9)

    def test_input_is_left_alone(self):
        predictions, grades = made()
        cubes, before = predictions.cubes.copy(), grades.copy()
        self.make().fit(predictions, grades).predict(predictions)
        np.testing.assert_array_equal(predictions.cubes, cubes)
        np.testing.assert_array_equal(grades, before)

    def test_unlabeled_studies_change_nothing(self):
        predictions, grades = made()
        grades[20:] = -1
        some = np.arange(30) < 20
        one = self.make().fit(predictions, grades).predict(predictions)
        two = self.make().fit(predictions.where(some), grades[some]).predict(predictions)
        assert_allclose(one, two, atol=1e-9)

    def test_one_member_stays_what_it_is(self):
        predictions, grades = made(skills=(0.4,))
        if isinstance(self.make(), WeightedStacker):
            assert_allclose(self.make().fit(predictions, grades).predict(predictions), predictions.cubes[0])


class TestWeightedPrior(StackerContract):
    make = WeightedPrior


class TestPlainMean(StackerContract):
    make = PlainMean


class TestBestSingle(StackerContract):
    make = BestSingle


class TestGreedy(StackerContract):
    make = Greedy


class TestSimplex(StackerContract):
    make = Simplex


class TestLogLinearPool(StackerContract):
    make = LogLinearPool


class TestContextPool(StackerContract):
    make = ContextPool


class TestBoosted(StackerContract):
    make = Boosted


class TestNeural(StackerContract):
    make = Neural


class TestConvexMix(StackerContract):
    def make(self):
        return ConvexMix({part.name: part for part in (PlainMean, LogLinearPool, Boosted)})


class TestTuned(StackerContract):
    def make(self):
        return Tuned(trials=8)


def test_all_stackers_are_under_the_contract():
    tested = {case().make().name for case in StackerContract.__subclasses__()}
    assert tested == set(STACKERS)


@pytest.mark.parametrize("holes", [0.0, 0.4])
def test_family_losses_sum_to_the_official_score(holes):
    predictions, grades = made()
    predictions = with_holes(predictions, holes) if holes else predictions
    prior = WeightedPrior().fit(predictions, grades)
    for weights in ([1, 1, 1], [0, 1, 0], [0.2, 0.0, 0.8], [0, 0, 0]):
        weights = np.array(weights, float)
        losses = [FamilyLoss(predictions, grades, family, prior.shares_)(weights) for family in FAMILIES]
        mixed = blend(predictions.cubes, weights, prior.shares_)
        assert sum(losses) / 4 == pytest.approx(official_score(grades, mixed).total, abs=1e-12)


def test_prior_is_the_best_constant():
    predictions, grades = made(n=200)
    prior = WeightedPrior(strength=0.0).fit(predictions, grades)
    best = official_score(grades, prior.predict(predictions))
    rng = np.random.default_rng(0)
    for _ in range(10):
        other = 0.95 * prior.shares_ + 0.05 * make_probabilities(rng, 1)[0][[0, 1, 1, 3, 3]]
        worse = official_score(grades, np.broadcast_to(other, (200, *other.shape)))
        assert worse.foraminal > best.foraminal


def test_prior_counts_with_the_metric_s_weights():
    grades = np.zeros((4, 5, 5), np.int8)
    grades[0, 0, 3] = 2
    grades[1, 0, 3] = -1
    prior = WeightedPrior(strength=0.0).fit(None, grades)
    assert_allclose(prior.shares_[0, 3], np.array([2, 0, 4]) / 6)
    assert (WeightedPrior().fit(None, grades).shares_ > 0).all()


def test_mean_and_best_single():
    predictions, grades = made()
    predictions.cubes[0, :, 0] = predictions.cubes[2, :, 0]
    assert_allclose(
        PlainMean().fit(predictions, grades).predict(predictions), predictions.cubes.mean(axis=0), atol=1e-12
    )
    weights = BestSingle().fit(predictions, grades).weights_
    assert weights[Family.FORAMINAL] == {"m0": 1.0, "m1": 0.0, "m2": 0.0}
    assert weights[Family.SPINAL]["m1"] == 1.0


def test_searches_are_at_least_as_good_as_their_starts_where_they_were_fitted():
    predictions, grades = made(skills=(0.5, 0.45, 0.1, 0.3))

    def total(stacker):
        return official_score(grades, stacker.fit(predictions, grades).predict(predictions)).total

    mean, single, greedy, simplex = map(total, (PlainMean(), BestSingle(), Greedy(), Simplex()))
    assert greedy <= single and simplex <= min(mean, single, greedy) + 1e-12


def test_unknown_and_damaged_stackers_are_refused(tmp_path):
    path = tmp_path / "stack.json"
    path.write_text('{"stacker": "magic"}')
    with pytest.raises(ArtefactError, match=r"unknown stacker 'magic'; this version knows weighted_prior"):
        load_stacker(path)
    predictions, grades = made()
    save_stacker(path, Tuned(trials=2).fit(predictions, grades))
    state = json.loads(path.read_text())
    state["families"]["spinal"]["temperature"] = 7
    path.write_text(json.dumps(state))
    with pytest.raises(ArtefactError, match="damaged, its content does not fit its hash"):
        load_stacker(path)
    wrong = {"stacker": "simplex", "members": ["a"]}
    path.write_text(json.dumps({**wrong, "hash": fingerprint(wrong)}))
    with pytest.raises(ArtefactError, match="damaged"):
        load_stacker(path)
