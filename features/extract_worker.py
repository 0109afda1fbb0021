"""What is done with one study, in any process: an example for the selector, or its part of the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from lsdc.cohort.discovery.sources import StudySource
from lsdc.cohort.discovery.studies import read_study
from lsdc.cohort.location import Location
from lsdc.cohort.study import Study
from lsdc.cohort.vocabulary import View
from lsdc.features.crops import cut_crops, cutters_of
from lsdc.features.metadata import metadata_of
from lsdc.features.store import VIEWS
from lsdc.features.volumes import cut_previews, cut_volume
from lsdc.features.writer import Arrays, complete_rows
from lsdc.runtime import LsdcError, Problem
from lsdc.runtime.artefact import atomic, read_json, write_json
from lsdc.slice_selector.selector import SliceSelector
from lsdc.slice_selector.training_example import make_example


@dataclass(frozen=True)
class ExampleTask:
    """Make the selector's example of a study.

    Parameters
    ----------
    source : StudySource
        The study.
    coordinates : DataFrame
        Its annotated points.
    out : Path
        The npz file to write.
    """

    source: StudySource
    coordinates: pd.DataFrame
    out: Path


@dataclass(frozen=True)
class StudyTask:
    """Extract a study.

    Parameters
    ----------
    source : StudySource
        The study.
    index : int
        Its place in the store.
    selector : Path
        Folder of the selector that locates it.
    arrays : Arrays
        Where crops, volumes and previews go.
    work : Path
        Directory of the finished studies' records.
    """

    source: StudySource
    index: int
    selector: Path
    arrays: Arrays
    work: Path

    @property
    def rows_path(self) -> Path:
        """The study's rows; written last, so that a study with rows is finished."""
        return self.work / f"{self.index:06d}.parquet"

    @property
    def record_path(self) -> Path:
        """The study's problems and counts."""
        return self.work / f"{self.index:06d}.json"


def write_example(task: ExampleTask) -> None:
    """Read a study and write what the selector learns from; a study without an image teaches nothing."""
    study = read(task.source)
    if not study.series:
        return
    with atomic(task.out) as temporary:
        make_example(study, task.coordinates).save(temporary)


def extract_study(task: StudyTask) -> None:
    """Read, locate, cut and write one study."""
    study = read(task.source)
    locations = _selector(task.selector).locate(study)
    cutters = cutters_of(study)
    crops, projections = cut_crops(study, locations, task.arrays.crop_px, cutters)
    in_volume = np.full((len(locations), 3), np.nan, np.float32)
    volumes = {}
    for view in VIEWS:
        volume, points = cut_volume(
            study, view, locations, projections, cutters, task.arrays.volume_slices, task.arrays.volume_px
        )
        if volume is not None:
            volumes[view] = volume
        in_volume = np.where(np.isnan(in_volume), points, in_volume)
    previews, in_preview = cut_previews(study, locations, projections, cutters, task.arrays.preview_px)
    task.arrays.write(task.index, crops, volumes, previews)
    numbers = metadata_of(study, locations, projections)
    rows = _rows(study, task.source.split, locations, in_volume, in_preview).join(numbers)
    write_json(task.record_path, _record(study, task, locations))
    with atomic(task.rows_path) as temporary:
        complete_rows(rows).to_parquet(temporary, index=False)


def problems_of(record: Path) -> list[Problem]:
    """The problems in a study's record."""
    return [Problem(**item) for item in read_json(record)["problems"]]


def read(source: StudySource) -> Study:
    """Read a study; one that cannot be read at all is an empty study with a problem."""
    try:
        return read_study(source)
    except (OSError, LsdcError) as error:
        problem = Problem(source.study_id, f"study cannot be read: {error}", "its rows hold no image")
        return Study(source.study_id, (), (*source.problems, problem))


@lru_cache(maxsize=8)
def _selector(folder: Path) -> SliceSelector:
    return SliceSelector.load(folder)


def _rows(
    study: Study, split: str, locations: Sequence[Location], in_volume: np.ndarray, in_preview: np.ndarray
) -> pd.DataFrame:
    rows = []
    for location, volume, preview in zip(locations, in_volume, in_preview):
        series = None if location.series is None else study.series[location.series]
        chosen = None if series is None or location.slice is None else series.slices[location.slice]
        left, posterior, head = location.patient
        rows.append(
            {
                "study_id": study.study_id,
                "split": split,
                "condition": location.target.condition.value,
                "level": location.target.level.value,
                "view": location.view.value,
                "series_id": "" if series is None else series.series_id,
                "instance_number": -1 if chosen is None else chosen.instance_number,
                "x": location.point[0],
                "y": location.point[1],
                "left_mm": left,
                "posterior_mm": posterior,
                "head_mm": head,
                "confidence": location.confidence,
                "located_by": location.located_by,
                "volume_slice": -1 if np.isnan(volume[0]) else int(volume[0]),
                "volume_x": volume[1],
                "volume_y": volume[2],
                "preview": -1 if np.isnan(preview[0]) else int(preview[0]),
                "preview_x": preview[1],
                "preview_y": preview[2],
            }
        )
    return pd.DataFrame(rows)


def _record(study: Study, task: StudyTask, locations: Sequence[Location]) -> dict[str, object]:
    problems = [{"path": p.path, "reason": p.reason, "remedy": p.remedy} for p in study.problems]
    counts = {f"{view.name.lower()}_series": len(study.of_view(view)) for view in View}
    return {
        "study_id": study.study_id,
        "split": task.source.split,
        "selector": task.selector.name,
        **counts,
        "located": sum(item.series is not None for item in locations),
        "problems": problems,
    }
