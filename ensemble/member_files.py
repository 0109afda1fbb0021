"""Members' prediction tables from folders, files and models, and the folds that come with them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lsdc.cohort.table_words import find_column
from lsdc.cohort.text_tables import TextTable
from lsdc.cohort.vocabulary import parse_row_id
from lsdc.ensemble.bundled.place import is_packed_model, model_directory
from lsdc.ensemble.model import Model
from lsdc.metrics.prediction_forms import open_graded
from lsdc.metrics.prediction_tables import COLUMNS, predictions_of, row_ids
from lsdc.runtime import TableError
from lsdc.runtime.artifact import MANIFEST
from lsdc.runtime.console import warn
from lsdc.runtime.first_names import first_of
from lsdc.runtime.paths import PathLike, one_or_more

_SUFFIXES = (".csv", ".parquet", ".tsv", ".xlsx")
_OUT_OF_FOLD = "oof.parquet"
_NO_TABLES = (".about.json", ".md", ".png", ".svg")
"""What lies beside tables and is no member for sure."""
_MOST_NAMED = 5


@dataclass(frozen=True)
class MemberTables:
    """Prediction tables of some members.

    Parameters
    ----------
    tables : dict of str to DataFrame
        By member: row_id and the three probabilities.
    folds : dict of str to int
        Fold of each study, as far as the tables say it.
    """

    tables: dict[str, pd.DataFrame]
    folds: dict[str, int]


def gather_members(
    members: PathLike | Sequence[PathLike],
    studies: Sequence[str] | None,
    decimal_comma: bool = False,
    passed_over: Collection[str] = (),
    with_folds: bool = True,
) -> MemberTables:
    """Read the tables of all members, as `read_members` does, and the folds that come with them.

    Parameters
    ----------
    members : path or sequence of path
        As for `lsdc.ensemble.member_tables.read_members`.
    studies : sequence of str or None
        All studies that may be there; None: any.
    decimal_comma : bool
        As for `lsdc.ensemble.member_tables.read_members`.
    passed_over : collection of str
        As for `lsdc.ensemble.member_tables.read_members`.
    with_folds : bool, default True
        Whether folds that come with the members are wanted; otherwise they may contradict each other.

    Returns
    -------
    MemberTables
        Of all members.

    Raises
    ------
    TableError, ArtifactError
        As `lsdc.ensemble.member_tables.read_members` does.
    """
    gathered = MemberTables({}, {})
    for given in one_or_more(members):
        prefix, path = named_path(given)
        for source, part in _sources(path, studies, decimal_comma, with_folds):
            for name, table in part.tables.items():
                if name in passed_over:
                    continue
                if prefix + name in gathered.tables:
                    raise TableError(
                        f"{source}: there are two tables of member {prefix + name!r}; keep one, or give one of the "
                        "places as NAME=PATH, which puts NAME before its members"
                    )
                gathered.tables[prefix + name] = table
            if with_folds:
                _join_folds(source, gathered.folds, part.folds)
    return gathered


def named_path(given: PathLike) -> tuple[str, Path]:
    """Split `NAME=PATH` into what goes before the members' names, and the path.

    Parameters
    ----------
    given : path
        With or without a name before it.

    Returns
    -------
    (str, Path)
        The name with a point, or nothing, and the path.

    Examples
    --------
    >>> named_path("ours=model"), named_path("model")
    (('ours.', PosixPath('model')), ('', PosixPath('model')))
    """
    path = Path(given)
    name, equals, rest = str(path).partition("=")
    if not equals or path.exists() or "/" in name:
        return "", path
    return f"{name}.", Path(rest)


def _join_folds(source: Path, known: dict[str, int], found: dict[str, int]) -> None:
    """Add folds that do not contradict those that are known."""
    other = [study for study, fold in found.items() if known.get(study, fold) != fold]
    if other:
        raise TableError(
            f"{source}: study {other[0]!r} is in another fold than in the members before it; give folds"
        )
    known |= found


def _sources(
    path: Path, studies: Sequence[str] | None, decimal_comma: bool, with_folds: bool
) -> list[tuple[Path, MemberTables]]:
    """Read a model, a table, or each table of a folder."""
    if path.name == _OUT_OF_FOLD and (path.parent / MANIFEST).is_file():
        path = path.parent  # the model knows the studies' ids
    path = model_directory(path) if is_packed_model(path) else path
    if (path / MANIFEST).is_file():
        return [(path, _of_model(path, studies))]
    known = None if studies is None else set(row_ids(studies))
    return [
        (
            file,
            opened_members(
                open_graded(file), file.stem, known=known, decimal_comma=decimal_comma, with_folds=with_folds
            ),
        )
        for file in _table_paths(path)
    ]


def _of_model(path: Path, studies: Sequence[str] | None) -> MemberTables:
    """Take a model's out-of-fold predictions of the studies."""
    if studies is None:
        raise TableError(
            f"{path}: a model's own predictions are of the studies it was fitted on; give the tables of other studies "
            "that `lsdc-ensemble predict MODEL STORE --baselines DIR` writes"
        )
    model = Model.open(path)
    rows = model.out_of_fold_of(studies)
    if rows.empty:
        raise TableError(f"{path}: was fitted on none of the {len(studies)} labeled studies")
    tables = {name: rows.loc[rows["member"] == name, ["row_id", *COLUMNS]] for name in model.members}
    return MemberTables(tables, _folds_of(str(path), rows["row_id"], rows["fold"]))


