"""The model directory: what a fit leaves behind, and how it is opened again.

manifest.json            which features it reads, its members; written last
config.json              what the fit was asked for; the same again goes on
members/NAME/fold_k/     fitted members
oof.parquet              row_id, probabilities, fold, member: out-of-fold predictions
studies.json             studies it was fitted on, each with a hash of its features
stack.json               the stacker; baselines/NAME.json: those it is compared with
nested.parquet           the stack's predictions that were scored, with the grades
optuna.journal           all trials; `lsdc-ensemble dashboard MODEL` shows them
report.json              scores, intervals, weights
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from lsdc.cohort.vocabulary import TARGETS
from lsdc.ensemble.stackers.contract import Stacker
from lsdc.ensemble.stackers.registry import load_stacker
from lsdc.runtime import ArtefactError
from lsdc.runtime.artefact import read_json, read_manifest

if TYPE_CHECKING:
    from lsdc.features.store import FeatureStore

KIND = "model"
SCHEMA = 1
MADE_BY = "lsdc-ensemble fit STORE --out MODEL"


@dataclass(frozen=True)
class Model:
    """A finished model directory; use `Model.open`.

    Parameters
    ----------
    path : Path
        The directory.
    manifest : dict
        Its manifest.json.
    """

    path: Path
    manifest: dict[str, Any]

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a model.

        Raises
        ------
        ArtefactError
            When it is absent, unfinished, damaged, or written by a newer version.
        """
        path = Path(path)
        model = cls(path, read_manifest(path, KIND, SCHEMA, MADE_BY))
        for name in ("oof.parquet", "studies.json", "stack.json", "nested.parquet"):
            if not (path / name).is_file():
                raise ArtefactError(
                    f"{path}: damaged model, {name} is missing; make it again with `{MADE_BY}`"
                )
        return model

    @property
    def members(self) -> list[str]:
        """Names of the members."""
        return list(self.manifest["members"])

    @cached_property
    def stacker(self) -> Stacker:
        """The fitted stacker."""
        return load_stacker(self.path / "stack.json")

    @cached_property
    def baselines(self) -> dict[str, Stacker]:
        """Weighted prior, plain mean and best single, fitted on the same studies."""
        return {path.stem: load_stacker(path) for path in sorted((self.path / "baselines").glob("*.json"))}

    @cached_property
    def out_of_fold(self) -> pd.DataFrame:
        """row_id, probabilities, fold and member of the studies it was fitted on."""
        return pd.read_parquet(self.path / "oof.parquet")

    @cached_property
    def studies(self) -> dict[str, str]:
        """The studies it was fitted on, with the hash of their features."""
        return dict(read_json(self.path / "studies.json"))

    def check(self, store: FeatureStore) -> None:
        """Refuse a store whose features mean something else.

        Raises
        ------
        ArtefactError
            When backbone, weights, sizes or columns differ from those of the store it was fitted on.
        """
        mine, theirs = self.manifest["feature_fingerprint"], store.feature_fingerprint
        if mine != theirs:
            raise ArtefactError(
                f"{store.path}: has other features ({theirs}) than the store {self.path} was fitted on ({mine}); "
                f"extract it again with --like {self.manifest['store']}"
            )


def feature_hashes(store: FeatureStore) -> dict[str, str]:
    """A hash of each study's features, to know the studies a model was fitted on."""
    n = len(TARGETS)
    embedding, numeric = store.embedding, np.ascontiguousarray(store.numeric())
    hashes = {}
    for k, study in enumerate(store.rows["study_id"].iloc[::n]):
        part = slice(k * n, (k + 1) * n)
        content = embedding[part].tobytes() + numeric[part].tobytes()
        hashes[str(study)] = hashlib.sha256(content).hexdigest()[:16]
    return hashes
