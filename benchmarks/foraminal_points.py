"""Points of real foramina: what readers marked, where selectors put them, and what is seen there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from foraminal_grades import FORAMINA
from numpy.typing import NDArray

from lsdc.cohort.cropping import Cutter
from lsdc.cohort.discovery.sources import StudySource
from lsdc.cohort.discovery.studies import read_study
from lsdc.cohort.study import Study
from lsdc.cohort.vocabulary import Condition, Family, Level, Side, View
from lsdc.features.store import VIEWS, FeatureStore
from lsdc.metrics.bootstrap import Interval, bootstrap_interval
from lsdc.runtime.engine import fan_out
from lsdc.slice_selector.selector import SliceSelector

EXACT_MM = 2.0
"""Slices are farther apart than this: a point less far across is on the marked slice."""
PATCH_MM, PATCH_PX = 33.0, 28
"""Side of the raw patches of the pixel probe, in the patient and in the image."""


@dataclass(frozen=True)
class Marks:
    """What readers marked in one study: ten foramina, NaN where one was not marked.

    Parameters
    ----------
    study_id : str
        The study.
    patient : (2, 5, 3) float
        By side (left, right) and level, mm in patient space.
    """

    study_id: str
    patient: NDArray[np.float64]


Located = NDArray[np.float64]
"""(2, 5, 3): by side and level, mm in patient space; NaN where nothing was located."""


def locate_bundled(
    task: tuple[StudySource, pd.DataFrame],
) -> tuple[str, tuple[Marks, Located, NDArray[np.uint8]]]:
    """Marks of a study, where the bundled selector puts them, and raw patches at the marks."""
    source, coordinates = task
    study = read_study(source)
    marks = marks_of(study, coordinates)
    found = np.full((2, 5, 3), np.nan)
    for item in _bundled().locate(study):
        condition = item.target.condition
        if condition.family is Family.FORAMINAL and item.series is not None:
            side = list(Side).index(condition.side) if condition.side else 0
            found[side, list(Level).index(item.target.level)] = item.patient
    return study.study_id, (marks, found, patches_at(study, marks.patient))


_SELECTOR: list[SliceSelector] = []


def _bundled() -> SliceSelector:
    if not _SELECTOR:
        _SELECTOR.append(SliceSelector.bundled())
    return _SELECTOR[0]


def marks_of(study: Study, coordinates: pd.DataFrame) -> Marks:
    """Turn a study's rows of the coordinate table into patient space."""
    slices = {
        (series.series_id, item.instance_number): item.plane
        for series in study.series
        for item in series.slices
    }
    patient = np.full((2, 5, 3), np.nan)
    rows: Any = coordinates.itertuples()
    for row in rows:
        condition = Condition(row.condition)
        plane = slices.get((str(row.series_id), int(row.instance_number)))
        if condition.family is Family.FORAMINAL and condition.side is not None and plane is not None:
            place = list(Side).index(condition.side), [level.value for level in Level].index(row.level)
            patient[place] = plane.to_patient([[row.x, row.y]])[0]
    return Marks(study.study_id, patient)


def patches_at(study: Study, patient: Located) -> NDArray[np.uint8]:
    """Raw patches (2, 5, px, px) around points on the nearest sagittal T1 slice; zeros where there is no point."""
    out = np.zeros((2, 5, PATCH_PX, PATCH_PX), np.uint8)
    series = next((item for item in study.series if item.view is View.SAGITTAL_T1), None)
    if series is None:
        return out
    cutter = Cutter(series, View.SAGITTAL_T1)
    for place in np.argwhere(np.isfinite(patient[..., 0])):
        point = patient[tuple(place)]
        index = series.nearest(point)
        column, row = (float(value) for value in series.slices[index].plane.to_pixel(point)[0])
        out[tuple(place)] = cutter.cut(index, (column, row), PATCH_MM, PATCH_PX)
    return out


def patches_of(
    sources: Sequence[StudySource], found: dict[str, Located], workers: int | None
) -> dict[str, NDArray[np.float32]]:
    tasks = [(source, found[source.study_id]) for source in sources if source.study_id in found]
    patches = fan_out(_patch_task, tasks, "patches", workers)
    return {task[0].study_id: flat(at) for task, at in patches}


