"""Studies in a tree of DICOM files with any names, grouped by the UIDs in their headers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from pydicom import dcmread

from lsdc.cohort.dicom.files import PassedOver, list_files, looks_like_dicom, path_text
from lsdc.cohort.dicom.opening import opening_failed
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


def discover_tree(root: Path) -> Cohort:
    """Find the studies in any tree of files.

    Parameters
    ----------
    root : Path
        An existing folder.

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
    studies = tuple(
        StudySource(study_id, "new", as_series(grouping.groups[name]))
        for name, study_id in zip(names, unique_ids(names))
    )
    return Cohort(root, studies, None, None, (*problems, *grouping.all_problems))


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


def as_series(groups: dict[str, list[Path]]) -> tuple[SeriesSource, ...]:
    """Make the series of a study from its grouped files.

    Parameters
    ----------
    groups : dict of str to list of Path
        Files by SeriesInstanceUID.

    Returns
    -------
    tuple of SeriesSource
        In order of their UIDs, with usable ids and no description.
    """
    names = sorted(groups)
    return tuple(
        SeriesSource(series_id, tuple(groups[name]), None)
        for name, series_id in zip(names, unique_ids(names))
    )


def _record(path: Path, root: Path, grouping: Grouping) -> FileRecord | None:
    """Read to which study and series a file belongs; record why one that is left out is."""
    try:
        with path.open("rb") as stream:
            head = stream.read(132)
            if not looks_like_dicom(head):
                _no_dicom(path, head, grouping)
                return None
            stream.seek(0)
            header = dcmread(stream, stop_before_pixels=True, specific_tags=HEADER_TAGS, force=True)
        reason = reason_against(header)
        if not reason:
            return record_of(path, root, header)
    except Exception as error:  # noqa: BLE001 - a damaged file can make the parser fail in any way
        grouping.problems.append(opening_failed(error).problem(path))
        return None
    grouping.passed_over.add(path, reason)
    return None


def _no_dicom(path: Path, head: bytes, grouping: Grouping) -> None:
    """Record a file that is no DICOM file: singly where its name looks like one, else counted."""
    suffix = path.suffix.lower()
    if not head:
        grouping.problems.append(
            Problem(path_text(path), "the file is empty", "copy it again from its source")
        )
    elif suffix in _IMAGE_SUFFIXES or suffix[1:].isdigit():
        remedy = "nothing to do, unless it should be an MR image; then copy it again"
        grouping.problems.append(Problem(path_text(path), "not a DICOM file", remedy))
    else:
        grouping.passed_over.add(path, "not a DICOM file")
