"""Any scikit-learn classifier as a member of the ensemble."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from lsdc.models.heads.head import Head
from lsdc.models.heads.head_member import HeadMember
from lsdc.models.heads.sklearn_head import SklearnHead
from lsdc.models.member import check_member_name
from lsdc.models.options import Options
from lsdc.models.saved_member import checked_file, damage_reported, read_member
from lsdc.models.search_space import Settings, Space, check_settings
from lsdc.runtime import ArtifactError, ConfigError
from lsdc.runtime.estimators import SKLEARN_TYPES, load_estimator, save_estimator

_TEMPLATE = "unfitted.estimator.skops"


class SklearnMember(HeadMember):
    """A scikit-learn classifier as a member: one clone per family, on the features that `HeadMember` prepares.

    Use it to stack a classifier of one's choice without writing a class. Rows weigh 1, 2, 4 by grade where the
    classifier's `fit` takes `sample_weight`. A model that holds such a member is opened without pickle: only
    scikit-learn's types are loaded. To use a classifier of another package, make a subclass in a module that can be
    imported, and name in its `trusted` the types to load; `SklearnMember` itself trusts none.

    Parameters
    ----------
    estimator : classifier
        Anything with scikit-learn's `fit`, `predict_proba` and `get_params`, pipelines included. It is cloned, and
        never fitted itself; each `random_state` that is None becomes the member's seed.
    name : str, optional
        The member's name in models and tables; by default the class's own `name`, or in `SklearnMember` itself that of
        the estimator's class in lower case.
    seed : int
        Decides everything random; 0 by default. `fit` of an ensemble sets it.
    options : Options, optional
        Kept, and of no consequence.

    Raises
    ------
    ConfigError
        When the estimator lacks a method, or the name cannot be a folder's.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> SklearnMember(LogisticRegression(C=0.01), name="logistic")
    SklearnMember(LogisticRegression(C=0.01), name='logistic')

    A classifier of another package; the class stands in a module that can be imported:

    >>> class BoostedMember(SklearnMember):
    ...     name = "boosted"
    ...     trusted = ("xgboost.sklearn.XGBClassifier", "xgboost.core.Booster")
    ...     def __init__(self, seed=0, options=None):
    ...         from xgboost import XGBClassifier
    ...         super().__init__(XGBClassifier(max_depth=3), seed=seed, options=options)
    """

    name = "sklearn"
    about = "a scikit-learn classifier on compressed embeddings, metadata and context"
    head: ClassVar[type[Head]] = SklearnHead
    trusted: ClassVar[tuple[str, ...]] = ()
    """Types beyond scikit-learn's that a saved member may hold, as `module.Class`."""
    ranges: ClassVar[Space] = {}
    """Parameters of the estimator that may be searched, as `{"max_depth": Range(2, 9, whole=True)}`, in a subclass."""

    def __init__(
        self, estimator: Any, *, name: str | None = None, seed: int = 0, options: Options | None = None
    ) -> None:
        super().__init__(seed, options)
        if name is None:
            named = type(self).name != SklearnMember.name
            name = type(self).name if named else type(estimator).__name__.lower()
        missing = [part for part in ("fit", "predict_proba", "get_params") if not hasattr(estimator, part)]
        if missing or isinstance(estimator, type):
            what = f"lacks {', '.join(missing)}" if missing else "is a class; make an object of it"
            raise ConfigError(f"SklearnMember: the estimator {estimator!r} {what}")
        check_member_name(name, "SklearnMember")
        self.estimator = estimator
        self.name = name  # type: ignore[misc]  # it differs between members of this class

    def __repr__(self) -> str:
        """Show the estimator and the name."""
        return f"{type(self).__name__}({self.estimator!r}, name={self.name!r})"

    def renewed(self, seed: int, options: Options) -> Self:
        """Make an unfitted member with the same estimator and name.

        Parameters
        ----------
        seed : int
            Decides everything random.
        options : Options
            Kept.

        Returns
        -------
        SklearnMember
            The new member.
        """
        other = copy.copy(self)
        other.seed, other.options, other.preparation, other.heads = seed, options, None, {}
        return other

    @classmethod
    def space(cls) -> Space:
        """List the estimator's parameters that may be searched.

        Returns
        -------
        mapping of str to Range
            The class's `ranges`; none in `SklearnMember` itself.
        """
        return cls.ranges

    def defaults(self) -> Settings:
        """List the values that the estimator has of the parameters that may be searched.

        Returns
        -------
        mapping of str to float
            Only those that are numbers.
        """
        values = self.estimator.get_params()
        return {name: values[name] for name in self.ranges if isinstance(values[name], int | float)}

    def configured(self, settings: Settings) -> Self:
        """Make an unfitted member whose estimator has other parameters.

        Parameters
        ----------
        settings : mapping of str to float
            Values for some of `space()`.

        Returns
        -------
        SklearnMember
            The new member.

        Raises
        ------
        ConfigError
            When a setting is unknown or out of its range.
        """
        chosen = check_settings(settings, self.space(), self.name)
        other = self.renewed(self.seed, self.options)
        from sklearn.base import clone

        other.estimator, other.settings = clone(self.estimator).set_params(**chosen), chosen
        return other

    def configuration(self) -> dict[str, Any]:
        """Describe the estimator, so that an interrupted fit is resumed only with the same one.

        Returns
        -------
        dict
            The class and every parameter of the estimator, as text.
        """
        parameters = {name: repr(value) for name, value in sorted(self.estimator.get_params().items())}
        kind = type(self.estimator)
        return {"class": f"{kind.__module__}.{kind.__qualname__}", **parameters}

    def new_head(self) -> Head:
        """Make an unfitted clone of one family.

        Returns
        -------
        SklearnHead
            With the member's estimator.
        """
        return SklearnHead(self.estimator, self.trusted)

    def save(self, folder: Path) -> None:
        """Write the estimator, its fitted clones, the preparation and a manifest, without pickle.

        Parameters
        ----------
        folder : Path
            Made where it does not exist.

        Raises
        ------
        NotFittedError
            Before `fit`.
        LsdcError
            When an estimator holds a type that is neither scikit-learn's nor in `trusted`, which is named.
        """
        if self.preparation is not None:
            folder.mkdir(parents=True, exist_ok=True)
            save_estimator(folder / _TEMPLATE, self.estimator, (*SKLEARN_TYPES, *self.trusted))
        super().save(folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a fitted member, whatever its name.

        Parameters
        ----------
        folder : Path
            What `save` wrote.

        Returns
        -------
        SklearnMember
            Of the class that was asked, whose `trusted` decides which types are loaded.

        Raises
        ------
        ArtifactError
            When the folder is damaged, or holds a type that is neither scikit-learn's nor in `trusted`; the message
            names it.
        """
        manifest = read_member(folder)
        if cls.name not in (SklearnMember.name, manifest.get("member")):
            raise ArtifactError(f"{folder}: holds the member {manifest.get('member')!r}, not {cls.name!r}")
        with damage_reported(folder):
            return cls._load(folder, manifest)

    @classmethod
    def _load(cls, folder: Path, manifest: Mapping[str, Any]) -> Self:
        path = checked_file(folder, manifest, _TEMPLATE)
        member = cls.__new__(cls)  # a subclass may have a constructor with other arguments
        estimator = load_estimator(path, (*SKLEARN_TYPES, *cls.trusted))
        try:
            SklearnMember.__init__(
                member, estimator, name=str(manifest["member"]), seed=int(manifest["seed"])
            )
        except ConfigError as error:
            raise ValueError(str(error)) from error  # damage, not what somebody chose
        member._read_heads(folder, manifest)
        return member

    def _load_head(self, path: Path) -> Head:
        return SklearnHead.load(path, self.trusted)
