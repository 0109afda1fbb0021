"""From studies on a DICOMweb server to a report, whose structured reports are stored beside the images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lsdc.cohort.discovery.dicomweb import fetch_study, is_dicomweb, store_files
from lsdc.cohort.discovery.sources import usable_id
from lsdc.report.grading import GradedFolder, grade
from lsdc.runtime.console import say
from lsdc.runtime.errors import ConfigError
from lsdc.runtime.folder_lock import remove_leftovers
from lsdc.runtime.paths import PathLike
from lsdc.runtime.whole_files import check_output_folder

FETCHED, REPORTS = "dicom", "sr"
"""Endings of the folders beside the report: of the fetched files, and of the structured reports."""


def grade_remote(
    url: str, out: PathLike, studies: Sequence[str], *, store_back: bool = True, **options: Any
) -> GradedFolder:
    """Fetch studies from a DICOMweb server, grade them, and store their structured reports there.

    The same call resumes: what was fetched is not fetched again.

    Parameters
    ----------
    url : str
        The server; see `lsdc.cohort.discovery.dicomweb.fetch_study`.
    out : path
        Folder of the report. The fetched files go beside it, to `OUT.dicom`, the structured reports to `OUT.sr`.
    studies : sequence of str
        StudyInstanceUIDs, at least one.
    store_back : bool, default True
        Send structured reports and presentation states to the server.
    **options
        Other arguments of `grade`, but `dicom_sr`.

    Returns
    -------
    GradedFolder
        The report.

    Raises
    ------
    ConfigError
        When no study is named, `url` is no DICOMweb server, or other studies were fetched for the report before.
    DicomwebError
        When the server cannot be reached, refuses, or has no such study.
    LsdcError
        As `grade` raises them.
    """
    if not studies:
        raise ConfigError(
            "studies must name at least one StudyInstanceUID; a server is never graded as a whole"
        )
    if not is_dicomweb(url):
        raise ConfigError("url must begin with dicomweb:// or dicomwebs://")
    out = check_output_folder(out)
    fetched = Path(f"{out}.{FETCHED}")
    asked = {usable_id(uid) for uid in studies}
    remove_leftovers(fetched)  # of a transfer that was killed
    others = [item.name for item in fetched.glob("[!.]*") if item.name not in asked]
    if others:
        raise ConfigError(
            f"{fetched}: holds {len(others)} studies that are not asked for, such as {others[0]}; name them too, "
            "choose another folder for the report, or delete them"
        )
    for uid in studies:
        if not (fetched / usable_id(uid)).is_dir():
            fetch_study(url, uid, fetched)
    done = grade(fetched, out, dicom_sr=Path(f"{out}.{REPORTS}"), **options)
    if store_back and done.dicom:
        stored = store_files(url, done.dicom)
        say(f"{stored.server}: took {stored.files} files of reports and points")
    return done
