"""Where studies are stored: what discovery finds before any pixel is read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from lsdc.cohort.discovery.origin import Origin, unfetched
from lsdc.runtime import LsdcError, Problem

if TYPE_CHECKING:
    import pandas as pd

SPLITS = ("train", "test")
_LONGEST_ID = 100


class DiscoveryError(LsdcError):
    """A folder holds no study that can be read."""


@dataclass(frozen=True)
class SeriesSource:
    """The files of a series, before they are read.

    Parameters
    ----------
    series_id : str
        The competition's id (the folder), or the SeriesInstanceUID.
    files : tuple of Path
        Its files, in natural order.
    description : str or None
        The view's name in the cohort's table; None where no table describes the series.
    """

    series_id: str
    files: tuple[Path, ...]
    description: str | None


@dataclass(frozen=True)
class StudySource:
    """The files of a study, before they are read; `read_study` reads it.

    Parameters
    ----------
    study_id : str
        The competition's id (the folder), or the StudyInstanceUID; usable in a row id.
    split : str
        `train`, `test`, or `new` outside the competition's layout.
    series : tuple of SeriesSource
        Its series; may be empty.
    problems : tuple of Problem
        Files and folders of the study that cannot be used.
    origin : Origin, optional
        Where the files are fetched from when the study is read; by default they are there.
    """

    study_id: str
    split: str
    series: tuple[SeriesSource, ...]
    problems: tuple[Problem, ...] = ()
    origin: Origin | None = None

    @property
    def n_files(self) -> int:
        """Number of files in its series."""
        return sum(len(item.files) for item in self.series)

    @contextmanager
    def present(self) -> Iterator[StudySource]:
        """Bring the files of a study behind a URL for the time of the block.

        Yields
        ------
        StudySource
            The study with files that can be read: itself, where they are there already. Files that cannot be fetched
            are among its problems.

        Raises
        ------
        UnfetchedError
            When not one can be fetched.
        RemoteError
            When the server cannot be reached.
        """
        if self.origin is None:
            yield self
            return
        with self.origin.fetched([path for item in self.series for path in item.files]) as found:
            rest, series, problems = iter(found), [], [*self.problems]
            for item in self.series:
                came = [*islice(rest, len(item.files))]
                series.append(replace(item, files=tuple(one for one in came if isinstance(one, Path))))
                problems += unfetched(item.files, came)
            yield replace(self, series=tuple(series), problems=tuple(problems), origin=None)


@dataclass(frozen=True, repr=False)
class Cohort:
    """The studies below a folder, with the tables beside them.

    Parameters
    ----------
    root : Path
        The folder that was searched.
    studies : tuple of StudySource
        In order of split and id; ids are unique.
    labels : DataFrame or None
        Grades of the training studies, as `read_labels` gives them; None where there is no train.csv.
    coordinates : DataFrame or None
        Annotated points, as `read_coordinates` gives them; None where there is no train_label_coordinates.csv.
    problems : tuple of Problem
        Files that belong to no study, and what tables and folders do not agree on.
    named_by : str
        `uid`, `folder` or `hash`: what the ids of its studies are.
    """

    root: Path
    studies: tuple[StudySource, ...]
    labels: pd.DataFrame | None
    coordinates: pd.DataFrame | None
    problems: tuple[Problem, ...] = ()
    named_by: str = "folder"

    def __repr__(self) -> str:
        """Name folder and counts in one line."""
        splits = Counter(study.split for study in self.studies)
        studies = ", ".join(f"{count} {split}" for split, count in splits.items()) or "none"
        labeled = 0 if self.labels is None else len(self.labels)
        return f"Cohort({str(self.root)!r}, studies: {studies}, labeled: {labeled}, problems: {len(self.problems)})"


def usable_id(name: str) -> str:
    """Turn a name into an id that row ids, file names and tables can hold.

    Parameters
    ----------
    name : str
        The name of a folder, or a UID.

    Returns
    -------
    str
        At most 100 letters, digits, underscores, dots and hyphens; `unnamed` where nothing is left.

    Examples
    --------
    >>> usable_id("4003253"), usable_id("1.2.840.1"), usable_id("left leg, 2nd try")
    ('4003253', '1.2.840.1', 'left-leg-2nd-try')
    """
    return re.sub(r"[^\w.\-]+", "-", name)[:_LONGEST_ID].strip("-.") or "unnamed"


def unique_ids(names: Iterable[str]) -> list[str]:
    """Turn names into usable ids, made different where they would be the same.

    Parameters
    ----------
    names : iterable of str
        Names of folders, or UIDs.

    Returns
    -------
    list of str
        One id per name, in the same order.

    Examples
    --------
    >>> unique_ids(["a b", "a-b"])
    ['a-b', 'a-b-2']
    """
    taken: set[str] = set()
    result = []
    for name in names:
        wanted = found = usable_id(name)
        count = 1
        while found in taken:
            count += 1
            found = f"{wanted}-{count}"
        taken.add(found)
        result.append(found)
    return result
