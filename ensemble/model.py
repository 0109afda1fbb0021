"""The model directory: what a fit leaves behind, and how it is opened again.

manifest.json            which features it reads, its members and where they come from; written last
config.json              what the fit was asked for; the same again resumes
extractor/               the selectors, the encoder and the sizes that make features of new studies
members/NAME/fold_k/     fitted members
oof.parquet              row_id, probabilities, fold, member: out-of-fold predictions
studies.json             pseudonyms of the studies it was fitted on, each with a hash of its features
stack.json               the stacker; baselines/NAME.json: those it is compared with
nested.parquet           the stack's predictions that were scored, with the grades
optuna.journal           all trials; `lsdc-ensemble dashboard MODEL` shows them
report.json              scores, intervals, weights
thresholds.json          below which probability a grade is excluded
fit_card.json            what it learned from, what it is for and what it never saw
card.json                what is to be said of it on every output, where it was made to be given away
durations.json           seconds of the fit, not listed in the manifest

Studies are named by pseudonyms (`lsdc.cohort.pseudonyms`): who has their ids can find them. Long ids
cannot be guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import pandas as pd

from lsdc.cohort.vocabulary import parse_row_id
from lsdc.ensemble.bundled.card import CARD, ModelCard
from lsdc.ensemble.bundled.place import BUNDLED, NAME, model_directory
from lsdc.ensemble.fit_card import FIT_CARD, FIT_CARD_FIELDS, FitCard
from lsdc.ensemble.model_check import CARD_FIELDS, MODEL_FIELDS, STUDIES
from lsdc.ensemble.predictions import Predictions
from lsdc.ensemble.stack_artifact import NESTED, StackArtifact
from lsdc.ensemble.stacked import REPORT
from lsdc.ensemble.stackers.contract import Stacker
from lsdc.ensemble.stackers.registry import load_stacker
from lsdc.ensemble.stacking_data import StackingData
from lsdc.ensemble.thresholds import THRESHOLD_FIELDS, THRESHOLDS, Thresholds
from lsdc.ensemble.unseen import known_grades
from lsdc.features.extractor import EXTRACTOR, selector_digest
from lsdc.models.member import Member
from lsdc.models.registry import member_from_origin
from lsdc.runtime import ArtifactError
from lsdc.runtime.artifact import MANIFEST, read_json
from lsdc.runtime.console import say
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
    remote : RemoteFolder, optional
        Where it lies behind a URL.

    Examples
    --------
    >>> model = Model.open("model")  # doctest: +SKIP
    >>> model.members, model.outcome.report.nested.total  # doctest: +SKIP
    (['lightgbm', 'xgboost', 'mlp'], 0.504)
    """

    kind: ClassVar[str] = "model"
    schema: ClassVar[int] = 3
    made_by: ClassVar[str] = "lsdc-ensemble fit STORE --out MODEL"
    files: ClassVar[tuple[str, ...]] = ("oof.parquet", "studies.json", "stack.json", NESTED, REPORT)
    _fields: ClassVar[Check] = MODEL_FIELDS

    @classmethod
    def open(cls, path: PathLike) -> Self:
        """Open a model directory.

        Parameters
        ----------
        path : path
            What `fit` wrote, what `pack` made of it, or the word `bundled` for the model that is shipped.

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
    def fit_card(self) -> FitCard | None:
        """What the fit says of it; None for a model of an earlier version."""
        if not self.listed.has(FIT_CARD):
            return None
        return FitCard.from_dict(self._checked(FIT_CARD, FIT_CARD_FIELDS))

    @cached_property
    def thresholds(self) -> Thresholds:
        """Below which probabilities grades are excluded."""
        if not self.listed.has(THRESHOLDS):
            return Thresholds.of(self.nested)
        return Thresholds.from_dict(self._checked(THRESHOLDS, THRESHOLD_FIELDS))

    def _checked(self, name: str, fields: Check) -> Any:
        """Read a JSON file of the directory, and check what it holds."""
        path = self.file(name)
        content = read_json(path)
        check_schema(content, fields, path, f"make the model again with `{self.made_by}`")
        return content

    @property
    def is_whole(self) -> bool:
        """Whether it can make features of new studies by itself: it holds its extractor, or is the shipped one."""
        return self.path == BUNDLED or self.listed.has(f"{EXTRACTOR}/{MANIFEST}")

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
    def fitted_data(self) -> StackingData:
        """What its stack was fitted on: out-of-fold predictions, grades and folds; studies by their pseudonyms."""
        grades, studies = known_grades(self.nested)
        rows = self.out_of_fold
        tables = {name: rows[rows["member"] == name] for name in self.members}
        fold_of = dict(zip((parse_row_id(row_id)[0] for row_id in rows["row_id"]), rows["fold"].tolist()))
        folds = np.array([fold_of[study] for study in studies], int)
        return StackingData(Predictions.from_tables(tables, studies), grades, folds)

    def out_of_fold_of(self, studies: Sequence[str]) -> pd.DataFrame:
        """Give the members' out-of-fold predictions of studies whose ids are known.

        Parameters
        ----------
        studies : sequence of str
            Ids of studies.

        Returns
        -------
        DataFrame
            The rows of `out_of_fold` of these studies, with their ids.
        """
        return self.pseudonyms.restored(self.out_of_fold, studies)

    @cached_property
    def studies(self) -> dict[str, str]:
        """The studies it was fitted on, by pseudonym, with the hash of their features."""
        found: dict[str, str] = self._checked("studies.json", STUDIES)
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
            When backbone, weights, sizes or columns differ from those of the store the model was fitted on, or another
            selector located it.
        """
        name = NAME if self.path == BUNDLED else self.path
        how = f"extract it again for the model (`lsdc-features extract DATA --out STORE --for {name}`)"
        if not self.is_whole:
            how = "extract it again like that store (`lsdc-features extract DATA --out STORE --like`)"
        fitted, given = self.manifest["feature_fingerprint"], store.feature_fingerprint
        if fitted != given:
            raise ArtifactError(
                f"{store.path}: has other features ({given}) than the store {name} was fitted on ({fitted}); {how}"
            )
        if "selector_digest" not in self.manifest:
            say(f"{name}: does not say which selector it goes with; what located {store.path} is not checked")
            return
        learned, located = self.manifest["selector_digest"], selector_digest(store)
        if learned != located:
            raise ArtifactError(
                f"{store.path}: was located by another selector ({located or 'unknown'}) than the store {name} was "
                f"fitted on ({learned or 'unknown'}); {how}"
            )
