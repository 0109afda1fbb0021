"""Members of the ensemble: one protocol, and the members that put a head on each family's features."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from lsdc.models.examples import Examples
from lsdc.models.heads.boosted import Head, PriorHead
from lsdc.models.heads.prepare import FAMILIES, Preparation, families
from lsdc.models.options import Options
from lsdc.runtime import ArtefactError, LsdcError
from lsdc.runtime.artefact import MANIFEST, file_hash, read_manifest, write_manifest

SCHEMA = 1
_FEWEST_ROWS = 20
PRIOR_SHARE = 0.02
"""Share of the weighted prior in every prediction, so that no probability is zero."""


class NotFittedError(LsdcError):
    """A member was asked to predict or to be saved before it was fitted."""


class Member(Protocol):
    """A model whose predictions are stacked."""

    name: ClassVar[str]
    about: ClassVar[str]
    needs: ClassVar[str]
    seed: int
    options: Options

    def __init__(self, seed: int = 0, options: Options | None = None) -> None: ...

    def require(self) -> None:
        """Raise a ConfigError where something that it needs is not installed."""
        ...

    def fit(self, examples: Examples, stop_on: Examples, work: Path | None = None) -> Self:
        """Fit on the labeled rows of `examples`; `stop_on` decides when to stop and is never scored.

        `work` is a folder for logs and for what an interrupted fit goes on from.
        """
        ...

    def predict_proba(self, examples: Examples) -> NDArray[np.float64]:
        """Probabilities of the grades, (n, 3); rows sum to 1."""
        ...

    def save(self, folder: Path) -> None:
        """Write into a folder, without pickle."""
        ...

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        ...


class Saved(ABC):
    """A member that is read again from its folder and the manifest in it."""

    name: ClassVar[str]

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a member.

        Raises
        ------
        ArtefactError
            When the folder is no member, of another kind, damaged, or from a newer version.
        """
        manifest = read_manifest(folder, "member", SCHEMA, "lsdc-ensemble fit")
        if manifest.get("member") != cls.name:
            raise ArtefactError(f"{folder}: holds the member {manifest.get('member')!r}, not {cls.name!r}")
        try:
            return cls._load(folder, manifest)
        except (KeyError, TypeError, AttributeError, ValueError, RuntimeError) as error:
            raise ArtefactError(
                f"{folder / MANIFEST}: damaged ({error!r}); fit the model again with `lsdc-ensemble fit`"
            ) from error

    @classmethod
    @abstractmethod
    def _load(cls, folder: Path, manifest: Mapping[str, Any]) -> Self: ...


def checked_file(folder: Path, manifest: Mapping[str, Any], name: str) -> Path:
    """A file of a member whose content is what the manifest says.

    Libraries may crash on a damaged file instead of raising: damage is found before they see it.
    """
    path = folder / name
    if not path.is_file() or file_hash(path) != manifest["files"][name]:
        raise ArtefactError(f"{path}: missing or damaged; fit the model again with `lsdc-ensemble fit`")
    return path


class HeadMember(Saved):
    """One head per family on prepared features; left and right share a head.

    Parameters
    ----------
    seed : int
        Of everything random.
    options : Options
        Of no consequence here.
    """

    about: ClassVar[str]
    needs: ClassVar[str] = "embeddings and metadata of the store"
    head: ClassVar[type[Head]]

    def __init__(self, seed: int = 0, options: Options | None = None) -> None:
        self.seed, self.options = seed, options or Options()
        self.preparation: Preparation | None = None
        self.heads: dict[str, tuple[Head, PriorHead]] = {}

    def require(self) -> None:
        """Everything is there."""

    def fit(self, examples: Examples, stop_on: Examples, work: Path | None = None) -> Self:
        """Fit a head per family; where a family has too few labels or one grade, its weighted shares."""
        preparation = Preparation(self.seed).fit(examples)
        X, stop_X = preparation.transform(examples), preparation.transform(stop_on)
        heads: dict[str, tuple[Head, PriorHead]] = {}
        for family in FAMILIES:
            rows = (families(examples.rows) == family) & (examples.grades >= 0)
            stop = (families(stop_on.rows) == family) & (stop_on.grades >= 0)
            parts = (X[rows], examples.grades[rows], stop_X[stop], stop_on.grades[stop], self.seed)
            prior = PriorHead().fit(*parts)
            enough = rows.sum() >= _FEWEST_ROWS and len(np.unique(parts[1])) > 1
            heads[family] = (self.head().fit(*parts) if enough else prior), prior
        self.preparation, self.heads = preparation, heads
        return self

    def predict_proba(self, examples: Examples) -> NDArray[np.float64]:
        """Probabilities of the grades, (n, 3), with a small share of the prior so that none is zero."""
        if self.preparation is None:
            raise NotFittedError(f"{self.name}: not fitted; call fit before predict_proba")
        X, of = self.preparation.transform(examples), families(examples.rows)
        result = np.empty((len(examples), 3))
        for family, (head, prior) in self.heads.items():
            rows = of == family
            if rows.any():
                result[rows] = (1 - PRIOR_SHARE) * head.predict(X[rows]) + PRIOR_SHARE * prior.predict(
                    X[rows]
                )
        return result / result.sum(axis=1, keepdims=True)

    def save(self, folder: Path) -> None:
        """Write the preparation, a file per head and a manifest."""
        if self.preparation is None:
            raise NotFittedError(f"{self.name}: not fitted; call fit before save")
        folder.mkdir(parents=True, exist_ok=True)
        self.preparation.save(folder / "preparation.safetensors")
        kinds = {}
        for family, (head, prior) in self.heads.items():
            head.save(folder / f"{family}.{head.suffix}")
            prior.save(folder / f"{family}.{prior.suffix}")
            kinds[family] = "prior" if isinstance(head, PriorHead) else "head"
        hashes = {path.name: file_hash(path) for path in sorted(folder.iterdir()) if path.name != MANIFEST}
        write_manifest(folder, "member", SCHEMA, member=self.name, seed=self.seed, heads=kinds, files=hashes)

    @classmethod
    def _load(cls, folder: Path, manifest: Mapping[str, Any]) -> Self:
        def checked(name: str) -> Path:
            return checked_file(folder, manifest, name)

        heads, member = manifest["heads"], cls(int(manifest["seed"]))
        member.preparation = Preparation.load(checked("preparation.safetensors"))
        for family in FAMILIES:
            prior = PriorHead.load(checked(f"{family}.{PriorHead.suffix}"))
            head: Head = prior
            if heads[family] != "prior":
                head = cls.head.load(checked(f"{family}.{cls.head.suffix}"))
            member.heads[family] = (head, prior)
        return member
