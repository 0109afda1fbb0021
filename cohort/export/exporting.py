"""From a folder of studies to pictures or volumes that other tools read; killed at any point, it resumes."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lsdc.cohort.discovery.sources import Cohort, DiscoveryError
from lsdc.cohort.discovery.studies import data_place, discover
from lsdc.cohort.discovery.study_content import content_of
from lsdc.cohort.discovery.study_ids import NamedBy, hashed, hide_paths
from lsdc.cohort.export.export_settings import Bits, ExportTask, Format, check_format
from lsdc.cohort.export.image_rows import COLUMNS, IMAGES
from lsdc.cohort.export.study_export import RECORD, export_study
from lsdc.runtime.artifact import claim, read_json
from lsdc.runtime.console import say, warn
from lsdc.runtime.engine import Failure, attempt_each, check_workers
from lsdc.runtime.errors import Problem
from lsdc.runtime.folder_lock import only_writer
from lsdc.runtime.output_faults import OutputError
from lsdc.runtime.paths import PathLike
from lsdc.runtime.remote_errors import RemoteError
from lsdc.runtime.safe_text import safe_cell
from lsdc.runtime.whole_files import atomic, check_output_folder

PROBLEMS = "problems.csv"
"""The table of what was left out."""
_SECONDS, _SECONDS_PER_FILE = 600.0, 0.5
"""A study may take so long, and so much more for each of its files."""
_REMEDY = "look at its files, or leave it out; the same command tries it again"


@dataclass(frozen=True)
class Exported:
    """What `export_images` did.

    Parameters
    ----------
    out : Path
        The folder of the export.
    images : Path
        CSV that leads from each picture or volume back to its slice.
    format : str
        `png`, `jpg` or `nifti`.
    bits : 8 or 16 or None
        Of pictures; None for volumes.
    studies, series, slices : int
        What the folder now holds.
    problems : int
        What was left out; listed in problems.csv.
    failed : int
        Studies that could not be exported; the same call tries them again.
    written : int
        Slices that this call wrote; the others were there.
    seconds : float
        Time that it took to write them.
    slices_per_second : float
        Slices written in a second; 0 where all were there.
    """

    out: Path
    images: Path
    format: Format
    bits: Bits | None
    studies: int
    series: int
    slices: int
    problems: int
    failed: int
    written: int
    seconds: float
    slices_per_second: float


def export_images(
    data: PathLike,
    out: PathLike,
    *,
    format: Format = "png",
    bits: Bits | None = None,
    study_id: NamedBy | None = None,
    workers: int | None = None,
) -> Exported:
    """Write the images of all studies as PNG, JPEG or NIfTI files, with a table that leads back to the DICOM files.

    Pixels are those of the DICOM files, neither turned nor resampled; rescaled, and inverted where small values are
    bright. Each study has a folder: `OUT/4003253/sagittal_t1_702807833/007.png`, numbered in anatomical order (from
    the patient's right to the left, from foot to head), or `OUT/4003253/sagittal_t1_702807833.nii.gz`. Volumes are
    those of dcm2niix; a series that is no regular stack becomes several, or a problem.

    Parameters
    ----------
    data : path
        A folder in the competition's layout, any tree of DICOM files, or a ZIP archive of either; or a URL of one, as
        `extract` takes it.
    out : path
        The export's folder: new, empty, or begun by a call with the same arguments, which is then resumed.
    format : `png`, `jpg` or `nifti`, default `png`
        What is written.
    bits : 8 or 16, optional
        Of pictures. 8, the default, spreads the 1st to 99th percentile of each series over 0 to 255. 16 (png alone)
        keeps all values; where they are whole numbers, exactly.
    study_id : `uid`, `folder` or `hash`, optional
        How studies outside of the competition's layout are named; see `discover`. With `hash` no name, id or UID is
        written, and the table holds hashes of the files' names.
    workers : int, optional
        Processes; by default one per core. The result does not depend on it.

    Returns
    -------
    Exported
        Where it is, what it holds, and slices per second.

    Raises
    ------
    ConfigError
        When `format`, `bits` or `workers` cannot be.
    ArtifactError
        When `out` was begun with other arguments, holds other files, or another process is writing to it.
    DiscoveryError
        When `data` holds no study, or its files vanish.
    OSError
        When the disk is full; the same call resumes.

    Examples
    --------
    >>> export_images("cohort", "pictures", bits=16).slices  # doctest: +SKIP
    2743
    """
    wanted, depth = check_format(format, bits)
    check_workers(workers)
    data, out = data_place(data), check_output_folder(out)
    cohort = discover(data, study_id=study_id)
    settings = {
        "format": wanted,
        "bits": depth,
        "data": hashed(data if isinstance(data, str) else str(data.resolve())),
        "study_id": cohort.named_by,
    }
    claim(out, {"kind": "export"} | settings, lambda: "choose another folder, or delete it")
    with only_writer(out):
        tasks = [
            ExportTask(source, cohort.root, out, wanted, depth, cohort.named_by) for source in cohort.studies
        ]
        todo = [task for task in tasks if not _is_exported(task)]
        begun = time.perf_counter()
        failures = _run(todo, workers)
        seconds = time.perf_counter() - begun
        exported = _finish(cohort, tasks, todo, failures, seconds)
    _tell(exported)
    return exported


def _is_exported(task: ExportTask) -> bool:
    """Tell whether a study is written; one whose files or descriptions have changed since is to be written anew."""
    if not (task.folder / RECORD).is_file():
        return False
    # Exports of earlier versions do not say what they were made of.
    content = content_of(task.source, described=True)
    if read_json(task.folder / RECORD).get("content", content) == content:
        return True
    warn(f"{task.source.study_id}: has changed since it was exported, and is exported again")
    shutil.rmtree(task.folder)
    return False


def _run(todo: list[ExportTask], workers: int | None) -> list[Problem]:
    """Export studies; one that fails becomes a problem."""
    problems = []
    fatal = (OutputError, DiscoveryError, RemoteError)
    for task, outcome in attempt_each(export_study, todo, "exporting", workers, seconds=_time, fatal=fatal):
        if isinstance(outcome, Failure):
            problems.append(Problem(task.source.study_id, f"study failed: {outcome.reason}", _REMEDY))
    return problems


def _time(task: ExportTask) -> float:
    """Give a study the time that one of its size may take."""
    return _SECONDS + _SECONDS_PER_FILE * task.source.n_files


def _finish(
    cohort: Cohort, tasks: list[ExportTask], todo: list[ExportTask], failures: list[Problem], seconds: float
) -> Exported:
    """Join the tables of all studies."""
    out, fresh = tasks[0].out, {task.folder for task in todo}
    done = [task for task in tasks if (task.folder / RECORD).is_file()]
    records = {task.folder: read_json(task.folder / RECORD) for task in done}
    problems = [*hide_paths(cohort.problems, cohort), *failures]
    problems += [Problem(**item) for record in records.values() for item in record["problems"]]
    tables = [pd.read_csv(task.folder / IMAGES, dtype=str, keep_default_na=False) for task in done]
    with atomic(out / IMAGES) as temporary:
        joined = pd.concat(tables) if tables else pd.DataFrame(columns=list(COLUMNS))
        joined.to_csv(temporary, index=False)
    with atomic(out / PROBLEMS) as temporary:
        rows = [[safe_cell(item.path), safe_cell(item.reason), safe_cell(item.remedy)] for item in problems]
        pd.DataFrame(rows, columns=["path", "reason", "remedy"]).to_csv(temporary, index=False)
    written = sum(int(record["images"]) for folder, record in records.items() if folder in fresh)
    first = tasks[0]
    return Exported(
        out=out,
        images=out / IMAGES,
        format=first.format,
        bits=None if first.format == "nifti" else first.bits,
        studies=len(done),
        series=sum(int(record["series"]) for record in records.values()),
        slices=sum(int(record["images"]) for record in records.values()),
        problems=len(problems),
        failed=len(failures),
        written=written,
        seconds=round(seconds, 3),
        slices_per_second=round(written / seconds, 1) if written else 0.0,
    )


def _tell(exported: Exported) -> None:
    """Print what was done."""
    if exported.failed:
        warn(f"{exported.failed} studies failed; {exported.out / PROBLEMS} says why")
    say(
        f"{exported.out}: {exported.slices} slices of {exported.studies} studies as {exported.format}; "
        f"{exported.written} written in {exported.seconds:.1f} s, {exported.slices_per_second:.0f} per second; "
        f"problems: {exported.problems}"
    )
