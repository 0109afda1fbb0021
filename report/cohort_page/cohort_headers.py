"""A cohort as headers and tables describe it: series grouped and chosen as when it is read, without pixels."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from lsdc.cohort.dicom.files import natural_key
from lsdc.cohort.dicom.frames import Frame
from lsdc.cohort.dicom.opening import UnreadableError
from lsdc.cohort.dicom.series import series_of
from lsdc.cohort.discovery.origin import UNFETCHED_REMEDY, UnfetchedError
from lsdc.cohort.discovery.sources import SeriesSource, StudySource
from lsdc.cohort.discovery.studies import data_place, discover
from lsdc.cohort.dixon_siblings import tell_dixon_apart
from lsdc.cohort.joined_series import COPY, join_series
from lsdc.cohort.series_choice import choose_series
from lsdc.cohort.study import Series, Study
from lsdc.report.cohort_page.header_frames import read_frames
from lsdc.runtime import Problem
from lsdc.runtime.engine import fan_out
from lsdc.runtime.paths import PathLike

_REPEATED = "stored twice, or repeated; pixels were not read"


@dataclass(frozen=True)
class StudyHeaders:
    """A study without pixels.

    Parameters
    ----------
    study : Study
        Its series as they would be read; images are made by `unread`.
    split : str
        `train`, `test` or `new`.
    files : int
        Number of files in its series.
    vendors : dict of str to str
        Vendor by series id.
    """

    study: Study
    split: str
    files: int
    vendors: dict[str, str]


@dataclass(frozen=True)
class CohortHeaders:
    """All studies below a folder, with the tables beside them.

    Parameters
    ----------
    root : Path
        The folder.
    studies : tuple of StudyHeaders
        In order of split and id.
    labels : DataFrame or None
        Grades, as `read_labels` gives them.
    coordinates : DataFrame or None
        Annotated points, as `read_coordinates` gives them.
    problems : tuple of Problem
        Of files, studies and tables.
    """

    root: Path
    studies: tuple[StudyHeaders, ...]
    labels: pd.DataFrame | None
    coordinates: pd.DataFrame | None
    problems: tuple[Problem, ...]

    @classmethod
    def read(cls, data: PathLike, workers: int | None = None) -> CohortHeaders:
        """Find the studies of a folder and read their headers, on several processes.

        Parameters
        ----------
        data : path
            A folder in the competition's layout, any tree of DICOM files, a ZIP archive, or a URL of one, whose files
            are then fetched whole.
        workers : int, optional
            Processes. Default: one per core.

        Returns
        -------
        CohortHeaders
            Studies in the order of `discover`.

        Raises
        ------
        DiscoveryError
            When there is no study.
        TableError
            When a table is malformed.
        ConfigError
            When `workers` is below 1.
        """
        cohort = discover(data_place(data))
        found = {
            one.study_id: read
            for one, read in fan_out(read_study_headers, cohort.studies, "headers", workers)
        }
        studies = tuple(found[one.study_id] for one in cohort.studies)
        problems = (*cohort.problems, *(item for one in studies for item in one.study.problems))
        return cls(cohort.root, studies, cohort.labels, cohort.coordinates, problems)


def read_study_headers(source: StudySource) -> StudyHeaders:
    """Read the headers of a study's files.

    Parameters
    ----------
    source : StudySource
        One of `Cohort.studies`.

    Returns
    -------
    StudyHeaders
        Series are split, ordered and chosen as `read_study` does; images that are stored twice are told by their
        places alone. A study of which no file can be fetched has no series, and a problem that says so.
    """
    try:
        with source.present() as here:
            return _headers_of(here)
    except UnfetchedError as error:
        lost = Problem(source.study_id, str(error), UNFETCHED_REMEDY)
        study = Study(source.study_id, (), (*source.problems, lost))
        return StudyHeaders(study, source.split, source.n_files, {})


def _headers_of(source: StudySource) -> StudyHeaders:
    """Read the headers of a study whose files are there."""
    series: list[Series] = []
    problems = list(source.problems)
    vendors: dict[str, str] = {}
    for item in source.series:
        frames, vendors[item.series_id], unread = _frames_of(item)
        problems += unread
        series += series_of(item.series_id, frames, item.description)
    series = tell_dixon_apart(series)
    if not any(item.description for item in source.series):
        # Without pixels all images at one place are equal: repeated ones cannot be told from copies.
        series = [
            replace(one, passed_over=_REPEATED) if one.passed_over == COPY else one
            for one in join_series(series)
        ]
    study = Study(source.study_id, tuple(choose_series(series)), tuple(problems))
    return StudyHeaders(study, source.split, source.n_files, vendors)


def _frames_of(source: SeriesSource) -> tuple[list[Frame], str, list[Problem]]:
    """Read the headers of a series, in natural order of its files."""
    frames: list[Frame] = []
    problems: list[Problem] = []
    vendors: Counter[str] = Counter()
    for path in sorted(source.files, key=natural_key):
        try:
            found, vendor = read_frames(path)
        except UnreadableError as error:
            problems.append(error.problem(path))
            continue
        frames += found
        vendors[vendor] += 1
    return frames, vendors.most_common(1)[0][0] if vendors else "unknown", problems


def without_root(problem: Problem, root: Path) -> Problem:
    """Name the path of a problem below the cohort's folder.

    Parameters
    ----------
    problem : Problem
        With any path.
    root : Path
        The cohort's folder.

    Returns
    -------
    Problem
        The same with a path that tells nothing of the machine.
    """
    path = problem.path
    for base in (str(root), str(root.absolute()), str(root.resolve())):
        if path.startswith(f"{base}/"):
            return replace(problem, path=path.removeprefix(f"{base}/"))
    return problem if not Path(path).is_absolute() else replace(problem, path=Path(path).name)
