"""Made-up grades and probabilities, and the official metric written a second time, in plain pandas."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import TARGETS
from lsdc.metrics.official import Grades
from lsdc.metrics.prediction_tables import row_ids, table_of
from lsdc.testing.planted_predictions import make_grades as make_grades
from lsdc.testing.planted_predictions import make_probabilities as make_probabilities

SHARED = Path(__file__).resolve().parents[2].parent / "shared"


def shared(*parts: str) -> Path:
    """A file of ../shared, or a skip that says why."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{path} is not there; it is not part of the repository")
    return path


def write_labels(path: Path, grades: NDArray[Any], studies: Sequence[str]) -> Path:
    """Write grades, 25 of each study and -1 where unlabeled, as train.csv has them."""
    words = np.array(["Normal/Mild", "Moderate", "Severe", ""])[grades.reshape(len(grades), len(TARGETS))]
    table = pd.DataFrame(words, list(studies), [target.slug for target in TARGETS])
    table.to_csv(path, index_label="study_id")
    return path


def write_members(folder: Path, grades: Grades, studies: Sequence[str], names: str = "ab") -> Path:
    """Write a table of predictions for each member, named by one letter, into a new folder."""
    folder.mkdir()
    rng = np.random.default_rng(1)
    for name in names:
        cube = make_probabilities(rng, len(studies), grades, 0.4)
        table_of(row_ids(studies), cube.reshape(-1, 3)).to_csv(folder / f"{name}.csv", index=False)
    return folder


def plain_score(
    ids: Sequence[str],
    grades: NDArray[np.int8],
    probabilities: NDArray[np.float64],
    any_severe_scalar: float = 1.0,
) -> list[float]:
    """Spinal, foraminal, subarticular, any severe, total."""
    rows = pd.DataFrame({"row_id": ids, "grade": grades.ravel()})
    rows[["normal_mild", "moderate", "severe"]] = probabilities.reshape(-1, 3)
    rows = rows[rows.grade >= 0].copy()
    rows["weight"] = rows.grade.map({0: 1, 1: 2, 2: 4}).astype(float)
    eps = np.finfo(float).eps
    losses = []
    for family in ("spinal", "foraminal", "subarticular"):
        part = rows[rows.row_id.str.contains(family)]
        chance = [
            row[1 + ["normal_mild", "moderate", "severe"].index(name)]
            for row, name in zip(
                part[["grade", "normal_mild", "moderate", "severe"]].itertuples(index=False),
                part.grade.map({0: "normal_mild", 1: "moderate", 2: "severe"}),
            )
        ]
        loss = -np.log(np.clip(np.array(chance, float), eps, 1 - eps))
        losses.append((loss * part.weight).sum() / part.weight.sum() if len(part) else np.nan)
    canal = rows[rows.row_id.str.contains("spinal")].copy()
    canal["study"] = canal.row_id.str.replace(r"_spinal_canal_stenosis.*", "", regex=True)
    studies = canal.groupby("study").agg(
        label=("grade", lambda g: int((g == 2).any())), weight=("weight", "max"), severe=("severe", "max")
    )
    p = studies.severe.clip(eps, 1 - eps)
    loss = -(studies.label * np.log(p) + (1 - studies.label) * np.log(1 - p))
    losses.append((loss * studies.weight).sum() / studies.weight.sum() if len(studies) else np.nan)
    return [*losses, np.average(losses, weights=[1, 1, 1, any_severe_scalar])]
