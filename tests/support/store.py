"""A small feature store with a planted signal, written as the real ones are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from support.scoring import write_labels

from lsdc.cohort.folds import make_folds
from lsdc.cohort.vocabulary import TARGETS
from lsdc.features.writer import write_store

DIM = 8


@dataclass(frozen=True)
class FakeStore:
    """Where the store is, and the grades [study, 25] of its training and test studies."""

    path: Path
    train: pd.DataFrame
    test: pd.DataFrame

    def write_labels(self, path: Path, labels: pd.DataFrame) -> Path:
        """Write labels as train.csv has them."""
        return write_labels(path, labels.to_numpy(), labels.index.tolist())


def fake_store(
    folder: Path,
    n_studies: int = 40,
    seed: int = 0,
    n_test: int = 0,
    signal: float = 1.5,
    embedding: Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]] | None = None,
    folds: int = 5,
    prefix: str = "1",
    configuration: dict[str, Any] | None = None,
) -> FakeStore:
    """Write a store in which one direction of the embedding follows how severe a target is.

    Parameters
    ----------
    folder : Path
        A new directory.
    n_studies, n_test : int
        Labeled training studies (a few labels blank), and test studies.
    seed : int
        For everything random.
    signal : float
        Severity in the embedding over its noise.
    embedding : callable, optional
        Grades (n, 25) and study numbers (n,) to an embedding (n * 25, D), in place of the signal.
    folds : int
        Number of folds.
    prefix : str
        Of the study ids.
    configuration : dict, optional
        For the manifest.
    """
    rng = np.random.default_rng(seed)
    n = n_studies + n_test
    severity = rng.normal(size=(n, 1)) + 0.8 * rng.normal(size=(n, len(TARGETS)))
    grades = np.digitize(severity, [0.7, 1.6]).astype(np.int8)
    if embedding is None:
        vectors = rng.normal(size=(n * len(TARGETS), DIM))
        vectors[:, 0] += signal * severity.ravel()
        vectors[rng.random(len(vectors)) < 0.05, DIM // 2 :] = np.nan
    else:
        vectors = embedding(grades, np.arange(n))
    names = [f"{prefix}{k:03d}" for k in range(n)]
    labels = pd.DataFrame(grades, index=pd.Index(names, name="study_id"), columns=[t.slug for t in TARGETS])
    train, test = labels.iloc[:n_studies].copy(), labels.iloc[n_studies:]
    train = train.mask(rng.random(train.shape) < 0.02, -1).astype(np.int8)
    fold_of = make_folds(train, folds, seed) if n_studies else {}
    rows = pd.DataFrame(
        [(name, t.condition.value, t.level.value) for name in names for t in TARGETS],
        columns=["study_id", "condition", "level"],
    )
    rows["split"] = np.repeat(["train"] * n_studies + ["test"] * n_test, len(TARGETS))
    rows["fold"] = rows.study_id.map(fold_of).fillna(-1).astype(np.int16)
    shown = np.full((n, len(TARGETS)), -1, np.int8)
    shown[:n_studies] = train
    rows["grade"] = shown.ravel()
    rows["confidence"] = rng.random(len(rows)).astype(np.float32)
    rows["meta_thickness"] = np.repeat(rng.normal(4, 0.5, n), len(TARGETS)).astype(np.float32)
    rows["flag_absent"] = np.asarray(np.isnan(vectors).any(axis=1))
    write_store(folder, rows, vectors.astype(np.float32), configuration=configuration or {"backbone": "fake"})
    return FakeStore(folder, train, test)
