"""Below which probability a grade is excluded: the cut-off that few true cases fall below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import Family, Grade, parse_row_id
from lsdc.ensemble.weighting import reweighted
from lsdc.metrics.prediction_tables import COLUMNS
from lsdc.runtime.schema import Check, number, optional, record, whole

THRESHOLDS = "thresholds.json"
"""File of a model directory that holds them."""
CAUGHT = 0.95
"""Fraction of true cases that must lie at or above a cut-off."""
LEAST_CASES = 20
"""With fewer true cases there is no cut-off."""
_ONE = optional(
    record(
        {
            "cutoff": number(0, 1),
            "sensitivity": number(0, 1),
            "specificity": number(0, 1),
            "cases": whole(0),
            "others": whole(0),
        }
    )
)
THRESHOLD_FIELDS: Check = record(
    dict.fromkeys([family.value for family in Family], record({"moderate": _ONE, "severe": _ONE}))
)
"""What thresholds.json must hold."""


@dataclass(frozen=True)
class Threshold:
    """A cut-off, and how it serves on the predictions that it was chosen on: out of fold, so a little too well.

    Parameters
    ----------
    cutoff : float
        Least probability of the grade or a worse one, without the competition's weights, at which it is not excluded.
    sensitivity, specificity : float
        Fraction of the true cases that lie at or above it, and of the others that lie below.
    cases, others : int
        How many these are.
    """

    cutoff: float
    sensitivity: float
    specificity: float
    cases: int
    others: int


@dataclass(frozen=True)
class Thresholds:
    """Cut-offs for `moderate or worse` and for `severe`, by family of conditions.

    Parameters
    ----------
    moderate, severe : dict of Family to Threshold
        Families with fewer than `LEAST_CASES` true cases are absent.
    """

    moderate: dict[Family, Threshold]
    severe: dict[Family, Threshold]

    @classmethod
    def of(cls, nested: pd.DataFrame) -> Thresholds:
        """Choose the cut-offs on predictions of studies that the stack was not fitted on.

        Parameters
        ----------
        nested : DataFrame
            row_id, the probabilities for the official score, and grade, -1 where unlabeled.

        Returns
        -------
        Thresholds
            At least `CAUGHT` of the true cases lie at or above each.
        """
        rows = nested[nested["grade"] >= 0]
        family = np.array(
            [parse_row_id(row_id)[1].condition.family.value for row_id in rows["row_id"]], object
        )
        p, grades = reweighted(rows[list(COLUMNS)].to_numpy(float), "none"), rows["grade"].to_numpy()
        parts = {one: family == one.value for one in Family}
        found = {
            worse: {
                one: _chosen(p[part, worse:].sum(axis=1), grades[part] >= worse)
                for one, part in parts.items()
                if (grades[part] >= worse).sum() >= LEAST_CASES
            }
            for worse in (1, 2)
        }
        return cls(found[1], found[2])

    def worst_not_excluded(self, family: Family, probabilities: Sequence[float]) -> Grade:
        """Name the worst grade that a prediction does not exclude.

        Parameters
        ----------
        family : Family
            The family of the condition.
        probabilities : (3,) float
            Without the competition's weights.

        Returns
        -------
        Grade
            The grade; one without a cut-off is never excluded.
        """
        severe, moderate = self.severe.get(family), self.moderate.get(family)
        if severe is None or probabilities[2] >= severe.cutoff:
            return Grade.SEVERE
        if moderate is None or sum(probabilities[1:]) >= moderate.cutoff:
            return Grade.MODERATE
        return Grade.NORMAL_MILD

    def to_dict(self) -> dict[str, Any]:
        """Give what thresholds.json holds.

        Returns
        -------
        dict
            By family, then by grade: the fields of the threshold, or None.
        """
        parts = {"moderate": self.moderate, "severe": self.severe}
        return {
            family.value: {
                name: asdict(part[family]) if family in part else None for name, part in parts.items()
            }
            for family in Family
        }

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Thresholds:
        """Read what `to_dict` gave.

        Parameters
        ----------
        content : dict
            Checked by `THRESHOLD_FIELDS`.

        Returns
        -------
        Thresholds
            Equal to what was written.
        """
        parts = {
            name: {Family(f): Threshold(**one[name]) for f, one in content.items() if one[name] is not None}
            for name in ("moderate", "severe")
        }
        return cls(parts["moderate"], parts["severe"])


def _chosen(probability: NDArray[np.float64], true: NDArray[np.bool_]) -> Threshold:
    """Take the largest cut-off that catches enough of the true cases."""
    cases = np.sort(probability[true])
    cutoff = float(cases[int(np.floor((1 - CAUGHT) * len(cases)))])
    above = probability >= cutoff
    return Threshold(
        cutoff, float(above[true].mean()), float((~above[~true]).mean()) if (~true).any() else 1.0,
        int(true.sum()), int((~true).sum()),
    )  # fmt: skip
