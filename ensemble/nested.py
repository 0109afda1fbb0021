"""Stack members' out-of-fold predictions, score the stack honestly, and leave a record."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

from lsdc.ensemble.exhaustion import measure_exhaustion
from lsdc.ensemble.head_folds import workers_for
from lsdc.ensemble.nested_scoring import score_nested
from lsdc.ensemble.stack_artifact import NESTED as NESTED
from lsdc.ensemble.stack_progress import StackProgress
from lsdc.ensemble.stacked import REPORT, Stacked
from lsdc.ensemble.stackers.contract import Stacker
from lsdc.ensemble.stackers.default import DefaultStacker
from lsdc.ensemble.stackers.fixed import BestSingle, PlainMean
from lsdc.ensemble.stackers.prior import WeightedPrior
from lsdc.ensemble.stackers.registry import save_stacker
from lsdc.ensemble.stacking_data import StackingData
from lsdc.ensemble.tuning.mix_problem import OPTUNA_STUDY
from lsdc.ensemble.tuning.progress import finished_losses
from lsdc.ensemble.tuning.storage import JOURNAL
from lsdc.metrics.bootstrap import Interval
from lsdc.metrics.official import Probabilities
from lsdc.metrics.prediction_tables import row_ids, table_of
from lsdc.runtime.artifact import atomic, write_json
from lsdc.runtime.console import say, table, warn
from lsdc.runtime.paths import PathLike


def stack(
    data: StackingData, out: PathLike, *, trials: int = 60, seed: int = 0, storage: str | None = None
) -> Stacked:
    """Tune a stack on all studies, score the same procedure by nested cross-validation, and write both.

    Parameters
    ----------
    data : StackingData
        Out-of-fold predictions, grades and folds of n studies.
    out : path
        Folder; gets stack.json, baselines/, nested.parquet, report.json and, without `storage`, the journal of the
        trials. A killed run resumes from the journal and from `work`, which holds its finished parts until the end.
    trials : int
        Number of Optuna trials.
    seed : int
        Seed of the search and of the bootstrap.
    storage : str, optional
        URL of a database that workers share. Default: the journal.

    Returns
    -------
    Stacked
        What report.json holds.

    Raises
    ------
    ConfigError
        When the storage cannot be reached, or holds trials on other data.
    ArtifactError
        When the journal or a finished part is damaged, or the parts are of other data or of another search.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    where = storage or out / JOURNAL
    progress = StackProgress.begin(out / "work", data, trials, seed)
    tuned = progress.tuned(lambda: DefaultStacker(trials, seed, where).fit(data.predictions, data.grades))
    # The nested search leaves no trace in the storage: it answers another question.
    report, nested = score_nested(
        partial(DefaultStacker, trials, seed), tuned, data, seed, progress, workers_for(len(data.grades))
    )
    chosen: Stacker = tuned
    if tuned.is_plain_mean:
        chosen = PlainMean().fit(data.predictions, data.grades)
    weights = {family.value: weights for family, weights in tuned.weights_.items()}
    exhaustion = measure_exhaustion(data, nested, finished_losses(where, OPTUNA_STUDY), seed)
    stacked = Stacked(out, len(data.grades), chosen.name, weights, report, exhaustion)
    record(stacked, chosen, data, nested)
    progress.end()
    show(stacked)
    return stacked


def record(stacked: Stacked, stacker: Stacker, data: StackingData, nested: Probabilities) -> None:
    """Write a stacker with what it is worth into its model's directory.

    Parameters
    ----------
    stacked : Stacked
        The outcome; its `model` is the directory. Goes to report.json.
    stacker : Stacker
        What predicts, fitted on all studies. Goes to stack.json, the fitted baselines beside it.
    data : StackingData
        Out-of-fold predictions, grades and folds of n studies.
    nested : (n, 5, 5, 3) float
        The nested predictions that were scored. Go to nested.parquet, with the grades.
    """
    _write_stackers(stacked.model, stacker, data)
    _write_nested(stacked.model / NESTED, data, nested)
    # Without the directory's own path: it may be moved, and the same fit has the same digests wherever it is.
    content = {name: value for name, value in stacked.to_dict().items() if name != "model"}
    write_json(stacked.model / REPORT, content)


def _write_stackers(out: Path, chosen: Stacker, data: StackingData) -> None:
    """Write the stacker that predicts, and the baselines it is compared with."""
    save_stacker(out / "stack.json", chosen)
    for baseline in (WeightedPrior(), PlainMean(), BestSingle()):
        fitted = baseline.fit(data.predictions, data.grades)
        save_stacker(out / "baselines" / f"{baseline.name}.json", fitted)


def _write_nested(path: Path, data: StackingData, nested: Probabilities) -> None:
    """Write the nested predictions with the grades as a table."""
    ids = row_ids(data.predictions.studies)
    rows = table_of(ids, nested.reshape(len(ids), -1)).assign(grade=data.grades.ravel())
    with atomic(path) as temporary:
        rows.to_parquet(temporary, index=False)


def show(stacked: Stacked) -> None:
    """Print the scores and the weights for people, on stderr.

    Parameters
    ----------
    stacked : Stacked
        What to print.
    """
    report = stacked.report
    scores, weights = report.table().reset_index(), stacked.weights_table().reset_index()
    title = "official score on studies not fitted on (lower is better)"
    known = scores.astype(object).where(scores.notna(), "-")
    table(title, [str(name) for name in scores], known.itertuples(index=False))
    table("weights", [str(name) for name in weights], weights.itertuples(index=False))
    if math.isfinite(report.interval.value):
        _say_interval("total", report.interval)
        _say_interval("stack minus plain mean", report.versus_mean)
        _say_interval("stack minus best single", report.versus_best_single)
    else:
        say("no total: the official score needs labels of all three families; those that have some are above")
    lacking = {name: count for name, count in report.missing.items() if count}
    if lacking:
        say("labeled rows that members lack: " + ", ".join(f"{k} {v}" for k, v in lacking.items()))
    if stacked.chosen == PlainMean.name:
        say("nothing surely beats the plain mean of the members; the plain mean is kept")
    for sentence in [] if stacked.exhaustion is None else stacked.exhaustion.sentences():
        say(sentence)
    for warning in report.warnings:
        warn(warning)


def _say_interval(name: str, interval: Interval) -> None:
    say(f"{name}: {interval.value:.4f} (95 % interval {interval.low:.4f} to {interval.high:.4f})")