def _table_paths(path: Path) -> list[Path]:
    """List the tables of a folder, refusing two of the same member."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise TableError(f"{path}: no such folder of prediction tables")
    files = sorted(one for one in path.iterdir() if one.is_file() and not one.name.startswith("."))
    paths = [one for one in files if one.suffix.lower() in _SUFFIXES]
    others = [one.name for one in files if one not in paths and not one.name.endswith(_NO_TABLES)]
    if others:
        warn(f"{path}: {first_of(others, _MOST_NAMED)}: no {', '.join(_SUFFIXES)} table, so no member")
    if not paths:
        raise TableError(f"{path}: holds no {', '.join(_SUFFIXES)} table; one for each member is needed")
    twice = [one for one in paths if sum(other.stem == one.stem for other in paths) > 1]
    if twice:
        raise TableError(f"{twice[0]}: there are two tables of member {twice[0].stem!r}; keep one")
    return paths


def opened_members(
    table: TextTable,
    name: str,
    *,
    known: set[str] | None = None,
    decimal_comma: bool = False,
    with_folds: bool = True,
) -> MemberTables:
    """Take the members of an opened table: one, or those that its column `member` names.

    Parameters
    ----------
    table : TextTable
        As `lsdc.metrics.prediction_forms.open_graded` gives it.
    name : str
        Of the member where there is no such column.
    known : set of str, optional
        All row ids that may be there; by default any.
    decimal_comma : bool
        Whether commas in numbers are decimal marks also where probabilities do not add up to 1.
    with_folds : bool, default True
        Whether a column `fold` is read.

    Returns
    -------
    MemberTables
        With the folds that a column `fold` says.

    Raises
    ------
    TableError
        When the table is malformed or has no row, a cell of a column `member` is empty, or a study is in two folds.
    """
    if table.cells.empty:
        raise TableError(f"{table.where}: holds no row; remove it or fill it")
    try:
        member, fold = (find_column(table.header, role) for role in ("member", "fold"))
    except ValueError as error:
        raise TableError(f"{table.where}: {error}") from None
    if member is not None:
        blank = table.cells.index[
            table.cells[member].isna() | (table.cells[member].astype(str).str.strip() == "")
        ]
        if len(blank):
            raise TableError(
                f"{table.where}: row {blank[0]}: empty cell in column {member!r}; name the member"
            )
    parts = {name: table.cells} if member is None else dict(iter(table.cells.groupby(member, sort=False)))
    tables: dict[str, pd.DataFrame] = {}
    folds: dict[str, int] = {}
    for one, cells in parts.items():
        part = TextTable(table.where, cells, table.decimal_commas)
        tables[str(one)] = predictions_of(part, known=known, decimal_comma=decimal_comma)
        if fold is not None and with_folds:
            _join_folds(
                Path(table.where), folds, _folds_of(table.where, tables[str(one)]["row_id"], cells[fold])
            )
    return MemberTables(tables, folds)


def _folds_of(where: str, ids: pd.Series, folds: pd.Series) -> dict[str, int]:
    """Read the fold of each study; rows of no fold, marked by a negative number, say nothing."""
    numbers = pd.to_numeric(folds, errors="coerce")
    bad = numbers.index[numbers.isna() | (numbers % 1 != 0)]
    if len(bad):
        raise TableError(
            f"{where}: row {bad[0]}: {str(folds[bad[0]])!r} in column 'fold' is not a whole number"
        )
    found: dict[str, int] = {}
    for row_id, fold in zip(ids, numbers.astype(int)):
        study = parse_row_id(row_id)[0]
        if fold >= 0 and found.setdefault(study, fold) != fold:
            raise TableError(
                f"{where}: study {study!r} is in folds {found[study]} and {fold}; it belongs in one"
            )
    return found
