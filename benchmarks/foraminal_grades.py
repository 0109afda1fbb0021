"""Scores of foraminal grades, and simple models to compare with: the prior, and probes of pixels and embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import GRADES, Condition, Family, Level
from lsdc.ensemble.external import blend
from lsdc.ensemble.nested import NESTED
from lsdc.ensemble.nested_scoring import cross_fit_stacker
from lsdc.ensemble.predictions import Predictions
from lsdc.ensemble.stackers.prior import WeightedPrior
from lsdc.ensemble.stacking_data import StackingData
from lsdc.metrics.bootstrap import bootstrap_interval
from lsdc.metrics.measures import agreement
from lsdc.metrics.official import CONDITIONS_OF, study_losses
from lsdc.metrics.prediction_tables import grades_of, row_ids, table_of, to_cube

FORAMINA = [condition for condition in Condition if condition.family is Family.FORAMINAL]
COMPONENTS = 80
"""How many principal components a probe keeps."""


def foraminal_part(
    labels: pd.DataFrame, predictions: pd.DataFrame
) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """Grades (n, 5, 5) and probabilities (n, 5, 5, 3) of the studies that a table has; -1 but for its foramina."""
    ids = np.array(row_ids(labels.index)).reshape(len(labels), -1)
    there = pd.Index(ids.ravel()).isin(predictions["row_id"]).reshape(ids.shape).any(axis=1)
    part = labels.loc[labels.index[there]]
    cube, grades = to_cube(predictions, part.index.tolist()), grades_of(part).copy()
    grades[:, [k for k in range(5) if k not in CONDITIONS_OF[Family.FORAMINAL]]] = -1
    grades[~np.isfinite(cube).all(axis=-1)] = -1
    return grades, np.where(np.isfinite(cube), cube, 1 / 3)


def grades_summary(labels: pd.DataFrame, predictions: pd.DataFrame) -> dict[str, Any]:
    """Foraminal loss, AUC and kappa of a table on the labeled studies that it has."""
    grades, cube = foraminal_part(labels, predictions)
    losses, column = study_losses(grades, cube), list(Family).index(Family.FORAMINAL)
    interval = bootstrap_interval(lambda counts: losses.parts(counts)[:, column], len(grades), seed=0)
    labeled = grades >= 0
    found = agreement(grades[labeled].astype(int), cube[labeled])
    by_level = [
        float(study_losses(np.where(np.arange(5) == k, grades, np.int8(-1)), cube).parts()[column])
        for k in range(5)
    ]
    return {
        "loss": interval.value,
        "interval": [interval.low, interval.high],
        "auc_severe": found["auc_severe"],
        "auc_moderate": _auc(grades[labeled] >= 1, cube[labeled][:, 1:].sum(axis=1)),
        "kappa": found["kappa"],
        "by_level": by_level,
        "rows": int(labeled.sum()),
    }


def paired_difference(labels: pd.DataFrame, one: pd.DataFrame, other: pd.DataFrame) -> dict[str, Any]:
    """Foraminal loss of one table minus that of another on the rows that both have, with its paired interval."""
    shared = set(one["row_id"]) & set(other["row_id"])
    column = list(Family).index(Family.FORAMINAL)
    parts = [foraminal_part(labels, table[table["row_id"].isin(shared)]) for table in (one, other)]
    first, second = (study_losses(*part) for part in parts)
    interval = bootstrap_interval(
        lambda counts: first.parts(counts)[:, column] - second.parts(counts)[:, column],
        len(parts[0][0]),
        seed=0,
    )
    return {"difference": interval.value, "interval": [interval.low, interval.high]}


def blended(labels: Path, folds: Path, tables: dict[str, pd.DataFrame], out: Path) -> pd.DataFrame:
    """Nested predictions of a blend of tables; the blend lies in `out`."""
    members = out.with_name(f"{out.name}_members")
    members.mkdir(parents=True, exist_ok=True)
    asked = row_ids(pd.read_csv(labels, dtype={"study_id": str})["study_id"])
    for name, one in tables.items():
        one.loc[one["row_id"].isin(asked), ["row_id", *GRADES]].to_parquet(
            members / f"{name}.parquet", index=False
        )
    blend(labels, members, out, folds=folds)
    return pd.read_parquet(out / NESTED)[["row_id", *GRADES]]


def _auc(truth: NDArray[np.bool_], score: NDArray[np.float64]) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(truth, score))


def prior(labels: pd.DataFrame, folds: dict[str, int]) -> pd.DataFrame:
    """The weighted prior, counted without each fold."""
    grades = grades_of(labels)
    given = Predictions(("none",), tuple(labels.index), np.full((1, *grades.shape, len(GRADES)), np.nan))
    of = np.array([folds[name] for name in labels.index])
    cube = cross_fit_stacker(WeightedPrior, StackingData(given, grades, of))
    return table_of(row_ids(labels.index), cube.reshape(-1, len(GRADES)))


def probe(
    labels: pd.DataFrame, folds: dict[str, int], features: dict[str, NDArray[np.float32]]
) -> pd.DataFrame:
    """Logistic regression on principal components of features and the level, without each fold.

    `features` holds (10, d) per study: left foramina from L1/L2 to L5/S1, then right ones; rows that are zero
    everywhere were not seen.
    """
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    names = [name for name in labels.index if name in features]
    grades = grades_of(labels.loc[names])[:, [list(Condition).index(condition) for condition in FORAMINA]]
    values = np.concatenate([features[name] for name in names])
    level = np.tile(np.eye(5), (len(names) * 2, 1))
    truth, fold = grades.ravel(), np.repeat([folds[name] for name in names], 10)
    usable = values.any(axis=1)
    out = np.full((len(truth), 3), np.nan)
    for k in np.unique(fold):
        train, test = usable & (fold != k) & (truth >= 0), usable & (fold == k)
        components = PCA(COMPONENTS, random_state=0).fit(values[train])
        X = np.hstack([components.transform(values), level])
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.02, max_iter=1000))
        model.fit(X[train], truth[train], logisticregression__sample_weight=2.0 ** truth[train])
        out[test] = model.predict_proba(X[test])
    ids = [f"{name}_{condition}_{level}" for name in names for condition in FORAMINA for level in Level]
    return table_of(ids, out)[np.isfinite(out).all(axis=1)]
