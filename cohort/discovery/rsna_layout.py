"""Studies in the competition's layout: SPLIT_images/STUDY/SERIES/*.dcm, with tables beside."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from lsdc.cohort.dicom.files import list_files, natural_key, path_text
from lsdc.cohort.discovery.dicom_tree import as_series, group_by_headers
from lsdc.cohort.discovery.sources import (
    SPLITS,
    Cohort,
    DiscoveryError,
    SeriesSource,
    StudySource,
    unique_ids,
    usable_id,
)
from lsdc.cohort.tables import read_coordinates, read_labels, read_series_descriptions
from lsdc.runtime import Problem
from lsdc.runtime.first_names import first_of

_FOLDERS = {f"{split}_images": split for split in SPLITS}


def layout_of(root: Path) -> tuple[Path, tuple[str, ...]] | None:
    """Recognize the competition's layout.

    Parameters
    ----------
    root : Path
        An existing folder: that which holds the tables, or its `train_images` or `test_images`.

    Returns
    -------
    (Path, tuple of str) or None
        The folder that holds the tables, and the splits to read; None where this is not the layout.
    """
    splits = tuple(split for name, split in _FOLDERS.items() if (root / name).is_dir())
    if splits:
        return root, splits
    name = root.resolve().name
    if name in _FOLDERS and any(item.is_dir() for item in root.iterdir()):
        return root.resolve().parent, (_FOLDERS[name],)
    return None


def discover_layout(root: Path, base: Path, splits: tuple[str, ...]) -> Cohort:
    """Find the studies of the given splits; every table is optional.

    Parameters
    ----------
    root : Path
        The folder that the user gave.
    base : Path
        The folder that holds the tables.
    splits : tuple of str
        `train`, `test`, or both.

    Returns
    -------
    Cohort
        Studies in order of split and id; labels and coordinates where the split `train` is read and has them.

    Raises
    ------
    DiscoveryError
        When there is no study folder.
    TableError
        When a table is malformed.
    """
    found: list[tuple[Path, str]] = []
    problems: list[Problem] = []
    for split in splits:
        found += [(folder, split) for folder in _folders(base / f"{split}_images", problems)]
    if not found:
        names = " and ".join(f"{split}_images" for split in splits)
        raise DiscoveryError(f"{root}: no study folder in {names}; expected STUDY/SERIES/*.dcm")
    described = {split: _descriptions(base / f"{split}_series_descriptions.csv") for split in splits}
    studies = tuple(
        _study(folder, study_id, split, described[split])
        for (folder, split), study_id in zip(found, unique_ids(folder.name for folder, _ in found))
    )
    labels = coordinates = None
    if "train" in splits:
        labels_path, coordinates_path = base / "train.csv", base / "train_label_coordinates.csv"
        labels = read_labels(labels_path) if labels_path.is_file() else None
        coordinates = read_coordinates(coordinates_path) if coordinates_path.is_file() else None
        problems += _disagreements(base, studies, labels, coordinates)
    return Cohort(root, studies, labels, coordinates, tuple(problems))


def study_in_layout(folder: Path) -> StudySource | None:
    """Recognize a single study's folder of the competition's layout, without a visit to the other studies.

    Parameters
    ----------
    folder : Path
        An existing folder.

    Returns
    -------
    StudySource or None
        The study with its folder's name as id and its series described by the table; None where the folder does not
        lie in `train_images` or `test_images`.

    Raises
    ------
    TableError
        When the table of series descriptions is malformed.
    """
    folder = folder.absolute()
    images = folder.parent
    if images.name not in _FOLDERS:
        return None
    split = _FOLDERS[images.name]
    described = _descriptions(images.parent / f"{split}_series_descriptions.csv")
    return _study(folder, usable_id(folder.name), split, described)


def _descriptions(path: Path) -> Mapping[str, Mapping[str, str]]:
    """Read the words for each series by study and series; empty where there is no table."""
    if not path.is_file():
        return {}
    result: dict[str, dict[str, str]] = {}
    for study, series, words in read_series_descriptions(path).itertuples(index=False):
        result.setdefault(study, {})[series] = words
    return result


def _study(
    folder: Path, study_id: str, split: str, described: Mapping[str, Mapping[str, str]]
) -> StudySource:
    """List the files of a study's folder, and record what cannot be used."""
    series: list[SeriesSource] = []
    problems: list[Problem] = []
    words = described.get(folder.name, {})
    inner = _folders(folder, problems)
    for item in inner:
        files, wrong = list_files(item)
        problems += wrong
        if files:
            series.append(SeriesSource(path_text(Path(item.name)), tuple(files), words.get(item.name)))
        elif not wrong:
            problems.append(Problem(path_text(item), "the series folder is empty", "copy the series again"))
    if loose := _files(folder):
        grouping = group_by_headers(loose, folder)
        problems += grouping.all_problems
        for groups in grouping.groups.values():
            series += as_series(groups)
    for name in sorted(words.keys() - {item.name for item in inner}):
        reason = "the series is in the table of descriptions, but has no folder"
        problems.append(Problem(path_text(folder / name), reason, "copy the series again"))
    if not series and not problems:
        problems.append(
            Problem(path_text(folder), "the study folder holds no series", "copy the study again")
        )
    return StudySource(study_id, split, tuple(series), tuple(problems))


def _files(folder: Path) -> list[Path]:
    """List the files that lie in a study's folder itself, in natural order."""
    try:
        return sorted(
            (path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")),
            key=natural_key,
        )
    except OSError:  # `_folders` has recorded it
        return []


def _folders(folder: Path, problems: list[Problem]) -> list[Path]:
    """List the folders in a folder, or record that it cannot be listed."""
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError as error:
        reason = f"the folder cannot be listed ({error.strerror})"
        problems.append(Problem(path_text(folder), reason, "check its permissions"))
        return []


def _disagreements(
    base: Path,
    studies: tuple[StudySource, ...],
    labels: pd.DataFrame | None,
    coordinates: pd.DataFrame | None,
) -> list[Problem]:
    """Record what tables and folders of the training split do not agree on, once each."""
    problems = []
    present = {study.study_id: study for study in studies if study.split == "train"}
    if labels is not None:
        known = set(labels.index)
        problems += _count(
            base / "train.csv", "studies have labels but no folder", sorted(known - set(present))
        )
        problems += _count(
            base / "train_images", "studies have no row in train.csv", sorted(set(present) - known)
        )
    if coordinates is not None:
        series = {(study.study_id, item.series_id) for study in present.values() for item in study.series}
        pairs = coordinates[["study_id", "series_id"]].drop_duplicates().itertuples(index=False)
        lost = [f"{a}/{b}" for a, b in pairs if a in present and (a, b) not in series]
        path = base / "train_label_coordinates.csv"
        problems += _count(path, "annotated series have no folder", lost)
        unknown = sorted(set(coordinates["study_id"]) - set(present))
        problems += _count(path, "annotated studies have no folder", unknown)
    return problems


def _count(path: Path, what: str, names: list[str]) -> list[Problem]:
    """Record once how many names something concerns, with the first three; nothing where there are none."""
    if not names:
        return []
    remedy = "nothing to do, unless ids or folders were changed by mistake"
    return [Problem(path_text(path), f"{len(names)} {what} ({first_of(names)})", remedy)]
