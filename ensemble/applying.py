"""Apply a blend to the tables of its members for other studies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lsdc.ensemble.blend_model import BlendModel
from lsdc.ensemble.held_out import unlearned
from lsdc.ensemble.member_files import named_path
from lsdc.ensemble.member_tables import read_members
from lsdc.ensemble.predictions import Predictions
from lsdc.ensemble.stackers.fixed import BestSingle, PlainMean
from lsdc.ensemble.stackers.prior import WeightedPrior
from lsdc.metrics.prediction_tables import check_submission, write_submission
from lsdc.runtime import TableError
from lsdc.runtime.console import say, warn
from lsdc.runtime.first_names import first_of
from lsdc.runtime.paths import PathLike, one_or_more

BASELINES: tuple[str, ...] = (WeightedPrior.name, PlainMean.name, BestSingle.name)
"""Tables that `predict` writes beside those of the members; a stack does without them."""
_MOST_NAMED = 5


@dataclass(frozen=True)
class Applied:
    """What `apply_blend` wrote.

    Parameters
    ----------
    submission : Path
        CSV with row_id, normal_mild, moderate, severe.
    rows : int
        Number of rows, 25 for each study.
    prior_rows : int
        Number of rows that no member has; they hold the weighted prior.
    out_of_fold : int
        Number of studies that the blend was fitted on; each was predicted by a stack that had not seen its fold.
    """

    submission: Path
    rows: int
    prior_rows: int
    out_of_fold: int


def apply_blend(
    model: PathLike, members: PathLike | Sequence[PathLike], out: PathLike, *, decimal_comma: bool = False
) -> Applied:
    """Apply a saved blend to the same members' tables for other studies.

    Studies that the blend was fitted on, known by id and by what the members predict, get what a stack said of them
    that had not seen their fold, so that scores on them stay honest.

    Parameters
    ----------
    model : path
        The directory that `blend` made.
    members : path or sequence of path
        Folders of the members' tables and single tables, under the same names, also what `lsdc-ensemble predict`
        writes with `--baselines`. Members and rows may be missing: those present decide.
    out : path
        CSV to write, 25 rows for each study that any table holds.
    decimal_comma : bool
        Whether commas in numbers are decimal marks also where probabilities do not add up to 1.

    Returns
    -------
    Applied
        The file and counts of rows.

    Raises
    ------
    ArtifactError
        When `model` is no finished blend.
    TableError
        When a table is malformed, or of a member that the blend does not know.
    ConfigError
        When `out` is one of the tables, or not named as a CSV table.
    """
    written = check_application(members, out)
    opened = BlendModel.open(model)
    joined = {name.rpartition(".")[2] for name in opened.members}
    others = [name for name in BASELINES if name not in joined]
    known = f"{model}, which has {', '.join(opened.members)}"
    predictions = read_members(members, decimal_comma=decimal_comma, passed_over=others)
    if not predictions.members:
        raise TableError(f"no table is of a member of {known}")
    unknown = [name for name in predictions.members if name not in opened.members]
    if unknown:
        raise TableError(f"{unknown[0]!r} is no member of {known}; remove its table")
    absent = [name for name in opened.members if name not in predictions.members]
    if absent:
        say(f"there is no table of {', '.join(absent)}; the members present decide")
    known_studies, cube = _fitted_on(opened, predictions), opened.stacker.predict(predictions)
    if known_studies:
        cube = unlearned(opened, predictions.studies, known_studies, cube)
    rows = write_submission(written, cube, predictions.studies)
    nobody = int((~predictions.present.any(axis=0)).sum())
    say(f"{out}: {rows} rows" + (f", {nobody} of them the weighted prior" if nobody else ""))
    return Applied(written, rows, nobody, len(known_studies))


def check_application(members: PathLike | Sequence[PathLike], out: PathLike) -> Path:
    """Refuse an output that cannot be written, or is one of the tables; call it before long work.

    Parameters
    ----------
    members, out : path, or members a sequence of path
        As for `apply_blend`.

    Returns
    -------
    Path
        The output.

    Raises
    ------
    TableError
        When a place of tables is not there.
    ConfigError
        When `out` is one of the tables, or not named as a CSV table.
    LsdcError
        When it cannot be a file.
    """
    paths = [named_path(one)[1] for one in one_or_more(members)]
    absent = [one for one in paths if not one.exists()]
    if absent:
        raise TableError(f"{absent[0]}: no such folder of prediction tables")
    return check_submission(
        out, [file for one in paths for file in (one.iterdir() if one.is_dir() else [one])]
    )


def _fitted_on(model: BlendModel, predictions: Predictions) -> list[str]:
    """Find the studies that a blend was fitted on, by id and predictions; warn of those that only have such an id."""
    known, found = model.fitted_on, predictions.of(model.members).fingerprints()
    here = [study for study in predictions.studies if study in known]
    same = [study for study in here if known[study] == found[study]]
    others = [study for study in here if known[study] != found[study]]
    if same:
        say(
            f"{len(same)} studies are those the blend was fitted on; they get what a stack without their fold said"
        )
    if others:
        warn(
            f"{len(others)} studies have the id of one that the blend was fitted on, but other predictions "
            f"({first_of(others, _MOST_NAMED)}); if they are the same patients, scores on them are too good"
        )
    return same
