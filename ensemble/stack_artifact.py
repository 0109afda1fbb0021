"""What models and blends share: a directory with a stacker, the members it joins, and the report on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import ClassVar

import pandas as pd

from lsdc.cohort.pseudonyms import Pseudonyms
from lsdc.cohort.vocabulary import GRADES
from lsdc.ensemble.model_check import check_predictions
from lsdc.ensemble.stacked import REPORT, Stacked
from lsdc.ensemble.stackers.contract import Stacker
from lsdc.ensemble.stackers.registry import load_stacker
from lsdc.ensemble.tuning.storage import JOURNAL
from lsdc.runtime import ArtifactError
from lsdc.runtime.artifact import Artifact
from lsdc.runtime.parquet_files import read_parquet

NESTED = "nested.parquet"
"""File of a model directory with the nested predictions that were scored, and the grades."""
DURATIONS = "durations.json"
"""File of a model directory with the seconds that its parts took."""
UNLISTED = (JOURNAL, f"{JOURNAL}.lock", DURATIONS)
"""What the manifest does not list: the journal of the trials grows when notes are taken in the dashboard, and the same
fit takes another time."""


@dataclass(frozen=True, repr=False)
class StackArtifact(Artifact):
    """A finished directory with a stack, opened for reading; use `open` of a subclass.

    Parameters
    ----------
    path : Path
        The directory.
    manifest : dict
        The content of its manifest.json.
    remote : RemoteFolder, optional
        Where it lies behind a URL.
    """

    schema: ClassVar[int] = 2

    @property
    def members(self) -> list[str]:
        """Names of the members that the stack joins."""
        return list(self.manifest["members"])

    @cached_property
    def stacker(self) -> Stacker:
        """The fitted stacker."""
        return load_stacker(self.file("stack.json"))

    @cached_property
    def outcome(self) -> Stacked:
        """The chosen stacker, its weights, and the nested score beside the baselines."""
        self.file(REPORT)
        return Stacked.read(self.path)

    @cached_property
    def nested(self) -> pd.DataFrame:
        """row_id, probabilities of the stack fitted without the study's fold, and grade (-1 where unlabeled)."""
        return self.table(NESTED, ("grade",))

    @property
    def pseudonyms(self) -> Pseudonyms:
        """How studies are named in its tables; a blend, and models of earlier versions, keep their ids."""
        return Pseudonyms(str(self.manifest.get("salt", "")))

    def nested_of(self, studies: Sequence[str]) -> pd.DataFrame:
        """Give the nested predictions of studies whose ids are known.

        Parameters
        ----------
        studies : sequence of str
            Ids of studies.

        Returns
        -------
        DataFrame
            The rows of `nested` of these studies, with their ids.
        """
        return self.pseudonyms.restored(self.nested, studies)

    def table(self, name: str, columns: Sequence[str]) -> pd.DataFrame:
        """Read a table of predictions of the directory.

        Parameters
        ----------
        name : str
            The file.
        columns : sequence of str
            Columns that must be there besides row_id and the probabilities.

        Returns
        -------
        DataFrame
            Checked: row ids, probabilities, folds and grades are such.

        Raises
        ------
        ArtifactError
            When the file is missing or damaged.
        """
        path = self.file(name)
        try:
            return read_checked(path, columns)
        except (OSError, ValueError) as error:
            raise self.damage(f"{name}: {error}") from error

    def __repr__(self) -> str:
        """Name the directory and the members."""
        return f"{type(self).__name__}({str(self.path)!r}, members={self.members})"

    def _repr_html_(self) -> str:
        """Show members, nested scores with the interval, and weights in notebooks."""
        try:
            outcome = self.outcome._repr_html_()
        except ArtifactError as error:
            outcome = f"<p>{escape(str(error))}</p>"
        return (
            f"<p><b>{type(self).__name__}</b> {escape(str(self.path))}; "
            f"members {escape(', '.join(self.members))}</p>{outcome}"
        )


def read_checked(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read a table of predictions.

    Parameters
    ----------
    path : Path
        A Parquet file.
    columns : sequence of str
        Columns that must be there besides row_id and the probabilities.

    Returns
    -------
    DataFrame
        Whose row ids, probabilities, folds and grades are such.

    Raises
    ------
    OSError
        When the file cannot be read.
    ValueError
        When it is damaged, or holds something else.
    """
    found = read_parquet(path, ("row_id", *GRADES, *columns))
    check_predictions(found)
    return found
