"""Members' prediction tables, labels and folds, aligned by study."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.folds import read_folds
from lsdc.cohort.vocabulary import parse_row_id
from lsdc.ensemble.member_files import gather_members
from lsdc.ensemble.predictions import Predictions, inner_folds
from lsdc.ensemble.stacking_data import StackingData
from lsdc.metrics.prediction_tables import grades_of, read_truth
from lsdc.runtime import TableError
from lsdc.runtime.paths import PathLike

_FEWEST = 2


def read_stacking_data(
    labels: PathLike,
    members: PathLike | Sequence[PathLike],
    folds: PathLike | None = None,
    seed: int = 0,
    *,
    grades: str | None = None,
    decimal_comma: bool = False,
) -> StackingData:
    """Read labels, folds and members' prediction tables, aligned by row id.

    Parameters
    ----------
    labels : path
        A train.csv, or another table that `lsdc.metrics.read_truth` takes.
    members : path or sequence of path
        As for `read_members`.
    folds : path, optional
        CSV with study_id and fold. Default: those of the models and long tables among the members; where there is
        none, five folds by study, drawn with `seed`.
    seed : int
        Seed of the drawn folds.
    grades : str, optional
        What codes of grades in `labels` mean, such as `1=normal_mild,2=moderate,3=severe`.
    decimal_comma : bool
        Whether commas in numbers are decimal marks also where probabilities do not add up to 1.

    Returns
    -------
    StackingData
        Of all studies of `labels`, in their order.

    Raises
    ------
    TableError
        When a table is malformed, holds rows of studies without labels or fewer than two labeled studies, or the
        members' folds do not cover the studies.
    ConfigError
        When `grades` cannot be understood.
    """
    table = read_truth(Path(labels), grades)
    studies = table.index.tolist()
    found = gather_members(members, studies, decimal_comma, with_folds=folds is None)
    given = grades_of(table)
    labeled = np.any(given >= 0, axis=(1, 2))
    if labeled.sum() < _FEWEST:
        raise TableError(f"{labels}: {labeled.sum()} labeled studies; a stack needs at least {_FEWEST}")
    if folds is not None:
        fold_of = read_folds(folds, studies)
        if len(np.unique(fold_of[labeled])) < _FEWEST:
            raise TableError(f"{folds}: all labeled studies are in one fold; at least two folds are needed")
    elif found.folds:
        fold_of = _members_folds(found.folds, studies, labeled)
    else:
        fold_of = inner_folds(len(studies), seed)
        if len(np.unique(fold_of[labeled])) < len(np.unique(fold_of)):
            fold_of[labeled] = inner_folds(int(labeled.sum()), seed)  # chance has left a fold without a label
    return StackingData(Predictions.from_tables(found.tables, studies), given, fold_of)


def _members_folds(folds: dict[str, int], studies: list[str], labeled: NDArray[np.bool_]) -> NDArray[np.int_]:
    """Arrange the folds that came with the members; a study without a label needs none."""
    missing = [study for study, needed in zip(studies, labeled) if needed and study not in folds]
    if missing:
        raise TableError(
            f"the folds that came with the members lack study {missing[0]!r} ({len(missing)} such studies); give "
            "folds of all labeled studies, or the labels of the members' studies alone"
        )
    fold_of = np.array([folds.get(study, 0) for study in studies])
    if len(np.unique(fold_of[labeled])) < 2:
        raise TableError(
            "the folds that came with the members are a single one; give folds with at least two"
        )
    return fold_of


def read_members(
    members: PathLike | Sequence[PathLike],
    studies: Sequence[str] | None = None,
    *,
    decimal_comma: bool = False,
    passed_over: Collection[str] = (),
) -> Predictions:
    """Read members' prediction tables.

    Parameters
    ----------
    members : path or sequence of path
        Each of them a folder of tables named after the members, a table, or a model: its members' out-of-fold
        predictions. A table has row_id, normal_mild, moderate and severe; one with a column `member` holds several
        members. `NAME=PATH` puts `NAME.` before the names of the members of PATH.
    studies : sequence of str, optional
        All studies that may be there; a row of another one is refused. Default: the studies that the tables hold,
        in numeric order of their ids.
    decimal_comma : bool
        Whether commas in numbers are decimal marks also where probabilities do not add up to 1.
    passed_over : collection of str
        Names of tables that are no members, without the `NAME.` of a path.

    Returns
    -------
    Predictions
        Members in the order of the paths, in a folder in that of their file names; rows that a table lacks are NaN.

    Raises
    ------
    TableError
        When a folder or its tables are absent, a member comes twice, or a table is malformed or empty.
    ArtifactError
        When a model is damaged.
    """
    tables = gather_members(members, studies, decimal_comma, passed_over, with_folds=False).tables
    if studies is None:
        found = {parse_row_id(row_id)[0] for table in tables.values() for row_id in table["row_id"]}
        studies = sorted(found, key=lambda study: (len(study), study))
    return Predictions.from_tables(tables, studies)
