"""Which studies of a store are to be predicted, and which of them the model knows already."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.tables import read_sample_submission
from lsdc.cohort.vocabulary import parse_row_id
from lsdc.ensemble.feature_hashes import feature_hashes
from lsdc.ensemble.model import Model
from lsdc.features.store import FeatureStore
from lsdc.runtime import ArtifactError, TableError
from lsdc.runtime.console import say


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


def asked_for(sample: Path, store: FeatureStore) -> tuple[list[str], NDArray[np.bool_], list[str]]:
    """Read which rows a sample submission asks for, and find their studies.

    Parameters
    ----------
    sample : Path
        A sample_submission.csv.
    store : FeatureStore
        A store with r rows.

    Returns
    -------
    order : list of str
        The row ids of the sample, in its order.
    mask : (r,) bool
        True for the rows of the studies asked for, of whatever part of the cohort.
    extra : list of str
        Studies of the sample that the store does not have.

    Raises
    ------
    TableError
        When the sample is malformed or asks for none of the studies.
    """
    order = read_sample_submission(sample)
    asked = list(dict.fromkeys(parse_row_id(row_id)[0] for row_id in order))
    ids = store.rows["study_id"]
    mask = ids.isin(asked).to_numpy(bool)
    if not mask.any():
        raise TableError(f"{sample}: none of its {len(asked)} studies is in {store.path}")
    left_out = ids[store.rows["split"].isin(["test", "new"]).to_numpy(bool) & ~mask].nunique()
    if left_out:
        say(f"{left_out} studies of {store.path} are not in {sample}; they are left out")
    here = set(ids[mask])
    return order, mask, [study for study in asked if study not in here]


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
    names = {study: model.pseudonyms.of(study) for study in studies}
    same_id = {study for study, name in names.items() if name in model.studies}
    if not same_id:
        return set()
    hashes = feature_hashes(store)
    same = {study for study in same_id if hashes[study] == model.studies[names[study]]}
    if same_id - same:
        say(
            f"{len(same_id - same)} studies have the id of a study the model was fitted on, but other features; "
            "they are predicted as new ones"
        )
    return same
