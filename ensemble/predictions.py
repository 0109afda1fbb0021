"""What several members predict for the same studies, as one array."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lsdc.metrics.official import Grades, Probabilities
from lsdc.metrics.prediction_tables import to_cube


def has_rows(cubes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which rows of (..., 3) probabilities are there: (...) bool."""
    return np.asarray(np.isfinite(cubes).all(axis=-1))


@dataclass(frozen=True)
class Predictions:
    """Members' probabilities; a row that a member does not have is NaN.

    Parameters
    ----------
    members : tuple of str
        Names.
    studies : tuple of str
        Ids.
    cubes : (m, n, 5, 5, 3) float
        Member, study, condition, level, grade.
    """

    members: tuple[str, ...]
    studies: tuple[str, ...]
    cubes: NDArray[np.float64]

    @classmethod
    def from_tables(cls, tables: Mapping[str, pd.DataFrame], studies: Iterable[str]) -> Self:
        """Align one prediction table per member."""
        ids = tuple(studies)
        cubes = [to_cube(table, ids) for table in tables.values()]
        return cls(tuple(tables), ids, np.stack(cubes))

    @property
    def present(self) -> NDArray[np.bool_]:
        """Which rows a member has, (m, n, 5, 5)."""
        return has_rows(self.cubes)

    def where(self, mask: NDArray[np.bool_]) -> Self:
        """Some of the studies."""
        studies = tuple(np.array(self.studies, dtype=object)[mask])
        return type(self)(self.members, studies, self.cubes[:, mask])

    def or_prior(self, stacked: Probabilities, prior: Probabilities) -> Probabilities:
        """What was stacked (n, 5, 5, 3), and the prior (5, 5, 3) in rows that no member here has."""
        return np.where(np.any(self.present, axis=0)[..., None], stacked, prior)

    def of(self, members: Sequence[str]) -> Self:
        """These members, in this order; one that is not here has no rows."""
        absent = np.full(self.cubes.shape[1:], np.nan)
        place = {name: k for k, name in enumerate(self.members)}
        cubes = [self.cubes[place[name]] if name in place else absent for name in members]
        return type(self)(tuple(members), self.studies, np.stack([*cubes, absent])[:-1])


def labeled(predictions: Predictions, grades: Grades) -> tuple[Predictions, Grades]:
    """Only the studies with a label, so that the others change nothing."""
    some = np.any(grades >= 0, axis=(1, 2))
    return predictions.where(some), grades[some]


def inner_folds(n: int, seed: int, folds: int = 5) -> NDArray[np.int_]:
    """Folds of n studies, shuffled; at least two, as far as there are studies."""
    return np.random.default_rng(seed).permutation(n) % min(folds, max(2, n // 2))
