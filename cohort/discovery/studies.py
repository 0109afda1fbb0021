"""Finding studies in a folder, and reading them."""

from __future__ import annotations

from pathlib import Path

from lsdc.cohort.dicom.series import read_series
from lsdc.cohort.discovery.dicom_tree import discover_tree
from lsdc.cohort.discovery.rsna_layout import discover_layout, layout_of
from lsdc.cohort.discovery.sources import Cohort, DiscoveryError, StudySource
from lsdc.cohort.study import Series, Study


def discover(root: Path) -> Cohort:
    """Find the studies under `root`, and read the tables beside them.

    A folder with `train_images` or `test_images`, or one of these folders itself, is the competition's
    layout; any other is a tree of DICOM files, grouped by the UIDs in their headers.

    Raises
    ------
    DiscoveryError
        When there is no such folder, or no study in it.
    TableError
        When a table is malformed.
    """
    root = Path(root)
    try:
        if not root.is_dir():
            raise DiscoveryError(f"{root}: {'not a folder' if root.exists() else 'no such folder'}")
        layout = layout_of(root)
    except OSError as error:
        raise DiscoveryError(f"{root}: cannot be opened ({error.strerror or error})") from error
    return discover_tree(root) if layout is None else discover_layout(root, *layout)


def read_study(source: StudySource) -> Study:
    """Read all series of a study; what cannot be read becomes a problem, never an exception."""
    series: list[Series] = []
    problems = list(source.problems)
    for item in source.series:
        found, wrong = read_series(item.series_id, item.files, item.description)
        series += found
        problems += wrong
    return Study(source.study_id, tuple(series), tuple(problems))
