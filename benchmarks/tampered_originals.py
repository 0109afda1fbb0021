"""What `tampered_models.py` damages: models, stores, a selector, a journal; and what each of them is asked for."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier

from lsdc.cohort.vocabulary import TARGETS, Family, Target
from lsdc.ensemble.fitting import fit
from lsdc.ensemble.model import Model
from lsdc.ensemble.prediction import predict
from lsdc.ensemble.predictions import Predictions
from lsdc.ensemble.stackers.registry import save_stacker
from lsdc.ensemble.stackers.rows import Boosted
from lsdc.ensemble.tuning.search import Search, minimize
from lsdc.ensemble.tuning.storage import open_storage
from lsdc.features.store import FeatureStore
from lsdc.features.writer import write_store
from lsdc.metrics.prediction_tables import SHAPE
from lsdc.models.heads.head_member import HeadMember
from lsdc.models.heads.sklearn_member import SklearnMember
from lsdc.models.registry import MEMBERS
from lsdc.models.search_space import Range
from lsdc.runtime.artifact import file_hash, read_json, write_json
from lsdc.slice_selector.ranker import EnsembleRanker
from lsdc.slice_selector.ranking import CandidateSlices, SliceRanking
from lsdc.slice_selector.selector import SliceSelector
from lsdc.testing.damage import relist
from lsdc.testing.planted_examples import make_examples

SEARCH = Search("height", "height", [{"a": Range(), "b": Range(1, 9, whole=True)}], [{"a": 0.5, "b": 3}], 6)


def make_originals(folder: Path) -> None:
    """Make all that is damaged: `store`, `model`, `former` (as version 0.1 wrote it), `selector`, `tuned`."""
    examples = make_examples(30, folds=2)
    new = make_examples(4, first=500)
    for name, one in (("store", examples), ("new", new)):
        rows = one.rows.assign(
            **{key: one.numeric[:, k] for k, key in enumerate(one.numeric_names)},
            split="train" if name == "store" else "new",
        )
        crops = np.random.default_rng(0).integers(1, 255, (len(rows), 3, 3, 4, 4), dtype=np.uint8)
        write_store(folder / name, rows, one.embedding, crops)
    members = ["lightgbm", "xgboost", "forest", "logistic", "mlp"]
    estimators = [
        SklearnMember(RandomForestClassifier(4, max_depth=4), name="trees"),
        SklearnMember(KNeighborsClassifier(5, algorithm="kd_tree"), name="near"),
    ]
    fit(folder / "store", folder / "model", [*members, *estimators], trials=2)
    _stack_with_trees(folder / "model")
    shutil.copytree(folder / "model", folder / "former")
    _as_before(folder / "former", examples.grades)
    _selector().save(folder / "selector")
    minimize(SEARCH, _height, open_storage(_made(folder / "tuned") / "optuna.journal"))


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _height(point: Any, report_step: Any) -> dict[str, float]:
    return {"height": (point["a"] - 0.3) ** 2 + point["b"]}


def _stack_with_trees(model: Path) -> None:
    """Let the model predict with a stacker that has trees too."""
    opened = Model.open(model)
    rows = opened.out_of_fold
    tables = {name: rows[rows["member"] == name] for name in opened.members}
    studies = list(opened.studies)
    grades = opened.nested["grade"].to_numpy(np.int8).reshape(len(studies), *SHAPE)
    save_stacker(model / "stack.json", Boosted().fit(Predictions.from_tables(tables, studies), grades))
    relist(model)


def _as_before(model: Path, grades: NDArray[np.int64]) -> None:
    """Give the boosted members the libraries' own files, and let the manifest list nothing."""
    import lightgbm
    import xgboost

    rng = np.random.default_rng(0)
    for name in ("lightgbm", "xgboost"):
        kind = MEMBERS[name]
        assert issubclass(kind, HeadMember)
        for folder in sorted((model / "members" / name).glob("fold_*")):
            head: Any = kind.head
            content = read_json(folder / "manifest.json")
            for family in Family:
                saved = folder / f"{family.value}.{head.suffix}"
                if not saved.is_file():
                    continue
                X = rng.normal(size=(300, head.load(saved).booster.num_feature())).astype(np.float32)
                y = np.digitize(X[:, 0], [0.3, 1.0])
                saved.unlink()
                former = folder / f"{family.value}.{head.former_suffix}"
                options: dict[str, Any] = {"num_class": 3, "verbose": -1, "max_depth": 3, "num_threads": 1}
                if name == "lightgbm":
                    options["objective"] = "multiclass"
                    lightgbm.train(options, lightgbm.Dataset(X, y), 8).save_model(former)
                else:
                    options = {"objective": "multi:softprob", "num_class": 3, "nthread": 1}
                    xgboost.train(options, xgboost.DMatrix(X, y), 8).save_model(former)
                content["files"].pop(saved.name)
                content["files"][former.name] = file_hash(former)
            write_json(folder / "manifest.json", content)
    whole = read_json(model / "manifest.json")
    del whole["files"]
    write_json(model / "manifest.json", whole | {"schema": 1})  # later layouts must list their files


