"""From a model and a feature store to a submission."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lsdc.ensemble.about import About, about_path
from lsdc.ensemble.grading import grade_store
from lsdc.ensemble.model import Model
from lsdc.ensemble.prediction_writer import PredictionWriter, write_baselines
from lsdc.ensemble.studies_asked import asked_for, wanted_rows
from lsdc.ensemble.weighting import Weighting, check_weighting
from lsdc.features.sight import Refusal
from lsdc.features.store import FeatureStore
from lsdc.metrics.prediction_tables import check_submission
from lsdc.runtime.console import say, warn
from lsdc.runtime.errors import ConfigError
from lsdc.runtime.paths import PathLike
from lsdc.runtime.whole_files import check_output_folder
from lsdc.slice_selector.status import DOUBTFUL


@dataclass(frozen=True)
class Predicted:
    """What `predict` wrote.

    Parameters
    ----------
    submission : Path
        CSV with row_id, normal_mild, moderate, severe, status and reason; without the last two where a sample
        submission decides on its form. With the weighting `none` also a column that says so.
    studies, rows : int
        Number of studies and of rows in it.
    out_of_fold : int
        Number of studies that the model was fitted on; each was predicted by the members that had not seen it.
    without_features : int
        Number of studies of the sample submission that the store does not have; they got the weighted prior.
    status : dict of str to int
        Number of rows that are `seen`, `unsure` and `not seen`; the last are predicted without sight of them.
    summary : tuple of str
        What was not seen and what is unsure, in how many studies, and why.
    refused : int
        Number of rows that were refused: they have the weighted prior, or are left out.
    about : Path
        JSON beside the submission that says what its numbers are and what the model is worth.
    weighting : `competition` or `none`
        What the probabilities are: for the competition's score, or of the grades themselves.
    statement : tuple of str
        What is to be said of the model and its numbers wherever they are shown.
    level_doubt : dict of str to float
        Studies whose levels may all be one too high or too low, with how much speaks for it (`DOUBTFUL` to 1), the
        most doubtful first.
    baselines : tuple of Path
        CSV files of the baselines, where asked for.
    """

    submission: Path
    studies: int
    rows: int
    out_of_fold: int
    without_features: int
    status: dict[str, int]
    summary: tuple[str, ...]
    refused: int
    about: Path
    weighting: Weighting
    statement: tuple[str, ...]
    level_doubt: dict[str, float]
    baselines: tuple[Path, ...] = ()


def predict(
    model: PathLike,
    store: PathLike,
    out: PathLike,
    *,
    sample: PathLike | None = None,
    baselines: PathLike | None = None,
    weighting: Weighting = "competition",
    refuse: Refusal = "none",
    leave_out: bool = False,
    device: str = "auto",
) -> Predicted:
    """Predict the test or new studies of a store; all of them where it has none.

    Targets that were not seen get what is known without seeing them: what patients have there whose other targets are
    alike (`lsdc.ensemble.unseen`). Every row says whether it was seen, in the columns `status` and `reason`.

    Studies that the model was fitted on, known by id and features, get the predictions of members, of a stack and of
    baselines that had not seen their fold, so that scores on them stay honest. What the numbers are, and what the
    model's card says of it, is printed on stderr and written beside `out`, as `NAME.about.json` for `NAME.csv`.

    Parameters
    ----------
    model : path
        A model directory made by `fit`, or the word `bundled` for the model that is shipped. Its card says what it is
        worth on real patients; it reads the stores that `extract` makes with the default settings.
    store : path
        A feature store with the same kind of features.
    out : path
        CSV to write, 25 rows for each study.
    sample : path, optional
        A sample_submission.csv: decides which rows are written, and their order, of whatever studies of the store.
        Default: all rows, by study.
    baselines : path, optional
        Folder for one CSV each of weighted_prior, plain_mean, best_single and every member alone.
    weighting : `competition` or `none`
        `competition` gives what the official score asks for. `none` takes its weights out of the probabilities: how
        probable the grades are, for a reader or a clinic; see `lsdc.ensemble.weighting.reweighted`. The baselines are
        weighted alike.
    refuse : `none`, `not-seen` or `unsure`
        Rows that are refused: none; those that were not seen; or also those whose place is unsure. Refused rows get
        the weighted prior.
    leave_out : bool, default False
        Leave refused rows out of the table instead.
    device : str
        Where deep members run: `auto` (the best there is), `cpu`, `cuda`, `cuda:1` or `mps`.

    Returns
    -------
    Predicted
        The files, counts of studies and rows, and what is to be said of them.

    Raises
    ------
    ConfigError
        When there is no such weighting or refusal, or rows are to be left out that a sample submission asks for or of
        which none is refused.
    ArtifactError
        When model or store is absent or damaged, their features differ, or a member's class is not installed.
    TableError
        When the sample submission is malformed or asks for none of the store's studies.
    LsdcError
        When `out` cannot be a file, or `baselines` no folder.
    """
    out = check_submission(out, [model, store, sample])
    check_weighting(weighting)
    if leave_out and sample is not None:
        raise ConfigError(
            "leave_out and sample exclude each other: a sample submission asks for all of its rows"
        )
    if leave_out and refuse == "none":
        raise ConfigError("leave_out leaves out what is refused; refuse `not-seen` or `unsure` as well")
    about_path(out)  # Refused now rather than after the work, as the baselines are.
    if baselines is not None:
        check_output_folder(baselines)
    opened, features = Model.open(model), FeatureStore.open(Path(store))
    if baselines is not None and _replaces(out, Path(baselines), opened):
        raise ConfigError(f"{out}: a table of the baselines gets this name; choose another output")
    opened.check_store(features)
    about = About.of(opened, weighting)
    order: list[str] | None = None
    extra: list[str] = []
    if sample is None:
        mask = wanted_rows(features)
    else:
        order, mask, extra = asked_for(Path(sample), features)
    if extra:
        say(f"{len(extra)} studies of {sample} are not in {store}; they get the weighted prior")
    graded = grade_store(opened, features, mask, extra=extra, refuse=refuse, device=device)
    predictions, sight = graded.predictions, graded.sight
    writer = PredictionWriter(predictions.studies, order, weighting)
    rows = writer.write(out, graded.cube, sight, graded.refused if leave_out else None)
    written: tuple[Path, ...] = ()
    if baselines is not None:
        written = write_baselines(opened, predictions, graded.known, writer, Path(baselines))
    asked = set(predictions.studies)
    n = len(asked)
    doubts = level_doubts(features.rows[mask])
    sight = sight if order is None else sight.only(order)
    said = {
        "status": sight.counts(),
        "summary": sight.summary(),
        "refused": int(sight.refused(refuse).sum()),
    }
    beside = about.write(out, studies=n, rows=rows, level_doubt=doubts, **said)
    say(f"{out}: {rows} rows; {beside.name} beside it says:")
    for sentence in about.statement:
        say(f"  {sentence}")
    for sentence in sight.summary():
        warn(sentence)
    if doubts:
        first = ", ".join(list(doubts)[:5])
        warn(
            f"{len(doubts)} of {n} studies may have all levels one too high or too low; look at them: {first}"
        )
    return Predicted(
        out, n, rows, len(graded.known), len(extra), sight.counts(), sight.summary(),
        int(sight.refused(refuse).sum()), beside, weighting, about.statement, doubts, written,
    )  # fmt: skip


def _replaces(out: Path, folder: Path, model: Model) -> bool:
    """Tell whether one of the baselines in a folder would replace the predictions."""
    return out.resolve().parent == folder.resolve() and out.stem in {*model.baselines, *model.members}


def level_doubts(rows: pd.DataFrame) -> dict[str, float]:
    """Find the studies whose levels may all be one off.

    Parameters
    ----------
    rows : DataFrame
        Rows of a store; those of earlier versions have no `level_doubt`, and then none is doubtful.

    Returns
    -------
    dict of str to float
        The largest doubt of each study that has at least `DOUBTFUL`, the most doubtful first.

    Examples
    --------
    >>> level_doubts(pd.DataFrame({"study_id": ["a", "b", "b"], "level_doubt": [0.1, 0.05, 0.6]}))
    {'b': 0.6}
    """
    if "level_doubt" not in rows:
        return {}
    doubts = rows.groupby("study_id")["level_doubt"].max().astype(float).round(3)
    doubtful = doubts[doubts >= DOUBTFUL].sort_values(ascending=False)
    return {str(study): float(value) for study, value in doubtful.items()}
