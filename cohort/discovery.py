"""Finding studies: in the competition's layout, or in any tree of DICOM files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from lsdc.cohort.headers import HEADER_TAGS
from lsdc.cohort.series import read_series
from lsdc.cohort.study import Series, Study
from lsdc.cohort.tables import read_coordinates, read_labels, read_series_descriptions
from lsdc.runtime import LsdcError, Problem

SPLITS = ("train", "test")


class DiscoveryError(LsdcError):
    """A folder holds no study that can be read."""


@dataclass(frozen=True)
class SeriesSource:
    """Where a series lies.

    Parameters
    ----------
    series_id : str
        The competition's id (the folder), or the SeriesInstanceUID.
    files : tuple of Path
        Its files.
    description : str or None
        The view's name in the cohort's table.
    """

    series_id: str
    files: tuple[Path, ...]
    description: str | None


@dataclass(frozen=True)
class StudySource:
    """Where a study lies.

    Parameters
    ----------
    study_id : str
        The competition's id, or the StudyInstanceUID.
    split : str
        `train`, `test`, or `new` outside the competition's layout.
    series : tuple of SeriesSource
        Its series.
    problems : tuple of Problem
        Found on the way.
    """

    study_id: str
    split: str
    series: tuple[SeriesSource, ...]
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Cohort:
    """Studies with what is known about them.

    Parameters
    ----------
    root : Path
        The folder that was searched.
    studies : tuple of StudySource
        In order of split and id.
    labels, coordinates : DataFrame or None
        See `read_labels` and `read_coordinates`.
    problems : tuple of Problem
        Files that belong to no study.
    """

    root: Path
    studies: tuple[StudySource, ...]
    labels: pd.DataFrame | None
    coordinates: pd.DataFrame | None
    problems: tuple[Problem, ...] = ()


def discover(root: Path) -> Cohort:
    """Find the studies under `root`, and read the tables beside them.

    A folder with `train_images` or `test_images` is the competition's layout; any other is a tree of DICOM
    files, grouped by the UIDs in their headers.

    Raises
    ------
    DiscoveryError
        When there is no such folder, or no DICOM file in it.
    TableError
        When a table is malformed.
    """
    root = Path(root)
    if not root.is_dir():
        raise DiscoveryError(f"{root}: {'not a folder' if root.exists() else 'no such folder'}")
    if any((root / f"{split}_images").is_dir() for split in SPLITS):
        return _competition(root)
    return _tree(root)


def read_study(source: StudySource) -> Study:
    """Read all series of a study; what cannot be read becomes a problem, never an exception."""
    series: list[Series] = []
    problems = list(source.problems)
    for item in source.series:
        found, wrong = read_series(item.series_id, item.files, item.description)
        series.extend(found)
        problems.extend(wrong)
    return Study(source.study_id, tuple(series), tuple(problems))


def _competition(root: Path) -> Cohort:
    studies: list[StudySource] = []
    for split in SPLITS:
        images = root / f"{split}_images"
        if not images.is_dir():
            continue
        table = root / f"{split}_series_descriptions.csv"
        described: dict[tuple[str, str], str] = {}
        if table.is_file():
            rows = read_series_descriptions(table)
            described = {
                (study, series): text
                for study, series, text in rows[["study_id", "series_id", "series_description"]].itertuples(
                    index=False
                )
            }
        for folder in _folders(images):
            studies.append(_study(folder, split, described))
    if not studies:
        raise DiscoveryError(f"{root}: train_images and test_images hold no study folder")
    labels = root / "train.csv"
    coordinates = root / "train_label_coordinates.csv"
    return Cohort(
        root,
        tuple(studies),
        read_labels(labels) if labels.is_file() else None,
        read_coordinates(coordinates) if coordinates.is_file() else None,
    )


def _study(folder: Path, split: str, described: dict[tuple[str, str], str]) -> StudySource:
    series, problems = [], []
    for item in _folders(folder):
        files = tuple(
            sorted(path for path in item.rglob("*") if path.is_file() and not path.name.startswith("."))
        )
        if files:
            series.append(SeriesSource(item.name, files, described.get((folder.name, item.name))))
        else:
            problems.append(Problem(str(item), "the series folder is empty", "copy the series again"))
    if not series and not problems:
        problems.append(Problem(str(folder), "the study folder holds no series", "copy the study again"))
    return StudySource(folder.name, split, tuple(series), tuple(problems))


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _files(root: Path) -> Iterator[Path]:
    for folder, inner, names in os.walk(root):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        yield from (Path(folder) / name for name in sorted(names) if not name.startswith("."))


def _tree(root: Path) -> Cohort:
    groups: dict[str, dict[str, list[Path]]] = {}
    problems: list[Problem] = []
    for path in _files(root):
        try:
            header = dcmread(path, stop_before_pixels=True, specific_tags=HEADER_TAGS)
        except (InvalidDicomError, OSError) as error:
            reason = (
                "not a DICOM file" if isinstance(error, InvalidDicomError) else f"cannot be opened ({error})"
            )
            problems.append(Problem(str(path), reason, "nothing to do unless it should be an image"))
            continue
        except Exception as error:  # noqa: BLE001 - a damaged file can make the parser fail in any way
            reason = f"damaged DICOM header ({type(error).__name__}: {error})"
            problems.append(Problem(str(path), reason, "copy it again from its source"))
            continue
        if str(header.get("Modality") or "MR") != "MR" or not header.get("Rows"):
            reason = f"no MR image (modality {header.get('Modality', 'unknown')})"
            problems.append(Problem(str(path), reason, "nothing to do; it is left out"))
            continue
        study = str(header.get("StudyInstanceUID") or path.parent.name)
        series = str(header.get("SeriesInstanceUID") or path.parent)
        groups.setdefault(study, {}).setdefault(series, []).append(path)
    if not groups:
        raise DiscoveryError(
            f"{root}: no MR image among its files"
            if problems
            else f"{root}: the folder holds no file; give the folder that holds DICOM files"
        )
    studies = [
        StudySource(
            study,
            "new",
            tuple(SeriesSource(name, tuple(files), None) for name, files in sorted(series.items())),
        )
        for study, series in sorted(groups.items())
    ]
    return Cohort(root, tuple(studies), None, None, tuple(problems))