def flat(patches: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.asarray(patches.reshape(10, -1) / 255, np.float32)


def _patch_task(task: tuple[StudySource, Located]) -> NDArray[np.uint8]:
    return patches_at(read_study(task[0]), task[1])


def embeddings_in(store: FeatureStore) -> dict[str, NDArray[np.float32]]:
    """Embeddings (10, d) of the foramina of each study in the view where they are graded; 0 where not seen."""
    width = store.embedding.shape[1] // len(VIEWS)
    first = VIEWS.index(View.SAGITTAL_T1) * width
    wanted = store.rows["condition"].isin([condition.value for condition in FORAMINA])
    seen = np.nan_to_num(store.embedding[wanted.to_numpy(), first : first + width])
    names = store.rows.loc[wanted, "study_id"].iloc[::10]
    return dict(zip(names, seen.reshape(len(names), 10, width)))


def located_in(store: FeatureStore) -> dict[str, Located]:
    """Where the foramina of a store's studies were located."""
    found: dict[str, Located] = {}
    rows = store.rows[store.rows["condition"].isin([condition.value for condition in FORAMINA])]
    items: Any = rows.itertuples()
    for row in items:
        place = found.setdefault(row.study_id, np.full((2, 5, 3), np.nan))
        side, level = (
            int(row.condition.startswith("right")),
            [level.value for level in Level].index(row.level),
        )
        if row.instance_number >= 0:
            place[side, level] = (row.left_mm, row.posterior_mm, row.head_mm)
    return found


def points_summary(marks: dict[str, Marks], found: dict[str, Located]) -> dict[str, Any]:
    """How near points are to the marks, with intervals over studies; what was not located counts as missed."""
    names = [name for name in marks if name in found]
    true = np.array([marks[name].patient for name in names])
    ours = np.array([found[name] for name in names])
    marked = np.isfinite(true[..., 0])
    # The slices are sagittal: posterior and head are the directions in the plane, left is across.
    mm = np.where(marked, np.linalg.norm((ours - true)[..., 1:], axis=-1), np.nan)
    apart = np.linalg.norm(ours[:, :, :, None, 1:] - true[:, :, None, :, 1:], axis=-1)
    nearest = np.where(np.isfinite(apart), apart, np.inf).argmin(axis=-1)
    level_right = (nearest == np.arange(5)) & np.isfinite(ours[..., 0])
    sides = np.nanmean(true[..., 0], axis=2)
    away = np.abs(ours[..., 0] - sides[:, :, None])
    other = np.abs(ours[..., 0] - sides[:, ::-1, None])
    # Where readers marked one side alone, nothing tells where the other is.
    both = marked & np.isfinite(sides).all(axis=1)[:, None, None]
    hits = {
        "within_8mm": (mm <= 8, marked),
        "within_5mm": (mm <= 5, marked),
        "level_right": (level_right, marked),
        "side_right": (away < other, both),
        "exact_slice": (np.abs(ours - true)[..., 0] < EXACT_MM, marked),
    }
    summary: dict[str, Any] = {"points": int(marked.sum()), "median_mm": float(np.nanmedian(mm))}
    summary["located"] = float(np.isfinite(mm[marked]).mean())
    for name, (hit, among) in hits.items():
        interval = _fraction(hit & among, among)
        summary[name] = interval.value
        summary[f"{name}_interval"] = [interval.low, interval.high]
    bias = np.nanmean(np.where(marked[..., None], ours - true, np.nan), axis=(0, 1))
    summary["bias_mm_posterior_head_by_level"] = bias[:, 1:].round(2).tolist()
    return summary


def _fraction(hit: NDArray[np.bool_], marked: NDArray[np.bool_]) -> Interval:
    hits, n = hit.sum(axis=(1, 2)), marked.sum(axis=(1, 2))
    return bootstrap_interval(lambda counts: (counts @ hits) / (counts @ n), len(n), seed=0)
