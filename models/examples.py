"""What every member of the ensemble learns from: rows of whole studies with their features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray


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
    def crops(self) -> NDArray[np.uint8]:
        """(n, 3, 3, P, P), mapped."""
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
        row_id, study_id, condition, level (slugs), grade (-1 unlabeled), fold (-1 none), split; n rows.
    embedding : (n, D) float32
        Three equal parts, one per view; NaN where the view is absent. Right-sided targets are mirrored.
    numeric : (n, M) float32
        NaN where unknown.
    numeric_names : list of str
        Of the numeric columns.
    crops : (n, 3, 3, P, P) uint8 array or None
        For members that look at pictures; may be mapped.
    """

    rows: pd.DataFrame
    embedding: NDArray[np.float32]
    numeric: NDArray[np.float32]
    numeric_names: list[str]
    crops: NDArray[np.uint8] | None = None

    @classmethod
    def from_store(cls, store: Store) -> Self:
        """All rows of a feature store."""
        names = ["row_id", "study_id", "condition", "level", "grade", "fold", "split"]
        rows = store.rows[names].reset_index(drop=True)
        return cls(rows, store.embedding, store.numeric(), list(store.numeric_names), store.crops)

    def where(self, mask: NDArray[np.bool_] | pd.Series) -> Self:
        """The rows where `mask` holds; it must take or leave whole studies."""
        chosen = np.flatnonzero(np.asarray(mask, bool))
        whole = len(chosen) == len(self.rows)
        crops = self.crops if whole or self.crops is None else self.crops[chosen]
        rows = self.rows.iloc[chosen].reset_index(drop=True)
        return type(self)(rows, self.embedding[chosen], self.numeric[chosen], self.numeric_names, crops)

    @property
    def grades(self) -> NDArray[np.int64]:
        """Grade per row; -1 unlabeled."""
        return self.rows["grade"].to_numpy(np.int64)

    def __len__(self) -> int:
        return len(self.rows)
