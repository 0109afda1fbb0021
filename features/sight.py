"""What was seen of the targets of some studies, and how that is said."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lsdc.cohort.location import Status
from lsdc.cohort.vocabulary import TARGETS
from lsdc.metrics.prediction_tables import SHAPE, row_ids
from lsdc.runtime import ConfigError

Refusal = Literal["none", "not-seen", "unsure"]
"""Which rows are refused: none, those that were not seen, or also those whose place is unsure."""
REFUSALS: tuple[Refusal, ...] = ("none", "not-seen", "unsure")
NOT_IN_STORE = "the study is not in the store"
_UNSURE_BEFORE = 0.3
"""Confidence below which a row of a store without status, of an earlier version, is unsure."""
_MOST_SAID = 6


@dataclass(frozen=True)
class Sight:
    """Status and reason of every target of some studies.

    Parameters
    ----------
    studies : tuple of str
        Ids of the n studies.
    status, reason : (n, 25) object
        One `Status` value each, and why; in the order of `TARGETS`. A status is empty where nobody asked.
    """

    studies: tuple[str, ...]
    status: NDArray[np.object_]
    reason: NDArray[np.object_]

    @classmethod
    def of(cls, rows: pd.DataFrame, studies: Sequence[str]) -> Self:
        """Take status and reason from the rows of a store.

        Parameters
        ----------
        rows : DataFrame
            Rows of a store, in any order.
        studies : sequence of str
            The ids that are wanted, in this order; those without rows were not seen.

        Returns
        -------
        Sight
            Of these studies; for a store of an earlier version, from its confidences.
        """
        found = rows_with_status(rows).set_index("row_id")[["status", "reason"]].reindex(row_ids(studies))
        shape = len(studies), len(TARGETS)
        status = found["status"].fillna(Status.NOT_SEEN.value).to_numpy(object).reshape(shape)
        return cls(
            tuple(studies), status, found["reason"].fillna(NOT_IN_STORE).to_numpy(object).reshape(shape)
        )

    def only(self, asked: Sequence[str]) -> Self:
        """Keep to some rows, for counts and sentences.

        Parameters
        ----------
        asked : sequence of str
            Their row ids.

        Returns
        -------
        Sight
            Of the studies of these rows; the other rows of these studies have no status, and count as nothing.
        """
        wanted = np.isin(row_ids(self.studies), list(asked)).reshape(self.status.shape)
        kept = np.flatnonzero(wanted.any(axis=1))
        status = np.where(wanted, self.status, "").astype(object)
        return replace(
            self, studies=tuple(self.studies[k] for k in kept), status=status[kept], reason=self.reason[kept]
        )

    def seen(self) -> NDArray[np.bool_]:
        """Tell which targets were seen, surely or not.

        Returns
        -------
        (n, 5, 5) bool
            By study, condition and level.
        """
        return np.asarray(self.status != Status.NOT_SEEN.value).reshape(-1, *SHAPE)

    def refused(self, refuse: Refusal) -> NDArray[np.bool_]:
        """Tell which rows are refused.

        Parameters
        ----------
        refuse : `none`, `not-seen` or `unsure`
            What is refused; `unsure` refuses also what was not seen.

        Returns
        -------
        (n, 5, 5) bool
            By study, condition and level.

        Raises
        ------
        ConfigError
            When there is no such choice.
        """
        if refuse not in REFUSALS:
            raise ConfigError(f"refuse must be one of {', '.join(REFUSALS)}, not {refuse!r}")
        taken = {
            "none": [],
            "not-seen": [Status.NOT_SEEN.value],
            "unsure": [Status.NOT_SEEN.value, Status.UNSURE.value],
        }[refuse]
        return np.isin(self.status.astype(str), taken).reshape(-1, *SHAPE)

    def counts(self) -> dict[str, int]:
        """Count the rows by status.

        Returns
        -------
        dict of str to int
            For every status, also where it has no row.
        """
        return {status.value: int((self.status == status.value).sum()) for status in Status}

    def summary(self) -> tuple[str, ...]:
        """Say in sentences what was not seen and what is unsure.

        Returns
        -------
        tuple of str
            Such as `not seen: 3 of 11 studies: no axial T2 series`; empty where all was seen.
        """
        said = []
        for status in (Status.NOT_SEEN, Status.UNSURE):
            concerned = self.status == status.value
            if not concerned.any():
                continue
            reasons: Counter[str] = Counter()
            for study in np.flatnonzero(concerned.any(axis=1)):
                texts = self.reason[study][concerned[study]]
                reasons.update({part for text in texts for part in _kinds(text)})
            parts = [
                reason if len(self.studies) == 1 else f"{count} of {len(self.studies)} studies: {reason}"
                for reason, count in reasons.most_common(_MOST_SAID)
            ]
            more = f"; and {len(reasons) - _MOST_SAID} other reasons" if len(reasons) > _MOST_SAID else ""
            said.append(f"{status.value}, {int(concerned.sum())} rows: {'; '.join(parts)}{more}")
        return tuple(said)


def _kinds(reason: str) -> Iterable[str]:
    """Split a reason into its parts, without the numbers of this one target."""
    for part in reason.split("; "):
        yield re.sub(r"^[0-9]+ mm", "distances", re.sub(r" \(.*\)", "", part))


def rows_with_status(rows: pd.DataFrame) -> pd.DataFrame:
    """Complete rows of a store of version 0.1, which has no status, by where and how surely they were located.

    Parameters
    ----------
    rows : DataFrame
        Rows of a store.

    Returns
    -------
    DataFrame
        The same, with the columns `status` and `reason`.
    """
    if "status" in rows:
        return rows
    absent = (rows["series_id"] == "").to_numpy(bool)
    unsure = (rows["confidence"] < _UNSURE_BEFORE).to_numpy(bool)
    if absent.all():  # written by `write_store` of features made elsewhere: no row says where they are from
        located = (rows["located_by"] != "absent").to_numpy(bool) if "located_by" in rows else False
        absent, unsure = np.zeros_like(absent), unsure & located
    status = np.where(absent, Status.NOT_SEEN.value, np.where(unsure, Status.UNSURE.value, Status.SEEN.value))
    reason = np.where(absent, "its view is absent", np.where(unsure, "its place is uncertain", ""))
    return rows.assign(status=status.astype(object), reason=reason.astype(object))
