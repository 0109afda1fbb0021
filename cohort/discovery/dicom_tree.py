"""Studies in a tree of DICOM files with any names, grouped by the UIDs in their headers."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from lsdc.cohort.dicom.files import PassedOver, list_files, path_text
from lsdc.cohort.dicom.opening import NotDicomError, UnreadableError, open_header, opening_failed
from lsdc.cohort.dicom.safe_attributes import tolerant
from lsdc.cohort.discovery.file_records import HEADER_TAGS, FileRecord, reason_against, record_of
from lsdc.cohort.discovery.grouping import group_records, series_name
from lsdc.cohort.discovery.sources import (
    Cohort,
    DiscoveryError,
    SeriesSource,
    StudySource,
    unique_ids,
)
from lsdc.cohort.discovery.study_ids import NamedBy, hashed, name_studies
from lsdc.runtime import Problem

_IMAGE_SUFFIXES = frozenset({"", ".dcm", ".dicom", ".ima", ".img", ".mr"})


@dataclass
class Grouping:
    """Files by study and series, and what was left out.

    Parameters
    ----------
    groups : dict of str to dict of str to list of Path
        Files by StudyInstanceUID and SeriesInstanceUID, or what stands in for them.
    problems : list of Problem
        Files that cannot be read.
    passed_over : PassedOver
        Files that are no MR image.
    """

    groups: dict[str, dict[str, list[Path]]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    passed_over: PassedOver = field(default_factory=PassedOver)

    @property
    def all_problems(self) -> tuple[Problem, ...]:
        """Problems of single files, then counts of what is no image."""
        return (*self.problems, *self.passed_over.problems())


def discover_tree(root: Path, study_id: NamedBy = "uid") -> Cohort:
    """Find the studies in any tree of files.

    Parameters
    ----------
    root : Path
        An existing folder.
    study_id : `uid`, `folder` or `hash`, default `uid`
        How studies are named; but for `uid`, series are named by a hash of their UID.

    Returns
    -------
    Cohort
        Studies of the split `new`, in order of their UIDs, without labels and coordinates.

    Raises
    ------
    DiscoveryError
        When there is no MR image.
    """
    files, problems = list_files(root)
    if not files and not problems:
        raise DiscoveryError(f"{root}: the folder holds no file; give the folder that holds DICOM files")
    grouping = group_by_headers(files, root)
    if not grouping.groups:
        reason = next((problem.reason for problem in (*problems, *grouping.all_problems)), "")
        raise DiscoveryError(f"{root}: no MR image among its {len(files)} files; the first: {reason}")
    names = sorted(grouping.groups)
    folders = [_folder_of(grouping.groups[name], root) for name in names]
    studies = tuple(
        StudySource(found, "new", as_series(grouping.groups[name], hide=study_id != "uid"))
        for name, found in zip(names, name_studies(names, folders, study_id))
    )
    return Cohort(root, studies, None, None, (*problems, *grouping.all_problems), study_id)


def group_by_headers(files: Iterable[Path], root: Path) -> Grouping:
    """Read the headers of files and group them by study and series.

    `group_records` says how; files without a SeriesInstanceUID belong to the series of their own folder. Objects that
    are no MR image are counted, unreadable files recorded.

    Parameters
    ----------
    files : iterable of Path
        Files below `root`.
    root : Path
        The folder whose subfolders stand in for absent UIDs.

    Returns
    -------
    Grouping
        Files by study and series, and what was left out.
    """
    grouping, records = Grouping(), []
    with tolerant():
        for path in files:
            record = _record(path, root, grouping)
            if record is not None:
                records.append(record)
    studies, problems = group_records(records, root.name or "study")
    for study, members in studies.items():
        series = grouping.groups.setdefault(study, {})
        for record in members:
            series.setdefault(series_name(record), []).append(record.path)
    grouping.problems += problems
    return grouping


def as_series(groups: dict[str, list[Path]], hide: bool = False) -> tuple[SeriesSource, ...]:
    """Make the series of a study from its grouped files.

    Parameters
    ----------
    groups : dict of str to list of Path
        Files by SeriesInstanceUID.
    hide : bool, default False
        Name them by a hash of their UID.

    Returns
    -------
    tuple of SeriesSource
        In order of their UIDs, with usable ids and no description.
    """
    names = sorted(groups)
    return tuple(
        SeriesSource(series_id, tuple(groups[name]), None)
        for name, series_id in zip(names, unique_ids(map(hashed, names) if hide else names))
    )


def _folder_of(groups: dict[str, list[Path]], root: Path) -> str:
    """Name the folder of a study, below the root."""
    folder = os.path.commonpath([path.parent for files in groups.values() for path in files])
    inside = Path(folder).relative_to(root).parts
    return "-".join(inside) or root.name or "study"


def _record(path: Path, root: Path, grouping: Grouping) -> FileRecord | None:
    """Read to which study and series a file belongs; record why one that is left out is."""
    try:
        header = open_header(path, HEADER_TAGS)
        reason = reason_against(header)
        if not reason:
            return record_of(path, root, header)
    except NotDicomError as error:
        _no_dicom(path, error, grouping)
        return None
    except UnreadableError as error:
        grouping.problems.append(error.problem(path))
        return None
    except Exception as error:  # noqa: BLE001 - a damaged file can make the parser fail in any way
        grouping.problems.append(opening_failed(error).problem(path))
        return None
    grouping.passed_over.add(path, reason)
    return None


def _no_dicom(path: Path, error: NotDicomError, grouping: Grouping) -> None:
    """Record a file that is no DICOM file: singly where its name looks like one, else counted."""
    suffix = path.suffix.lower()
    if suffix in _IMAGE_SUFFIXES or suffix[1:].isdigit():
        remedy = "nothing to do, unless it should be an MR image; then copy it again"
        grouping.problems.append(Problem(path_text(path), error.reason, remedy))
    else:
        grouping.passed_over.add(path, error.reason)
