"""Decisions about labels, and what members learn: nothing of the fold that they predict, while scores stay raw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.member import Linear
from support.store import FakeStore, fake_store

from lsdc.ensemble.fitting import fit
from lsdc.ensemble.model import Model
from lsdc.ensemble.suspects.decisions import Decisions, one_hot, read_decisions
from lsdc.ensemble.suspects.finding import find_suspects
from lsdc.ensemble.suspects.learned_labels import LearnedLabels
from lsdc.features.store import FeatureStore
from lsdc.models.crossfit import cross_fit
from lsdc.models.examples import Examples
from lsdc.runtime import ArtifactError, ConfigError, TableError

pytestmark = pytest.mark.usefixtures("brief_learners")

Edit = Callable[[pd.DataFrame], None]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[FakeStore, pd.DataFrame]:
    """A store with three folds, and the list of its suspects as text."""
    folder = tmp_path_factory.mktemp("decisions")
    store = fake_store(folder / "store", 30, signal=3.0, folds=3)
    fit(store.path, folder / "model", [Linear], trials=1)
    found = find_suspects(folder / "model", store.path, folder / "out", first=0)
    return store, pd.read_csv(found.path, dtype=str, keep_default_na=False)


def decide(made: tuple[FakeStore, pd.DataFrame], path: Path, edit: Edit) -> tuple[Path, pd.DataFrame]:
    """Write the list with some cells filled in, and give it with the store's rows."""
    store, table = made
    table = table.copy()
    edit(table)
    table.to_csv(path, index=False)
    return path, FeatureStore.open(store.path).rows


def cell(row: int, **values: str) -> Edit:
    """Fill in cells of one row."""

    def edit(table: pd.DataFrame) -> None:
        for column, value in values.items():
            table.loc[row, column] = value

    return edit


def test_every_decision_is_understood(made: tuple[FakeStore, pd.DataFrame], tmp_path: Path) -> None:
    table = made[1]

    def edit(table: pd.DataFrame) -> None:
        table.loc[:4, "decision"] = ["keep", "Change", "change", "drop", "soften"]
        table.loc[2, "grade"] = "Severe"

    path, rows = decide(made, tmp_path / "d.csv", edit)
    decisions = read_decisions(path, rows)
    assert decisions.row_ids == tuple(table["row_id"][:5])
    words = ["normal_mild", "moderate", "severe"]
    kept, proposed = words.index(table["label"][0]), words.index(table["proposed"][1])
    np.testing.assert_array_equal(decisions.labels[:4], one_hot(np.array([kept, proposed, 2, -1])))
    np.testing.assert_allclose(decisions.labels[4], table.loc[4, words].astype(float), atol=1e-3)
    assert decisions.labels[4].sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            cell(3, decision="maybe"),
            r"row 5: 'maybe' in column 'decision': expected keep, change, drop, soften",
        ),
        (
            cell(0, row_id="9_spinal_canal_stenosis_l1_l2"),
            r"row 2: unknown row_id '9_spinal_canal_stenosis_l1_l2'",
        ),
        (cell(0, row_id="nonsense"), r"row 2: column 'row_id': row id 'nonsense' is not"),
        (
            cell(1, decision="change", grade="bad"),
            r"row 3: 'bad' in column 'grade': expected a grade: normal_mild",
        ),
        (cell(1, decision="drop", grade="severe"), r"row 3: 'severe' in column 'grade': a grade belongs to"),
        (
            cell(1, grade="severe"),
            r"row 3: 'severe' in column 'grade': a grade belongs to the decision 'change'",
        ),
        (cell(2, decision="soften", severe="x"), r"row 4: 'x' in column 'severe' is not a finite number"),
        (
            cell(2, decision="soften", normal_mild="0", moderate="0", severe="0"),
            r"row 4: '0' in column 'normal_mild': the row's probabilities are all 0",
        ),
    ],
)
def test_a_bad_cell_is_named(
    made: tuple[FakeStore, pd.DataFrame], tmp_path: Path, edit: Edit, message: str
) -> None:
    path, rows = decide(made, tmp_path / "d.csv", edit)
    with pytest.raises(TableError, match=message):
        read_decisions(path, rows)


def test_a_label_that_has_changed_since_is_named(
    made: tuple[FakeStore, pd.DataFrame], tmp_path: Path
) -> None:
    path, rows = decide(made, tmp_path / "d.csv", cell(0, decision="keep"))
    first = made[1]["row_id"][0]
    rows = rows.assign(grade=np.where(rows["row_id"] == first, (rows["grade"] + 1) % 3, rows["grade"]))
    with pytest.raises(TableError, match=r"row 2: '\w+' in column 'label': the store has another one"):
        read_decisions(path, rows)


def examples_of(store: FakeStore) -> Examples:
    return Examples.from_store(FeatureStore.open(store.path))


