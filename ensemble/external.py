"""Stack prediction tables that other programs wrote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lsdc.ensemble.blend_model import FITTED_ON, BlendModel
from lsdc.ensemble.member_tables import read_stacking_data
from lsdc.ensemble.nested import stack
from lsdc.ensemble.stack_artifact import UNLISTED
from lsdc.ensemble.stacked import Stacked
from lsdc.ensemble.stackers.default import DefaultStacker
from lsdc.ensemble.stackers.fixed import PlainMean
from lsdc.ensemble.tuning.mix_problem import OPTUNA_STUDY
from lsdc.ensemble.tuning.progress import finished_losses
from lsdc.ensemble.tuning.search import check_search
from lsdc.runtime.artifact import MANIFEST, claim, list_files, write_json, write_manifest
from lsdc.runtime.console import say
from lsdc.runtime.folder_lock import only_writer
from lsdc.runtime.paths import PathLike
from lsdc.runtime.whole_files import check_output_folder


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
class TunedWeights:
    """Where a shared search stands after a worker's part.

    Parameters
    ----------
    chosen : str
        `tuned`, or `plain_mean` where nothing surely beats it so far.
    weights : dict of str to dict of str to float
        By family: the positive weights of members and stackers; they sum to 1.
    trials : int
        Number of trials that all workers together have finished.
    loss : float
        The official score of the best trial, cross-fitted inside; lower is better.
    """

    chosen: str
    weights: dict[str, dict[str, float]]
    trials: int
    loss: float


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

    A killed run resumes when it is called again with the same arguments; of a finished one the same call gives what it
    found.

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
    if (out / MANIFEST).is_file():
        say(f"{out}: already finished")
        return Blended.read(BlendModel.open(out).path)
    with only_writer(out):
        stack(data, out, trials=trials, seed=seed, storage=storage)
        names = list(data.predictions.members)
        write_json(out / FITTED_ON, data.predictions.fingerprints())
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
    grades: str | None = None,
    decimal_comma: bool = False,
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
    grades : str, optional
        What codes of grades in `labels` mean, such as `1=normal_mild,2=moderate,3=severe`.
    decimal_comma : bool
        Whether commas in numbers are decimal marks also where probabilities do not add up to 1.

    Returns
    -------
    TunedWeights
        The weights that the best trial so far gives.

    Raises
    ------
    TableError
        When a table is malformed, or holds rows of studies without labels.
    ConfigError
        When `trials` is below 1 or `seed` below 0, the database cannot be reached or holds a search on other data, or
        `grades` cannot be understood.
    """
    check_search(trials, seed)
    data = read_stacking_data(labels, members, None, seed, grades=grades, decimal_comma=decimal_comma)
    tuned = DefaultStacker(trials, seed, storage).fit(data.predictions, data.grades)
    weights = {family.value: weights for family, weights in tuned.weights_.items()}
    chosen = PlainMean.name if tuned.is_plain_mean else tuned.name
    losses = finished_losses(storage, OPTUNA_STUDY)
    say(f"{len(losses)} trials are finished; the best has {min(losses):.4f}, and {chosen} is chosen so far")
    return TunedWeights(chosen, weights, len(losses), min(losses))
