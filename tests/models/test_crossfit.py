"""Cross-fitting: nobody is predicted by a model that saw them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lsdc.metrics.official import GRADE_WEIGHTS
from lsdc.models.crossfit import cross_fit, predict_folds
from lsdc.models.examples import Examples
from lsdc.models.registry import MEMBERS
from lsdc.models.shrinkage import Shrinkage
from lsdc.runtime import ArtifactError, LsdcError
from lsdc.testing.losses import weighted_loss
from lsdc.testing.planted_examples import make_examples

LIGHTGBM = MEMBERS["lightgbm"]


def values(table: pd.DataFrame) -> pd.DataFrame:
    return table.set_index("row_id")[["normal_mild", "moderate", "severe"]]


def loss(examples: Examples, table: pd.DataFrame) -> float:
    return weighted_loss(examples.grades, values(table).loc[examples.rows["row_id"]].to_numpy())


def test_the_table_covers_every_row_once(tmp_path: Path) -> None:
    examples = make_examples(20)
    table = cross_fit(lambda: LIGHTGBM(0), examples, tmp_path)
    assert sorted(table["row_id"]) == sorted(examples.rows["row_id"])
    folds = dict(zip(examples.rows["row_id"], examples.rows["fold"]))
    assert (table["fold"] == table["row_id"].map(folds)).all()
    assert set(table["member"]) == {"lightgbm"}


def test_labels_of_a_fold_do_not_change_its_predictions(tmp_path: Path) -> None:
    examples = make_examples(20, folds=3)
    rows = examples.rows.copy()
    mine = rows["fold"] == 2
    rows.loc[mine, "grade"] = (rows.loc[mine, "grade"] + 1) % 3
    other = Examples(rows, examples.embedding, examples.numeric, examples.numeric_names)
    one = cross_fit(lambda: LIGHTGBM(0), examples, tmp_path / "one")
    two = cross_fit(lambda: LIGHTGBM(0), other, tmp_path / "two")
    same = one["fold"] == 2
    assert_array_equal(values(one[same]), values(two[same]))
    assert np.abs(values(one[~same]).to_numpy() - values(two[~same]).to_numpy()).max() > 1e-3


def test_a_planted_leak_is_worth_nothing_out_of_fold(tmp_path: Path) -> None:
    """An embedding that stores each study's label under a code of its own helps only who has seen that study."""
    examples = make_examples(40, signal=0.0)
    code = np.random.default_rng(0).normal(size=(len(examples), examples.embedding.shape[1]))
    leaky = Examples(examples.rows, (5 * code).astype(np.float32), examples.numeric, examples.numeric_names)
    table = cross_fit(lambda: LIGHTGBM(0), leaky, tmp_path)
    prior = np.bincount(examples.grades, minlength=3) * GRADE_WEIGHTS[:3]
    best = weighted_loss(examples.grades, np.tile(prior / prior.sum(), (len(examples), 1)))
    assert loss(examples, table) > 0.97 * best


