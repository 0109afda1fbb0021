"""From a model and a feature store to a submission."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from lsdc.cohort.tables import read_sample_submission
from lsdc.cohort.vocabulary import TARGETS, parse_row_id
from lsdc.ensemble.model import Model, feature_hashes
from lsdc.ensemble.predictions import Predictions
from lsdc.features.store import FeatureStore
from lsdc.metrics.prediction_tables import COLUMNS, write_submission
from lsdc.models.crossfit import predict_folds
from lsdc.models.examples import Examples
from lsdc.models.registry import MEMBERS
from lsdc.runtime import ArtefactError, TableError
from lsdc.runtime.console import say


@dataclass(frozen=True)
class Predicted:
    """What `predict` wrote.

    Parameters
    ----------
    submission : Path
        The file.
    studies, rows : int
        How many.
    out_of_fold : int
        Studies the model was fitted on; each was predicted by the members that had not seen it.
    without_features : int
        Studies of the sample submission that the store does not have; they got the weighted prior.
    baselines : tuple of Path
        Files of the baselines, where asked for.
    """

    submission: Path
    studies: int
    rows: int
    out_of_fold: int
    without_features: int
    baselines: tuple[Path, ...] = ()


def predict(
    model: Path, store: Path, out: Path, sample: Path | None = None, baselines: Path | None = None
) -> Predicted:
    """Predict the test or new studies of a store; all of them where it has none.

    Parameters
    ----------
    model : Path
        Made by `fit`.
    store : Path
        A store with the same kind of features.
    out : Path
        CSV to write.
    sample : Path, optional
        sample_submission.csv: decides which rows are written, and their order.
    baselines : Path, optional
        Folder for one CSV each of weighted_prior, plain_mean, best_single and every member alone.

    Raises
    ------
    ArtefactError, TableError
        When model, store and sample cannot be used together.
    """
    opened, features = Model.open(model), FeatureStore.open(store)
    opened.check(features)
    mask = wanted_rows(features)
    studies = features.rows["study_id"][mask].iloc[:: len(TARGETS)].tolist()
    order, extra = (None, []) if sample is None else asked_for(sample, studies, features.path)
    known = fitted_on(opened, features, studies)
    if known:
        say(f"{len(known)} studies are those the model was fitted on; they get out-of-fold predictions")
    if extra:
        say(f"{len(extra)} studies of {sample} are not in {store}; they get the weighted prior")
    tables = member_tables(opened, features, mask, known)
    predictions = Predictions.from_tables(tables, [*studies, *extra])

    rows = write_submission(out, opened.stacker.predict(predictions), predictions.studies, order)
    written = []
    if baselines is not None:
        mean = opened.baselines["plain_mean"]
        cubes = {name: stacker.predict(predictions) for name, stacker in opened.baselines.items()}
        cubes |= {name: mean.predict(predictions.of([name])) for name in opened.members}
        for name, cube in cubes.items():
            written.append(baselines / f"{name}.csv")
            write_submission(written[-1], cube, predictions.studies, order)
    say(f"{out}: {rows} rows")
    n = len(studies) + len(extra) if order is None else len({parse_row_id(row)[0] for row in order})
    return Predicted(out, n, rows, len(known), len(extra), tuple(written))


def wanted_rows(store: FeatureStore) -> np.ndarray:
    """Rows of test and new studies; all where there is none.

    Raises
    ------
    ArtefactError
        When the store is empty.
    """
    if store.rows.empty:
        raise ArtefactError(f"{store.path}: holds no study; extract a folder that has some")
    mask = store.rows["split"].isin(["test", "new"]).to_numpy(bool)
    if mask.any():
        return mask
    say(f"{store.path} has no test or new studies; all of its studies are predicted")
    return np.ones(len(mask), bool)


def asked_for(sample: Path, studies: Sequence[str], store: Path) -> tuple[list[str], list[str]]:
    """Row ids of a sample submission, and those of its studies that the store does not have."""
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
    """Those of `studies` that the model was fitted on, by id and features."""
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
    model: Model, store: FeatureStore, mask: np.ndarray, known: set[str]
) -> dict[str, pd.DataFrame]:
    """One prediction table per member: out of fold for the studies it knows, the mean over folds for others."""
    unknown = [name for name in model.members if name not in MEMBERS]
    if unknown:
        raise ArtefactError(f"{model.path}: member {unknown[0]!r} is unknown to this version; upgrade lsdc")
    is_known = store.rows["study_id"].isin(known).to_numpy(bool)
    examples = Examples.from_store(store).where(mask & ~is_known)
    ids = store.rows["row_id"][mask & is_known]
    names = ["row_id", *COLUMNS]
    tables = {}
    for name in model.members:
        old = model.out_of_fold.query("member == @name")
        parts = [old.loc[old["row_id"].isin(ids), names]]
        if len(examples):
            parts.append(predict_folds(model.path / "members" / name, MEMBERS[name], examples)[names])
        tables[name] = pd.concat(parts, ignore_index=True)
    return tables
