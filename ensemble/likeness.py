"""How alike members err, and what a further member would be like that errs less alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import Family, Grade
from lsdc.ensemble.predictions import has_rows
from lsdc.ensemble.stackers.evidence import centered_logs, members_of
from lsdc.ensemble.stacking_data import StackingData
from lsdc.metrics.official import CONDITIONS_OF, GRADE_WEIGHTS, Probabilities

_FEW = 10
"""Fewer rows than this give no correlation."""


@dataclass(frozen=True)
class FamilyErrors:
    """What the members of a family say of its rows beyond what is typical for the readers' grade.

    Parameters
    ----------
    family : Family
        The family; it has c conditions.
    members : tuple of str
        The m members that have rows of it.
    grades : (n, c, 5) int8
        The readers' grades; -1 where unlabeled.
    typical : (m, 3, 3) float
        Mean of each member's centered log probabilities among the rows of each grade.
    errors : (m, n, c, 5, 3) float
        Centered log probabilities minus what is typical; NaN where a member has no row or readers gave no grade.
    """

    family: Family
    members: tuple[str, ...]
    grades: NDArray[np.int8]
    typical: NDArray[np.float64]
    errors: NDArray[np.float64]

    @classmethod
    def of(cls, data: StackingData, family: Family) -> FamilyErrors:
        """Take the members' errors apart from what is typical.

        Parameters
        ----------
        data : StackingData
            Of n studies.
        family : Family
            The family.

        Returns
        -------
        FamilyErrors
            Of the members that have rows of the family.
        """
        conditions = CONDITIONS_OF[family]
        members = members_of(data.predictions, family)
        cubes, grades = data.predictions.of(members).cubes[:, :, conditions], data.grades[:, conditions]
        logs = np.where(has_rows(cubes)[..., None], centered_logs(np.nan_to_num(cubes, nan=1.0)), np.nan)
        typical = np.zeros((len(members), len(Grade), len(Grade)))
        errors = np.full_like(logs, np.nan)
        for grade in range(len(Grade)):
            rows = grades == grade
            for k, log in enumerate(logs):
                known = log[rows]
                known = known[np.isfinite(known[:, 0])]
                typical[k, grade] = known.mean(axis=0) if len(known) else 0.0
                errors[k][rows] = log[rows] - typical[k, grade]
        return cls(family, members, grades, typical, errors)

    def _mean_correlation(self, errors: NDArray[np.float64]) -> float:
        """Average the correlations of some errors (n, c, 5, 3) with those of the members."""
        more = np.concatenate([self.errors, errors[None]])
        found = replace(self, members=(*self.members, ""), errors=more).correlations()[-1, :-1]
        return float(np.nan_to_num(found).mean())

    def correlations(self) -> NDArray[np.float64]:
        """Correlate the errors of each two members on the rows that both have.

        Returns
        -------
        (m, m) float
            1 on the diagonal; NaN where too few rows are shared or errors do not vary.
        """
        flat = self.errors.reshape(len(self.members), -1)
        found = np.eye(len(flat))
        for i in range(len(flat)):
            for k in range(i):
                both = np.isfinite(flat[i]) & np.isfinite(flat[k])
                x, y = flat[i][both], flat[k][both]
                spread = float(np.sqrt((x @ x) * (y @ y)))
                enough = both.sum() >= _FEW * len(Grade) and spread > 0
                found[i, k] = found[k, i] = float(x @ y) / spread if enough else np.nan
        return found

    def best(self) -> int:
        """Find the member with the lowest log loss per row.

        Returns
        -------
        int
            Its place among `members`.
        """
        losses = [self._loss(typical, errors) for typical, errors in zip(self.typical, self.errors)]
        return int(np.argmin(losses))

    def _loss(self, typical: NDArray[np.float64], errors: NDArray[np.float64]) -> float:
        """Compute the weighted log loss of what is typical (3, 3) plus errors (n, c, 5, 3); infinite without rows."""
        rows = np.isfinite(errors[..., 0])
        grades = self.grades[rows].astype(int)
        if not len(grades):
            return np.inf
        logs = typical[grades] + errors[rows]
        given = np.take_along_axis(logs, grades[:, None], axis=1)[:, 0]
        weight = GRADE_WEIGHTS[grades]
        return float(weight @ (np.log(np.exp(logs).sum(axis=1)) - given) / weight.sum())

    def newcomer(self, likeness: float, rng: np.random.Generator) -> Probabilities:
        """Simulate a member that is as good as the best of the family and errs less like the others.

        Its errors are a mixture of what the members' errors have in common and of the best member's errors moved to
        other rows of the same grade, so that their size is that of the best member's.

        Parameters
        ----------
        likeness : float
            The wanted mean correlation of its errors with those of the members, 0 to 1.
        rng : Generator
            Draws which rows swap errors.

        Returns
        -------
        (n, c, 5, 3) float
            Its probabilities; NaN where the best member has no row or readers gave no grade.
        """
        best = self.best()
        own = self.errors[best]
        there = np.isfinite(own[..., 0])
        common = np.where(there[..., None], np.nan_to_num(self.errors).sum(axis=0), np.nan)
        common /= np.maximum(np.isfinite(self.errors).sum(axis=0), 1)
        moved = own.copy()
        for grade in range(len(Grade)):
            rows = (self.grades == grade) & there
            moved[rows] = rng.permutation(own[rows])
            common[rows] *= np.sqrt((own[rows] ** 2).sum() / max((common[rows] ** 2).sum(), 1e-12))
        kept = float(np.clip(likeness / max(self._mean_correlation(common), 1e-9), 0.0, 1.0))
        errors = kept * common + np.sqrt(1 - kept**2) * moved
        typical, wanted = self.typical[best], self._loss(self.typical[best], own)
        size = _size(lambda one: self._loss(typical, one * errors) - wanted)
        logs = typical[np.maximum(self.grades, 0)] + size * errors
        raised = np.exp(logs)
        return np.asarray(raised / raised.sum(axis=-1, keepdims=True))


def _size(excess: Callable[[float], float]) -> float:
    """Find the size of errors at which a loss has the wanted height: beyond its lowest point, if it gets so low."""
    sizes = np.geomspace(0.25, 4.0, 13)
    heights = [excess(size) for size in sizes]
    lowest = int(np.argmin(heights))
    if not heights[lowest] < 0 < heights[-1]:
        return float(sizes[lowest])
    from scipy.optimize import brentq

    return float(brentq(excess, sizes[lowest], sizes[-1], xtol=1e-4))
