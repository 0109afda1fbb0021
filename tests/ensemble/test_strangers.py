"""Models and stores of strangers: whole or refused, and refused in words where somebody made the digests fit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from numpy.testing import assert_allclose
from support.store import fake_store

from lsdc.ensemble.fitting import fit
from lsdc.ensemble.model import Model
from lsdc.ensemble.prediction import predict
from lsdc.ensemble.stackers.registry import load_stacker, save_stacker
from lsdc.ensemble.stackers.rows import Boosted
from lsdc.ensemble.tuning.storage import JOURNAL, open_storage
from lsdc.features.store import FeatureStore
from lsdc.models.heads.boosted import BoostedHead, LightGBMHead, XGBoostHead
from lsdc.runtime import ArtifactError, LsdcError
from lsdc.runtime.artifact import fingerprint, read_json, write_json
from lsdc.runtime.tensor_files import read_arrays, write_tensors
from lsdc.testing.damage import relist
from lsdc.testing.planted_predictions import make_predictions

pytestmark = pytest.mark.usefixtures("brief_learners")

Made = tuple[Path, Path]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A store with training and test studies, and a model of it."""
    folder = tmp_path_factory.mktemp("strangers")
    store = fake_store(folder / "store", 20, n_test=3, folds=2)
    fit(store.path, folder / "model", ["lightgbm", "xgboost", "logistic"], trials=1)
    return store.path, folder / "model"


@pytest.fixture
def model(made: Made, tmp_path: Path) -> Path:
    """A copy of the model to damage."""
    shutil.copytree(made[1], tmp_path / "model")
    return tmp_path / "model"


def refused(model: Path, store: Path, words: str) -> None:
    """Expect that predicting says what is wrong, and writes nothing."""
    out = model.parent / "s.csv"
    with pytest.raises(LsdcError, match=words):
        predict(model, store, out)
    assert not out.exists()


def test_a_missing_fold_is_refused(made: Made, model: Path) -> None:
    """The mean over the folds that are left would be other numbers."""
    shutil.rmtree(model / "members" / "lightgbm" / "fold_1")
    refused(model, made[0], r"damaged model, members/lightgbm/fold_1/\S+ is missing")
    relist(model)
    refused(model, made[0], r"members/lightgbm: fold_1 is missing")


def test_a_fold_of_another_fit_is_refused(made: Made, model: Path) -> None:
    shutil.copytree(model / "members" / "lightgbm" / "fold_1", model / "members" / "lightgbm" / "fold_7")
    refused(model, made[0], r"members/lightgbm: fold_7 is missing, or of another fit")


def test_a_missing_baseline_is_refused(made: Made, model: Path) -> None:
    (model / "baselines" / "weighted_prior.json").unlink()
    relist(model)
    refused(model, made[0], r"damaged model, baselines/weighted_prior.json is missing")