def _selector() -> SliceSelector:
    """Make a selector whose canal is ranked by a fitted ranker."""
    rng = np.random.default_rng(0)
    descriptors, geometry = rng.normal(size=(300, 30)).astype(np.float32), rng.normal(size=(300, 5))
    pca = PCA(6, random_state=0).fit(descriptors)
    X = np.hstack([geometry, pca.transform(descriptors)])
    ranking = SliceRanking(Family.SPINAL)
    ranking.ranker = EnsembleRanker(6, svm_rows=100, random_state=0).fit(X, X[:, 0] + X[:, 6]).fitted(pca)
    rankings = {family: SliceRanking(family) for family in Family} | {Family.SPINAL: ranking}
    return SliceSelector(rankings, {})


def use(kind: str, folder: Path, whole: Path, out: Path) -> str:
    """Use an artifact as a program would, and hash what comes out.

    Parameters
    ----------
    kind : str
        `store`, `new`, `model`, `former`, `selector` or `tuned`.
    folder : Path
        The artifact, damaged or not.
    whole : Path
        Folder of the undamaged ones.
    out : Path
        Where files may be written.

    Returns
    -------
    str
        The same for the same results.
    """
    found = hashlib.sha256()
    if kind == "tuned":
        found.update(
            repr(sorted(minimize(SEARCH, _height, open_storage(folder / "optuna.journal")).items())).encode()
        )
    elif kind == "selector":
        ranking, rng = SliceSelector.load(folder).rankings[Family.SPINAL], np.random.default_rng(1)
        slices = CandidateSlices(
            rng.normal(size=(20, 30)).astype(np.float32),
            np.arange(20.0),
            np.linspace(0, 1, 20),
            np.full(20, np.nan),
        )
        targets: list[Target] = [target for target in TARGETS if target.condition.family is Family.SPINAL]
        scores = np.array(ranking.score([(target, slices) for target in targets]))
        found.update(scores.round(6).tobytes())
    elif kind in ("store", "new"):
        store = FeatureStore.open(folder)
        for values in (store.crops, store.previews, *(store.array(f"volumes/{name}.npy") for name in _VIEWS)):
            found.update(np.asarray(values).tobytes())
        found.update(store.to_pandas().to_csv().encode() + store.studies.to_csv().encode())
        found.update(
            store.embedding.tobytes()
            + store.numeric().tobytes()
            + store._repr_html_().split("path")[0].encode()
        )
        if kind == "new":
            found.update(_predicted(whole / "model", folder, out))
    else:
        opened = Model.open(folder)
        found.update(_predicted(folder, whole / "new", out))
        found.update(opened.out_of_fold.to_csv().encode())
        found.update(repr(sorted(opened.studies.items())).encode() + opened.nested.to_csv().encode())
        found.update(opened.outcome._repr_html_().replace(str(folder), "").encode())
    return found.hexdigest()


_VIEWS = ("sagittal_t1", "sagittal_t2", "axial_t2")


def _predicted(model: Path, store: Path, out: Path) -> bytes:
    """Predict a store, with baselines, and return the tables."""
    predict(model, store, out / "s.csv", baselines=out / "b", device="cpu")
    return b"".join(path.read_bytes() for path in (out / "s.csv", *sorted((out / "b").iterdir())))
