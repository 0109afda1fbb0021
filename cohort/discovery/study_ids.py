"""Names of studies and series outside of their data, and the table that tells their owner whose they are."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import pandas as pd
from pydicom.dataset import Dataset

from lsdc.cohort.dicom.files import path_text
from lsdc.cohort.dicom.opening import UnreadableError, open_header
from lsdc.cohort.dicom.safe_attributes import text, tolerant
from lsdc.cohort.discovery.sources import Cohort, StudySource, unique_ids
from lsdc.runtime.artifact import atomic, check_output_file
from lsdc.runtime.errors import ConfigError, Problem
from lsdc.runtime.paths import PathLike
from lsdc.runtime.safe_text import safe_cell

NamedBy = Literal["uid", "folder", "hash"]
"""How studies are named: by StudyInstanceUID, by the folder that holds them, or by a hash of the UID."""
NAMES: tuple[NamedBy, ...] = ("uid", "folder", "hash")
_DIGITS = 16
_NAMES_OF_FILES = re.compile(r" \(.*\)$", re.DOTALL)
"""What a reason that counts files ends with: the names of the first ones."""


def check_named_by(named_by: str) -> None:
    """Refuse an unknown way of naming studies.

    Parameters
    ----------
    named_by : str
        What was asked for.

    Raises
    ------
    ConfigError
        When it is none of `NAMES`.
    """
    if named_by not in NAMES:
        raise ConfigError(f"study_id must be one of {', '.join(NAMES)}, not {named_by!r}")


def name_studies(uids: Sequence[str], folders: Sequence[str], named_by: NamedBy) -> list[str]:
    """Name studies.

    Parameters
    ----------
    uids : sequence of str
        What tells them apart, such as the StudyInstanceUID.
    folders : sequence of str
        The folder of each, below the folder that was searched.
    named_by : `uid`, `folder` or `hash`
        Which of the two, or a hash of the first.

    Returns
    -------
    list of str
        Usable ids, all different.

    Examples
    --------
    >>> name_studies(["1.2.3"], ["Doe/2024"], "hash")
    ['c47f5b18b8a430e6']
    """
    if named_by == "hash":
        return unique_ids(map(hashed, uids))
    return unique_ids(uids if named_by == "uid" else folders)


def hashed(name: str) -> str:
    """Hash a name; the same name always has the same hash, so that who has the names can find them again.

    Parameters
    ----------
    name : str
        A UID or a path.

    Returns
    -------
    str
        The first 16 hexadecimal digits of its SHA-256.
    """
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:_DIGITS]


def hide_paths(problems: Iterable[Problem], cohort: Cohort) -> list[Problem]:
    """Write hashes for what lies below the folder of a cohort, where its studies are named by hashes.

    Parameters
    ----------
    problems : iterable of Problem
        Their paths begin with that folder, as it was given.
    cohort : Cohort
        Tells the folder, and how studies are named.

    Returns
    -------
    list of Problem
        The same for cohorts that are named otherwise. The reasons of hidden ones name no file.
    """
    if cohort.named_by != "hash":
        return list(problems)
    root, studies = path_text(cohort.root), {study.study_id for study in cohort.studies}
    hidden = []
    for problem in problems:
        kept = problem.path == root or problem.path in studies
        path = problem.path if kept else f"{root}/{hashed(problem.path.removeprefix(root))}"
        hidden.append(Problem(path, _NAMES_OF_FILES.sub("", problem.reason), problem.remedy))
    return hidden


def write_ids(cohort: Cohort, path: PathLike) -> Path:
    """Write whose each study is: a table for the owner of the data, readable by nobody else.

    Parameters
    ----------
    cohort : Cohort
        The studies that `discover` found.
    path : path
        CSV to write: study_id, folder, patient_id, study_date, files.

    Returns
    -------
    Path
        The table.

    Raises
    ------
    LsdcError
        When the path is a folder, a device or a pipe.
    """
    path = check_output_file(path)
    table = pd.DataFrame([_owner(study) for study in cohort.studies])
    with atomic(path) as temporary:
        temporary.unlink(missing_ok=True)  # what a killed process of this number left may be open to others
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
            table.map(safe_cell).to_csv(stream, index=False)
    return path


def _owner(study: StudySource) -> dict[str, object]:
    """Read whose a study is, of its first file that can be read."""
    files = [path for series in study.series for path in series.files]
    header = Dataset()
    with tolerant():
        for path in files:
            try:
                header = open_header(path, ["PatientID", "StudyDate"])
                break
            except UnreadableError:
                continue
    folder = Path(os.path.commonpath([path.parent for path in files])) if files else Path()
    return {
        "study_id": study.study_id,
        "folder": path_text(folder),
        "patient_id": text(header, "PatientID"),
        "study_date": text(header, "StudyDate"),
        "files": len(files),
    }
