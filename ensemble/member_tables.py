"""Members' prediction tables, labels and folds read from files and aligned by study."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from lsdc.cohort.folds import read_folds
from lsdc.cohort.tables import read_labels
from lsdc.cohort.vocabulary import parse_row_id
from lsdc.ensemble.predictions import Predictions, inner_folds
from lsdc.ensemble.stacking_data import StackingData
from lsdc.metrics.prediction_tables import grades_of, read_predictions, row_ids
from lsdc.runtime import TableError
from lsdc.runtime.paths import PathLike

_SUFFIXES = (".csv", ".parquet")


def read_stacking_data(
    labels: PathLike, members: PathLike, folds: PathLike | None = None, seed: int = 0
) -> StackingData:
    """Read labels, folds and a folder of members' prediction tables, aligned by row id.

    Parameters
    ----------
    labels : path
        A train.csv: study_id and a column per target.
    members : path
        Folder of CSV or Parquet tables named after the members; each may cover only some of the rows.
    folds : path, optional
        CSV with study_id and fold. Default: five folds by study, drawn with `seed`.
    seed : int
        Seed of the default folds.

    Returns
    -------
    StackingData
        Of all studies of `labels`, in their order.

    Raises
    ------
    TableError
        When a table is malformed, or holds rows of studies without labels.
    """
    table = read_labels(Path(labels))
    studies = table.index.tolist()
    predictions = read_members(members, studies)
    fold_of = inner_folds(len(studies), seed) if folds is None else read_folds(folds, studies)
    return StackingData(predictions, grades_of(table), fold_of)


def read_members(folder: PathLike, studies: Sequence[str] | None = None) -> Predictions:
    """Read a folder of prediction tables, one for each member.

    Parameters
    ----------
    folder : path
        Holds CSV or Parquet tables (row_id, normal_mild, moderate, severe) named after the members.
    studies : sequence of str, optional
        All studies that may be there; a row of another one is refused. Default: the studies that the tables hold,
        in numeric order of their ids.

    Returns
    -------
    Predictions
        Members in the order of their file names; rows that a table lacks are NaN.

    Raises
    ------
    TableError
        When the folder or its tables are absent, a member comes twice, or a table is malformed or empty.
    """
    tables = {path.stem: _read_member(path, studies) for path in _table_paths(Path(folder))}
    if studies is None:
        found = {parse_row_id(row_id)[0] for table in tables.values() for row_id in table["row_id"]}
        studies = sorted(found, key=lambda study: (len(study), study))
    return Predictions.from_tables(tables, studies)


def _table_paths(folder: Path) -> list[Path]:
    """List the tables of a folder, refusing two of the same member."""
    if not folder.is_dir():
        raise TableError(f"{folder}: no such folder of prediction tables")
    paths = sorted(path for path in folder.iterdir() if path.suffix in _SUFFIXES and path.is_file())
    if not paths:
        raise TableError(f"{folder}: holds no {' or '.join(_SUFFIXES)} table; one for each member is needed")
    twice = [path for path in paths if sum(other.stem == path.stem for other in paths) > 1]
    if twice:
        raise TableError(f"{twice[0]}: there are two tables of member {twice[0].stem!r}; keep one")
    return paths


def _read_member(path: Path, studies: Sequence[str] | None) -> pd.DataFrame:
    """Read the table of one member, which must hold at least a row."""
    table = read_predictions(path, known=None if studies is None else set(row_ids(studies)))
    if table.empty:
        raise TableError(f"{path}: holds no row; remove it or fill it")
    return table
