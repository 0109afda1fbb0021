"""Everything practitioners ask of predictions, per condition and level, with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import GRADES, Condition, Level
from lsdc.ensemble.model import Model
from lsdc.ensemble.nested import NESTED
from lsdc.metrics.measures import NAMES, agreement, confusion
from lsdc.metrics.official import Grades, Probabilities, study_losses
from lsdc.metrics.prediction_tables import (
    grades_of,
    labeled_row_ids,
    read_predictions,
    read_truth,
    row_ids,
    to_cube,
)
from lsdc.runtime import TableError
from lsdc.runtime.artefact import MANIFEST, atomic
from lsdc.runtime.console import say, table, track

SHOWN = (
    "official",
    "auc",
    "auc_severe",
    "kappa",
    "sensitivity_severe",
    "specificity_severe",
    "calibration_error",
    "f1",
)
"""Columns of the table on screen; the CSV has all."""
MEASURES = ("official", *NAMES)


def evaluate(
    labels: Path, predictions: Sequence[Path], out: Path | None = None, resamples: int = 200, seed: int = 0
) -> pd.DataFrame:
    """Evaluate prediction tables, and the members and the stack of models, against labels.

    Parameters
    ----------
    labels : Path
        train.csv, or a solution table with one-hot grades.
    predictions : sequence of Path
        CSV or Parquet tables, or model directories: their members' out-of-fold predictions, the stack's nested ones.
    out : Path, optional
        CSV to write; a confusion matrix per predictions and group goes beside it.
    resamples : int
        Of the bootstrap over studies; 0 leaves the intervals out.
    seed : int
        Of the bootstrap.

    Returns
    -------
    DataFrame
        predictions, condition, level (`all` where pooled), measure, value, low, high.

    Raises
    ------
    TableError
        When a table is malformed or does not fit the labels.
    """
    truth = read_truth(labels)
    named: dict[str, tuple[Grades, Probabilities]] = {}
    for name, content in _all_tables(predictions, truth):
        if name in named:
            raise TableError(f"{name}: two of the predictions have this name; rename one")
        named[name] = content
    records, matrices = [], []
    for name, (grades, cube) in track(named.items(), "evaluating", len(named)):
        for record, matrix in evaluate_one(grades, cube, resamples, seed):
            records += [{"predictions": name} | row for row in record]
            matrices.append({"predictions": name} | matrix)
    found = pd.DataFrame(records)
    if out is not None:
        with atomic(out) as temporary:
            found.to_csv(temporary, index=False, float_format="%.6g")
        counts = out.with_name(f"{out.stem}_confusion{out.suffix}")
        with atomic(counts) as temporary:
            pd.DataFrame(matrices).to_csv(temporary, index=False)
        say(f"{out}: {len(found)} measures; {counts}: {len(matrices)} confusion matrices")
    show(found)
    return found


def _all_tables(
    paths: Sequence[Path], truth: pd.DataFrame
) -> Iterator[tuple[str, tuple[Grades, Probabilities]]]:
    known = set(truth.index)
    for path in paths:
        if not path.is_dir():
            found = read_predictions(path)
            yield path.stem, _aligned(path, found, truth)
            continue
        model = Model.open(path) if (path / MANIFEST).is_file() else None
        if model is None:
            raise TableError(
                f"{path}: neither a table nor a finished model; give what `lsdc-ensemble fit` made"
            )
        nested = pd.read_parquet(path / NESTED)
        if not set(model.studies) & known:
            raise TableError(f"{path}: was fitted on none of the {len(known)} labeled studies")
        yield f"{path.name}: stack", _aligned(path, nested, truth)
        for name in model.members:
            yield f"{path.name}: {name}", _aligned(path, model.out_of_fold.query("member == @name"), truth)


def _aligned(path: Path, found: pd.DataFrame, truth: pd.DataFrame) -> tuple[Grades, Probabilities]:
    """Grades and probabilities of the labeled studies that the table has; it must have all their labeled rows."""
    ids = np.array(row_ids(truth.index)).reshape(len(truth), -1)
    there = np.isin(ids, found["row_id"]).any(axis=1)
    studies = truth.index.to_numpy()[there].tolist()
    if not studies:
        raise TableError(f"{path}: holds none of the labeled studies")
    grades = grades_of(truth.loc[studies])
    lacking = set(labeled_row_ids(studies, grades)) - set(found["row_id"])
    if lacking:
        raise TableError(f"{path}: {len(lacking)} labeled rows are missing, the first is {min(lacking)}")
    here = found[found["row_id"].isin(ids[there].ravel())]
    return grades, to_cube(here, studies)


def evaluate_one(
    grades: Grades, cube: Probabilities, resamples: int, seed: int
) -> Iterator[tuple[list[dict[str, Any]], dict[str, Any]]]:
    """Measures with intervals, and the confusion matrix, of each group of targets: all, conditions, levels, both."""
    n = len(grades)
    draws = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples).astype(float)
    for condition, level, mask in groups():
        only = np.where(mask, grades, np.int8(-1))
        labeled = only >= 0
        if not labeled.any():
            continue
        study = np.nonzero(labeled)[0]
        flat, chances = only[labeled].astype(int), cube[labeled]
        losses = study_losses(only, cube)
        whole = condition == "all" and level == "all"

        def measures(
            weight: NDArray[np.float64], only: Any = (flat, chances, study, losses, whole)
        ) -> dict[str, float]:
            truth, shares, of, each, pooled = only
            parts = each.parts(weight)
            official = parts.mean() if pooled else np.nanmean(parts[:3])
            return {"official": float(official), **agreement(truth, shares, weight[of])}

        value = measures(np.ones(n))
        # Intervals of all 36 groups would take minutes: single targets go without.
        several = resamples and "all" in (condition, level)
        again = [measures(draw) for draw in draws] if several else []
        rows, place = [], {"condition": condition, "level": level}
        for name in MEASURES:
            low, high = np.nan, np.nan
            spread = np.array([one[name] for one in again])
            if len(spread) and np.isfinite(spread).any():
                low, high = np.nanquantile(spread, [0.025, 0.975])
            rows.append(place | {"measure": name, "value": value[name], "low": low, "high": high})
        counts = confusion(flat, chances.argmax(axis=1), np.ones(len(flat))).astype(int)
        names = [f"{read}_called_{said}" for read in GRADES for said in GRADES]
        yield rows, place | dict(zip(names, counts.ravel().tolist()))


def groups() -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    """All targets, each condition, each level, and each target: names and masks (5, 5)."""
    conditions, levels = ["all", *Condition], ["all", *Level]
    pooled_first = sorted(product(conditions, levels), key=lambda it: (2 - it.count("all"), it[1] != "all"))
    for condition, level in pooled_first:
        mask = np.ones((5, 5), bool)
        if condition != "all":
            mask &= np.array(list(Condition))[:, None] == condition
        if level != "all":
            mask &= np.array(list(Level)) == level
        yield condition, level, mask


def show(found: pd.DataFrame) -> None:
    """Print the pooled measures of every predictions, and of the first's conditions and levels."""
    pooled = found[(found["condition"] == "all") & (found["level"] == "all")]
    table(
        "all targets (95 % intervals over studies)", ["predictions", *SHOWN], _lines(pooled, ["predictions"])
    )
    first = found[found["predictions"] == found["predictions"].iloc[0]]
    parts = first[(first["condition"] == "all") != (first["level"] == "all")]
    table(
        f"{first['predictions'].iloc[0]}, by condition and by level",
        ["part", *SHOWN],
        _lines(parts, ["condition", "level"]),
    )


def _lines(rows: pd.DataFrame, by: Sequence[str]) -> Iterator[list[str]]:
    for key, part in rows.groupby(list(by), sort=False):
        cells: Mapping[Any, Any] = part.set_index("measure")[["value", "low", "high"]].T.to_dict("list")
        name = " ".join(str(word) for word in key if word != "all")
        yield [name, *(_words(*cells[measure]) for measure in SHOWN)]


def _words(value: float, low: float, high: float) -> str:
    if not np.isfinite(value):
        return "-"
    return f"{value:.3f}" if not np.isfinite(low) else f"{value:.3f} ({low:.2f}-{high:.2f})"