def test_a_killed_run_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    examples = make_examples(20, folds=3)
    whole = cross_fit(lambda: LIGHTGBM(0), examples, tmp_path / "whole")
    real: Any = LIGHTGBM.fit
    calls: list[int] = []

    def dies(self: Any, *parts: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(self, *parts)

    monkeypatch.setattr(LIGHTGBM, "fit", dies)
    with pytest.raises(KeyboardInterrupt):
        cross_fit(lambda: LIGHTGBM(0), examples, tmp_path / "killed")
    resumed = cross_fit(lambda: LIGHTGBM(0), examples, tmp_path / "killed")
    assert len(calls) == 4
    assert_allclose(values(resumed), values(whole))


def test_models_of_other_examples_are_refused(tmp_path: Path) -> None:
    examples = make_examples(10, folds=2)
    cross_fit(lambda: LIGHTGBM(0), examples, tmp_path / "a")
    with pytest.raises(ArtifactError, match=r"begun with another configuration \(seed differ\)"):
        cross_fit(lambda: LIGHTGBM(1), examples, tmp_path / "a")
    relabeled = replace(examples, rows=examples.rows.assign(grade=0))
    with pytest.raises(ArtifactError, match=r"begun with another configuration \(examples differ\)"):
        cross_fit(lambda: LIGHTGBM(0), relabeled, tmp_path / "a")


def test_unlabeled_rows_of_a_fold_are_predicted(tmp_path: Path) -> None:
    examples = make_examples(10, folds=2)
    blank = replace(
        examples,
        rows=examples.rows.assign(grade=examples.rows["grade"].where(examples.rows["study_id"] != "3", -1)),
    )
    table = cross_fit(lambda: LIGHTGBM(0), blank, tmp_path)
    assert np.isfinite(values(table)).all(axis=None)
    assert sorted(table["row_id"]) == sorted(examples.rows["row_id"])


def test_new_studies_get_the_mean_of_the_folds(tmp_path: Path) -> None:
    examples, new = make_examples(20, folds=2), make_examples(3, first=500)
    cross_fit(lambda: LIGHTGBM(0), examples, tmp_path)
    table = predict_folds(tmp_path, LIGHTGBM, new)
    each = []
    for folder in (tmp_path / f"fold_{k}" for k in range(2)):
        shrinkage = Shrinkage.load(folder)
        assert shrinkage is not None
        each.append(shrinkage.apply(LIGHTGBM.load(folder).predict_proba(new).reshape(-1, 25, 3)))
    assert_allclose(values(table), np.mean(each, axis=0).reshape(-1, 3))
    with pytest.raises(LsdcError, match="holds no fitted model"):
        predict_folds(tmp_path / "absent", LIGHTGBM, new)


def test_one_fold_is_not_enough_and_two_are(tmp_path: Path) -> None:
    with pytest.raises(LsdcError, match="at least two folds"):
        cross_fit(lambda: LIGHTGBM(0), make_examples(4, folds=1), tmp_path / "one")
    assert len(cross_fit(lambda: LIGHTGBM(0), make_examples(8, folds=2), tmp_path / "two")) == 200


def test_unlabeled_studies_are_left_out(tmp_path: Path) -> None:
    examples = make_examples(12, folds=3)
    rows = examples.rows.copy()
    rows.loc[rows["study_id"] == "3", ["fold", "grade"]] = -1
    table = cross_fit(
        lambda: LIGHTGBM(0),
        Examples(rows, examples.embedding, examples.numeric, examples.numeric_names),
        tmp_path,
    )
    assert "3" not in set(table["row_id"].str.split("_").str[0])


def test_a_member_that_needs_no_stopping_studies_learns_from_all_others(tmp_path: Path) -> None:
    learned: list[tuple[int, int]] = []

    class Counting(LIGHTGBM):  # type: ignore[misc, valid-type]
        refit = None

        def stops(self, studies: int) -> bool:
            return studies < 16

        def fit(self, examples: Examples, stop_on: Examples, work: Path | None = None) -> Any:
            learned.append((len(examples) // 25, len(stop_on) // 25))
            return super().fit(examples, stop_on, work)

    cross_fit(lambda: Counting(0), make_examples(20, folds=5), tmp_path / "many")
    cross_fit(lambda: Counting(0), make_examples(15, folds=5), tmp_path / "few")
    assert learned == [(16, 0)] * 5 + [(9, 3)] * 5


def test_a_head_that_is_left_with_one_grade_gives_how_frequent_it_is() -> None:
    examples = make_examples(20)
    head = MEMBERS["logistic"](0).fit(examples, examples.where(np.zeros(len(examples), bool)))
    canal = examples.rows["condition"] == "spinal_canal_stenosis"
    rows = examples.rows.assign(grade=np.where(canal, 0, examples.rows["grade"]))
    found = head.refit(replace(examples, rows=rows)).predict_proba(examples)  # type: ignore[attr-defined]
    assert np.ptp(found[canal.to_numpy()], axis=0).max() < 1e-6 < np.ptp(found, axis=0).max()
