"""The one table of folds: by study, stratified by how severe each study is."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lsdc.runtime import ConfigError


def make_folds(labels: pd.DataFrame, k: int = 5, seed: int = 0) -> dict[str, int]:
    """Spread studies over folds so that each fold has its share of every kind of severity.

    Studies are ordered by their severity profile (any severe canal, then the weighted burden), cut into
    blocks of k neighbors, and each block is dealt over the folds at random. The result depends on the set of
    studies, `k` and `seed`, not on the order of the rows.

    Parameters
    ----------
    labels : DataFrame
        Index study_id; 25 columns of grades 0, 1, 2, with -1 where blank.
    k : int
        Folds; with fewer studies than `k`, one fold per study.
    seed : int
        For the dealing.

    Returns
    -------
    dict of str to int
        Fold of each study, 0..k-1.

    Raises
    ------
    ConfigError
        When fewer than 2 folds are asked for, or fewer than 2 studies are there.
    """
    if k < 2:
        raise ConfigError(f"folds must be at least 2, not {k}")
    if len(labels) < 2:
        raise ConfigError(
            f"cross-fitting needs at least 2 labeled studies and found {len(labels)}; "
            "add studies, or extract with --like a store of another cohort"
        )
    if labels.index.has_duplicates:
        repeated = labels.index[labels.index.duplicated()][0]
        raise ConfigError(f"study {repeated!r} has more than one row of labels; keep one")
    k = min(k, len(labels))
    labels = labels.sort_index()
    order = np.lexsort(_profile(labels).T[::-1])
    rng = np.random.default_rng(seed)
    folds: dict[str, int] = {}
    for start in range(0, len(order), k):
        block = order[start : start + k]
        for index, fold in zip(block, rng.permutation(k)):
            folds[str(labels.index[index])] = int(fold)
    return {study: folds[study] for study in map(str, labels.index)}


def _profile(labels: pd.DataFrame) -> np.ndarray:
    """Sort keys per study, the most important first: any severe canal, total burden, burden per family."""
    grades = labels.to_numpy()
    weight = np.array([0, 0, 1, 3])[grades + 1]
    columns = [str(name) for name in labels.columns]
    spinal, foraminal, subarticular = (
        np.array([family in name for name in columns]) for family in ("spinal", "foraminal", "subarticular")
    )
    severe_canal = (grades[:, spinal] == 2).any(axis=1)
    burden = [weight[:, family].sum(axis=1) for family in (spinal, subarticular, foraminal)]
    return np.column_stack([severe_canal, sum(burden), *burden])
