"""What a feature store's rows become for pandas, scikit-learn and notebooks."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import Condition, Family, Grade, Level, Side
from lsdc.runtime.errors import ConfigError

_MINUS_ONE_IS_MISSING = {
    "fold": pd.Int16Dtype(),
    "instance_number": pd.Int32Dtype(),
    "volume_slice": pd.Int16Dtype(),
    "preview": pd.Int8Dtype(),
}
"""Columns whose -1 means absent, with the nullable type that they get."""


class TrainingTable(NamedTuple):
    """Features, grades and study ids of m targets; unpack it into `X, y, groups`.

    Parameters
    ----------
    X : (m, features) float32
        One row per target; NaN where a view is absent or a value unknown.
    y : (m,) int64
        Grades 0 (normal or mild), 1 (moderate), 2 (severe); -1 where unlabeled.
    groups : (m,) object
        Study ids as str, by which folds must be split.
    """

    X: NDArray[np.float32]
    y: NDArray[np.int64]
    groups: NDArray[np.object_]


@dataclass(frozen=True)
class Selection:
    """Which rows of a store are wanted.

    Parameters
    ----------
    condition : Condition, Family, str or None
        A condition or a family of conditions; None is all.
    split : str or None
        `train`, `test` or `new`; None is all.
    labeled : bool
        Whether rows without a grade are left out.

    Raises
    ------
    ConfigError
        When there is no such condition.
    """

    condition: Condition | Family | str | None
    split: str | None
    labeled: bool

    def __post_init__(self) -> None:
        """Refuse a condition that does not exist."""
        known = (*Family, *Condition)
        if self.condition is not None and self.condition not in known:
            raise ConfigError(f"condition: {self.condition!r} is unknown; expected one of {', '.join(known)}")

    def rows_of(self, rows: pd.DataFrame, store: Path) -> NDArray[np.int64]:
        """Find the rows of a store.

        Parameters
        ----------
        rows : DataFrame
            All rows of the store.
        store : Path
            Where it is, for the error.

        Returns
        -------
        (m,) int64
            Positions in `rows`, ascending.

        Raises
        ------
        ConfigError
            When there is no such row.
        """
        mask = np.ones(len(rows), bool)
        if self.condition is not None:
            wanted = [item.value for item in Condition if self.condition in (item, item.family)]
            mask &= rows["condition"].isin(wanted).to_numpy(bool)
        if self.split is not None:
            mask &= (rows["split"] == self.split).to_numpy(bool)
        if self.labeled:
            mask &= (rows["grade"] >= 0).to_numpy(bool)
        if not mask.any():
            raise ConfigError(
                f"{store}: no row has split {self.split!r}, condition {self.condition!r}"
                f"{' and a grade' if self.labeled else ''}; its splits are {', '.join(sorted(set(rows['split'])))}"
            )
        return np.flatnonzero(mask)


def readable_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Replace codes by words and missing values, and add family and side.

    Parameters
    ----------
    rows : DataFrame
        The rows of a store as its file holds them.

    Returns
    -------
    DataFrame
        Index `row_id`; described at `FeatureStore.to_pandas`.
    """
    table = rows.set_index("row_id")
    conditions = [Condition(value) for value in table["condition"]]
    where = table.columns.get_loc("condition")
    assert isinstance(where, int)
    families = [item.family.value for item in conditions]
    table.insert(where + 1, "family", pd.Series(families, table.index).astype(_categories(Family)))
    table.insert(where + 2, "side", [None if item.side is None else item.side.value for item in conditions])
    for name, words in (("condition", Condition), ("side", Side)):
        table[name] = table[name].astype(_categories(words))
    table["level"] = table["level"].astype(_categories(Level, ordered=True))
    names = dict(enumerate(grade.value for grade in Grade))
    table["grade"] = table["grade"].map(names).astype(_categories(Grade, ordered=True))
    for name, dtype in _MINUS_ONE_IS_MISSING.items():
        table[name] = table[name].astype(dtype).mask(table[name] == -1)
    return table


def _categories(words: type[StrEnum], *, ordered: bool = False) -> pd.CategoricalDtype:
    """Make a type of the plain strings of an enum, which pandas shows without the enum's name."""
    return pd.CategoricalDtype([word.value for word in words], ordered)


def html_table(title: str, values: Mapping[str, object]) -> str:
    """Write names and values as a small HTML table; every text is escaped.

    Parameters
    ----------
    title : str
        Caption.
    values : mapping of str to object
        One line each.

    Returns
    -------
    str
        A `table` element.

    Examples
    --------
    >>> html_table("Store", {"path": "<x>"})
    '<table><caption>Store</caption><tr><th>path</th><td>&lt;x&gt;</td></tr></table>'
    """
    lines = "".join(
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(str(value))}</td></tr>"
        for name, value in values.items()
    )
    return f"<table><caption>{html.escape(title)}</caption>{lines}</table>"
