"""Stack prediction tables from anywhere, and apply the stack to new ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.tables import read_labels, read_text_table
from lsdc.cohort.vocabulary import parse_row_id
from lsdc.ensemble.nested import stack
from lsdc.ensemble.predictions import Predictions, inner_folds
from lsdc.ensemble.stackers.default import Tuned
from lsdc.ensemble.stackers.registry import load_stacker
from lsdc.metrics.official import Grades
from lsdc.metrics.prediction_tables import grades_of, read_predictions, row_ids, write_submission
from lsdc.runtime import ArtefactError, ConfigError, TableError
from lsdc.runtime.artefact import claim, fingerprint, read_manifest, write_manifest
from lsdc.runtime.console import say

KIND = "blend"
SCHEMA = 1
MADE_BY = "lsdc-ensemble blend --labels LABELS --members DIR --out MODEL"
_TABLES = (".csv", ".parquet")


@dataclass(frozen=True)
class Problem:
    """What is to be stacked: members' out-of-fold predictions, grades and folds of n studies.

    Parameters
    ----------
    predictions : Predictions
        Of the labeled studies.
    grades : (n, 5, 5) int8
        -1 where unlabeled.
    folds : (n,) int
        Fold of each study.
    """

    predictions: Predictions
    grades: Grades
    folds: NDArray[np.int_]

    @property
    def hash(self) -> str:
        """Of all of it."""
        return fingerprint(
            {
                "members": list(self.predictions.members),
                "studies": list(self.predictions.studies),
                "cubes": self.predictions.cubes.tobytes().hex(),
                "grades": self.grades.tobytes().hex(),
                "folds": self.folds.tolist(),
            }
        )


def read_problem(labels: Path, members: Path, folds: Path | None = None, seed: int = 0) -> Problem:
    """Read labels, folds and a folder of members' prediction tables, aligned by row id.

    Parameters
    ----------
    labels : Path
        train.csv.
    members : Path
        Folder of CSV or Parquet tables named after the members; each may cover some of the rows.
    folds : Path, optional
        study_id and fold; default five folds by study.
    seed : int
        For the default folds.

    Raises
    ------
    TableError
        When a table is malformed, or holds rows of studies without labels.
    """
    table = read_labels(labels)
    studies = table.index.tolist()
    predictions = read_members(members, studies)
    given = inner_folds(len(studies), seed) if folds is None else read_folds(folds, studies)
    return Problem(predictions, grades_of(table), given)


def read_members(folder: Path, studies: Sequence[str] | None = None) -> Predictions:
    """Read a folder of prediction tables; `studies` are all that may be there, default those found."""
    if not folder.is_dir():
        raise TableError(f"{folder}: no such folder of prediction tables")
    paths = sorted(path for path in folder.iterdir() if path.suffix in _TABLES and path.is_file())
    if not paths:
        raise TableError(f"{folder}: holds no {' or '.join(_TABLES)} table; one for each member is needed")
    twice = [path for path in paths if sum(other.stem == path.stem for other in paths) > 1]
    if twice:
        raise TableError(f"{twice[0]}: there are two tables of member {twice[0].stem!r}; keep one")
    known = None if studies is None else set(row_ids(studies))
    tables = {path.stem: read_predictions(path, known=known) for path in paths}
    empty = [path for path in paths if tables[path.stem].empty]
    if empty:
        raise TableError(f"{empty[0]}: holds no row; remove it or fill it")
    if studies is None:
        found = {parse_row_id(row_id)[0] for one in tables.values() for row_id in one["row_id"]}
        studies = sorted(found, key=lambda study: (len(study), study))
    return Predictions.from_tables(tables, studies)


def read_folds(path: Path, studies: Sequence[str]) -> NDArray[np.int_]:
    """Read the fold of each study.

    Raises
    ------
    TableError
        When a study has no fold or two, a fold is not a whole number, or there is a single fold.
    """
    table = read_text_table(path, ["study_id", "fold"])
    twice = table.index[table["study_id"].duplicated()]
    if len(twice):
        raise TableError(
            f"{path}: row {twice[0]}: study {table['study_id'][twice[0]]!r} comes twice; keep one"
        )
    known = dict(zip(table["study_id"], table["fold"]))
    for row, fold in table["fold"].items():
        if not str(fold).strip().isdecimal():
            raise TableError(f"{path}: row {row}: {fold!r} in column 'fold' is not a whole number")
    missing = [study for study in studies if study not in known]
    if missing:
        raise TableError(f"{path}: no fold for study {missing[0]!r} ({len(missing)} such studies); add them")
    folds = np.array([int(known[study]) for study in studies])
    if len(np.unique(folds)) < 2:
        raise TableError(f"{path}: all studies are in fold {folds[0]}; at least two folds are needed")
    return folds


def blend(
    problem: Problem, out: Path, trials: int = 60, seed: int = 0, storage: str | None = None
) -> dict[str, Any]:
    """Stack members' tables and write the stack to `out`.

    Parameters
    ----------
    problem : Problem
        What to stack.
    out : Path
        Directory of the new model; one begun with the same input is finished.
    trials : int
        Optuna trials.
    seed : int
        For the search and the bootstrap.
    storage : str, optional
        URL of a database in which workers share the trials.

    Returns
    -------
    dict
        What report.json holds.

    Raises
    ------
    ArtefactError
        When `out` holds something else.
    """
    check_trials(trials)
    configuration = {"problem": problem.hash, "trials": trials, "seed": seed}
    claim(out, configuration, lambda: "give --out a new directory")
    result = stack(problem.predictions, problem.grades, problem.folds, out, trials, seed, storage)
    write_manifest(out, KIND, SCHEMA, members=list(problem.predictions.members), configuration=configuration)
    return result


def tune(problem: Problem, storage: str, trials: int, seed: int = 0) -> dict[str, Any]:
    """Work on the trials of a shared study until enough are finished; any number of workers may.

    Returns
    -------
    dict
        `trials` that this worker is done with, `chosen` and the weights per family.
    """
    check_trials(trials)
    fitted = Tuned(trials, seed, storage).fit(problem.predictions, problem.grades)
    weights = {family.value: own for family, own in fitted.weights_.items()}
    return {"chosen": "plain_mean" if fitted.is_plain_mean else fitted.name, "weights": weights}


def check_trials(trials: int) -> None:
    """Refuse searches without a trial."""
    if trials < 1:
        raise ConfigError(f"--trials must be at least 1, not {trials}")


def apply(model: Path, members: Path, submission: Path) -> dict[str, Any]:
    """Apply a saved stack to the same members' tables of other studies; 25 rows each are written.

    Raises
    ------
    ArtefactError
        When `model` is no finished blend.
    TableError
        When there is a table of a member that the stack does not know.
    """
    manifest = read_manifest(model, KIND, SCHEMA, MADE_BY)
    known = list(manifest["members"])
    predictions = read_members(members)
    unknown = [name for name in predictions.members if name not in known]
    if unknown:
        raise TableError(
            f"{members}: {unknown[0]!r} is no member of {model}, which has {', '.join(known)}; remove its table"
        )
    absent = [name for name in known if name not in predictions.members]
    if absent:
        say(f"{members} has no table of {', '.join(absent)}; the members present decide")
    path = model / "stack.json"
    if not path.is_file():
        raise ArtefactError(f"{model}: damaged model, stack.json is missing; make it again with `{MADE_BY}`")
    rows = write_submission(submission, load_stacker(path).predict(predictions), predictions.studies)
    nobody = int((~predictions.present.any(axis=0)).sum())
    say(f"{submission}: {rows} rows" + (f", {nobody} of them the weighted prior" if nobody else ""))
    return {"submission": str(submission), "rows": rows, "prior_rows": nobody}
