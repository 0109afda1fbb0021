"""The record of what a stack is worth: its scores on studies held out, beside the baselines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import pandas as pd

from lsdc.metrics.bootstrap import Interval
from lsdc.metrics.official import PARTS, Scores

SCORE_COLUMNS: tuple[str, ...] = ("total", *PARTS)
"""Columns of the table of scores: the official score and its four parts."""


@dataclass(frozen=True)
class NestedReport:
    """Official scores on studies that what is scored was not fitted on.

    Parameters
    ----------
    nested : Scores
        The stack, fitted and tuned anew without each fold.
    mean, best_single, prior : Scores
        Plain mean; the best member per family, chosen without the scored fold; weighted prior, counted
        without it.
    singles : dict of str to Scores
        Each member alone, on the labeled rows that it has; NaN for a family of which it has none.
    interval : Interval
        Of the stack's total.
    versus_mean, versus_best_single : Interval
        The stack's total minus theirs, paired by study; below zero the stack is better.
    versus_mean_by_part, versus_best_single_by_part : dict of str to Interval
        The same per part of the score, and per family and level.
    in_sample : Scores
        The stack on the studies it was fitted on: what tuning would seem to gain.
    missing : dict of str to int
        Labeled rows that a member does not have, of the families it covers.
    warnings : tuple of str
        Members whose predictions are too good to be out of fold.
    rows : dict of str to int
        Labeled rows that each member has, on which it is scored alone.
    labeled : int
        Labeled rows of all studies; a member that has fewer is partial.
    """

    nested: Scores
    mean: Scores
    best_single: Scores
    prior: Scores
    singles: dict[str, Scores]
    interval: Interval
    versus_mean: Interval
    versus_best_single: Interval
    versus_mean_by_part: dict[str, Interval]
    versus_best_single_by_part: dict[str, Interval]
    in_sample: Scores
    missing: dict[str, int]
    warnings: tuple[str, ...]
    rows: dict[str, int] = field(default_factory=dict)
    labeled: int = 0

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Self:
        """Read a report as `dataclasses.asdict` made it, with or without JSON in between.

        Parameters
        ----------
        record : mapping
            The fields by name; other keys are ignored.

        Returns
        -------
        NestedReport
            Equal to the one that was written.

        Raises
        ------
        KeyError, TypeError
            When a field is missing or has another form.
        """
        return cls(
            nested=Scores(**record["nested"]),
            mean=Scores(**record["mean"]),
            best_single=Scores(**record["best_single"]),
            prior=Scores(**record["prior"]),
            singles={name: Scores(**one) for name, one in record["singles"].items()},
            interval=Interval(**record["interval"]),
            versus_mean=Interval(**record["versus_mean"]),
            versus_best_single=Interval(**record["versus_best_single"]),
            versus_mean_by_part=_intervals(record["versus_mean_by_part"]),
            versus_best_single_by_part=_intervals(record["versus_best_single_by_part"]),
            in_sample=Scores(**record["in_sample"]),
            missing=dict(record["missing"]),
            warnings=tuple(record["warnings"]),
            rows={name: int(count) for name, count in record.get("rows", {}).items()},
            labeled=int(record.get("labeled", 0)),
        )

    @property
    def partial(self) -> dict[str, int]:
        """Labeled rows of the members that lack some."""
        return {name: count for name, count in self.rows.items() if count < self.labeled}

    def table(self) -> pd.DataFrame:
        """Put the scores of the stack, the baselines and the members side by side.

        Returns
        -------
        DataFrame
            Index: what was scored; columns: `total` and its four parts. Lower is better. A member that lacks labeled
            rows is scored on those that it has, which its name says.
        """
        partial = self.partial
        scores = {"stack, nested": self.nested, "plain mean": self.mean, "best single": self.best_single}
        for name, one in self.singles.items():
            scores[f"{name} ({partial[name]} of {self.labeled} rows)" if name in partial else name] = one
        scores["weighted prior"] = self.prior
        rows = {name: [getattr(one, column) for column in SCORE_COLUMNS] for name, one in scores.items()}
        table = pd.DataFrame.from_dict(rows, orient="index", columns=list(SCORE_COLUMNS))
        return table.rename_axis(index="predictions")


def _intervals(records: Mapping[str, Mapping[str, float]]) -> dict[str, Interval]:
    return {name: Interval(**record) for name, record in records.items()}
