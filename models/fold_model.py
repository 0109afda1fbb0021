"""One fold of a cross-fit: what its model learns from, how far it is trusted, and what it predicts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import GRADES, TARGETS
from lsdc.models.examples import Examples
from lsdc.models.level_mixture import doubts_of, mixed_across_levels
from lsdc.models.member import Member
from lsdc.models.shrinkage import Shrinkage
from lsdc.runtime import LsdcError

_HELD_OUT_FRACTION = 0.2


@dataclass(frozen=True)
class Split:
    """A fold to predict, and the studies on which its model stops early and is shrunk.

    Parameters
    ----------
    fold : int
        The fold to predict.
    stop : int or None
        The fold that decides when to stop; None where there are only two folds, and a fifth of the other studies does.
    """

    fold: int
    stop: int | None

    def held_out(self, training: Examples, seed: int) -> NDArray[np.bool_]:
        """Mark the rows of the studies on which the model stops and is shrunk.

        Parameters
        ----------
        training : Examples
            Studies with a fold, n rows.
        seed : int
            Draws the studies where there are only two folds.

        Returns
        -------
        (n,) bool
            True outside the fold to predict only.
        """
        fold = training.rows["fold"].to_numpy()
        if self.stop is not None:
            return np.asarray(fold == self.stop)
        others = np.flatnonzero(fold[:: len(TARGETS)] != self.fold)
        count = round(_HELD_OUT_FRACTION * len(others))
        drawn = np.random.default_rng(seed).permutation(others)[:count]
        return np.repeat(np.isin(np.arange(len(fold) // len(TARGETS)), drawn), len(TARGETS))


def make_splits(training: Examples) -> list[Split]:
    """Pair each fold with the next one, on which its model stops early.

    Parameters
    ----------
    training : Examples
        Studies with a fold.

    Returns
    -------
    list of Split
        One for each fold, in order.

    Raises
    ------
    LsdcError
        When there are fewer than two folds.
    """
    folds = sorted(int(fold) for fold in training.rows["fold"].unique())
    if len(folds) < 2:
        raise LsdcError("cross-fitting needs labeled studies in at least two folds; label more studies")
    following = [*folds[1:], folds[0]] if len(folds) > 2 else [None, None]
    return [Split(fold, stop) for fold, stop in zip(folds, following)]


def fit_shrunk(
    member: Member,
    training: Examples,
    split: Split,
    relabel: Callable[[Examples], Examples] | None = None,
    work: Path | None = None,
) -> tuple[Member, Shrinkage]:
    """Fit a member without a fold, and find out on studies it was not fitted on how far it is to be trusted.

    What a member predicts at the selector's points is mixed across levels as far as these are doubtful; one whose
    `at_points` is False does not look there. A member with a method `refit` is then fitted again on all studies
    outside the fold. One whose method `stops` says that so many studies need no others to stop on learns from all of
    them at once, and is trusted as it is.

    Parameters
    ----------
    member : Member
        Unfitted.
    training : Examples
        Studies with a fold.
    split : Split
        The fold to leave out, and the studies to stop on.
    relabel : callable, optional
        Gives the labels to learn from; those that judge keep theirs.
    work : Path, optional
        Folder for logs and for what an interrupted fit resumes from.

    Returns
    -------
    member : Member
        Fitted.
    shrinkage : Shrinkage
        To be applied to all that it predicts.
    """
    taught = relabel or (lambda examples: examples)
    others = training.rows["fold"].to_numpy() != split.fold
    held_out = split.held_out(training, member.seed)
    stops: Callable[[int], bool] | None = getattr(member, "stops", None)
    if stops is not None and not stops(int(others.sum()) // len(TARGETS)):
        held_out = np.zeros(len(others), bool)
    learned, judges = training.where(others & ~held_out), training.where(held_out)
    member = member.fit(taught(learned), judges, work)
    across_levels = bool(getattr(member, "at_points", True))
    found = np.empty((0, len(TARGETS), len(GRADES)))
    if len(judges):
        found = _predicted(member, judges, across_levels)
    shrinkage = Shrinkage.fit(found, _grades(judges), _grades(learned), across_levels)
    del learned, judges  # large: what a member is fitted on again need not be held beside them
    refit: Callable[[Examples], Member] | None = getattr(member, "refit", None)
    if refit is not None:
        whole = training.where(others)
        member, shrinkage = refit(taught(whole)), shrinkage.recounted(_grades(whole))
    return member, shrinkage


def predict_shrunk(member: Member, shrinkage: Shrinkage | None, examples: Examples) -> NDArray[np.float64]:
    """Predict with a fitted member, mixed across levels where they are doubtful, and shrunk towards the prior.

    Parameters
    ----------
    member : Member
        Fitted.
    shrinkage : Shrinkage or None
        None leaves the member's predictions as they are, for models of earlier versions.
    examples : Examples
        Whole studies, n rows.

    Returns
    -------
    (n, 3) float64
        Probabilities; rows sum to 1.
    """
    if shrinkage is None:
        return member.predict_proba(examples)
    found = _predicted(member, examples, shrinkage.across_levels)
    return shrinkage.apply(found).reshape(-1, len(GRADES))


def predict_fold_by_fold(
    make: Callable[[], Member], examples: Examples
) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.float64]]]:
    """Cross-fit in memory: fit without each fold in turn, and predict it.

    Parameters
    ----------
    make : callable
        Makes a new, unfitted member.
    examples : Examples
        Studies with a fold, n rows.

    Yields
    ------
    rows : (n,) bool
        Marks the rows of the fold.
    probabilities : (m, 3) float64
        What is predicted for them.

    Raises
    ------
    LsdcError
        When there are fewer than two folds.
    """
    for split in make_splits(examples):
        rows = np.asarray(examples.rows["fold"].to_numpy() == split.fold)
        yield rows, predict_shrunk(*fit_shrunk(make(), examples, split), examples.where(rows))


def _predicted(member: Member, examples: Examples, across_levels: bool) -> NDArray[np.float64]:
    """Predict studies (n, 25, 3), mixed across levels where they are doubtful if that is asked for."""
    found = member.predict_proba(examples).reshape(-1, len(TARGETS), len(GRADES))
    return mixed_across_levels(found, doubts_of(examples)) if across_levels else found


def _grades(examples: Examples) -> NDArray[np.int64]:
    """Return the grades (n, 25) with a row per study."""
    return examples.grades.reshape(-1, len(TARGETS))
