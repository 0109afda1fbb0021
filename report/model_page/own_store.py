"""The store that a model was fitted on: what its fold models can be asked again, on studies that they never saw."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from lsdc.ensemble.model import Model
from lsdc.ensemble.stack_artifact import StackArtifact
from lsdc.features.store import FeatureStore
from lsdc.models.examples import Examples
from lsdc.models.heads.head_member import HeadMember
from lsdc.models.shrinkage import Shrinkage
from lsdc.runtime import ArtifactError
from lsdc.runtime.paths import PathLike


@dataclass(frozen=True)
class FoldModel:
    """A member fitted without a fold.

    Parameters
    ----------
    name : str
        The member.
    fold : int
        The fold that it never saw.
    member : HeadMember
        Fitted.
    shrinkage : Shrinkage or None
        What is applied to its predictions.
    """

    name: str
    fold: int
    member: HeadMember
    shrinkage: Shrinkage | None


@dataclass(frozen=True)
class OwnStore:
    """A model with the store that it was fitted on.

    Parameters
    ----------
    model : Model
        The model.
    store : FeatureStore
        Its store.
    training : Examples
        The studies of the store that have a fold.
    """

    model: Model
    store: FeatureStore
    training: Examples

    @classmethod
    def open(cls, model: StackArtifact, store: PathLike) -> Self:
        """Open a store, and refuse it where it is not the model's.

        Parameters
        ----------
        model : StackArtifact
            The model.
        store : path
            Its store.

        Returns
        -------
        OwnStore
            Ready to be asked.

        Raises
        ------
        ArtifactError
            When the model is a blend, which has no store, or was fitted on another one; or the store is damaged.
        """
        opened = FeatureStore.open(store)
        if not isinstance(model, Model):
            raise ArtifactError(
                f"{model.path}: a blend of tables, which was fitted on no store; leave the store out"
            )
        model.check_store(opened)
        fitted, given = model.manifest["configuration"].get("store"), opened.manifest["rows_sha256"]
        if fitted != given:
            raise ArtifactError(
                f"{opened.path}: holds other rows than the store that {model.path} was fitted on; give that store, or "
                "leave it out"
            )
        training = Examples.from_store(opened)
        return cls(model, opened, training.where(training.rows["fold"] >= 0))

    def head_models(self) -> Iterator[FoldModel]:
        """Load the members that put a head on embeddings and metadata, fold by fold.

        Yields
        ------
        FoldModel
            By member, then by fold; members that read crops or volumes are left out, as are those of packages that
            are not installed.

        Raises
        ------
        ArtifactError
            When a file is damaged.
        """
        for name in self.model.members:
            try:
                kind = self.model.member_class(name)
            except ArtifactError:
                continue
            if not issubclass(kind, HeadMember):
                continue
            folder = self.model.member_folder(name)
            for fold in sorted({int(fold) for fold in self.training.rows["fold"]}):
                path = folder / f"fold_{fold}"
                yield FoldModel(name, fold, kind.load(path), Shrinkage.load(path))
