"""What every member of the ensemble learns from: rows of whole studies with their features."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import TARGETS
from lsdc.models.store_arrays import LOCATION_COLUMNS, StoreArrays

LEVEL_DOUBT = "level_doubt"
"""Column of a store's rows with the probability that all points of a series are one level off; NaN where unknown."""


class Store(Protocol):
    """What `Examples.from_store` reads of a feature store."""

    @property
    def rows(self) -> pd.DataFrame:
        """The store's table: 25 rows per study, all columns but the embedding."""
        ...

    @property
    def embedding(self) -> NDArray[np.float32]:
        """Embeddings, (n, D); NaN where the view is absent."""
        ...

    @property
    def path(self) -> Path:
        """The store's folder, with crops, previews and volumes."""
        ...

    @property
    def numeric_names(self) -> list[str]:
        """Names of the numeric columns."""
        ...

    def numeric(self) -> NDArray[np.float32]:
        """Read the numeric columns.

        Returns
        -------
        (n, M) float32
            Metadata and confidence; NaN where unknown.
        """
        ...


@dataclass(frozen=True)
class Examples:
    """Rows of whole studies: 25 per study, in the competition's order.

    Parameters
    ----------
    rows : DataFrame
        row_id, study_id, condition, level (slugs), grade (-1 unlabeled), fold (-1 none), split, `LOCATION_COLUMNS`
        where there are arrays, and level_doubt where the selector told it; n rows.
    embedding : (n, D) float32
        Three equal parts, one per view; NaN where the view is absent. Right-sided targets are mirrored.
    numeric : (n, M) float32
        DICOM metadata and the selector's confidence; NaN where unknown.
    numeric_names : list of str
        Names of the M numeric columns.
    arrays : StoreArrays or None
        Images and volumes of the studies, for the members that read them.
    """

    rows: pd.DataFrame
    embedding: NDArray[np.float32]
    numeric: NDArray[np.float32]
    numeric_names: list[str]
    arrays: StoreArrays | None = None

    @classmethod
    def from_store(cls, store: Store) -> Self:
        """Take all rows of a feature store.

        Parameters
        ----------
        store : FeatureStore
            An opened store; its arrays are read when members ask for them.

        Returns
        -------
        Examples object
            25 rows for each study of the store.
        """
        names = ["row_id", "study_id", "condition", "level", "grade", "fold", "split", *LOCATION_COLUMNS]
        if LEVEL_DOUBT in store.rows:  # not in stores of earlier versions
            names.append(LEVEL_DOUBT)
        rows = store.rows[names].reset_index(drop=True)
        files = getattr(store, "arrays", None)
        arrays = StoreArrays(store.path, np.arange(len(rows) // len(TARGETS)), files)
        return cls(rows, store.embedding, store.numeric(), list(store.numeric_names), arrays)

    def where(self, mask: NDArray[np.bool_] | pd.Series) -> Self:
        """Take some of the studies.

        Parameters
        ----------
        mask : (n,) bool
            True for the rows to take; the 25 rows of a study must have the same value.

        Returns
        -------
        Examples object
            The rows where `mask` holds, in the same order; itself where it holds everywhere.
        """
        chosen = np.flatnonzero(np.asarray(mask, bool))
        if len(chosen) == len(self):  # of thousands of studies, a copy is hundreds of megabytes
            return self
        arrays = None if self.arrays is None else self.arrays.select(chosen[:: len(TARGETS)] // len(TARGETS))
        rows = self.rows.iloc[chosen].reset_index(drop=True)
        return type(self)(rows, self.embedding[chosen], self.numeric[chosen], self.numeric_names, arrays)

    @property
    def grades(self) -> NDArray[np.int64]:
        """Grade of every row, (n,): 0 normal/mild, 1 moderate, 2 severe, -1 unlabeled."""
        return self.rows["grade"].to_numpy(np.int64)

    def __len__(self) -> int:
        """Count the rows: 25 times the number of studies."""
        return len(self.rows)