def test_decided_rows_are_learned_as_decided(made: tuple[FakeStore, pd.DataFrame]) -> None:
    examples = examples_of(made[0])
    labeled = np.flatnonzero(examples.grades >= 0)[:2]
    ids = examples.rows["row_id"].iloc[labeled]
    decisions = Decisions(tuple(ids), np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]]))
    learned = LearnedLabels("none", decisions)(examples)
    assert learned.grades[labeled].tolist() == [-1, 2]
    others = np.setdiff1d(np.arange(len(examples)), labeled)
    np.testing.assert_array_equal(learned.grades[others], examples.grades[others])
    again = Decisions(decisions.row_ids[::-1], decisions.labels[::-1])
    assert again.hash == decisions.hash


def test_softened_labels_are_drawn_from_their_probabilities(made: tuple[FakeStore, pd.DataFrame]) -> None:
    examples = examples_of(made[0])
    labels = np.tile([0.7, 0.0, 0.3], (len(examples), 1))
    soft = Decisions(tuple(examples.rows["row_id"]), labels)
    drawn = LearnedLabels("none", soft)(examples).grades
    np.testing.assert_allclose(np.bincount(drawn, minlength=3) / len(drawn), [0.7, 0, 0.3], atol=0.05)
    other = LearnedLabels("none", soft, seed=1)(examples).grades
    assert (other != drawn).any()


def test_noise_leaves_out_or_draws_planted_errors(made: tuple[FakeStore, pd.DataFrame]) -> None:
    examples = examples_of(made[0])
    grades, labeled = examples.grades.copy(), np.flatnonzero(examples.grades >= 0)
    wrong = np.random.default_rng(0).permutation(labeled)[:40]
    grades[wrong] = np.where(grades[wrong] == 1, 2, 1)
    right = np.setdiff1d(labeled, wrong)
    planted = replace(examples, rows=examples.rows.assign(grade=grades))
    dropped = LearnedLabels("drop")(planted).grades
    assert (dropped[wrong] == -1).mean() > 0.2 > 5 * (dropped[right] == -1).mean()
    np.testing.assert_array_equal(dropped[dropped >= 0], grades[dropped >= 0])
    softened = LearnedLabels("soften")(planted).grades
    assert (softened[wrong] != grades[wrong]).mean() > 0.2 > 5 * (softened[right] != grades[right]).mean()
    assert ((softened >= 0) == (grades >= 0)).all()
    kept = Decisions(tuple(examples.rows["row_id"].iloc[wrong]), one_hot(grades[wrong]))
    np.testing.assert_array_equal(LearnedLabels("drop", kept)(planted).grades[wrong], grades[wrong])


class Witness(LearnedLabels):
    """Notes which studies it was shown."""

    shown: list[set[str]] = []  # noqa: RUF012  # one list for the test

    def __call__(self, examples: Examples) -> Examples:
        self.shown.append(set(examples.rows["study_id"]))
        return super().__call__(examples)


@pytest.mark.parametrize("noise", ["drop", "soften"])
def test_labels_of_a_fold_do_not_reach_its_predictions(
    made: tuple[FakeStore, pd.DataFrame], tmp_path: Path, noise: Any
) -> None:
    examples = examples_of(made[0])
    fold = examples.rows["fold"].to_numpy()
    witness = Witness(noise)
    Witness.shown.clear()
    before = cross_fit(Linear, examples, tmp_path / "a", relabel=witness)
    of_fold = [set(examples.rows["study_id"][fold == k]) for k in range(3)]
    assert all(sum(bool(shown & studies) for studies in of_fold) < 3 for shown in Witness.shown)
    other = np.where((fold == 0) & (examples.grades >= 0), (examples.grades + 1) % 3, examples.grades)
    changed = replace(examples, rows=examples.rows.assign(grade=other))
    after = cross_fit(Linear, changed, tmp_path / "b", relabel=LearnedLabels(noise))
    pd.testing.assert_frame_equal(before[before["fold"] == 0], after[after["fold"] == 0])
    assert not before[before["fold"] == 1].equals(after[after["fold"] == 1])


def test_scores_keep_the_labels_of_the_store(made: tuple[FakeStore, pd.DataFrame], tmp_path: Path) -> None:
    store, _ = made

    def edit(table: pd.DataFrame) -> None:
        table.loc[:99, "decision"] = "drop"

    path, rows = decide(made, tmp_path / "d.csv", edit)
    fitted = fit(store.path, tmp_path / "model", [Linear], trials=1, decisions=path)
    model = Model.open(fitted.model)
    np.testing.assert_array_equal(model.nested["grade"], rows["grade"])
    assert model.manifest["configuration"]["labels"]["noise"] == "none"
    fit(store.path, tmp_path / "model", [Linear], trials=1, decisions=path)
    with pytest.raises(ArtifactError, match=r"begun with another configuration \(labels differ\)"):
        fit(store.path, tmp_path / "model", [Linear], trials=1)


def test_an_unknown_treatment_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"noise must be one of none, drop, soften, not 'ignore'"):
        LearnedLabels("ignore")  # type: ignore[arg-type]
