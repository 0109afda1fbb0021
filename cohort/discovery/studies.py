"""Finding studies in a folder, and reading them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from lsdc.cohort.dicom.files import path_text
from lsdc.cohort.dicom.pixel_budget import MAX_STUDY_PIXELS, PixelBudget
from lsdc.cohort.dicom.series import read_series
from lsdc.cohort.discovery.dicom_tree import discover_tree
from lsdc.cohort.discovery.remote_tree import discover_remote
from lsdc.cohort.discovery.rsna_layout import discover_layout, layout_of, study_in_layout
from lsdc.cohort.discovery.sources import Cohort, DiscoveryError, StudySource
from lsdc.cohort.discovery.study_ids import NamedBy, check_named_by
from lsdc.cohort.dixon_siblings import tell_dixon_apart
from lsdc.cohort.joined_series import join_series
from lsdc.cohort.series_choice import choose_series
from lsdc.cohort.study import Series, Study
from lsdc.runtime import ConfigError, Problem
from lsdc.runtime.archives import ArchiveError, is_archive, unpack
from lsdc.runtime.console import existing
from lsdc.runtime.paths import PathLike
from lsdc.runtime.remote import url_of


def discover(root: PathLike, *, study_id: NamedBy | None = None) -> Cohort:
    """Find the studies below a folder or in a ZIP archive, and read the tables beside them.

    A folder with `train_images` or `test_images`, or one of these folders itself, is the competition's
    layout; any other is a tree of DICOM files, grouped by the UIDs in their headers. No pixels are read. An archive is
    unpacked to a temporary folder that lives as long as this process.

    Parameters
    ----------
    root : path
        The folder, or a ZIP archive; or a URL of one (`s3://`, `gs://`, `az://`, `file://`, `memory://`).
    study_id : `uid`, `folder` or `hash`, optional
        How studies of a tree are named, in all that is made of them: by StudyInstanceUID (the default), by their
        folder, or by a hash of the UID. Studies of the competition's layout have the names of their folders.

    Returns
    -------
    Cohort
        The studies, the labels and annotated points where there are such tables, and a record of each file that
        cannot be used.

    Raises
    ------
    DiscoveryError
        When there is no such folder, or no study in it; or an archive cannot be unpacked.
    ConfigError
        When there is no such way of naming, or one is given for the competition's layout.
    TableError
        When a table is malformed.
    RemoteError
        When the URL cannot be read.

    Examples
    --------
    >>> cohort = discover("cohort")  # doctest: +SKIP
    >>> cohort.studies[0].study_id  # doctest: +SKIP
    '4003253'
    """
    if study_id is not None:
        check_named_by(study_id)
    if (url := url_of(root)) is not None:
        return discover_remote(url, partial(discover, study_id=study_id))
    root = Path(root)
    try:
        if is_archive(root):
            root = _inside(unpack(root))
        if not root.is_dir():
            wrong = "not a folder; give the one that holds it" if root.exists() else "no such folder"
            raise DiscoveryError(f"{root}: {wrong}")
        layout = layout_of(root)
    except ArchiveError as error:
        raise DiscoveryError(str(error)) from error
    except OSError as error:
        raise DiscoveryError(f"{root}: cannot be opened ({error.strerror or error})") from error
    if layout is None:
        return discover_tree(root, study_id or "uid")
    if study_id not in (None, "folder"):
        raise ConfigError(
            f"{root}: studies of the competition's layout have the names of their folders, by which tables know them; "
            f"study_id={study_id!r} is for other folders"
        )
    return discover_layout(root, *layout)


def data_place(data: PathLike) -> Path | str:
    """Refuse data that are not there; what a URL names is looked at when it is opened.

    Parameters
    ----------
    data : path
        What the user gave.

    Returns
    -------
    Path or str
        A folder or an archive; or a URL.

    Raises
    ------
    LsdcError
        When there is no such folder.
    """
    return url_of(data) or existing(Path(data), "data folder or archive")


def _inside(unpacked: Path) -> Path:
    """Step into the only folder of an archive, where that is the competition's layout packed with its own folder."""
    inner = list(unpacked.iterdir())
    return inner[0] if len(inner) == 1 and inner[0].is_dir() and layout_of(inner[0]) else unpacked


def read_study(source: StudySource | PathLike) -> Study:
    """Read all series of a study.

    What cannot be read becomes a problem of the study, never an exception.

    Parameters
    ----------
    source : StudySource or path
        One of `Cohort.studies`; or the folder of a single study, which may lie in the competition's layout (its name
        is then the study's id, and the table beside describes its series).

    Returns
    -------
    Study
        Series with pixels, planes and metadata; `problems` says what was left out.

    Raises
    ------
    DiscoveryError
        When `source` is a path and there is no such folder, or not exactly one study in it.
    TableError
        When `source` is a path and a table in it or beside it is malformed.

    Examples
    --------
    >>> study = read_study("cohort/test_images/4003253")  # doctest: +SKIP
    >>> study  # doctest: +SKIP
    Study('4003253', Sagittal T2/STIR x 15, Sagittal T1 x 15, Axial T2 x 40; problems: 0)
    """
    problems: list[Problem] = []
    if not isinstance(source, StudySource):
        source, problems = _only_study(Path(source))
    with source.present() as here:
        return _read(here, problems)


def _read(source: StudySource, problems: list[Problem]) -> Study:
    """Read the series of a study whose files are there."""
    problems += source.problems
    series: list[Series] = []
    budget = PixelBudget(MAX_STUDY_PIXELS, "study")
    for item in source.series:
        found, unread = read_series(item.series_id, item.files, item.description, budget)
        series += found
        problems += unread
        if any("crowded" in one.flags and one.view is not None for one in found):
            reason = "slices of one series lie much closer than its header says, or at one place"
            remedy = "its targets are unsure; check whether two series, or two patients, are in it"
            problems.append(Problem(path_text(item.files[0].parent), reason, remedy))
    series = tell_dixon_apart(series)
    if not any(item.description for item in source.series):
        series = join_series(series)
    return Study(source.study_id, tuple(choose_series(series)), tuple(problems))


def _only_study(folder: Path) -> tuple[StudySource, list[Problem]]:
    """Find the one study of a folder, and record what beside it cannot be used."""
    if folder.is_dir() and (study := study_in_layout(folder)) is not None:
        return study, []
    cohort = discover(folder)
    if len(cohort.studies) != 1:
        raise DiscoveryError(
            f"{folder}: holds {len(cohort.studies)} studies, and read_study takes a folder of exactly one; "
            "find them with discover, and read each of its studies"
        )
    return cohort.studies[0], list(cohort.problems)
