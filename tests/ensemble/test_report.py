import numpy as np
import pandas as pd
import pytest
from support.scoring import make_grades, make_probabilities, shared

from lsdc.cohort.tables import read_labels
from lsdc.ensemble.nested_report import cross_fit_stacker, report
from lsdc.ensemble.predictions import Predictions
from lsdc.ensemble.stackers.default import Tuned
from lsdc.ensemble.stackers.fixed import BestSingle, PlainMean
from lsdc.ensemble.stackers.prior import WeightedPrior
from lsdc.ensemble.stackers.simplex import Simplex
from lsdc.metrics.official import official_score
from lsdc.metrics.prediction_tables import grades_of, read_predictions

N = 60


def made(skills, seed=0, n=N):
    rng = np.random.default_rng(seed)
    grades = make_grades(rng, n, 0.05)
    cubes = np.stack([make_probabilities(rng, n, grades, skill) for skill in skills])
    folds = np.arange(n) % 5
    return (
        Predictions(tuple(f"m{k}" for k in range(len(skills))), tuple(f"s{k}" for k in range(n)), cubes),
        grades,
        folds,
    )


def noise(n_members, n=N, spread=0.15):
    """Members that know the shares of the grades, and nothing of the studies."""
    rng = np.random.default_rng(4)
    _, grades, folds = made([0.0], n=n)
    prior = cross_fit_stacker(WeightedPrior, made([0.0], n=n)[0], grades, folds)
    cubes = prior * np.exp(spread * rng.standard_normal((n_members, *prior.shape)))
    cubes /= cubes.sum(axis=-1, keepdims=True)
    names = tuple(f"noise{k}" for k in range(n_members))
    return Predictions(names, tuple(f"s{k}" for k in range(n)), cubes), grades, folds


def report_of(make, predictions, grades, folds, **options):
    found, _ = report(make, make().fit(predictions, grades), predictions, grades, folds, **options)
    return found


def test_no_stacker_sees_a_study_it_predicts():
    predictions, grades, folds = made([0.5, 0.2])
    seen = []

    class Spy(PlainMean):
        def fit(self, given, truth):
            self.fitted = set(given.studies)
            return super().fit(given, truth)

        def predict(self, given):
            assert not self.fitted & set(given.studies)
            seen.extend(given.studies)
            return super().predict(given)

    cross_fit_stacker(Spy, predictions, grades, folds)
    assert sorted(seen) == sorted(predictions.studies)


def test_grades_of_the_scored_fold_do_not_matter():
    predictions, grades, folds = made([0.5, 0.4])

    def make():
        return Tuned(trials=8)

    before = cross_fit_stacker(make, predictions, grades, folds)
    changed = grades.copy()
    changed[folds == 2] = (changed[folds == 2] + 1) % 3
    after = cross_fit_stacker(make, predictions, changed, folds)
    np.testing.assert_array_equal(before[folds == 2], after[folds == 2])
    assert (before != after).any()


def test_pure_noise_does_not_beat_the_prior_while_tuning_in_sample_seems_to():
    predictions, grades, folds = noise(12, spread=0.5)
    found = report_of(Simplex, predictions, grades, folds)
    assert found.in_sample.total < found.nested.total
    assert found.in_sample.total < found.prior.total
    assert found.nested.total > found.prior.total


def test_skill_beats_the_prior_and_the_interval_says_so():
    found = report_of(Simplex, *made([0.6, 0.3, 0.0]))
    assert found.nested.total < found.mean.total < found.prior.total
    assert found.versus_mean.high < 0
    assert found.versus_mean.value == pytest.approx(found.nested.total - found.mean.total)
    assert found.interval.low < found.interval.value < found.interval.high
    assert found.interval.value == pytest.approx(found.nested.total)
    assert found.warnings == ()


def test_a_leak_is_reported():
    found = report_of(PlainMean, *made([0.3, 0.97]))
    assert len(found.warnings) == 3
    assert all("member m1" in line and "has not seen" in line for line in found.warnings)


def test_a_leak_in_one_fold_is_reported():
    predictions, grades, folds = made([0.3, 0.35, 0.3], n=100)
    leaky = made([0.97], n=100)[0].cubes[0]
    cubes = predictions.cubes.copy()
    cubes[1, folds == 3] = leaky[folds == 3]
    found = report_of(PlainMean, Predictions(predictions.members, predictions.studies, cubes), grades, folds)
    assert len(found.warnings) == 3
    assert all("member m1" in line and "in fold 3" in line for line in found.warnings)


def test_rows_that_members_lack_are_counted():
    predictions, grades, folds = made([0.3, 0.35])
    predictions.cubes[0, :7, 0, 2] = np.nan
    predictions.cubes[1, :, 1:3] = np.nan
    found = report_of(PlainMean, predictions, grades, folds)
    assert found.missing == {"m0": int((grades[:7, 0, 2] >= 0).sum()), "m1": 0}


def test_differences_are_given_for_each_part_and_level():
    predictions, grades, folds = made([0.6, 0.3, 0.0])
    found = report_of(Simplex, predictions, grades, folds)
    parts = found.versus_mean_by_part
    assert len(parts) == 4 + 15 and parts.keys() == found.versus_best_single_by_part.keys()
    assert parts["foraminal"].value == pytest.approx(found.nested.foraminal - found.mean.foraminal)
    assert parts["spinal l4_l5"].low <= parts["spinal l4_l5"].value <= parts["spinal l4_l5"].high


def test_best_single_is_chosen_inside():
    predictions, grades, folds = made([0.3, 0.3])
    expected = official_score(grades, cross_fit_stacker(BestSingle, predictions, grades, folds))
    assert report_of(PlainMean, predictions, grades, folds).best_single == expected


def test_same_seed_same_report():
    one, two = (report_of(lambda: Tuned(trials=8), *made([0.4, 0.3]), seed=3) for _ in range(2))
    assert one == two


def test_mean_of_real_members_is_what_is_known():
    folder = shared("real-oof")
    labels = read_labels(folder / "train.csv")
    grades, studies = grades_of(labels), labels.index.tolist()
    tables = {path.stem: read_predictions(path) for path in sorted((folder / "members").iterdir())}
    predictions = Predictions.from_tables(tables, studies)
    folds = pd.read_csv(folder / "folds.csv", dtype=str).set_index("study_id").fold.astype(int)
    folds = folds.loc[studies].to_numpy()
    mean = official_score(grades, cross_fit_stacker(PlainMean, predictions, grades, folds))
    # The published figure puts the prior wherever a member has no row; the members present do better.
    prior = WeightedPrior().fit(predictions, grades).shares_
    covers = predictions.present.any(axis=(1, 3))[:, None, :, None, None]
    filled = np.where(predictions.present[..., None] | ~covers, predictions.cubes, prior)
    known = np.nanmean(filled, axis=0)
    assert official_score(grades, known).total == pytest.approx(0.3902, abs=5e-5)
    assert mean.total == pytest.approx(0.3898, abs=5e-5)
