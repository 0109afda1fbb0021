import json
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from lsdc.cohort.vocabulary import Family
from lsdc.ensemble.stackers.contract import Stacker
from lsdc.ensemble.stackers.convex_mix import ConvexMix
from lsdc.ensemble.stackers.default import DefaultStacker
from lsdc.ensemble.stackers.fixed import BestSingle, PlainMean
from lsdc.ensemble.stackers.greedy import Greedy
from lsdc.ensemble.stackers.pool import ContextPool, LogLinearPool
from lsdc.ensemble.stackers.prior import WeightedPrior
from lsdc.ensemble.stackers.registry import STACKERS, load_stacker, save_stacker
from lsdc.ensemble.stackers.rows import Boosted, Neural
from lsdc.ensemble.stackers.simplex import Simplex
from lsdc.ensemble.stackers.transferred import TransferredMean
from lsdc.ensemble.stackers.weighted import WeightedStacker
from lsdc.ensemble.tuning.objective import FamilyLoss, weighted_mean
from lsdc.metrics.official import FAMILIES, official_score
from lsdc.runtime import ArtifactError
from lsdc.runtime.artifact import fingerprint
from lsdc.testing.planted_predictions import make_predictions, make_probabilities
from lsdc.testing.stacker_contract import StackerContract, without_some


class TestWeightedPrior(StackerContract):
    stacker = WeightedPrior


class TestPlainMean(StackerContract):
    stacker = PlainMean


class TestTransferredMean(StackerContract):
    stacker = TransferredMean


class TestBestSingle(StackerContract):
    stacker = BestSingle


class TestGreedy(StackerContract):
    stacker = Greedy


class TestSimplex(StackerContract):
    stacker = Simplex


class TestLogLinearPool(StackerContract):
    stacker = LogLinearPool


class TestContextPool(StackerContract):
    stacker = ContextPool


class TestBoosted(StackerContract):
    stacker = Boosted


class TestNeural(StackerContract):
    stacker = Neural


class TestConvexMix(StackerContract):
    @staticmethod
    def make() -> ConvexMix:
        return ConvexMix({part.name: part for part in (PlainMean, LogLinearPool, Boosted)})


@pytest.mark.usefixtures("brief_learners")
class TestDefaultStacker(StackerContract):
    @staticmethod
    def make() -> DefaultStacker:
        return DefaultStacker(trials=8)


@pytest.mark.parametrize("case", StackerContract.__subclasses__(), ids=lambda case: case.__name__)
def test_written_and_read_again_it_predicts_the_same(case: type[StackerContract], tmp_path: Path) -> None:
    predictions, grades = make_predictions()
    stacker = case().make().fit(predictions, grades)
    save_stacker(tmp_path / "stack.json", stacker)
    loaded = load_stacker(tmp_path / "stack.json")
    assert type(loaded) is type(stacker)
    np.testing.assert_array_equal(loaded.predict(predictions), stacker.predict(predictions))


@pytest.mark.parametrize("kind", [*WeightedStacker.__subclasses__()])
def test_one_member_stays_what_it_is(kind: type[WeightedStacker]) -> None:
    predictions, grades = make_predictions(skills=(0.4,))
    assert_allclose(kind().fit(predictions, grades).predict(predictions), predictions.cubes[0])


def test_all_stackers_are_under_the_contract() -> None:
    tested = {case().make().name for case in StackerContract.__subclasses__()}
    assert tested == set(STACKERS)


@pytest.mark.parametrize("holes", [0.0, 0.4])
def test_family_losses_sum_to_the_official_score(holes: float) -> None:
    predictions, grades = make_predictions()
    predictions = without_some(predictions, holes) if holes else predictions
    prior = WeightedPrior().fit(predictions, grades)
    for weights in np.array([[1, 1, 1], [0, 1, 0], [0.2, 0.0, 0.8], [0, 0, 0]], float):
        losses = [FamilyLoss(predictions, grades, family, prior.fractions_)(weights) for family in FAMILIES]
        mixed = weighted_mean(predictions.cubes, weights, prior.fractions_)
        assert sum(losses) / 4 == pytest.approx(official_score(grades, mixed).total, abs=1e-12)


def test_prior_is_the_best_constant() -> None:
    predictions, grades = make_predictions(n=200)
    prior = WeightedPrior(strength=0.0).fit(predictions, grades)
    best = official_score(grades, prior.predict(predictions))
    rng = np.random.default_rng(0)
    for _ in range(10):
        other = 0.95 * prior.fractions_ + 0.05 * make_probabilities(rng, 1)[0][[0, 1, 1, 3, 3]]
        worse = official_score(grades, np.broadcast_to(other, (200, *other.shape)))
        assert worse.foraminal > best.foraminal


def test_prior_counts_with_the_metric_s_weights() -> None:
    predictions, _ = make_predictions(n=4)
    grades = np.zeros((4, 5, 5), np.int8)
    grades[0, 0, 3] = 2
    grades[1, 0, 3] = -1
    prior = WeightedPrior(strength=0.0).fit(predictions, grades)
    assert_allclose(prior.fractions_[0, 3], np.array([2, 0, 4]) / 6)
    assert (WeightedPrior().fit(predictions, grades).fractions_ > 0).all()


def test_mean_and_best_single() -> None:
    predictions, grades = make_predictions()
    predictions.cubes[0, :, 0] = predictions.cubes[2, :, 0]
    assert_allclose(
        PlainMean().fit(predictions, grades).predict(predictions), predictions.cubes.mean(axis=0), atol=1e-12
    )
    weights = BestSingle().fit(predictions, grades).weights_
    assert weights[Family.FORAMINAL] == {"m0": 1.0, "m1": 0.0, "m2": 0.0}
    assert weights[Family.SPINAL]["m1"] == 1.0


def test_searches_are_at_least_as_good_as_their_starts_where_they_were_fitted() -> None:
    predictions, grades = make_predictions(skills=(0.5, 0.45, 0.1, 0.3))

    def total(stacker: Stacker) -> float:
        return official_score(grades, stacker.fit(predictions, grades).predict(predictions)).total

    mean, single, greedy, simplex = map(total, (PlainMean(), BestSingle(), Greedy(), Simplex()))
    assert greedy <= single and simplex <= min(mean, single, greedy) + 1e-12


def test_unknown_and_damaged_stackers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "stack.json"
    path.write_text('{"stacker": "magic"}')
    with pytest.raises(ArtifactError, match=r"unknown stacker 'magic'; this version knows weighted_prior"):
        load_stacker(path)
    predictions, grades = make_predictions()
    save_stacker(path, DefaultStacker(trials=2).fit(predictions, grades))
    state = json.loads(path.read_text())
    state["families"]["spinal"]["temperature"] = 7
    path.write_text(json.dumps(state))
    with pytest.raises(ArtifactError, match="damaged, its content does not fit its hash"):
        load_stacker(path)
    wrong = {"stacker": "simplex", "members": ["a"]}
    path.write_text(json.dumps({**wrong, "hash": fingerprint(wrong)}))
    with pytest.raises(ArtifactError, match="damaged"):
        load_stacker(path)
