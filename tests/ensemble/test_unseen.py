from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsdc.cohort.vocabulary import Condition
from lsdc.ensemble.unseen import graded_unseen, known_grades
from lsdc.metrics.official import GRADE_WEIGHTS, Probabilities
from lsdc.metrics.prediction_tables import row_ids

RECESSES = [list(Condition).index(item) for item in Condition if "subarticular" in item.value]


def patients(n: int, seed: int = 0) -> np.ndarray:
    """Grades (n, 5, 5) of patients whose targets are alike."""
    rng = np.random.default_rng(seed)
    severity = rng.normal(size=(n, 1, 1)) + 0.6 * rng.normal(size=(n, 5, 5))
    return np.digitize(severity, [0.7, 1.6]).astype(np.int8)


def prior_of(grades: np.ndarray, n: int) -> Probabilities:
    weighted = np.stack([(grades == k).sum(axis=0) for k in range(3)], axis=-1) * GRADE_WEIGHTS[:3] + 0.1
    return np.repeat((weighted / weighted.sum(axis=-1, keepdims=True))[None], n, axis=0)


def loss(predicted: Probabilities, grades: np.ndarray) -> float:
    weights = GRADE_WEIGHTS[grades]
    return float(
        -(weights * np.log(np.take_along_axis(predicted, grades[..., None], -1)[..., 0])).sum()
        / weights.sum()
    )


def test_what_is_hidden_is_predicted_better_than_by_the_prior() -> None:
    known, new = patients(400), patients(200, seed=1)
    predicted = np.full((200, 5, 5, 3), 0.15)
    np.put_along_axis(predicted, new[..., None], 0.7, -1)
    seen = np.ones((200, 5, 5), bool)
    seen[:, RECESSES] = False
    prior = prior_of(known, 200)
    ids = [f"k{k}" for k in range(400)]
    result = graded_unseen(predicted, seen, prior, known, [f"n{k}" for k in range(200)], ids)
    assert np.array_equal(result[seen], predicted[seen])
    assert loss(result[:, RECESSES], new[:, RECESSES]) < 0.85 * loss(prior[:, RECESSES], new[:, RECESSES])


def test_where_nothing_is_seen_there_is_the_prior() -> None:
    known = patients(50)
    prior = prior_of(known, 1)
    predicted = np.full((1, 5, 5, 3), [0.98, 0.01, 0.01])
    nothing = np.zeros((1, 5, 5), bool)
    result = graded_unseen(predicted, nothing, prior, known, ["new"], list(map(str, range(50))))
    np.testing.assert_allclose(result, prior)


def test_no_study_is_judged_by_its_own_labels() -> None:
    known = patients(30)
    known[7] = 2
    seen = np.ones((1, 5, 5), bool)
    seen[:, RECESSES] = False
    given = np.full((1, 5, 5, 3), [0.02, 0.08, 0.9])
    ids = [str(k) for k in range(30)]
    without = graded_unseen(
        given, seen, prior_of(known, 1), np.delete(known, 7, 0), ["7"], [k for k in ids if k != "7"]
    )
    np.testing.assert_allclose(graded_unseen(given, seen, prior_of(known, 1), known, ["7"], ids), without)
    assert not np.allclose(graded_unseen(given, seen, prior_of(known, 1), known, ["new"], ids), without)


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.floats(0, 1))
def test_rows_always_sum_to_one(seed: int, n_known: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    known = rng.integers(-1, 3, (n_known, 5, 5)).astype(np.int8)
    predicted = rng.dirichlet([0.2] * 3, (3, 5, 5))
    seen = rng.random((3, 5, 5)) < share
    prior = rng.dirichlet([1.0] * 3, (3, 5, 5))
    result = graded_unseen(predicted, seen, prior, known, list("abc"), list(map(str, range(n_known))))
    np.testing.assert_allclose(result.sum(axis=-1), 1)
    assert (result >= 0).all() and np.array_equal(result[seen], predicted[seen])


def test_grades_are_taken_from_rows_in_any_order() -> None:
    rows = pd.DataFrame({"row_id": row_ids(["b", "a"]), "grade": np.repeat([1, 2], 25)}).sample(
        frac=1, random_state=0
    )
    grades, studies = known_grades(rows.drop(index=3))
    assert sorted(studies) == ["a", "b"]
    assert (grades[studies.index("a")] == 2).all() and (grades[studies.index("b")] == 1).sum() == 24
    assert grades.min() == -1


def test_without_patients_nothing_but_the_prior_is_known() -> None:
    seen = np.ones((1, 5, 5), bool)
    seen[0, 0, 0] = False
    prior = np.full((1, 5, 5, 3), [0.5, 0.3, 0.2])
    given = np.full((1, 5, 5, 3), [0.9, 0.05, 0.05])
    result = graded_unseen(given, seen, prior, np.zeros((0, 5, 5), np.int8), ["a"], [])
    assert result[0, 0, 0] == pytest.approx([0.5, 0.3, 0.2])
