"""Members that put a head on each family's prepared features."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import Family, Grade
from lsdc.models.examples import Examples
from lsdc.models.heads.head import Head, PriorHead
from lsdc.models.heads.prepare import Preparation, families
from lsdc.models.member import PRIOR_FRACTION, NotFittedError
from lsdc.models.options import Options
from lsdc.models.saved_member import SavedMember, checked_file

_FEWEST_ROWS = 20
_PREPARATION = "preparation.safetensors"


class HeadMember(SavedMember):
    """One head per family on prepared features; left and right share a head.

    A subclass says its `name`, what it is `about`, and which `head` it puts on the features.

    Parameters
    ----------
    seed : int
        Decides everything random; 0 by default.
    options : Options, optional
        Kept, and of no consequence: heads have nothing to choose.
    """

    about: ClassVar[str]
    needs: ClassVar[str] = "embeddings and metadata of the store"
    head: ClassVar[type[Head]]

    def __init__(self, seed: int = 0, options: Options | None = None) -> None:
        self.seed, self.options = seed, options or Options()
        self.preparation: Preparation | None = None
        self.heads: dict[Family, tuple[Head, PriorHead]] = {}

    def require(self) -> None:
        """Ask for nothing: all that it needs is installed with lsdc."""

    def fit(self, examples: Examples, stop_on: Examples, work: Path | None = None) -> Self:
        """Fit a head per family, and keep the weighted fractions where a family has few labels or one grade.

        Parameters
        ----------
        examples : Examples
            The training studies.
        stop_on : Examples
            Other studies, which decide when heads stop; it may have no rows.
        work : Path, optional
            Not used: a fit takes seconds, so there is nothing to resume.

        Returns
        -------
        HeadMember
            Itself.

        Raises
        ------
        LsdcError
            When the rows are not whole studies in the competition's order.
        """
        preparation = Preparation(self.seed).fit(examples)
        X, stop_X = preparation.transform(examples), preparation.transform(stop_on)
        family_of, stop_family_of = families(examples.rows), families(stop_on.rows)
        heads: dict[Family, tuple[Head, PriorHead]] = {}
        for number, family in enumerate(Family):
            rows = (family_of == number) & (examples.grades >= 0)
            stop = (stop_family_of == number) & (stop_on.grades >= 0)
            data = (X[rows], examples.grades[rows], stop_X[stop], stop_on.grades[stop], self.seed)
            prior = PriorHead().fit(*data)
            enough = rows.sum() >= _FEWEST_ROWS and len(np.unique(examples.grades[rows])) > 1
            heads[family] = (self.new_head().fit(*data) if enough else prior), prior
        self.preparation, self.heads = preparation, heads
        return self

    def new_head(self) -> Head:
        """Make an unfitted head of one family.

        Returns
        -------
        Head
            By default the class's `head` without arguments.
        """
        return self.head()

    def predict_proba(self, examples: Examples) -> NDArray[np.float64]:
        """Predict the grade of every row, with a small fraction of the prior so that no probability is 0.

        Parameters
        ----------
        examples : Examples
            Whole studies, n rows, with the features that the member was fitted on.

        Returns
        -------
        (n, 3) float64
            Probabilities of normal/mild, moderate and severe; rows sum to 1.

        Raises
        ------
        NotFittedError
            Before `fit`.
        LsdcError
            When the features are others, or the rows are not whole studies.
        """
        if self.preparation is None:
            raise NotFittedError(f"{self.name}: not fitted; call fit before predict_proba")
        X, family_of = self.preparation.transform(examples), families(examples.rows)
        result = np.empty((len(examples), len(Grade)))
        for number, family in enumerate(Family):
            rows = family_of == number
            if rows.any():
                head, prior = self.heads[family]
                found, smooth = head.predict(X[rows]), prior.predict(X[rows])
                result[rows] = (1 - PRIOR_FRACTION) * found + PRIOR_FRACTION * smooth
        return result / result.sum(axis=1, keepdims=True)

    def save(self, folder: Path) -> None:
        """Write the preparation, two files per family and a manifest.

        Parameters
        ----------
        folder : Path
            Made where it does not exist.

        Raises
        ------
        NotFittedError
            Before `fit`.
        """
        if self.preparation is None:
            raise NotFittedError(f"{self.name}: not fitted; call fit before save")
        folder.mkdir(parents=True, exist_ok=True)
        self.preparation.save(folder / _PREPARATION)
        kinds = {}
        for family, (head, prior) in self.heads.items():
            head.save(folder / f"{family.value}.{head.suffix}")
            prior.save(folder / f"{family.value}.{prior.suffix}")
            kinds[family.value] = "prior" if isinstance(head, PriorHead) else "head"
        self.finish(folder, heads=kinds)

    @classmethod
    def _load(cls, folder: Path, manifest: Mapping[str, Any]) -> Self:
        member = cls(int(manifest["seed"]))
        member._read_heads(folder, manifest)
        return member

    def _read_heads(self, folder: Path, manifest: Mapping[str, Any]) -> None:
        """Fill a new member with what `save` wrote."""
        self.preparation = Preparation.load(checked_file(folder, manifest, _PREPARATION))
        for family in Family:
            prior = PriorHead.load(checked_file(folder, manifest, f"{family.value}.{PriorHead.suffix}"))
            head: Head = prior
            if manifest["heads"][family.value] != "prior":
                head = self._load_head(checked_file(folder, manifest, f"{family.value}.{self.head.suffix}"))
            self.heads[family] = (head, prior)

    def _load_head(self, path: Path) -> Head:
        return self.head.load(path)
