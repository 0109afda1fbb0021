"""Where studies lie, before any pixel is read."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lsdc.runtime import LsdcError, Problem

if TYPE_CHECKING:
    import pandas as pd

SPLITS = ("train", "test")
_LONGEST_ID = 100


class DiscoveryError(LsdcError):
    """A folder holds no study that can be read."""


@dataclass(frozen=True)
class SeriesSource:
    """Where a series lies.

    Parameters
    ----------
    series_id : str
        The competition's id (the folder), or the SeriesInstanceUID.
    files : tuple of Path
        Its files, in natural order.
    description : str or None
        The view's name in the cohort's table.
    """

    series_id: str
    files: tuple[Path, ...]
    description: str | None


@dataclass(frozen=True)
class StudySource:
    """Where a study lies.

    Parameters
    ----------
    study_id : str
        The competition's id (the folder), or the StudyInstanceUID; usable in a row id.
    split : str
        `train`, `test`, or `new` outside the competition's layout.
    series : tuple of SeriesSource
        Its series.
    problems : tuple of Problem
        Found on the way.
    """

    study_id: str
    split: str
    series: tuple[SeriesSource, ...]
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Cohort:
    """Studies with what is known about them.

    Parameters
    ----------
    root : Path
        The folder that was searched.
    studies : tuple of StudySource
        In order of split and id; ids are unique.
    labels, coordinates : DataFrame or None
        See `read_labels` and `read_coordinates`; None where there is no such table.
    problems : tuple of Problem
        Files that belong to no study, and what tables and folders do not agree on.
    """

    root: Path
    studies: tuple[StudySource, ...]
    labels: pd.DataFrame | None
    coordinates: pd.DataFrame | None
    problems: tuple[Problem, ...] = ()


def usable_id(name: str) -> str:
    """An id that row ids, file names and tables can hold.

    >>> usable_id("4003253"), usable_id("1.2.840.1"), usable_id("left leg, 2nd try")
    ('4003253', '1.2.840.1', 'left-leg-2nd-try')
    """
    return re.sub(r"[^\w.\-]+", "-", name)[:_LONGEST_ID].strip("-.") or "unnamed"


def unique_ids(names: Iterable[str]) -> list[str]:
    """Usable ids of names, made different where they would be the same.

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
