"""From a model and a feature store to a submission."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lsdc.cohort.tables import read_sample_submission
from lsdc.cohort.vocabulary import TARGETS, parse_row_id
from lsdc.ensemble.model import Model, feature_hashes
from lsdc.ensemble.predictions import Predictions
from lsdc.features.store import FeatureStore
from lsdc.metrics.prediction_tables import COLUMNS, write_submission
from lsdc.models.crossfit import predict_folds
from lsdc.models.examples import Examples
from lsdc.runtime import ArtifactError, TableError
from lsdc.runtime.artifact import check_output_file
from lsdc.runtime.console import say
from lsdc.runtime.paths import PathLike


@dataclass(frozen=True)
class Predicted:
    """What `predict` wrote.

    Parameters
    ----------
    submission : Path
        CSV with row_id, normal_mild, moderate, severe.
    studies, rows : int
        Number of studies and of rows in it.
    out_of_fold : int
        Number of studies that the model was fitted on; each was predicted by the members that had not seen it.
    without_features : int
        Number of studies of the sample submission that the store does not have; they got the weighted prior.
    baselines : tuple of Path
        CSV files of the baselines, where asked for.
    """

    submission: Path
    studies: int
    rows: int
    out_of_fold: int
    without_features: int
    baselines: tuple[Path, ...] = ()


def predict(
    model: PathLike,
    store: PathLike,
    out: PathLike,
    *,
    sample: PathLike | None = None,
    baselines: PathLike | None = None,
    device: str = "auto",
) -> Predicted:
    """Predict the test or new studies of a store; all of them where it has none.

    Studies that the model was fitted on, known by id and features, get their out-of-fold predictions, so that
    scores on them stay honest.

    Parameters
    ----------
    model : path
        A model directory made by `fit`.
    store : path
        A feature store with the same kind of features.
    out : path
        CSV to write, 25 rows for each study.
    sample : path, optional
        A sample_submission.csv: decides which rows are written, and their order. Default: all rows, by study.
    baselines : path, optional
        Folder for one CSV each of weighted_prior, plain_mean, best_single and every member alone.
    device : str
        Where deep members run: `auto` (the best there is), `cpu`, `cuda`, `cuda:1` or `mps`.

    Returns
    -------
    Predicted
        The files, and counts of studies and rows.

    Raises
    ------
    ArtifactError
        When model or store is absent or damaged, their features differ, or a member's class is not installed.
    TableError
        When the sample submission is malformed or asks for none of the store's studies.
    """
    out = check_output_file(out)
    opened, features = Model.open(model), FeatureStore.open(Path(store))
    opened.check_store(features)
    mask = wanted_rows(features)
    studies = features.rows["study_id"][mask].iloc[:: len(TARGETS)].tolist()
    order, extra = (None, []) if sample is None else asked_for(Path(sample), studies, features.path)
    known = fitted_on(opened, features, studies)
    if known:
        say(f"{len(known)} studies are those the model was fitted on; they get out-of-fold predictions")
    if extra:
        say(f"{len(extra)} studies of {sample} are not in {store}; they get the weighted prior")
    tables = member_tables(opened, features, mask, known, device)
    predictions = Predictions.from_tables(tables, [*studies, *extra])
    rows = write_submission(out, opened.stacker.predict(predictions), predictions.studies, order)
    written = () if baselines is None else _write_baselines(opened, predictions, Path(baselines), order)
    say(f"{out}: {rows} rows")
    n = len(studies) + len(extra) if order is None else len({parse_row_id(row)[0] for row in order})
    return Predicted(out, n, rows, len(known), len(extra), written)


def _write_baselines(
    model: Model, predictions: Predictions, folder: Path, order: Sequence[str] | None
) -> tuple[Path, ...]:
    """Write a submission for each baseline and for each member alone."""
    mean = model.baselines["plain_mean"]
    cubes = {name: stacker.predict(predictions) for name, stacker in model.baselines.items()}
    cubes |= {name: mean.predict(predictions.of([name])) for name in model.members}
    paths = []
    for name, cube in cubes.items():
        paths.append(folder / f"{name}.csv")
        write_submission(paths[-1], cube, predictions.studies, order)
    return tuple(paths)


def wanted_rows(store: FeatureStore) -> NDArray[np.bool_]:
    """Find the rows to predict: those of test and new studies, or all where there is none.

    Parameters
    ----------
    store : FeatureStore
        A store with r rows.

    Returns
    -------
    (r,) bool
        True for the rows to predict.

    Raises
    ------
    ArtifactError
        When the store is empty.
    """
    if store.rows.empty:
        raise ArtifactError(f"{store.path}: holds no study; extract a folder that has some")
    mask = store.rows["split"].isin(["test", "new"]).to_numpy(bool)
    if mask.any():
        return mask
    say(f"{store.path} has no test or new studies; all of its studies are predicted")
    return np.ones(len(mask), bool)


def asked_for(sample: Path, studies: Sequence[str], store: Path) -> tuple[list[str], list[str]]:
    """Read which rows a sample submission asks for.

    Parameters
    ----------
    sample : Path
        A sample_submission.csv.
    studies : sequence of str
        The studies that can be predicted.
    store : Path
        The store that holds them, for messages.

    Returns
    -------
    order : list of str
        The row ids of the sample, in its order.
    extra : list of str
        Its studies that are not among `studies`.

    Raises
    ------
    TableError
        When the sample is malformed or asks for none of the studies.
    """
    order = read_sample_submission(sample)
    asked = list(dict.fromkeys(parse_row_id(row_id)[0] for row_id in order))
    here = set(studies)
    if not here & set(asked):
        raise TableError(f"{sample}: none of its {len(asked)} studies is to be predicted in {store}")
    left_out = len(here - set(asked))
    if left_out:
        say(f"{left_out} studies of {store} are not in {sample}; they are left out")
    return order, [study for study in asked if study not in here]


def fitted_on(model: Model, store: FeatureStore, studies: Sequence[str]) -> set[str]:
    """Find the studies that the model was fitted on, by id and features.

    Parameters
    ----------
    model : Model
        An opened model.
    store : FeatureStore
        The store that holds the studies.
    studies : sequence of str
        Ids of the studies in question.

    Returns
    -------
    set of str
        Those that the model has seen. A study with the id of such a one but other features is a new one.
    """
    same_id = {study for study in studies if study in model.studies}
    if not same_id:
        return set()
    hashes = feature_hashes(store)
    same = {study for study in same_id if hashes[study] == model.studies[study]}
    if same_id - same:
        say(
            f"{len(same_id - same)} studies have the id of a study the model was fitted on, but other features; "
            "they are predicted as new ones"
        )
    return same


def member_tables(
    model: Model, store: FeatureStore, mask: NDArray[np.bool_], known: set[str], device: str = "auto"
) -> dict[str, pd.DataFrame]:
    """Predict with each member: out of fold for studies it was fitted on, the mean over its folds for others.

    Parameters
    ----------
    model : Model
        An opened model.
    store : FeatureStore
        A store with r rows.
    mask : (r,) bool
        The rows to predict.
    known : set of str
        Ids of the studies that the model was fitted on.
    device : str
        Where deep members run.

    Returns
    -------
    dict of str to DataFrame
        By member: row_id, normal_mild, moderate, severe.

    Raises
    ------
    ArtifactError
        When a member's class cannot be imported here, or its files are damaged.
    """
    classes = {name: model.member_class(name) for name in model.members}
    is_known = store.rows["study_id"].isin(known).to_numpy(bool)
    examples = Examples.from_store(store).where(mask & ~is_known)
    ids = store.rows["row_id"][mask & is_known]
    names = ["row_id", *COLUMNS]
    tables = {}
    for name, member in classes.items():
        old = model.out_of_fold.query("member == @name")
        parts = [old.loc[old["row_id"].isin(ids), names]]
        if len(examples):
            folder = model.path / "members" / name
            parts.append(predict_folds(folder, member, examples, device=device)[names])
        tables[name] = pd.concat(parts, ignore_index=True)
    return tables
