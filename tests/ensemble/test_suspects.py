"""Doubtful labels: the reader's model, the ranking, the sheets, and the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from scipy.optimize import check_grad
from support.member import Linear
from support.store import FakeStore, fake_store

from lsdc.cohort.vocabulary import TARGETS, Family
from lsdc.commands.ensemble import main
from lsdc.ensemble.external import blend
from lsdc.ensemble.fitting import fit
from lsdc.ensemble.model import Model
from lsdc.ensemble.suspects import reader_noise
from lsdc.ensemble.suspects.finding import Suspects, find_suspects
from lsdc.ensemble.suspects.ranking import RANKED, rank_labels
from lsdc.ensemble.suspects.reader_noise import ReaderNoise
from lsdc.metrics.official import GRADE_WEIGHTS
from lsdc.metrics.prediction_tables import COLUMNS
from lsdc.runtime import ArtifactError, ConfigError, TableError

pytestmark = pytest.mark.usefixtures("brief_learners")

Rows = tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_]]
Made = tuple[FakeStore, Path, Suspects]


def read_by(confusion: NDArray[np.float64], n: int = 6000, spread: float = 3.0, seed: int = 0) -> Rows:
    """Weighted predictions that are right about the true grades, labels of a reader who errs, and where he did."""
    rng = np.random.default_rng(seed)
    logits = rng.normal([1.5, 0.0, 0.0], spread, (n, 3))
    calibrated = np.exp(logits - logits.max(axis=1, keepdims=True))
    calibrated /= calibrated.sum(axis=1, keepdims=True)
    true = (rng.random((n, 1)) > calibrated.cumsum(axis=1)).sum(axis=1)
    labels = (rng.random((n, 1)) > confusion[true].cumsum(axis=1)).sum(axis=1)
    weighted = calibrated * GRADE_WEIGHTS[:3]
    return weighted / weighted.sum(axis=1, keepdims=True), np.minimum(labels, 2), labels != true


READER = np.array([[0.94, 0.06, 0.0], [0.05, 0.85, 0.1], [0.0, 0.08, 0.92]])


def test_a_readers_errors_are_estimated() -> None:
    predictions, labels, _ = read_by(READER)
    noise = ReaderNoise.fit(predictions, labels)
    np.testing.assert_allclose(noise.confusion, READER, atol=0.025)
    assert noise.sharpness == pytest.approx(1, abs=0.15)


def test_a_reader_without_errors_is_hardly_doubted() -> None:
    predictions, labels, _ = read_by(np.eye(3))
    noise = ReaderNoise.fit(predictions, labels)
    assert (noise.confusion.diagonal() > 0.98).all()
    wrong = 1 - noise.posterior(predictions, labels)[np.arange(len(labels)), labels]
    assert wrong.sum() < 0.01 * len(labels)


def test_probabilities_of_errors_are_calibrated() -> None:
    predictions, labels, errs = read_by(READER)
    wrong = (
        1
        - ReaderNoise.fit(predictions, labels).posterior(predictions, labels)[np.arange(len(labels)), labels]
    )
    assert wrong.sum() == pytest.approx(errs.sum(), rel=0.15)
    assert errs[wrong > 0.8].mean() > 0.8 and errs[wrong < 0.1].mean() < 0.05


def test_the_gradient_is_that_of_the_cost() -> None:
    predictions, labels, _ = read_by(READER, n=200)
    logs = reader_noise._without_weights(predictions)

    def cost(values: NDArray[np.float64]) -> float:
        return reader_noise._cost_and_slope(values, logs, labels)[0]

    def slope(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return reader_noise._cost_and_slope(values, logs, labels)[1]

    values = np.concatenate([[1.2, 0.1, -0.2], np.random.default_rng(0).normal(size=9)])
    assert check_grad(cost, slope, values) < 1e-3


@given(st.integers(0, 2**32 - 1))
def test_a_posterior_is_a_probability(seed: int) -> None:
    rng = np.random.default_rng(seed)
    predictions, labels = rng.dirichlet(np.ones(3), 30), rng.integers(0, 3, 30)
    posterior = ReaderNoise.fit(predictions, labels).posterior(predictions, labels)
    assert (posterior >= 0).all()
    np.testing.assert_allclose(posterior.sum(axis=1), 1)


def test_lengths_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"probabilities \(2, 3\) and grades \(3,\) do not fit"):
        ReaderNoise.fit(np.full((2, 3), 1 / 3), np.zeros(3, int))


def nested(n_studies: int = 100, rate: float = 0.05) -> tuple[pd.DataFrame, set[str]]:
    """Predictions with labels of which a part was moved, and the rows that were."""
    ids = [target.row_id(f"s{k:03d}") for k in range(n_studies) for target in TARGETS]
    predictions, labels, _ = read_by(np.eye(3), n=len(ids))
    flipped = np.random.default_rng(1).permutation(len(ids))[: round(rate * len(ids))]
    labels[flipped] = np.where(labels[flipped] == 1, 0, 1)
    table = pd.DataFrame(predictions, columns=COLUMNS).assign(row_id=ids, grade=labels)
    return table, {ids[k] for k in flipped}


def test_planted_errors_come_first() -> None:
    table, planted = nested()
    ranked, readers = rank_labels(table)
    assert tuple(ranked) == RANKED and list(readers) == list(Family)
    first = ranked.head(len(planted))
    assert first["row_id"].isin(planted).mean() > 0.6
    assert ranked["rank"].tolist() == list(range(1, len(table) + 1))
    assert ranked["wrong"].is_monotonic_decreasing and (ranked["label"] != ranked["proposed"]).all()
    assert (ranked["decision"] == "").all() and (ranked["grade"] == "").all()


def test_only_labeled_rows_are_ranked() -> None:
    table, _ = nested()
    table.loc[::2, "grade"] = -1
    table.loc[1, "normal_mild"] = np.nan
    ranked, _ = rank_labels(table)
    assert len(ranked) == len(table) // 2 - 1


def test_too_few_labels_are_refused() -> None:
    with pytest.raises(TableError, match=r"100 labeled rows: at least 100 of one kind are needed"):
        rank_labels(nested(4)[0])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A store, a model fitted on it, and its suspects; not to be changed."""
    folder = tmp_path_factory.mktemp("suspects")
    store = fake_store(folder / "store", 30, signal=3.0, folds=3)
    fit(store.path, folder / "model", [Linear], trials=1)
    return store, folder / "model", find_suspects(folder / "model", store.path, folder / "out", first=40)