@pytest.mark.parametrize(
    "name", ["stack.json", "oof.parquet", "report.json", "members/logistic/fold_0/shrinkage.json"]
)
def test_a_flipped_bit_of_a_model_is_refused(made: Made, model: Path, name: str) -> None:
    content = bytearray((model / name).read_bytes())
    content[len(content) // 2] ^= 4
    (model / name).write_bytes(content)
    refused(model, made[0], f"the content of {name} is not what was written; make it again with")


@pytest.mark.parametrize("name", ["rows.parquet", "crops.npy", "studies.parquet", "volumes/axial_t2.npy"])
def test_a_flipped_bit_of_a_store_is_refused(made: Made, tmp_path: Path, name: str) -> None:
    shutil.copytree(made[0], tmp_path / "store")
    content = bytearray((tmp_path / "store" / name).read_bytes())
    content[-len(content) // 3] ^= 1
    (tmp_path / "store" / name).write_bytes(content)
    store = FeatureStore.open(tmp_path / "store")
    reads: dict[str, Callable[[], Any]] = {
        "rows.parquet": lambda: store.rows, "crops.npy": lambda: store.crops,
        "studies.parquet": lambda: store.studies,
    }  # fmt: skip
    with pytest.raises(ArtifactError, match=f"damaged store, the content of {name} is not what was written"):
        reads.get(name, lambda: store.array(name))()


def test_a_directory_without_digests_is_opened_and_said(
    made: Made, model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    predict(model, made[0], model.parent / "one.csv")
    manifest = read_json(model / "manifest.json")
    del manifest["files"]
    write_json(model / "manifest.json", manifest)
    refused(model, made[0], "damaged model, manifest.json lists no files")
    write_json(model / "manifest.json", manifest | {"schema": 1})
    with caplog.at_level("INFO", "lsdc"):
        predict(model, made[0], model.parent / "two.csv")
    assert "which kept no digests; only coarse damage can be seen" in caplog.text
    assert (model.parent / "one.csv").read_bytes() == (model.parent / "two.csv").read_bytes()
    shutil.rmtree(model / "members" / "lightgbm" / "fold_1")
    refused(model, made[0], "members/lightgbm: fold_1 is missing")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"members": ["../../etc"]}, r"members\[0\] is '../../etc' and must be another text"),
        ({"members": []}, "members is list and must be a list of 1 to 1000 items"),
        ({"members": None}, "members is None"),
        ({"feature_fingerprint": 3}, "feature_fingerprint is 3 and must be another text"),
        ({"origins": {"lightgbm": "os"}}, "origins.lightgbm is 'os'"),
        ({"schema": True}, "with layout True, newer than"),
        ({"schema": 0}, "schema is 0 and must be a whole number from 1"),
        ({"files": {"../x": {"bytes": 1, "sha256": "0" * 64}}}, "a name in files is '../x'"),
        ({"files": {"stack.json": {"bytes": -1, "sha256": "0" * 64}}}, "files.stack.json.bytes is -1"),
        ({"files": []}, "files is list and must be an object"),
    ],
)
def test_a_manifest_of_another_form_is_refused(
    made: Made, model: Path, change: dict[str, Any], words: str
) -> None:
    write_json(model / "manifest.json", read_json(model / "manifest.json") | change)
    refused(model, made[0], words)


@pytest.mark.parametrize("content", ["[" * 100_000, '{"a": ' + "1" * 5000 + "}", "x", ""])
def test_json_that_python_stumbles_over_is_refused(made: Made, model: Path, content: str) -> None:
    (model / "manifest.json").write_text(content)
    refused(model, made[0], r"manifest.json: cannot be read as JSON")


@pytest.mark.parametrize(
    ("name", "index", "value"),
    [
        ("left", 0, 0),
        ("right", 0, 10**6),
        ("feature", 0, 999),
        ("value", -1, np.nan),
        ("root", 0, -1),
        ("width", 0, 3),
    ],
)
def test_edited_trees_with_digests_that_fit_are_refused(
    made: Made, model: Path, name: str, index: int, value: float
) -> None:
    path = next((model / "members").glob("*/fold_0/*xgboost.safetensors"))
    arrays = read_arrays(path)
    arrays[name][index] = value
    write_tensors(path, arrays)
    relist(model)
    refused(model, made[0], r"(xgboost.safetensors|manifest.json): damaged")


