"""Members that put a head on each family's prepared features."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import Family, Grade
from lsdc.models.examples import Examples
from lsdc.models.heads.head import Features, Head, Labels, PriorHead
from lsdc.models.heads.prepare import Preparation, families
from lsdc.models.member import PRIOR_FRACTION, NotFittedError
from lsdc.models.options import Options
from lsdc.models.saved_member import SavedMember, checked_file
from lsdc.models.search_space import Settings, Space, check_settings
from lsdc.runtime import ConfigError, schema

_FEWEST_ROWS = 20
_PREPARATION = "preparation.safetensors"


class HeadMember(SavedMember):
    """One head per family on prepared features; left and right share a head.

    A subclass says its `name`, what it is `about`, and which `head` it puts on the features. Settings of the head that
    `configured` replaces are part of the saved member.

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
        self.settings: dict[str, float] = {}
        self.preparation: Preparation | None = None
        self.heads: dict[Family, tuple[Head, PriorHead]] = {}

    @classmethod
    def space(cls) -> Space:
        """List the settings that may be searched or chosen.

        Returns
        -------
        mapping of str to Range
            Those of the head; none where it says nothing.
        """
        found: Space = getattr(cls.head, "space", {})
        return found

    def defaults(self) -> Settings:
        """List the values that the settings have where nobody chooses any.

        Returns
        -------
        mapping of str to float
            Those of the head; a search tries them first.
        """
        return dict(getattr(self.head, "defaults", {}))

    def configured(self, settings: Settings) -> Self:
        """Make an unfitted member with other settings.

        Parameters
        ----------
        settings : mapping of str to float
            Values for some of `space()`; the others have the head's defaults.

        Returns
        -------
        HeadMember
            The new member.

        Raises
        ------
        ConfigError
            When a setting is unknown or out of its range.
        """
        other = type(self)(self.seed, self.options)
        other.settings = check_settings(settings, self.space(), self.name)
        return other

    def configuration(self) -> dict[str, Any]:
        """Describe what was chosen, so that an interrupted fit is resumed only with the same.

        Returns
        -------
        dict
            The settings that differ from the defaults.
        """
        return dict(self.settings)

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
        heads: dict[Family, tuple[Head, PriorHead]] = {}
        for number, family in enumerate(Family):
            rows, stop = _labeled(examples, number), _labeled(stop_on, number)
            data = (X[rows], examples.grades[rows], stop_X[stop], stop_on.grades[stop], self.seed)
            prior = PriorHead().fit(*data)
            heads[family] = (self.new_head().fit(*data) if _is_enough(data[1]) else prior), prior
        self.preparation, self.heads = preparation, heads
        return self

    def refit(self, examples: Examples) -> Self:
        """Fit again on more studies, such as those of `fit` and those it stopped on, for as long as `fit` found best.

        Parameters
        ----------
        examples : Examples
            The studies; a family that had too few labels in `fit` keeps its fractions, counted anew.

        Returns
        -------
        HeadMember
            Itself.

        Raises
        ------
        NotFittedError
            Before `fit`.
        LsdcError
            When the rows are not whole studies in the competition's order.
        """
        if self.preparation is None:
            raise NotFittedError(f"{self.name}: not fitted; call fit before refit")
        self.preparation = Preparation(self.seed).fit(examples)
        X = self.preparation.transform(examples)
        for number, family in enumerate(Family):
            rows = _labeled(examples, number)
            grades, (head, prior) = examples.grades[rows], self.heads[family]
            _refit(prior, X[rows], grades, self.seed)
            if head is not prior and not _is_enough(
                grades
            ):  # labels that were left out may have been all of a grade
                self.heads[family] = prior, prior
            elif head is not prior:
                _refit(head, X[rows], grades, self.seed)
        return self

    def new_head(self) -> Head:
        """Make an unfitted head of one family.

        Returns
        -------
        Head
            By default the class's `head` with the member's settings.
        """
        kind: Any = self.head  # only one that has settings takes an argument
        head: Head = kind(self.settings) if self.settings else kind()
        return head

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
        self.finish(folder, heads=kinds, settings=self.settings)

    @classmethod
    def _load(cls, folder: Path, manifest: Mapping[str, Any]) -> Self:
        member = cls(int(manifest["seed"]))
        _SETTINGS(manifest.get("settings", {}), "settings")
        try:
            member = member.configured(manifest.get("settings", {}))
        except ConfigError as error:
            raise ValueError(str(error)) from error  # damage, not what somebody chose
        member._read_heads(folder, manifest)
        return member

    def _read_heads(self, folder: Path, manifest: Mapping[str, Any]) -> None:
        """Fill a new member with what `save` wrote."""
        self.preparation = Preparation.load(checked_file(folder, manifest, _PREPARATION))
        for family in Family:
            prior = PriorHead.load(checked_file(folder, manifest, f"{family.value}.{PriorHead.suffix}"))
            head: Head = prior
            if manifest["heads"][family.value] != "prior":
                head = self._load_head(checked_file(folder, manifest, self._file_of(family, manifest)))
            self.heads[family] = (head, prior)
            self._try_out(head)

    def _file_of(self, family: Family, manifest: Mapping[str, Any]) -> str:
        """Name the file of a family's head; an earlier version may have written it in another format."""
        names = [self.head.suffix, getattr(self.head, "former_suffix", self.head.suffix)]
        known = [f"{family.value}.{name}" for name in names]
        return next((name for name in known if name in manifest["files"]), known[0])

    def _try_out(self, head: Head) -> None:
        """Refuse a head that cannot predict what the preparation gives."""
        assert self.preparation is not None
        found = head.predict(np.zeros((2, self.preparation.width), np.float32))
        if found.shape != (2, len(Grade)) or not (np.isfinite(found) & (found >= 0)).all():
            raise ValueError("a head that predicts no probabilities")

    def _load_head(self, path: Path) -> Head:
        return self.head.load(path)


_SETTINGS = schema.mapping_of(schema.number(), most=100)


def _refit(head: Head, X: Features, y: Labels, seed: int) -> None:
    """Fit a head on more rows, with none to stop on."""
    refit: Any = getattr(head, "refit", None)
    if refit is None:
        head.fit(X, y, X[:0], y[:0], seed)
    else:
        refit(X, y, seed)


def _labeled(examples: Examples, number: int) -> NDArray[np.bool_]:
    """Mark the labeled rows (n,) of a family, given by its place in `Family`."""
    return (families(examples.rows) == number) & (examples.grades >= 0)


def _is_enough(grades: NDArray[np.int64]) -> bool:
    """Tell whether there is something to learn: enough rows, and at least two grades."""
    return len(grades) >= _FEWEST_ROWS and len(np.unique(grades)) > 1
