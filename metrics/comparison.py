"""Two predictions or readers of the same studies against each other, paired by study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import GRADES
from lsdc.metrics.bootstrap import Counts, Interval, study_counts
from lsdc.metrics.graded import GradedPredictions
from lsdc.metrics.group_rows import MEASURES, GroupRows
from lsdc.metrics.measures import kappa
from lsdc.metrics.official import PARTS
from lsdc.metrics.target_groups import ALL, target_groups
from lsdc.runtime.console import track

COMPARED: tuple[str, ...] = (
    "official", "log_loss", "auc", "auc_moderate", "auc_severe", "kappa", "accuracy", "sensitivity_severe",
    "specificity_severe",
)  # fmt: skip
"""The measures of which differences are given."""
BETWEEN = "kappa_between"
"""Cohen's kappa with quadratic weights between the most probable grades of the two, not against the labels."""
Drawn = Mapping[tuple[str, str], NDArray[np.float64]]
"""By condition and level of a group: what `GroupRows.resampled` gave."""


def compare_predictions(
    predictions: Sequence[GradedPredictions],
    drawn: Sequence[Drawn],
    *,
    resamples: int = 200,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare each two predictions by the paired bootstrap over studies, on the rows that both have.

    Rows of a study resemble each other, so tests that take rows as independent, such as DeLong's for the AUC, would
    find differences that are none; studies are drawn instead, the same for both.

    Parameters
    ----------
    predictions : sequence of GradedPredictions
        Of any studies; those without study ids are not compared.
    drawn : sequence of mapping
        Of each of them: by condition and level, what `GroupRows.resampled` gave for `study_counts` of the same
        `resamples` and `seed`.
    resamples : int
        Number of resamples; 0 leaves the intervals out.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    DataFrame
        Columns predictions, other, condition (`all` where pooled), studies, rows, measure, value, low, high. The value
        is the first minus the second, but for `kappa_between`. Measures are `COMPARED` and `kappa_between`; for all
        targets also `loss_spinal` and the other parts of the official score. What a reader has not is absent.
    """
    found: list[dict[str, Any]] = []
    pairs = list(combinations(range(len(predictions)), 2))
    for i, k in track(pairs, "comparing") if len(pairs) > 1 else pairs:
        first, second = predictions[i], predictions[k]
        there = set(second.studies)
        studies = [study for study in first.studies if study in there]
        if studies:
            found += _pair(first, second, studies, (drawn[i], drawn[k]), resamples, seed)
    columns = ["predictions", "other", "condition", "studies", "rows", "measure", "value", "low", "high"]
    return pd.DataFrame(found, columns=columns)


def _pair(
    first: GradedPredictions,
    second: GradedPredictions,
    studies: list[str],
    drawn: tuple[Drawn, Drawn],
    resamples: int,
    seed: int,
) -> list[dict[str, Any]]:
    """Compare two predictions on the rows of some studies that both have."""
    mine, yours = (_grades_of(one, studies) for one in (first, second))
    both = np.where((mine >= 0) & (yours >= 0), mine, np.int8(-1))
    if not (both >= 0).any():
        return []
    a, b = first.among(studies, both), second.among(studies, both)
    counts = study_counts(len(studies), resamples, seed)
    same = [one.studies == tuple(studies) and np.array_equal(one.grades, both) for one in (first, second)]
    found = []
    for group in target_groups():
        if group.level != ALL:
            continue
        rows = GroupRows.of(a, group), GroupRows.of(b, group)
        if not len(rows[0].truth):
            continue
        key = (group.condition, group.level)
        x, y = (
            known[key] if is_same else one.resampled(counts) for known, one, is_same in zip(drawn, rows, same)
        )
        place = {
            "predictions": first.name,
            "other": second.name,
            "condition": group.condition,
            "studies": len(studies),
            "rows": len(rows[0].truth),
        }
        intervals = _differences(x, y) | {BETWEEN: _kappa_between(rows, counts)}
        if group.whole and not (first.reader or second.reader):
            intervals |= _loss_differences(rows, counts)
        found += [
            place | {"measure": name, "value": it.value, "low": it.low, "high": it.high}
            for name, it in intervals.items()
            if np.isfinite(it.value)
        ]
    return found


def _grades_of(one: GradedPredictions, studies: list[str]) -> NDArray[np.int8]:
    place = {study: k for k, study in enumerate(one.studies)}
    return one.grades[[place[study] for study in studies]]


def _differences(x: NDArray[np.float64], y: NDArray[np.float64]) -> dict[str, Interval]:
    """Take the differences of the measures, the first row being that of all studies."""
    gap = x - y
    columns = [(name, MEASURES.index(name)) for name in COMPARED]
    return {name: Interval.of_resamples(gap[0, k], gap[1:, k]) for name, k in columns}


def _loss_differences(rows: tuple[GroupRows, GroupRows], counts: Counts) -> dict[str, Interval]:
    """Take the differences of the four parts of the official score."""
    all_counts = np.vstack([np.ones(counts.shape[1]), counts])
    gap = rows[0].losses.parts(all_counts) - rows[1].losses.parts(all_counts)
    return {f"loss_{part}": Interval.of_resamples(gap[0, k], gap[1:, k]) for k, part in enumerate(PARTS)}


def _kappa_between(rows: tuple[GroupRows, GroupRows], counts: Counts) -> Interval:
    """Compute the agreement of the most probable grades of both."""
    n = len(GRADES)
    pair = rows[0].probabilities.argmax(axis=1) * n + rows[1].probabilities.argmax(axis=1)
    of_study = np.zeros((counts.shape[1], n * n))
    np.add.at(of_study, (rows[0].study, pair), 1.0)
    value = kappa(of_study.sum(axis=0).reshape(n, n))
    return Interval.of_resamples(value, [kappa(one.reshape(n, n)) for one in counts @ of_study])