def edit_text(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(condition="elbow")


def reverse(table: pd.DataFrame) -> pd.DataFrame:
    return table.iloc[::-1]


def fractional(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(grade=0.5)


def without_level(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop(columns="level")


def worded(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(confidence="sure")


def escaping(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(split="\x1b[2J")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (edit_text, "the column 'condition' is not in the competition's order"),
        (reverse, "not in the competition's order"),
        (fractional, "the column 'grade' is not whole numbers from -1 to 2"),
        (without_level, "the column 'level' is missing"),
        (worded, "the column 'confidence' is not numbers"),
        (escaping, "the column 'split' has control characters"),
    ],
)
def test_rows_that_mean_nothing_are_refused(
    made: Made, tmp_path: Path, change: Callable[[pd.DataFrame], pd.DataFrame], words: str
) -> None:
    shutil.copytree(made[0], tmp_path / "store")
    path = tmp_path / "store" / "rows.parquet"
    change(pd.read_parquet(path)).to_parquet(path, index=False)
    relist(tmp_path / "store")
    with pytest.raises(ArtifactError, match=words):
        predict(made[1], tmp_path / "store", tmp_path / "s.csv")


HEADS: list[tuple[type[BoostedHead], str]] = [(LightGBMHead, "txt"), (XGBoostHead, "ubj")]


@pytest.mark.parametrize(("head", "ending"), HEADS)
def test_boosted_heads_predict_what_the_library_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: type[BoostedHead], ending: str
) -> None:
    """Also from the library's own file, as earlier versions kept it."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 6)).astype(np.float32)
    y = np.digitize(X[:, 0], [0.3, 1.0])
    X[rng.random(X.shape) < 0.1] = np.nan
    X[:, 3] = np.where(rng.random(300) < 0.3, 0, X[:, 3])
    library: list[Any] = []
    for module in (lightgbm, xgboost):
        train = module.train

        def kept(*args: Any, train: Any = train, **options: Any) -> Any:
            library.append(train(*args, **options))
            return library[-1]

        monkeypatch.setattr(module, "train", kept)
    fitted = head().fit(X[:200], y[:200], X[200:], y[200:], 0)
    booster = library[-1] if ending == "txt" else library[-1][: library[-1].best_iteration + 1]
    wanted = booster.predict(X if ending == "txt" else xgboost.DMatrix(X))
    fitted.save(tmp_path / f"spinal.{head.suffix}")
    booster.save_model(tmp_path / f"spinal.{head.former_suffix}")
    for name in (head.suffix, head.former_suffix):
        assert_allclose(head.load(tmp_path / f"spinal.{name}").predict(X), wanted, atol=1e-6)
    assert_allclose(fitted.predict(X), wanted, atol=1e-6)
    with pytest.raises(LsdcError, match="fitted on other features"):
        fitted.predict(X[:, :5])


def test_trees_of_a_stacker_are_arrays_and_the_former_text_is_read(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    predictions, grades = make_predictions(n=30)
    stacker = Boosted().fit(predictions, grades)
    save_stacker(tmp_path / "stack.json", stacker)
    assert_allclose(load_stacker(tmp_path / "stack.json").predict(predictions), stacker.predict(predictions))
    state = read_json(tmp_path / "stack.json")
    features = rng.normal(size=(60, 5))
    options = {"objective": "multiclass", "num_class": 3, "verbose": -1, "num_leaves": 4}
    booster = lightgbm.train(options, lightgbm.Dataset(features, rng.integers(0, 3, 60)), 3)
    former = Boosted.predict_rows({"trees": booster.model_to_string()}, features)
    assert_allclose(former, booster.predict(features), atol=1e-12)
    state["families"]["spinal"]["trees"]["left"][0] = 0
    state.pop("hash")
    write_json(tmp_path / "stack.json", {**state, "hash": fingerprint(state)})
    with pytest.raises(
        ArtifactError, match=r"stack.json: damaged \(ValueError\('children that are no later nodes"
    ):
        load_stacker(tmp_path / "stack.json")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"op_code": 99}, "line 2: op_code is 99"),
        ({"op_code": "0"}, "line 2: op_code is '0'"),
        ({"study_id": None}, "line 2: study_id is None"),
        ({"user_attr": 5}, "line 2: user_attr is 5"),
    ],
)
def test_edited_journals_are_refused(made: Made, tmp_path: Path, change: dict[str, Any], words: str) -> None:
    lines = (made[1] / JOURNAL).read_text().splitlines()
    place = next(k for k, line in enumerate(lines) if json.loads(line)["op_code"] == 2)
    lines = [lines[0], json.dumps(json.loads(lines[place]) | change)]
    (tmp_path / JOURNAL).write_text("\n".join(lines) + "\n")
    with pytest.raises(ArtifactError, match=words):
        open_storage(tmp_path / JOURNAL)


def test_a_model_opened_whole_says_so(made: Made) -> None:
    opened = Model.open(made[1])
    assert opened.listed.entries is not None and "manifest.json" not in opened.listed.entries
    assert (
        JOURNAL not in opened.listed.entries
        and "members/logistic/fold_0/shrinkage.json" in opened.listed.entries
    )
    assert set(FeatureStore.open(made[0]).listed.below("volumes")) == {
        f"volumes/{name}.npy" for name in ("axial_t2", "sagittal_t1", "sagittal_t2")
    }
