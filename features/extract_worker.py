"""What is done with one study, in any process: an example for the selector, or its part of the store."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import pandas as pd

from lsdc.cohort.discovery.sources import StudySource
from lsdc.cohort.discovery.studies import read_study
from lsdc.cohort.location import Status
from lsdc.cohort.study import Study
from lsdc.cohort.vocabulary import View
from lsdc.features.array_files import ArrayFiles
from lsdc.features.located_study import LocatedStudy
from lsdc.features.metadata import metadata_of
from lsdc.features.row_columns import complete_rows
from lsdc.features.series_table import series_of
from lsdc.features.study_images import cut_images
from lsdc.features.study_rows import rows_of, write_study_rows
from lsdc.features.vanished_data import check_present
from lsdc.runtime.artifact import atomic, read_json, write_json
from lsdc.runtime.errors import Problem
from lsdc.runtime.output_faults import writing_to
from lsdc.runtime.remote_errors import BREAKS_OFF
from lsdc.slice_selector.mark_checks import mark_problems
from lsdc.slice_selector.selector import SliceSelector
from lsdc.slice_selector.training_example import make_example


@dataclass(frozen=True)
class ExampleTask:
    """The order to make the selector's example of a study.

    Parameters
    ----------
    source : StudySource
        Where the study's files are.
    coordinates : DataFrame
        Its annotated points, as `read_coordinates` gives them.
    out : Path
        The npz file to write.
    described : bool
        Whether the rankers learn from it, which needs a description of every slice.
    """

    source: StudySource
    coordinates: pd.DataFrame
    out: Path
    described: bool = True

    @property
    def failure_path(self) -> Path:
        """The file that tells how often it has failed; absent where it has not."""
        return self.out.with_name(f"{self.out.stem}.failed.json")

    @property
    def marks_path(self) -> Path:
        """The file of the problems of its annotated points; absent where they are sound."""
        return self.out.with_name(f"{self.out.stem}.marks.json")


@dataclass(frozen=True)
class StudyTask:
    """The order to extract a study.

    Parameters
    ----------
    source : StudySource
        Where the study's files are.
    index : int
        Index of the study in the store.
    selector : Path
        Folder of the selector that locates it.
    arrays : ArrayFiles
        Where crops, volumes and previews go.
    work : Path
        Directory of the finished studies' rows and records.
    """

    source: StudySource
    index: int
    selector: Path
    arrays: ArrayFiles
    work: Path

    @property
    def rows_path(self) -> Path:
        """The file of the study's rows; written last, so that a study with rows is finished."""
        return self.work / f"{self.index:06d}.arrow"

    @property
    def record_path(self) -> Path:
        """The file of the study's problems and counts."""
        return self.work / f"{self.index:06d}.json"

    @property
    def failure_path(self) -> Path:
        """The file that tells how often the study has failed; absent where it has not."""
        return self.work / f"{self.index:06d}.failed.json"


def write_example(task: ExampleTask) -> None:
    """Read a study and write what the selector learns from; a study without an image teaches nothing.

    Parameters
    ----------
    task : ExampleTask
        The study and the file to write.
    """
    study = read(task.source)
    if not study.series:
        return
    example = make_example(study, task.coordinates, task.described)
    found = mark_problems(study, task.coordinates)
    with writing_to(task.out):
        if found:
            write_json(task.marks_path, [asdict(problem) for problem in found])
        with atomic(task.out) as temporary:
            example.save(temporary)


def extract_study(task: StudyTask) -> bool:
    """Read a study, locate its targets, and write its images, record and rows.

    Parameters
    ----------
    task : StudyTask
        The study, what locates it, and where the results go.

    Returns
    -------
    bool
        Whether transfers of its files have broken off, so that another try may bring more of it.

    Raises
    ------
    VanishedError
        When files of the study have gone.
    OutputError
        When the results cannot be written.
    """
    study = read(task.source)
    write_study(task, study)
    return any(BREAKS_OFF in problem.reason for problem in study.problems)


def write_study(task: StudyTask, study: Study, reason: str = "") -> None:
    """Locate the targets of a study that was read, and write its images, record and rows.

    Parameters
    ----------
    task : StudyTask
        What locates it, and where the results go.
    study : Study
        Any number of series, also none.
    reason : str
        Why nothing of the study is seen, for all its rows; by default each row has its own.

    Raises
    ------
    OutputError
        When the results cannot be written.
    """
    selector = _selector(task.selector)
    study = selector.narrowed(study)
    located = LocatedStudy.of(study, selector.locate(study))
    images = cut_images(located, task.arrays.sizes)
    rows = complete_rows(rows_of(located, task.source.split, images).join(metadata_of(located)))
    if reason:
        rows["reason"] = reason
    with writing_to(task.work):
        task.arrays.write(task.index, images.arrays)
        write_json(task.record_path, _record(located, task))
        with atomic(task.rows_path) as temporary:
            write_study_rows(temporary, rows)


def problems_of(record: Path) -> list[Problem]:
    """Read the problems of an extracted study.

    Parameters
    ----------
    record : Path
        The study's record, at `StudyTask.record_path`.

    Returns
    -------
    list of Problem
        In the order in which they were met.
    """
    return [Problem(**item) for item in read_json(record)["problems"]]


def read(source: StudySource) -> Study:
    """Read a study, whose files must still be there.

    Parameters
    ----------
    source : StudySource
        Where the study's files are.

    Returns
    -------
    Study
        What could be read.

    Raises
    ------
    VanishedError
        When they are not: a study that is half gone must not look like one that cannot be read.
    """
    try:
        return read_study(source)
    finally:
        check_present(source)


@lru_cache(maxsize=8)
def _selector(folder: Path) -> SliceSelector:
    """Open the selector in a folder, once per process."""
    return SliceSelector.load(folder)


def _record(located: LocatedStudy, task: StudyTask) -> dict[str, object]:
    """Collect what studies.parquet and problems.csv are to hold of the study."""
    study = located.study
    statuses = [item.status for item in located.locations]
    counts = {f"{view.name.lower()}_series": len(study.of_view(view)) for view in View}
    return {
        "study_id": study.study_id,
        "split": task.source.split,
        "selector": task.selector.name,
        **counts,
        "located": sum(item.series is not None for item in located.locations),
        **{status.value.replace(" ", "_"): statuses.count(status) for status in Status},
        "series": series_of(located),
        "problems": [{"path": p.path, "reason": p.reason, "remedy": p.remedy} for p in study.problems],
    }
