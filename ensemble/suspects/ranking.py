"""Labeled rows in the order of how probably their label is wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from lsdc.cohort.vocabulary import GRADES, Family, parse_row_id
from lsdc.ensemble.suspects.inner_suspicion import FEWEST_ROWS
from lsdc.ensemble.suspects.reader_noise import ReaderNoise
from lsdc.metrics.prediction_tables import COLUMNS
from lsdc.runtime import TableError

RANKED: tuple[str, ...] = (
    "rank", "row_id", "study_id", "condition", "level", "label", "proposed", "wrong", *COLUMNS, "predicted",
    "decision", "grade",
)  # fmt: skip
"""Columns of suspects.csv: `wrong` is the probability that the label is, the three grades hold that of the true grade
given label and prediction, and `predicted` is what the out-of-fold prediction gave the label."""


def rank_labels(predictions: pd.DataFrame) -> tuple[pd.DataFrame, dict[Family, ReaderNoise]]:
    """Rank labeled rows by the probability that their label is wrong, with a reader estimated for each family.

    Parameters
    ----------
    predictions : DataFrame
        row_id, normal_mild, moderate, severe: out-of-fold predictions; grade: the labels, -1 where there is none. Such
        rows, and families with fewer than `FEWEST_ROWS` labels, are left out.

    Returns
    -------
    ranked : DataFrame
        The columns `RANKED`; the most doubtful first. `proposed` is the most probable grade beside the label, and
        `decision` and `grade` are empty.
    readers : dict of Family to ReaderNoise
        By family, for those that are ranked.

    Raises
    ------
    TableError
        When no family has labels enough.
    """
    known = np.isfinite(predictions[COLUMNS].to_numpy(float)).all(axis=1)
    labeled = predictions[known & (predictions["grade"] >= 0).to_numpy(bool)]
    parsed = [parse_row_id(row_id) for row_id in labeled["row_id"]]
    family_of = np.array([target.condition.family.value for _, target in parsed], object)
    readers: dict[Family, ReaderNoise] = {}
    parts = []
    for family in Family:
        rows = np.flatnonzero(family_of == family.value)
        if len(rows) >= FEWEST_ROWS:
            part = labeled.iloc[rows]
            given, grades = part[COLUMNS].to_numpy(float), part["grade"].to_numpy(np.int64)
            readers[family] = ReaderNoise.fit(given, grades)
            posterior = readers[family].posterior(given, grades)
            parts.append(_described([parsed[row] for row in rows], part, posterior))
    if not parts:
        raise TableError(
            f"{len(labeled)} labeled rows: at least {FEWEST_ROWS} of one kind are needed to tell doubtful ones"
        )
    ranked = pd.concat(parts).sort_values("wrong", ascending=False, kind="stable", ignore_index=True)
    return ranked.assign(rank=np.arange(1, len(ranked) + 1))[list(RANKED)], readers


def _described(parsed: list[Any], part: pd.DataFrame, posterior: np.ndarray) -> pd.DataFrame:
    """Put what is known of some rows of one family into columns."""
    each, grades = np.arange(len(part)), part["grade"].to_numpy(np.int64)
    others = posterior.copy()
    others[each, grades] = -1
    names = np.array(GRADES, object)
    found = pd.DataFrame(posterior, columns=COLUMNS)
    return found.assign(
        row_id=part["row_id"].to_numpy(),
        study_id=[study for study, _ in parsed],
        condition=[target.condition.value for _, target in parsed],
        level=[target.level.value for _, target in parsed],
        label=names[grades],
        proposed=names[others.argmax(axis=1)],
        wrong=1 - posterior[each, grades],
        predicted=part[COLUMNS].to_numpy(float)[each, grades],
        decision="",
        grade="",
    )
