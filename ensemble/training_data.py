"""The studies of a store that members learn from, also where another process is to learn from them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from lsdc.features.store import FeatureStore
from lsdc.models.examples import Examples
from lsdc.runtime import ArtifactError


@dataclass(frozen=True)
class TrainingData:
    """Labeled training studies by where they are: what travels is a path, and each process reads them once.

    Parameters
    ----------
    store : Path or str
        A finished feature store, or its URL.
    rows_sha256 : str
        The hash of its rows, by which a process notices that it sees another store.
    """

    store: Path | str
    rows_sha256: str

    @classmethod
    def of(cls, store: FeatureStore) -> Self:
        """Refer to the training studies of an opened store.

        Parameters
        ----------
        store : FeatureStore
            The store.

        Returns
        -------
        TrainingData
            Where they are.
        """
        return cls(store.place, str(store.manifest["rows_sha256"]))

    def examples(self) -> Examples:
        """Read them; once in each process.

        Returns
        -------
        Examples object
            25 rows for each study.

        Raises
        ------
        ArtifactError
            When the store is damaged, has too few labeled studies, or is another one.
        """
        return _read(self)


@lru_cache(maxsize=1)
def _read(data: TrainingData) -> Examples:
    """Read the training studies of a store."""
    opened = FeatureStore.open(data.store)
    if opened.manifest["rows_sha256"] != data.rows_sha256:
        raise ArtifactError(f"{data.store}: another store than the one that the run began with; run it again")
    return Examples.from_store(opened).where(training_rows(opened))


def training_rows(store: FeatureStore) -> NDArray[np.bool_]:
    """Find the rows to fit on: those of training studies that have a fold.

    Parameters
    ----------
    store : FeatureStore
        A store with r rows.

    Returns
    -------
    (r,) bool
        True for the rows to fit on.

    Raises
    ------
    ArtifactError
        When there is none, or a single fold.
    """
    mask = (store.rows["split"] == "train").to_numpy() & (store.rows["fold"] >= 0).to_numpy()
    folds = store.rows.loc[mask, "fold"].nunique()
    if folds < 2:
        raise ArtifactError(
            f"{store.path}: labeled training studies in {folds} folds, at least 2 are needed to fit; "
            "extract a cohort that has a train.csv"
        )
    return mask
