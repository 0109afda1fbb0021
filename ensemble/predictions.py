"""What several members predict for the same studies, as one array."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import Grade
from lsdc.metrics.official import Grades, Probabilities
from lsdc.metrics.prediction_tables import SHAPE, to_cube


def has_rows(cubes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which rows of probabilities are there.

    Parameters
    ----------
    cubes : (..., 3) float
        Probabilities of the three grades; NaN where a row is absent.

    Returns
    -------
    (...) bool
        True where all three numbers are finite.

    Examples
    --------
    >>> has_rows(np.array([[0.2, 0.3, 0.5], [np.nan, np.nan, np.nan]])).tolist()
    [True, False]
    """
    return np.asarray(np.isfinite(cubes).all(axis=-1))


@dataclass(frozen=True)
class Predictions:
    """The probabilities of several members for the same studies; a row that a member does not have is NaN.

    Parameters
    ----------
    members : tuple of str
        Names of the m members.
    studies : tuple of str
        Ids of the n studies.
    cubes : (m, n, 5, 5, 3) float
        Probabilities by member, study, condition, level and grade, in the order of `Condition`, `Level`, `Grade`.
    """

    members: tuple[str, ...]
    studies: tuple[str, ...]
    cubes: NDArray[np.float64]

    @classmethod
    def from_tables(cls, tables: Mapping[str, pd.DataFrame], studies: Iterable[str]) -> Self:
        """Align one prediction table per member by row id.

        Parameters
        ----------
        tables : mapping of str to DataFrame
            By member: row_id, normal_mild, moderate, severe, in any order of rows; other columns are ignored.
        studies : iterable of str
            The study ids that are wanted, in this order; rows of other studies are left out.

        Returns
        -------
        Predictions
            Of all members; rows that a table lacks are NaN, the others are divided by their sum.
        """
        ids = tuple(studies)
        cubes = np.array([to_cube(table, ids) for table in tables.values()], float)
        return cls(tuple(tables), ids, cubes.reshape(len(tables), len(ids), *SHAPE, len(Grade)))

    @property
    def present(self) -> NDArray[np.bool_]:
        """Which rows each member has, (m, n, 5, 5) bool."""
        return has_rows(self.cubes)

    def where(self, mask: NDArray[np.bool_]) -> Self:
        """Keep some of the studies.

        Parameters
        ----------
        mask : (n,) bool
            True for the studies to keep.

        Returns
        -------
        Predictions
            Of the same members, with the studies of the mask in their order.
        """
        studies = tuple(np.array(self.studies, dtype=object)[mask])
        return type(self)(self.members, studies, self.cubes[:, mask])

    def or_prior(self, stacked: Probabilities, prior: Probabilities) -> Probabilities:
        """Put the prior where no member has a row, for there a stacker has nothing to join.

        Parameters
        ----------
        stacked : (n, 5, 5, 3) float
            What a stacker made of these predictions.
        prior : (5, 5, 3) float
            Probabilities by condition, level and grade.

        Returns
        -------
        (n, 5, 5, 3) float
            `stacked` where at least one member has the row, otherwise `prior`.
        """
        return np.where(np.any(self.present, axis=0)[..., None], stacked, prior)

    def fingerprints(self) -> dict[str, str]:
        """Hash what the members predict for each study, to tell whether it is the same again.

        Returns
        -------
        dict of str to str
            By study: 16 hexadecimal digits; probabilities count to four decimals, for tables are rounded.
        """
        rounded = np.nan_to_num(np.round(self.cubes, 4), nan=-1.0).astype(np.float32)
        return {
            study: hashlib.sha256(rounded[:, k].tobytes()).hexdigest()[:16]
            for k, study in enumerate(self.studies)
        }

    def of(self, members: Sequence[str]) -> Self:
        """Choose members, also such as are not here.

        Parameters
        ----------
        members : sequence of str
            Names in the order wanted.

        Returns
        -------
        Predictions
            Of exactly these members; one that is not here has no row, all its numbers are NaN.
        """
        absent = np.full(self.cubes.shape[1:], np.nan)
        place = {name: k for k, name in enumerate(self.members)}
        cubes = [self.cubes[place[name]] if name in place else absent for name in members]
        return type(self)(tuple(members), self.studies, np.stack([*cubes, absent])[:-1])


def labeled(predictions: Predictions, grades: Grades) -> tuple[Predictions, Grades]:
    """Keep only the studies that have a label, so that the others change nothing in a fit.

    Parameters
    ----------
    predictions : Predictions
        Of n studies.
    grades : (n, 5, 5) int8
        Grades of the same studies; -1 where unlabeled.

    Returns
    -------
    predictions : Predictions
        Of the studies with at least one label.
    grades : (k, 5, 5) int8
        Their grades.
    """
    some = np.any(grades >= 0, axis=(1, 2))
    return predictions.where(some), grades[some]


def inner_folds(n: int, seed: int, folds: int = 5) -> NDArray[np.int_]:
    """Deal studies into shuffled folds of equal size.

    Parameters
    ----------
    n : int
        Number of studies.
    seed : int
        The same seed deals the same folds.
    folds : int
        Number of folds; fewer where that would leave a fold with a single study, but at least two.

    Returns
    -------
    (n,) int
        Fold of each study, from 0.

    Examples
    --------
    >>> np.bincount(inner_folds(12, seed=0)).tolist()
    [3, 3, 2, 2, 2]
    """
    return np.random.default_rng(seed).permutation(n) % min(folds, max(2, n // 2))
