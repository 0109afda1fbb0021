"""Names of studies in what is given away, from which ids cannot be read; who has an id, or guesses it, can find it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from lsdc.cohort.vocabulary import Condition, Level

_DIGITS = 16
_ENDING = rf"_(?:{'|'.join(Condition)})_(?:{'|'.join(Level)})$"
"""What a row id ends with, after the study's id."""


@dataclass(frozen=True)
class Pseudonyms:
    """Names studies by a salted hash of their id.

    UIDs cannot be guessed; short ids, such as the ten digits of the competition's studies, can be found by trying all.

    Parameters
    ----------
    salt : str
        Goes into the hash, so that a study has another name in another model. Empty: studies keep their ids.

    Examples
    --------
    >>> names = Pseudonyms("a7")
    >>> names.of("4003253")
    'eeadbdbb91a7c1ac'
    >>> Pseudonyms("").of("4003253")
    '4003253'
    """

    salt: str

    def of(self, study_id: str) -> str:
        """Name a study.

        Parameters
        ----------
        study_id : str
            Its id.

        Returns
        -------
        str
            16 hexadecimal digits; the id itself where there is no salt.
        """
        if not self.salt:
            return study_id
        return hashlib.sha256(f"{self.salt}:{study_id}".encode()).hexdigest()[:_DIGITS]

    def hidden(self, table: pd.DataFrame) -> pd.DataFrame:
        """Replace the studies' ids in a table of rows.

        Parameters
        ----------
        table : DataFrame
            With a column `row_id`.

        Returns
        -------
        DataFrame
            A copy whose row ids begin with the pseudonyms.
        """
        studies = _studies(table)
        return self._renamed(table, studies, {study: self.of(study) for study in studies.unique()})

    def restored(self, table: pd.DataFrame, studies: Sequence[str]) -> pd.DataFrame:
        """Give a table of hidden rows its ids back, for studies that are known.

        Parameters
        ----------
        table : DataFrame
            With a column `row_id`, as `hidden` made it.
        studies : sequence of str
            Ids of studies; the table may hold others, and lack some.

        Returns
        -------
        DataFrame
            The rows of these studies alone, in the order of the table, with their ids.
        """
        names = {self.of(study): study for study in studies}
        hidden = _studies(table)
        known = hidden.isin(names.keys())
        return self._renamed(table[known], hidden[known], names)

    @staticmethod
    def _renamed(table: pd.DataFrame, studies: pd.Series, names: dict[str, str]) -> pd.DataFrame:
        """Exchange what row ids begin with."""
        endings = [row_id[len(study) :] for row_id, study in zip(table["row_id"], studies)]
        return table.assign(row_id=[names[study] + end for study, end in zip(studies, endings)])


def _studies(table: pd.DataFrame) -> pd.Series:
    """Take the study's name from every row id."""
    return table["row_id"].str.replace(_ENDING, "", regex=True)
