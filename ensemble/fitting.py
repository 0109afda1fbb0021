"""From a feature store to a fitted, stacked and scored ensemble; killed at any point, it goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lsdc.cohort.vocabulary import TARGETS
from lsdc.ensemble.model import KIND, SCHEMA, feature_hashes
from lsdc.ensemble.nested import stack
from lsdc.ensemble.predictions import Predictions
from lsdc.features.store import FeatureStore
from lsdc.metrics.prediction_tables import SHAPE
from lsdc.models.crossfit import cross_fit
from lsdc.models.examples import Examples
from lsdc.models.options import Options
from lsdc.models.registry import DEFAULT, MEMBERS
from lsdc.runtime import ArtefactError, ConfigError
from lsdc.runtime.artefact import atomic, claim, write_json, write_manifest
from lsdc.runtime.console import say
from lsdc.runtime.distributed import rank


def fit(
    store: Path,
    out: Path,
    members: Sequence[str] = DEFAULT,
    trials: int = 60,
    seed: int = 0,
    options: Options | None = None,
) -> dict[str, Any]:
    """Fit members on a store's labeled training studies, stack them, and score the stack.

    Parameters
    ----------
    store : Path
        A finished feature store.
    out : Path
        The model directory; one that was begun with the same arguments is finished.
    members : sequence of str
        Names in `lsdc.models.registry.MEMBERS`.
    trials : int
        Optuna trials.
    seed : int
        For the search and the bootstrap.
    options : Options, optional
        What was chosen about the deep members.

    Returns
    -------
    dict
        What report.json holds: `nested`, `mean`, `best_single`, `prior`, `singles`, intervals, `weights`, `chosen`.

    Raises
    ------
    ConfigError, ArtefactError
        When an argument, the store or `out` cannot be used.
    """
    check(members, trials)
    options = (options or Options()).resolved()
    for name in members:
        MEMBERS[name](seed, options).require()
    opened = FeatureStore.open(store)
    mask = training_rows(opened)
    configuration = {
        "store": opened.manifest["rows_sha256"],
        "members": list(members),
        "trials": trials,
        "seed": seed,
        "options": asdict(options),
    }
    if rank() == 0:
        claim(out, configuration, lambda: "finish it with the same arguments, or give --out a new directory")
    examples = Examples.from_store(opened).where(mask)
    rows = opened.rows[mask]
    studies = rows["study_id"].iloc[:: len(TARGETS)].tolist()
    folds = rows["fold"].to_numpy(int)[:: len(TARGETS)]
    grades = rows["grade"].to_numpy(np.int8).reshape(-1, *SHAPE)

    tables = {}
    for name in members:
        say(f"{name}: {len(np.unique(folds))} folds, {len(studies)} studies")
        tables[name] = cross_fit(partial(MEMBERS[name], seed, options), examples, out / "members" / name)
    if rank() > 0:  # under torchrun the first process stacks; the others have fitted their folds
        return {}
    predictions = Predictions.from_tables(tables, studies)
    with atomic(out / "oof.parquet") as temporary:
        pd.concat([one.assign(member=name) for name, one in tables.items()]).to_parquet(
            temporary, index=False
        )
    hashes = feature_hashes(opened)
    write_json(out / "studies.json", {study: hashes[study] for study in studies})
    result = stack(predictions, grades, folds, out, trials, seed)
    write_manifest(
        out,
        KIND,
        SCHEMA,
        feature_fingerprint=opened.feature_fingerprint,
        store=str(store),
        members=list(members),
        configuration=configuration,
    )
    return result


def check(members: Sequence[str], trials: int) -> None:
    """Refuse members that are unknown or come twice, and searches without a trial."""
    unknown = [name for name in members if name not in MEMBERS]
    if unknown:
        raise ConfigError(f"--members: unknown member {unknown[0]!r}; expected some of {', '.join(MEMBERS)}")
    if not members or len(set(members)) < len(members):
        raise ConfigError(f"--members: {', '.join(members) or 'none'}; name each member once")
    if trials < 1:
        raise ConfigError(f"--trials must be at least 1, not {trials}")


def training_rows(store: FeatureStore) -> np.ndarray:
    """The rows to fit on: of studies that have a fold.

    Raises
    ------
    ArtefactError
        When there are none, or a single fold.
    """
    mask = (store.rows["split"] == "train").to_numpy() & (store.rows["fold"] >= 0).to_numpy()
    folds = store.rows.loc[mask, "fold"].nunique()
    if folds < 2:
        raise ArtefactError(
            f"{store.path}: labeled training studies in {folds} folds, at least 2 are needed to fit; "
            "extract a cohort that has a train.csv"
        )
    return mask
