"""What a member of the ensemble is: the protocol that all keep."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from lsdc.models.examples import Examples
from lsdc.models.options import Options
from lsdc.runtime import ConfigError, LsdcError

PRIOR_FRACTION = 0.02
"""Fraction of the weighted prior in every prediction, so that no probability is zero."""


class NotFittedError(LsdcError):
    """A member was asked to predict or to be saved before it was fitted."""


class Member(Protocol):
    """A model whose predictions are stacked.

    A class that has all of this can be fitted beside the built-in members: pass the class itself, or `module:Class`,
    or register it under the entry point group `lsdc.members`. `lsdc.testing.MemberContract` checks that it behaves.

    A member that has choices beside `options` has a method `configuration()` as well, which returns them
    as JSON holds them: an interrupted fit is then resumed only with the same ones.

    One whose settings can be searched (see `HeadMember`) has `space()`, which gives a `Range` each, `defaults()` and
    `configured(settings)`, which makes an unfitted member with some of them.

    One whose fit is cheap may have a method `refit(examples)`, which fits it again on the training and the stopping
    studies together, for as long as the last fit found best, and returns it. Cross-fitting calls it once it knows from
    the stopping studies how far the member is to be trusted.

    One that finds out by itself where to look has an attribute `at_points` that is False: what it says of a level does
    not move with the points of the store (see `mixed_across_levels`).

    One that trains by a fixed schedule may have a method `stops(studies)`, which says whether it wants stopping
    studies when it learns from so many; where it does not, cross-fitting gives it all studies outside the fold.
    """

    name: ClassVar[str]
    """Names its folder in a model and its rows in tables: letters, digits, `_`, `-` and `.`."""
    about: ClassVar[str]
    """What it is, in a few words, for lists of members."""
    needs: ClassVar[str]
    """What it reads of a feature store, for lists of members."""
    seed: int
    options: Options

    def __init__(self, seed: int = 0, options: Options | None = None) -> None:
        """Keep the arguments; nothing is computed."""

    def require(self) -> None:
        """Raise a `ConfigError` where a library, a device or weights that the member needs are not there."""
        ...

    def fit(self, examples: Examples, stop_on: Examples, work: Path | None = None) -> Self:
        """Fit on the labeled rows of some studies; what an earlier fit learned is forgotten.

        Parameters
        ----------
        examples : Examples
            The training studies; rows of grade -1 carry no label.
        stop_on : Examples
            Other studies, which decide when to stop and are never scored; it may have no rows.
        work : Path, optional
            Folder for logs, and for what an interrupted fit resumes from; by default there is neither.

        Returns
        -------
        Member
            Itself.
        """
        ...

    def predict_proba(self, examples: Examples) -> NDArray[np.float64]:
        """Predict the grade of every row; grades in `examples` are not used.

        Parameters
        ----------
        examples : Examples
            Whole studies, n rows.

        Returns
        -------
        (n, 3) float64
            Probabilities of normal/mild, moderate and severe: all above 0, rows sum to 1.

        Raises
        ------
        NotFittedError
            Before `fit`.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write all that `load` needs, without pickle, and a manifest.json last.

        Parameters
        ----------
        folder : Path
            Made where it does not exist.

        Raises
        ------
        NotFittedError
            Before `fit`.
        """
        ...

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a member that `save` wrote, such that it predicts the same.

        Parameters
        ----------
        folder : Path
            The member's folder, which may come from a stranger: no code of it may be run.

        Returns
        -------
        Member
            The fitted member.

        Raises
        ------
        ArtifactError
            When the folder is absent, damaged, or holds another member.
        """
        ...


def check_member_name(name: str, where: str) -> None:
    """Refuse a member's name that cannot be a folder's on every system.

    Parameters
    ----------
    name : str
        The name.
    where : str
        The beginning of the error's message.

    Raises
    ------
    ConfigError
        When the name has other characters than letters, digits, `_`, `-` and `.`, or begins with `-` or `.`.
    """
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name):
        raise ConfigError(f"{where}: the name {name!r} must be letters, digits, '_', '-' and '.'")