def test_suspects_are_written(made: Made) -> None:
    store, _, found = made
    table = pd.read_csv(found.path, dtype=str, keep_default_na=False)
    assert tuple(table) == RANKED and len(table) == found.rows == (store.train.to_numpy() >= 0).sum()
    assert found.probably_wrong == (table["wrong"].astype(float) > 0.5).sum()
    assert found.expected_wrong == pytest.approx(table["wrong"].astype(float).sum(), abs=0.1)
    readers = json.loads((found.path.parent / "readers.json").read_text())
    assert sum(readers["spinal"]["label_given_true_grade"]["moderate"].values()) == pytest.approx(1)


def test_sheets_show_the_first_rows(made: Made) -> None:
    _, _, found = made
    assert [path.name for path in found.sheets] == ["sheet_01.png", "sheet_02.png"]
    first, second = (np.asarray(Image.open(path)) for path in found.sheets)
    assert first.shape[0] > 2 * second.shape[0] and first.std() > 5


def test_a_list_is_not_replaced(made: Made) -> None:
    store, model, found = made
    with pytest.raises(TableError, match=r"suspects\.csv: exists, and may hold decisions"):
        find_suspects(model, store.path, found.path.parent)


def test_another_store_is_refused(made: Made, tmp_path: Path) -> None:
    _, model, _ = made
    smaller = fake_store(tmp_path / "smaller", 20, signal=3.0, folds=3)
    with pytest.raises(ArtifactError, match="of its studies are not in the store"):
        find_suspects(model, smaller.path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_blend_will_do(made: Made, tmp_path: Path) -> None:
    store, model, _ = made
    table = Model.open(model).out_of_fold_of(store.train.index.tolist())
    (tmp_path / "members").mkdir()
    table[["row_id", *COLUMNS]].to_csv(tmp_path / "members" / "linear.csv", index=False)
    labels = store.write_labels(tmp_path / "train.csv", store.train)
    blend(labels, tmp_path / "members", tmp_path / "blend", trials=1)
    found = find_suspects(tmp_path / "blend", store.path, tmp_path / "out", first=0)
    assert found.rows == (store.train.to_numpy() >= 0).sum() and found.sheets == ()


def test_the_command_finds_suspects(made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store, model, _ = made
    arguments: list[Any] = [model, "--store", store.path, "--out", tmp_path / "o", "--first", 3, "--json"]
    assert main(["suspects", *map(str, arguments)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["sheets"] == [str(tmp_path / "o" / "sheet_01.png")]
    assert main(["suspects", *map(str, arguments[:5]), "--first", "-1", "--json"]) == 2
    assert "first must be at least 0, not -1" in capsys.readouterr().out
