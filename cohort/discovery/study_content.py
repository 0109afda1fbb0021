"""What a study consists of, told without reading it: to notice that files or tables have changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lsdc.cohort.discovery.sources import StudySource
from lsdc.runtime.artifact import fingerprint


def content_of(source: StudySource, described: bool = False) -> str:
    """Hash which files a study consists of, to see whether it has changed, or is there under another id.

    Parameters
    ----------
    source : StudySource
        The study.
    described : bool, default False
        Whether the views count that a table gives its series.

    Returns
    -------
    str
        16 hexadecimal digits; a file counts by name and size, so that a study may be copied.
    """
    files = [state_of(file)[:2] for series in source.series for file in series.files]
    found: dict[str, Any] = {"files": sorted(files)}
    return fingerprint(found | {"views": described_views(source)} if described else found)


def described_views(source: StudySource) -> list[tuple[str, str]]:
    """List which series of a study a table describes, and how.

    Parameters
    ----------
    source : StudySource
        The study.

    Returns
    -------
    list of (str, str)
        Id and description of each; none outside the competition's layout.
    """
    return sorted((one.series_id, one.description) for one in source.series if one.description is not None)


def state_of(file: Path) -> tuple[str, int, int]:
    """Tell a file's content by what costs nothing.

    Parameters
    ----------
    file : Path
        Any file.

    Returns
    -------
    (str, int, int)
        Its name, its size in bytes, and when it was changed, ns; -1 and 0 where it has gone.
    """
    try:
        found = file.stat()
    except OSError:
        return file.name, -1, 0
    return file.name, found.st_size, found.st_mtime_ns
