"""What is done with one study, in any process: its pictures or volumes, with their table, in one folder."""

from __future__ import annotations

import contextlib
import os
from dataclasses import asdict
from typing import Any

from lsdc.cohort.dicom.opening import UnreadableError, open_header
from lsdc.cohort.dicom.safe_attributes import text, tolerant
from lsdc.cohort.discovery.sources import Cohort, DiscoveryError, StudySource, usable_id
from lsdc.cohort.discovery.studies import read_study
from lsdc.cohort.discovery.study_content import content_of
from lsdc.cohort.discovery.study_ids import hashed, hide_paths
from lsdc.cohort.export.export_settings import ExportTask
from lsdc.cohort.export.image_rows import IMAGES, write_rows
from lsdc.cohort.export.pictures import write_pictures
from lsdc.cohort.export.volumes import write_volumes
from lsdc.cohort.study import Series, Study
from lsdc.cohort.vocabulary import View
from lsdc.runtime.json_files import write_json
from lsdc.runtime.output_faults import writing_to
from lsdc.runtime.whole_files import atomic

RECORD = "export.json"
"""What a study's folder holds besides: its problems, and how many series and images were written."""
_NAMES = {
    View.SAGITTAL_T1: "sagittal_t1",
    View.SAGITTAL_T2: "sagittal_t2",
    View.AXIAL_T2: "axial_t2",
    None: "other",
}


def export_study(task: ExportTask) -> None:
    """Read a study and write its pictures or volumes; its folder appears when all are written.

    Parameters
    ----------
    task : ExportTask
        The study, what is wanted, and where it goes.

    Raises
    ------
    DiscoveryError
        When files of the study have gone since it was found.
    OutputError
        When the pictures cannot be written.
    """
    with task.source.present() as source:
        study = read_study(source)
        of_philips = _of_philips(source) if task.format == "nifti" else frozenset()
    _check_present(task.source)
    with writing_to(task.folder), atomic(task.folder) as temporary:
        temporary.mkdir()
        rows: list[dict[str, Any]] = []
        problems = list(study.problems)
        names = series_names(study)
        for series, (name, part) in zip(study.series, names):
            if task.format == "nifti":
                by_place = series.series_id in of_philips
                found, left_out = write_volumes(series, temporary, name, task.root, by_place)
                problems += left_out
            else:
                found = write_pictures(series, temporary, name, task.format, task.bits, task.root)
            rows += [_completed(row, part, task) for row in found]
        write_rows(temporary / IMAGES, rows)
        cohort = Cohort(task.root, (task.source,), None, None, named_by=task.named_by)
        written = {(row["series_id"], row["part"]) for row in rows}
        record = {
            "content": content_of(task.source, described=True),
            "series": len(written),
            "images": len(rows),
            "problems": [asdict(problem) for problem in hide_paths(problems, cohort)],
        }
        write_json(temporary / RECORD, record)


def series_names(study: Study) -> list[tuple[str, int]]:
    """Name the series of a study for people: view and id, and a number where one id has several stacks.

    Parameters
    ----------
    study : Study
        The study.

    Returns
    -------
    list of (str, int)
        Name of the folder or file, and the part of the series, from 1; names are unique.
    """
    counts: dict[str, int] = {}
    for series in study.series:
        counts[series.series_id] = counts.get(series.series_id, 0) + 1
    seen: dict[str, int] = {}
    names = []
    for series in study.series:
        part = seen[series.series_id] = seen.get(series.series_id, 0) + 1
        names.append((_name(series, part if counts[series.series_id] > 1 else 0), part))
    return names


def _completed(row: dict[str, Any], part: int, task: ExportTask) -> dict[str, Any]:
    """Add to the row of an image what is common to the study; hide names of files where that is wanted."""
    row["path"] = f"{task.folder.name}/{row['path']}"
    if task.named_by == "hash":
        row["source"] = hashed(row["source"])
    return row | {"study_id": task.source.study_id, "split": task.source.split, "part": part}


def _name(series: Series, part: int) -> str:
    """Compose the name of a series."""
    name = f"{_NAMES[series.view]}_{usable_id(series.series_id)}"
    return f"{name}_part{part}" if part else name


def _of_philips(source: StudySource) -> frozenset[str]:
    """Find the series of Philips by a header of each; one that cannot be read is of nobody."""
    found = set()
    for series in source.series:
        with contextlib.suppress(UnreadableError, IndexError), tolerant():
            if (
                text(open_header(series.files[0], ["Manufacturer"]), "Manufacturer")
                .casefold()
                .startswith("philips")
            ):
                found.add(series.series_id)
    return frozenset(found)


def _check_present(source: StudySource) -> None:
    """Refuse to go on where a file has gone: a study that is half gone must not look like a whole one."""
    for series in source.series:
        for path in series.files:
            if not os.path.lexists(path):
                raise DiscoveryError(
                    f"study {source.study_id}: its files were there when the run began, and have gone; bring the "
                    "folder back, then run the same command, which resumes"
                )
