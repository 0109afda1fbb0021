"""A finished model directory of any size: of made-up members, or of one that is fitted in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lsdc.cohort.pseudonyms import Pseudonyms
from lsdc.cohort.vocabulary import TARGETS
from lsdc.ensemble.blend_model import BlendModel
from lsdc.ensemble.model import Model
from lsdc.ensemble.nested import record
from lsdc.ensemble.nested_scoring import score_nested
from lsdc.ensemble.predictions import Predictions
from lsdc.ensemble.stack_artifact import UNLISTED
from lsdc.ensemble.stacked import Stacked
from lsdc.ensemble.stackers.fixed import PlainMean
from lsdc.ensemble.stacking_data import StackingData
from lsdc.features.extractor import selector_digest
from lsdc.features.store import FeatureStore
from lsdc.metrics.prediction_tables import SHAPE, row_ids, table_of
from lsdc.models.crossfit import cross_fit
from lsdc.models.examples import Examples
from lsdc.models.heads.members import LightGBM
from lsdc.models.registry import origin_of
from lsdc.runtime.artifact import list_files, write_json, write_manifest
from lsdc.testing.planted_predictions import make_grades, make_probabilities

MEMBERS = ("first", "second", "third")


def make_model(out: Path, studies: int, *, blend: bool = False, seed: int = 0) -> StackingData:
    """Write a model, or a blend, of three made-up members; its stack is their plain mean."""
    rng = np.random.default_rng(seed)
    grades = make_grades(rng, studies, 0.05)
    cubes = np.stack([make_probabilities(rng, studies, grades, skill) for skill in (0.5, 0.45, 0.3)])
    names = tuple(f"{4_000_000 + k}" for k in range(studies))
    data = StackingData(Predictions(MEMBERS, names, cubes), grades, np.arange(studies) % 5)
    _finish(out, data, blend, feature_fingerprint="0" * 16, configuration={"seed": 7, "trials": 60})
    return data


def fit_model(out: Path, store: Path, salt: str = "a7") -> None:
    """Write a model whose only member is a LightGBM, cross-fitted on a store; studies have pseudonyms."""
    opened = FeatureStore.open(store)
    examples = Examples.from_store(opened).where(opened.rows["fold"] >= 0)
    names = Pseudonyms(salt)
    table = names.hidden(cross_fit(LightGBM, examples, out / "members" / LightGBM.name))
    studies = tuple(names.of(study) for study in examples.rows["study_id"].iloc[:: len(TARGETS)])
    folds = examples.rows["fold"].to_numpy(int)[:: len(TARGETS)]
    grades = examples.grades.reshape(-1, *SHAPE).astype(np.int8)
    data = StackingData(Predictions.from_tables({LightGBM.name: table}, studies), grades, folds)
    _finish(
        out, data, False, salt=salt, feature_fingerprint=opened.feature_fingerprint,
        selector_digest=selector_digest(opened), origins={LightGBM.name: origin_of(LightGBM)},
        configuration={"store": opened.manifest["rows_sha256"]},
    )  # fmt: skip


def _finish(out: Path, data: StackingData, blend: bool, **content: Any) -> None:
    """Write stack, report, tables and manifest."""
    members, studies = list(data.predictions.members), data.predictions.studies
    chosen = PlainMean().fit(data.predictions, data.grades)
    report, nested = score_nested(PlainMean, chosen, data)
    weights = {family.value: dict.fromkeys(members, 1 / len(members)) for family in chosen.weights_}
    out.mkdir(parents=True, exist_ok=True)
    record(Stacked(out, len(studies), chosen.name, weights, report), chosen, data, nested)
    if blend:
        files = list_files(out, without=UNLISTED)
        write_manifest(out, BlendModel.kind, BlendModel.schema, members=members, files=files)
        return
    fold = np.repeat(data.folds, len(TARGETS))
    tables = [
        table_of(row_ids(studies), cube.reshape(-1, 3)).assign(fold=fold, member=name)
        for name, cube in zip(members, data.predictions.cubes)
    ]
    pd.concat(tables, ignore_index=True).to_parquet(out / "oof.parquet", index=False)
    write_json(out / "studies.json", dict.fromkeys(studies, "0" * 16))
    files = list_files(out, without=UNLISTED)
    write_manifest(out, Model.kind, Model.schema, members=members, files=files, **content)
