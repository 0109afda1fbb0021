"""Hashes of studies' features, by which a model knows the studies that it was fitted on."""

from __future__ import annotations

import hashlib

import numpy as np

from lsdc.cohort.vocabulary import TARGETS
from lsdc.features.store import FeatureStore


def feature_hashes(store: FeatureStore) -> dict[str, str]:
    """Hash each study's features, to recognize the studies that a model was fitted on.

    Parameters
    ----------
    store : FeatureStore
        A finished store.

    Returns
    -------
    dict of str to str
        By study id: sixteen hexadecimal digits of SHA-256 over its embeddings and numeric columns.
    """
    n = len(TARGETS)
    embedding, numeric = store.embedding, np.ascontiguousarray(store.numeric())
    hashes = {}
    for k, study in enumerate(store.rows["study_id"].iloc[::n]):
        part = slice(k * n, (k + 1) * n)
        content = embedding[part].tobytes() + numeric[part].tobytes()
        hashes[str(study)] = hashlib.sha256(content).hexdigest()[:16]
    return hashes
