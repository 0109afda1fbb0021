"""The model directory: what a fit leaves behind, and how it is opened again.

manifest.json            which features it reads, its members and where they come from; written last
config.json              what the fit was asked for; the same again resumes
members/NAME/fold_k/     fitted members
oof.parquet              row_id, probabilities, fold, member: out-of-fold predictions
studies.json             studies it was fitted on, each with a hash of its features
stack.json               the stacker; baselines/NAME.json: those it is compared with
nested.parquet           the stack's predictions that were scored, with the grades
optuna.journal           all trials; `lsdc-ensemble dashboard MODEL` shows them
report.json              scores, intervals, weights
card.json                what is to be said of it on every output, where it was made to be given away
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
import pandas as pd

from lsdc.cohort.vocabulary import TARGETS
from lsdc.ensemble.bundled.card import CARD, ModelCard
from lsdc.ensemble.bundled.place import model_directory
from lsdc.ensemble.model_check import CARD_FIELDS, MODEL_FIELDS, STUDIES
from lsdc.ensemble.stack_artifact import NESTED, StackArtifact
from lsdc.ensemble.stacked import REPORT
from lsdc.ensemble.stackers.contract import Stacker
from lsdc.ensemble.stackers.registry import load_stacker
from lsdc.models.member import Member
from lsdc.models.registry import member_from_origin
from lsdc.runtime import ArtifactError
from lsdc.runtime.artifact import MANIFEST, read_json
from lsdc.runtime.paths import PathLike
from lsdc.runtime.schema import Check, check_schema

if TYPE_CHECKING:
    from lsdc.features.store import FeatureStore


@dataclass(frozen=True, repr=False)
class Model(StackArtifact):
    """A finished model directory; use `Model.open`.

    Parameters
    ----------
    path : Path
        The directory.
    manifest : dict
        The content of its manifest.json.

    Examples
    --------
    >>> model = Model.open("model")  # doctest: +SKIP
    >>> model.members, model.outcome.report.nested.total  # doctest: +SKIP
    (['lightgbm', 'xgboost', 'mlp'], 0.504)
    """

    kind: ClassVar[str] = "model"
    made_by: ClassVar[str] = "lsdc-ensemble fit STORE --out MODEL"
    files: ClassVar[tuple[str, ...]] = ("oof.parquet", "studies.json", "stack.json", NESTED, REPORT)
    _fields: ClassVar[Check] = MODEL_FIELDS

    @classmethod
    def open(cls, path: PathLike) -> Self:
        """Open a model directory.

        Parameters
        ----------
        path : path
            What `fit` wrote, or the word `bundled` for the model that is shipped.

        Returns
        -------
        Model
            Its files are read when they are first asked for.

        Raises
        ------
        ArtifactError
            When it is absent, unfinished, damaged or of a newer version.
        """
        return super().open(model_directory(path))

    @cached_property
    def card(self) -> ModelCard | None:
        """What is to be said of it on every output; None for a model that carries no card."""
        if not self.listed.has(CARD):
            return None
        path = self.file(CARD)
        check_schema(read_json(path), CARD_FIELDS, path, "get the model again")
        return ModelCard.read(self.path)

    @property
    def origins(self) -> dict[str, str]:
        """Where the members' classes are defined, as `module:Class`; empty for models of lsdc 0.1."""
        return dict(self.manifest.get("origins", {}))

    @cached_property
    def baselines(self) -> dict[str, Stacker]:
        """Weighted prior, plain mean and best single, fitted on the same studies."""
        names = [name for name in self.listed.below("baselines") if name.endswith(".json")]
        found = {Path(name).stem: load_stacker(self.file(name)) for name in names}
        for name in ("plain_mean", "weighted_prior"):
            if name not in found:
                raise self.damage(f"baselines/{name}.json is missing")
        return found

    @cached_property
    def out_of_fold(self) -> pd.DataFrame:
        """row_id, probabilities, fold and member of the studies it was fitted on."""
        return self.table("oof.parquet", ("fold", "member"))

    @cached_property
    def studies(self) -> dict[str, str]:
        """The studies it was fitted on, with the hash of their features."""
        path = self.file("studies.json")
        found: dict[str, str] = read_json(path)
        check_schema(found, STUDIES, path, f"make the model again with `{self.made_by}`")
        return found

    def member_folder(self, name: str) -> Path:
        """Find the fitted models of a member, after checking that every fold is there, whole, and none besides.

        Parameters
        ----------
        name : str
            One of `members`.

        Returns
        -------
        Path
            The folder, for `predict_folds`.

        Raises
        ------
        ArtifactError
            When a fold is missing or a file is damaged.
        """
        folder = f"members/{name}"
        for file in self.listed.below(folder):
            self.file(file)
        rows = self.out_of_fold
        wanted = {f"fold_{fold}" for fold in rows.loc[rows["member"] == name, "fold"].unique()}
        found = {path.parent.name for path in (self.path / folder).glob(f"fold_*/{MANIFEST}")}
        if not wanted or wanted != found:
            what = ", ".join(sorted(wanted ^ found)) or "every fold"
            raise self.damage(f"{folder}: {what} is missing, or of another fit")
        return self.path / folder

    def member_class(self, name: str) -> type[Member]:
        """Find the class of a member, which loads its folders.

        Parameters
        ----------
        name : str
            One of `members`.

        Returns
        -------
        type of Member
            Imported from where it was defined when the model was fitted.

        Raises
        ------
        ArtifactError
            When it cannot be imported here.
        """
        try:
            return member_from_origin(name, self.origins.get(name))
        except ArtifactError as error:
            raise ArtifactError(f"{self.path}: {error}") from error

    def check_store(self, store: FeatureStore) -> None:
        """Refuse a store whose features mean something else.

        Parameters
        ----------
        store : FeatureStore
            The store whose studies are to be predicted.

        Raises
        ------
        ArtifactError
            When backbone, weights, sizes or columns differ from those of the store the model was fitted on.
        """
        fitted, given = self.manifest["feature_fingerprint"], store.feature_fingerprint
        if fitted != given:
            made = self.manifest["store"]
            how = (
                "with the default settings (`lsdc-features extract DATA --out STORE`)"
                if made is None
                else f"like {made} (`lsdc-features extract --like`)"
            )
            raise ArtifactError(
                f"{store.path}: has other features ({given}) than the store {self.path} was fitted on ({fitted}); "
                f"extract it again {how}"
            )


def feature_hashes(store: FeatureStore) -> dict[str, str]:
    """Hash each study's features, to recognize the studies that a model was fitted on.

    Parameters
    ----------
    store : FeatureStore
        A finished store.

    Returns
    -------
    dict of str to str
        By study id: sixteen hexadecimal digits of SHA-256 over its embeddings and numeric columns.
    """
    n = len(TARGETS)
    embedding, numeric = store.embedding, np.ascontiguousarray(store.numeric())
    hashes = {}
    for k, study in enumerate(store.rows["study_id"].iloc[::n]):
        part = slice(k * n, (k + 1) * n)
        content = embedding[part].tobytes() + numeric[part].tobytes()
        hashes[str(study)] = hashlib.sha256(content).hexdigest()[:16]
    return hashes
