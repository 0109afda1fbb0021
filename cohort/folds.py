"""The one table of folds, made or given: grouped by study, stratified by how severe each study is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lsdc.cohort.table_cells import identifiers, whole_numbers
from lsdc.cohort.table_words import find_column
from lsdc.cohort.text_tables import open_table
from lsdc.cohort.vocabulary import Grade
from lsdc.runtime import ConfigError, TableError
from lsdc.runtime.paths import PathLike

MOST_FOLDS = 32_767
"""Stores keep folds in 16 bits."""


def make_folds(labels: pd.DataFrame, folds: int = 5, seed: int = 0) -> dict[str, int]:
    """Spread studies over folds so that every fold has about the same mixture of severities.

    Studies are ordered by their severity profile (any severe canal, then the weighted burden), cut into
    blocks of `folds` neighbors, and each block is dealt over the folds at random. The result depends on the set of
    studies, `folds` and `seed`, not on the order of the rows.

    Parameters
    ----------
    labels : DataFrame
        The index is the study's id; 25 columns of grades 0, 1, 2, with -1 where blank, as `read_labels` gives them.
    folds : int, default 5
        Number of folds, at least 2; with fewer studies than that, one fold per study.
    seed : int, default 0
        Seed of the random dealing.

    Returns
    -------
    dict of str to int
        Fold of each study, from 0 to `folds` - 1.

    Raises
    ------
    ConfigError
        When fewer than 2 folds are asked for, there are fewer than 2 studies, or a study has two rows.

    Examples
    --------
    >>> labels = pd.DataFrame(0, index=["a", "b", "c", "d"], columns=[f"spinal_{k}" for k in range(25)])
    >>> sorted(make_folds(labels, folds=2).values())
    [0, 0, 1, 1]
    """
    if folds < 2:
        raise ConfigError(f"folds must be at least 2, not {folds}")
    if len(labels) < 2:
        raise ConfigError(
            f"cross-fitting needs at least 2 labeled studies and found {len(labels)}; "
            "add studies, or use a store or model of another cohort"
        )
    if labels.index.has_duplicates:
        repeated = labels.index[labels.index.duplicated()][0]
        raise ConfigError(f"study {repeated!r} has more than one row of labels; keep one")
    folds = min(folds, len(labels))
    labels = labels.sort_index()
    order = np.lexsort(_profile(labels).T[::-1])
    rng = np.random.default_rng(seed)
    fold_of: dict[str, int] = {}
    for start in range(0, len(order), folds):
        block = order[start : start + folds]
        for index, fold in zip(block, rng.permutation(folds)):
            fold_of[str(labels.index[index])] = int(fold)
    return {study: fold_of[study] for study in map(str, labels.index)}


def read_folds(path: PathLike, studies: Sequence[str], least: int = 2) -> NDArray[np.int_]:
    """Read the fold of each study.

    Parameters
    ----------
    path : path
        CSV or .xlsx with study_id and fold, whoever wrote it; a study may have several rows that agree. Studies that
        are not asked for are ignored.
    studies : sequence of str
        Ids of the n studies wanted.
    least : int, default 2
        In how many folds they must be; 1 where no cross-fitting begins with them, as of studies to append.

    Returns
    -------
    (n,) int
        Their folds, in the order of `studies`.

    Raises
    ------
    TableError
        When a study has no fold or two, a fold is not a whole number from 0 to `MOST_FOLDS`, or there are too few
        folds.
    """
    table = open_table(path, lambda header: None not in _columns(str(path), header))
    study_id, fold = _columns(table.where, table.header)
    if study_id is None or fold is None:
        raise table.missing(
            [name for name, found in (("study_id", study_id), ("fold", fold)) if found is None]
        )
    cells = table.cells[(table.cells[[study_id, fold]] != "").any(axis=1)]
    ids, numbers = identifiers(table.where, cells, study_id), whole_numbers(table.where, cells, fold)
    known: dict[str, int] = {}
    for row, study, number in zip(cells.index, ids, numbers):
        if not 0 <= number <= MOST_FOLDS:
            raise TableError(f"{path}: row {row}: fold {number} is not a whole number from 0 to {MOST_FOLDS}")
        if known.setdefault(study, number) != number:
            raise TableError(
                f"{path}: row {row}: study {study!r} is in folds {known[study]} and {number}; it belongs in one"
            )
    missing = [study for study in studies if study not in known]
    if missing:
        raise TableError(f"{path}: no fold for study {missing[0]!r} ({len(missing)} such studies); add them")
    folds = np.array([known[study] for study in studies], int)
    if len(np.unique(folds)) < least:
        raise TableError(f"{path}: all studies are in fold {folds[0]}; at least two folds are needed")
    return folds


def _columns(where: str, header: Sequence[str]) -> tuple[str | None, str | None]:
    """Find the columns of studies and folds; None where there is none."""
    try:
        return find_column(header, "study_id"), find_column(header, "fold")
    except ValueError as error:
        raise TableError(f"{where}: {error}") from None


def _profile(labels: pd.DataFrame) -> NDArray[np.int64]:
    """Compute sort keys per study, the most important first: any severe canal, total burden, burden per family."""
    grades = labels.to_numpy()
    # What each grade weighs in the metric beyond normal; the first is that of -1, unlabeled.
    weight = np.array([0, *(grade.weight - Grade.NORMAL_MILD.weight for grade in Grade)])[grades + 1]
    columns = [str(name) for name in labels.columns]
    spinal, foraminal, subarticular = (
        np.array([family in name for name in columns]) for family in ("spinal", "foraminal", "subarticular")
    )
    severe_canal = (grades[:, spinal] == 2).any(axis=1)
    burden = [weight[:, family].sum(axis=1) for family in (spinal, subarticular, foraminal)]
    return np.column_stack([severe_canal, sum(burden), *burden])
