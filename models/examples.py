"""What every member of the ensemble learns from: rows of whole studies with their features."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import TARGETS
from lsdc.models.store_arrays import PLACES, Pictures


class Store(Protocol):
    """What `Examples.from_store` reads of a feature store."""

    @property
    def rows(self) -> pd.DataFrame:
        """All columns but the embedding."""
        ...

    @property
    def embedding(self) -> NDArray[np.float32]:
        """(n, D)."""
        ...

    @property
    def path(self) -> Path:
        """Where its arrays are."""
        ...

    @property
    def numeric_names(self) -> list[str]:
        """Of the numeric columns."""
        ...

    def numeric(self) -> NDArray[np.float32]:
        """Numeric columns, (n, M)."""
        ...


@dataclass(frozen=True)
class Examples:
    """Rows of whole studies: 25 per study, in the competition's order.

    Parameters
    ----------
    rows : DataFrame
        row_id, study_id, condition, level (slugs), grade (-1 unlabeled), fold (-1 none), split, and `PLACES`
        where there are pictures; n rows.
    embedding : (n, D) float32
        Three equal parts, one per view; NaN where the view is absent. Right-sided targets are mirrored.
    numeric : (n, M) float32
        NaN where unknown.
    numeric_names : list of str
        Of the numeric columns.
    pictures : Pictures or None
        For members that look at pictures.
    """

    rows: pd.DataFrame
    embedding: NDArray[np.float32]
    numeric: NDArray[np.float32]
    numeric_names: list[str]
    pictures: Pictures | None = None

    @classmethod
    def from_store(cls, store: Store) -> Self:
        """All rows of a feature store."""
        names = ["row_id", "study_id", "condition", "level", "grade", "fold", "split", *PLACES]
        rows = store.rows[names].reset_index(drop=True)
        pictures = Pictures(store.path, np.arange(len(rows) // len(TARGETS)))
        return cls(rows, store.embedding, store.numeric(), list(store.numeric_names), pictures)

    def where(self, mask: NDArray[np.bool_] | pd.Series) -> Self:
        """The rows where `mask` holds; it must take or leave whole studies."""
        chosen = np.flatnonzero(np.asarray(mask, bool))
        pictures = (
            None if self.pictures is None else self.pictures.of(chosen[:: len(TARGETS)] // len(TARGETS))
        )
        rows = self.rows.iloc[chosen].reset_index(drop=True)
        return type(self)(rows, self.embedding[chosen], self.numeric[chosen], self.numeric_names, pictures)

    @property
    def grades(self) -> NDArray[np.int64]:
        """Grade per row; -1 unlabeled."""
        return self.rows["grade"].to_numpy(np.int64)

    def __len__(self) -> int:
        return len(self.rows)
