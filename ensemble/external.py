"""Stack prediction tables that other programs wrote, and apply the stack to new ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lsdc.ensemble.blend_model import BlendModel
from lsdc.ensemble.member_files import named_path
from lsdc.ensemble.member_tables import read_members, read_stacking_data
from lsdc.ensemble.nested import stack
from lsdc.ensemble.stack_artifact import UNLISTED
from lsdc.ensemble.stacked import Stacked
from lsdc.ensemble.stackers.default import DefaultStacker
from lsdc.ensemble.stackers.fixed import BestSingle, PlainMean
from lsdc.ensemble.stackers.prior import WeightedPrior
from lsdc.ensemble.tuning.search import check_search
from lsdc.metrics.prediction_tables import write_submission
from lsdc.runtime import TableError
from lsdc.runtime.artifact import check_output_file, claim, list_files, write_manifest
from lsdc.runtime.console import say
from lsdc.runtime.folder_lock import only_writer
from lsdc.runtime.paths import PathLike, one_or_more
from lsdc.runtime.whole_files import check_output_folder

BASELINES: tuple[str, ...] = (WeightedPrior.name, PlainMean.name, BestSingle.name)
"""Tables that `predict` writes beside those of the members; a stack does without them."""


@dataclass(frozen=True, repr=False)
class Blended(Stacked):
    """What `blend` wrote; a notebook shows it as tables.

    Parameters
    ----------
    model : Path
        The directory of the blend; `apply_blend` and `BlendModel.open` take it.
    studies : int
        Number of labeled studies.
    chosen : str
        Name of the stacker that predicts: `tuned`, or `plain_mean` where nothing surely beats it.
    weights : dict of str to dict of str to float
        By family: the positive weights of members and stackers in the tuned mix; they sum to 1.
    report : NestedReport
        Scores on studies held out, beside the baselines.
    """


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
    """

    submission: Path
    rows: int
    prior_rows: int


@dataclass(frozen=True)
class TunedWeights:
    """Where a shared search stands after a worker's part.

    Parameters
    ----------
    chosen : str
        `tuned`, or `plain_mean` where nothing surely beats it so far.
    weights : dict of str to dict of str to float
        By family: the positive weights of members and stackers; they sum to 1.
    """

    chosen: str
    weights: dict[str, dict[str, float]]


def blend(
    labels: PathLike,
    members: PathLike | Sequence[PathLike],
    out: PathLike,
    *,
    folds: PathLike | None = None,
    trials: int = 60,
    seed: int = 0,
    storage: str | None = None,
    grades: str | None = None,
    decimal_comma: bool = False,
) -> Blended:
    """Stack members' out-of-fold prediction tables, whoever made them, and write the stack to a directory.

    A killed run resumes when it is called again with the same arguments.

    Parameters
    ----------
    labels : path
        A train.csv, or another table that `lsdc.metrics.read_truth` takes.
    members : path or sequence of path
        Folders of tables (row_id, normal_mild, moderate, severe) named after the members, single tables, and models
        that `fit` made, in any mixture; see `lsdc.ensemble.member_tables.read_members`. The predictions must be out of
        fold; a table may cover only some conditions, studies or rows.
    out : path
        The directory of the blend, new or begun with the same data.
    folds : path, optional
        CSV with study_id and fold, best those that the members were cross-fitted with. Default: those of the models
        and long tables among the members; where there is none, five folds by study, drawn with `seed`.
    trials : int
        Number of Optuna trials, at least 1.
    seed : int
        Seed of the default folds, of the search and of the bootstrap.
    storage : str, optional
        URL of a database in which workers share the trials; see `tune`. Default: a journal file in `out`.
    grades : str, optional
        What codes of grades in `labels` mean, such as `1=normal_mild,2=moderate,3=severe`.
    decimal_comma : bool
        Whether commas in numbers are decimal marks also where probabilities do not add up to 1.

    Returns
    -------
    Blended
        Where the blend is, its weights, and its scores on studies held out.

    Raises
    ------
    TableError
        When a table is malformed, holds rows of studies without labels, or the folds do not cover the studies.
    ConfigError
        When `trials` is below 1 or `seed` below 0, the storage cannot be used, or `grades` cannot be understood.
    ArtifactError
        When `out` was begun with other data or arguments, or another process is writing to it.

    Examples
    --------
    >>> blended = blend("train.csv", "oof", "blend", folds="folds.csv")  # doctest: +SKIP
    >>> apply_blend(blended.model, "test", "submission.csv").rows  # doctest: +SKIP
    1500
    """
    check_search(trials, seed)
    out = check_output_folder(out)
    data = read_stacking_data(labels, members, folds, seed, grades=grades, decimal_comma=decimal_comma)
    configuration = {"problem": data.hash, "trials": trials, "seed": seed}
    claim(
        out,
        configuration,
        lambda: "finish it with the same arguments, or choose a new directory for the blend",
    )
    with only_writer(out):
        stack(data, out, trials=trials, seed=seed, storage=storage)
        names = list(data.predictions.members)
        files = list_files(out, without=UNLISTED)
        write_manifest(
            out, BlendModel.kind, BlendModel.schema, members=names, configuration=configuration, files=files
        )
    return Blended.read(out)


def tune(
    labels: PathLike,
    members: PathLike | Sequence[PathLike],
    storage: str,
    *,
    trials: int = 60,
    seed: int = 0,
) -> TunedWeights:
    """Work on the trials of a blend that several machines share, until enough are finished.

    Any number of workers may run it at once; `blend` with the same storage then uses their trials.

    Parameters
    ----------
    labels, members : path, or members a sequence of path
        As for `blend`. The search makes its folds from the seed.
    storage : str
        URL of the database, such as `postgresql://user@host/name`.
    trials : int
        Number of trials of all workers together, at least 1.
    seed : int
        As for `blend`; workers and `blend` must agree on it.

    Returns
    -------
    TunedWeights
        The weights that the best trial so far gives.

    Raises
    ------
    TableError
        When a table is malformed, or holds rows of studies without labels.
    ConfigError
        When `trials` is below 1 or `seed` below 0, or the database cannot be reached or holds a search on other data.
    """
    check_search(trials, seed)
    data = read_stacking_data(labels, members, None, seed)
    tuned = DefaultStacker(trials, seed, storage).fit(data.predictions, data.grades)
    weights = {family.value: weights for family, weights in tuned.weights_.items()}
    return TunedWeights(PlainMean.name if tuned.is_plain_mean else tuned.name, weights)


def apply_blend(
    model: PathLike, members: PathLike | Sequence[PathLike], out: PathLike, *, decimal_comma: bool = False
) -> Applied:
    """Apply a saved blend to the same members' tables for other studies.

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
    """
    paths = [named_path(one)[1] for one in one_or_more(members)]
    read = [file for one in paths for file in (one.iterdir() if one.is_dir() else [one])]
    out = check_output_file(out, read)
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
    rows = write_submission(out, opened.stacker.predict(predictions), predictions.studies)
    nobody = int((~predictions.present.any(axis=0)).sum())
    say(f"{out}: {rows} rows" + (f", {nobody} of them the weighted prior" if nobody else ""))
    return Applied(out, rows, nobody)
