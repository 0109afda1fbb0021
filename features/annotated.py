"""Simulated studies as training material: crops at the annotated places, and what was measured there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lsdc.cohort import StudySource, discover
from lsdc.cohort.phantom import make
from lsdc.cohort.study import Study
from lsdc.cohort.vocabulary import TARGETS, Condition, Level, Target
from lsdc.features.crops import cut_crops
from lsdc.features.per_study import read
from lsdc.features.store import NEIGHBORS, VIEWS
from lsdc.runtime import ConfigError, TableError
from lsdc.runtime.artefact import atomic, claim
from lsdc.runtime.engine import fan_out
from lsdc.slice_selector import Location

MEASURED = ("_mm", "_mm2", "_share")
"""How the names of numeric measurements end."""


LEAST_STUDIES = 10


@dataclass(frozen=True)
class CropTask:
    """Cut the annotated crops of one study.

    Parameters
    ----------
    source : StudySource
        The study.
    coordinates : DataFrame
        Its annotated points.
    px : int
        Side of the crops.
    field : float
        How much more to show than CROP_MM says.
    seed : int
        For the slice that is taken beside the annotated one, now and then.
    out : Path
        The npz file to write.
    """

    source: StudySource
    coordinates: pd.DataFrame
    px: int
    field: float
    seed: int
    out: Path


@dataclass(frozen=True)
class Material:
    """Crops with measurements, one row per annotated target.

    Parameters
    ----------
    crops : (n, 3 views, 3 neighbors, px, px) uint8
        0 where a view is absent.
    rows : DataFrame
        `study_id`, `condition`, `level`, `family`, `grade`, and the measurements (NaN where not defined).
    names : tuple of str
        Names of the measurements.
    """

    crops: NDArray[np.uint8]
    rows: pd.DataFrame
    names: tuple[str, ...]

    def where(self, studies: set[str]) -> NDArray[np.int64]:
        """Rows of some studies."""
        return np.flatnonzero(self.rows["study_id"].isin(studies).to_numpy())


def annotated_locations(study: Study, coordinates: pd.DataFrame, rng: np.random.Generator) -> list[Location]:
    """The annotated targets of a study as a selector would give them; one in five on a neighboring slice.

    Parameters
    ----------
    study : Study
        All series.
    coordinates : DataFrame
        `series_id`, `instance_number`, `condition`, `level`, `x`, `y`.
    rng : numpy Generator
        Chooses the neighbors.

    Returns
    -------
    list of Location
        Those that were annotated and whose slice could be read.
    """
    index = {
        (series.series_id, item.instance_number): (k, s)
        for k, series in enumerate(study.series)
        for s, item in enumerate(series.slices)
    }
    found = []
    for row in coordinates.to_dict("records"):
        place = index.get((str(row["series_id"]), int(row["instance_number"])))
        if place is None:
            continue
        target = Target(Condition(row["condition"]), Level(row["level"]))
        series, where = study.series[place[0]], place[1]
        patient = series.slices[where].plane.to_patient((row["x"], row["y"]))[0]
        step = int(rng.choice([-1, 0, 1], p=[0.1, 0.8, 0.1]))
        where = int(np.clip(where + step, 0, len(series.slices) - 1))
        column, line = series.slices[where].plane.to_pixel(patient)[0]
        found.append(
            Location(
                target=target,
                view=target.condition.view,
                series=place[0],
                slice=where,
                point=(float(column), float(line)),
                patient=(float(patient[0]), float(patient[1]), float(patient[2])),
                confidence=1.0,
                located_by="network",
                flags=frozenset(),
            )
        )
    return found


def cut_annotated(task: CropTask) -> None:
    """Read a study, cut its annotated crops, and write them."""
    study = read(task.source)
    rng = np.random.default_rng([task.seed, *task.source.study_id.encode()])
    locations = annotated_locations(study, task.coordinates, rng)
    crops, _ = cut_crops(study, locations, task.px, field=task.field)
    with atomic(task.out) as temporary:
        np.savez(temporary, crops=crops, targets=np.array([TARGETS.index(item.target) for item in locations]))


def simulated(
    work: Path, recipe: Mapping[str, Any], cohort: Path | None, studies: int, seed: int, workers: int | None
) -> Path:
    """The cohort to learn from: the one given, or one that is simulated below `work`.

    Parameters
    ----------
    work : Path
        Folder of this training; claimed for `recipe`.
    recipe : mapping
        What the result depends on.
    cohort : Path or None
        A simulated cohort.
    studies, seed, workers : int, int, int or None
        For simulating one.

    Raises
    ------
    ConfigError
        When too few studies are asked for.
    TableError
        When the folder given is not a simulated cohort.
    """
    if cohort is None and studies < LEAST_STUDIES:
        raise ConfigError(f"--studies must be at least {LEAST_STUDIES}, not {studies}")
    if cohort is not None and not (cohort / "config.json").is_file():
        raise TableError(f"{cohort}: no config.json of a simulated cohort; make one with `lsdc-phantom make`")
    claim(work, recipe, lambda: "delete it, or give another --out")
    if cohort is None:
        cohort = work / "cohort"
        make(cohort, studies, seed, workers=workers)
    return cohort


def prepare(cohort: Path, work: Path, px: int, field: float, seed: int, workers: int | None) -> Material:
    """Cut the crops of a simulated cohort and join the measurements; goes on where it stopped.

    Parameters
    ----------
    cohort : Path
        Folder that `lsdc-phantom make` wrote.
    work : Path
        Where the crops are kept.
    px, field : int, float
        Side of a crop, and how much more than CROP_MM it shows.
    seed : int
        For the neighboring slices.
    workers : int or None
        Processes.

    Raises
    ------
    TableError
        When the cohort has no measurements or coordinates.
    """
    found = discover(cohort)
    path = cohort / "measurements.csv"
    if found.coordinates is None or not path.is_file():
        raise TableError(
            f"{path}: pretraining needs measurements and coordinates; make a cohort with `lsdc-phantom make`"
        )
    coordinates = dict(iter(found.coordinates.groupby("study_id")))
    tasks = [
        CropTask(source, coordinates[source.study_id], px, field, seed, work / f"{source.study_id}.npz")
        for source in sorted(found.studies, key=lambda source: source.study_id)
        if source.study_id in coordinates
    ]
    for _ in fan_out(cut_annotated, [task for task in tasks if not task.out.is_file()], "cutting", workers):
        pass
    return _join(tasks, pd.read_csv(path, index_col="row_id"), work / "crops.npy", px)


def _join(tasks: list[CropTask], measurements: pd.DataFrame, path: Path, px: int) -> Material:
    numeric = measurements.select_dtypes("number").columns
    names = tuple(name for name in numeric if str(name).endswith(MEASURED))
    targets = {}
    for task in tasks:
        with np.load(task.out) as file:
            targets[task.source.study_id] = file["targets"]
    rows = [
        (
            study,
            TARGETS[k].condition.value,
            TARGETS[k].level.value,
            TARGETS[k].condition.family.value,
            TARGETS[k],
        )
        for study, found in targets.items()
        for k in found
    ]
    table = pd.DataFrame(rows, columns=["study_id", "condition", "level", "family", "target"])
    ids = [target.row_id(study) for study, target in zip(table["study_id"], table.pop("target"))]
    measured = measurements.loc[ids, ["grade", *names]].reset_index(drop=True)
    shape = (len(table), len(VIEWS), NEIGHBORS, px, px)
    if not path.is_file():
        with atomic(path) as temporary:
            crops = np.lib.format.open_memmap(temporary, "w+", np.uint8, shape)
            start = 0
            for task in tasks:
                with np.load(task.out) as file:
                    crops[start : start + len(file["crops"])] = file["crops"]
                    start += len(file["crops"])
            crops.flush()
    return Material(np.load(path, mmap_mode="r"), table.join(measured), names)
