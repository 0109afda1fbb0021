"""Scikit-learn's classifiers as members: weights, missing classes, unknown features, and safe files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from xgboost import XGBClassifier

from lsdc.models.crossfit import cross_fit, predict_folds
from lsdc.models.examples import Examples
from lsdc.models.heads.head import weighted_fractions
from lsdc.models.heads.sklearn_head import SklearnHead
from lsdc.models.heads.sklearn_member import SklearnMember
from lsdc.models.options import Options
from lsdc.models.registry import member_from_origin, origin_of, resolve_members
from lsdc.runtime import ArtifactError, ConfigError, LsdcError
from lsdc.runtime.estimators import save_estimator
from lsdc.testing.losses import fraction_of_prior
from lsdc.testing.planted_examples import make_examples


def scaled_logistic() -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=300))


class XGBoostMember(SklearnMember):
    trusted = ("xgboost.sklearn.XGBClassifier", "xgboost.core.Booster")


@pytest.fixture(scope="module")
def examples() -> Examples:
    return make_examples(24)


def split(examples: Examples) -> tuple[Examples, Examples]:
    stop = examples.rows["fold"] == 0
    return examples.where(~stop), examples.where(stop)


def test_from_an_estimator_to_predictions_of_new_studies(examples: Examples, tmp_path: Path) -> None:
    new = make_examples(8, first=1000)
    (name, factory), *_ = resolve_members([SklearnMember(scaled_logistic(), name="logistic")]).items()
    table = cross_fit(lambda: factory(0, Options()), examples, tmp_path)
    assert name == "logistic"
    assert set(table["member"]) == {"logistic"}
    assert len(table) == len(examples)
    kind = member_from_origin(name, origin_of(factory(0, Options())))
    found = predict_folds(tmp_path, kind, new)
    assert set(found["member"]) == {"logistic"}
    one = kind.load(tmp_path / "fold_0")
    assert (one.name, one.seed) == ("logistic", 0)
    assert fraction_of_prior(one, examples, new) < 0.9


def test_a_run_is_resumed_with_the_same_estimator_alone(examples: Examples, tmp_path: Path) -> None:
    def fitted(C: float) -> Any:
        return cross_fit(lambda: SklearnMember(LogisticRegression(C=C), name="logistic"), examples, tmp_path)

    first = fitted(0.01)
    assert_allclose(first["severe"], fitted(0.01)["severe"])
    with pytest.raises(ArtifactError, match=r"another configuration \(configuration differ\)"):
        fitted(0.1)


@pytest.mark.parametrize("absent", [0, 1, 2])
@pytest.mark.parametrize(
    "member",
    [
        SklearnMember(scaled_logistic(), name="logistic"),
        SklearnMember(HistGradientBoostingClassifier(max_iter=5), name="boosted"),
        SklearnMember(KNeighborsClassifier(), name="neighbors"),
        XGBoostMember(XGBClassifier(n_estimators=5, n_jobs=1), name="xgb"),
    ],
    ids=lambda member: member.name,
)
def test_a_grade_that_never_occurs_gets_the_prior_s_fraction(
    member: SklearnMember, absent: int, examples: Examples, tmp_path: Path
) -> None:
    grades = np.where(examples.grades == absent, -1, examples.grades)
    train, stop = split(replace(examples, rows=examples.rows.assign(grade=grades)))
    probabilities = member.renewed(0, Options()).fit(train, stop).predict_proba(examples)
    assert_allclose(probabilities.sum(axis=1), 1)
    spinal = (train.rows["condition"] == "spinal_canal_stenosis").to_numpy() & (train.grades >= 0)
    prior = weighted_fractions(train.grades[spinal])
    of_spinal = probabilities[(examples.rows["condition"] == "spinal_canal_stenosis").to_numpy()]
    assert_allclose(of_spinal[:, absent], 0.02 * prior[absent], rtol=1e-6)


@pytest.mark.parametrize("wrapped", [False, True], ids=["estimator", "pipeline"])
def test_rows_weigh_by_grade(wrapped: bool) -> None:
    estimator: Any = DummyClassifier(strategy="prior")
    head = SklearnHead(make_pipeline(StandardScaler(), estimator) if wrapped else estimator)
    X, y = np.zeros((10, 2), np.float32), np.repeat([0, 1, 2], [6, 2, 2])
    assert_allclose(head.fit(X, y, X[:0], y[:0], 0).predict(X[:1]), [np.array([6, 4, 8]) / 18])


def test_an_estimator_without_weights_is_fitted_without() -> None:
    X, y = np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32), np.arange(30) % 3
    head = SklearnHead(KNeighborsClassifier(3)).fit(X, y, X[:0], y[:0], 0)
    assert_allclose(head.predict(X).sum(axis=1), 1)


def test_the_seed_fills_open_random_states_alone() -> None:
    X, y = np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32), np.arange(30) % 3
    open_, set_ = LogisticRegression(), LogisticRegression(random_state=3)
    for estimator, wanted in [(open_, 9), (set_, 3)]:
        head = SklearnHead(make_pipeline(StandardScaler(), estimator)).fit(X, y, X[:0], y[:0], 9)
        pipeline = head.model_[-1]  # what fills unknown features in comes first
        assert pipeline.get_params()["logisticregression__random_state"] == wanted
    assert open_.random_state is None


def test_types_of_other_packages_are_loaded_only_where_trusted(examples: Examples, tmp_path: Path) -> None:
    estimator = XGBClassifier(n_estimators=5, n_jobs=1)
    fitted = XGBoostMember(estimator, name="xgb").fit(*split(examples))
    fitted.save(tmp_path / "xgb")
    again = XGBoostMember.load(tmp_path / "xgb")
    assert_array_equal(again.predict_proba(examples), fitted.predict_proba(examples))
    with pytest.raises(ArtifactError, match=r"holds xgboost\.sklearn\.XGBClassifier, which is not trusted"):
        SklearnMember.load(tmp_path / "xgb")
    stranger = SklearnMember(estimator, name="xgb").fit(*split(examples))
    with pytest.raises(LsdcError, match=r"would hold xgboost\.sklearn\.XGBClassifier, which is not trusted"):
        stranger.save(tmp_path / "stranger")


def test_functions_are_not_loaded(tmp_path: Path) -> None:
    import os

    with pytest.raises(LsdcError, match=r"would hold posix\.system, which is not trusted"):
        save_estimator(tmp_path / "evil.skops", {"model": os.system, "grades": np.arange(3)})
    save_estimator(tmp_path / "evil.skops", {"model": os.system, "grades": np.arange(3)}, ["posix.system"])
    with pytest.raises(ArtifactError, match=r"holds posix\.system, which is not trusted"):
        SklearnHead.load(tmp_path / "evil.skops")


@pytest.mark.parametrize(
    ("estimator", "name", "words"),
    [
        (SVC(probability=False), "svc", "lacks predict_proba"),
        (LogisticRegression, "logistic", "is a class; make an object of it"),
        (object(), "thing", "lacks fit, predict_proba, get_params"),
        (LogisticRegression(), "a/b", "the name 'a/b' must be letters"),
    ],
)
def test_what_cannot_be_a_member_is_refused_at_once(estimator: Any, name: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        SklearnMember(estimator, name=name)
