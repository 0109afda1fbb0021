"""What the selector learns from one study: small arrays instead of DICOM."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lsdc.cohort.cropping import Cutter
from lsdc.cohort.study import Series, Study
from lsdc.cohort.vocabulary import TARGETS, Family, Side, View
from lsdc.runtime import ArtefactError
from lsdc.slice_selector.descriptors import describe

SAGITTAL_PX, SAGITTAL_MM = 192, 300.0
AXIAL_PX, AXIAL_MM = 128, 160.0
SAGITTAL_VIEWS = (View.SAGITTAL_T2, View.SAGITTAL_T1)
N_LEVELS = 5
UNKNOWN, PRESENT, ABSENT = 0, 1, 2
_CANAL_REACH, _FORAMEN_REACH, _BESIDE = 4.0, 3.5, 9.0
"""mm from a slice within which a canal or foraminal point is shown on it, and beyond which the canal is absent."""


@dataclass(frozen=True)
class SelectorExample:
    """One study as the selector sees it; n slices, m sagittal and k axial pictures.

    Parameters
    ----------
    study_id : str
        Of the study.
    descriptors : (n, d) float32
        One per slice of every series with a view.
    view : (n,) int8
        Index into `View`.
    series : (n,) int16
        Index into the study's series.
    offset : (n,) float32
        Position along the series' normal from its middle slice's, mm; towards the left or the head.
    fraction : (n,) float32
        The slice's place in its series, 0 to 1.
    distance : (n, 5) float32
        From an axial slice to the annotated canal point of each level, mm; NaN elsewhere.
    annotated : (25,) int32
        Slice annotated for each target, -1 unknown.
    patient : (25, 3) float32
        Annotated point, mm; NaN unknown.
    sagittal, axial : (m, 192, 192), (k, 128, 128) uint8
        Pictures with annotated points.
    sagittal_points, axial_points : (m, 10, 2), (k, 2, 2) float32
        px: canal then foramen of the five levels; patient's left then right recess.
    sagittal_state, axial_state : (m, 10), (k, 2) int8
        0 unknown, 1 present, 2 absent.
    """

    study_id: str
    descriptors: NDArray[np.float32]
    view: NDArray[np.int8]
    series: NDArray[np.int16]
    offset: NDArray[np.float32]
    fraction: NDArray[np.float32]
    distance: NDArray[np.float32]
    annotated: NDArray[np.int32]
    patient: NDArray[np.float32]
    sagittal: NDArray[np.uint8]
    sagittal_points: NDArray[np.float32]
    sagittal_state: NDArray[np.int8]
    axial: NDArray[np.uint8]
    axial_points: NDArray[np.float32]
    axial_state: NDArray[np.int8]

    def save(self, path: Path) -> None:
        """Write as a compressed npz file."""
        with path.open("wb") as stream:
            arrays: Any = {f.name: np.asarray(getattr(self, f.name)) for f in fields(self)}
            np.savez_compressed(stream, **arrays)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote; nothing in it is run."""
        try:
            with np.load(path, allow_pickle=False) as content:
                arrays = {f.name: content[f.name] for f in fields(cls)}
        except Exception as error:  # zip and NumPy fail in their own ways on a damaged file
            raise ArtefactError(f"{path}: a damaged selector example ({error}); delete it") from error
        return cls(**(arrays | {"study_id": str(arrays["study_id"])}))


def series_geometry(series: Series) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Offset from the middle (mm, along the patient's axis) and fraction of each slice; both (n,)."""
    place = series.positions
    normal = series.slices[0].plane.normal
    if normal[int(np.argmax(np.abs(normal)))] < 0:
        place = -place
    middle = (place.max() + place.min()) / 2
    return place - middle, (place - place.min()) / max(float(np.ptp(place)), 1e-6)


def image_center(series: Series, index: int) -> tuple[float, float]:
    """Column and row of the middle of a slice's image."""
    rows, columns = series.slices[index].pixels.shape
    return (columns - 1) / 2, (rows - 1) / 2


def make_example(study: Study, coordinates: pd.DataFrame | None) -> SelectorExample:
    """Make the example of a study.

    Parameters
    ----------
    study : Study
        As read.
    coordinates : DataFrame or None
        The study's rows of the coordinate table (series_id, instance_number, condition, level, x, y).
    """
    used = [(k, series) for k, series in enumerate(study.series) if series.view is not None]
    starts = dict(zip((k for k, _ in used), np.cumsum([0, *(len(s.slices) for _, s in used)])))
    annotated, patient = _annotations(study, coordinates, starts)
    n = sum(len(series.slices) for _, series in used)
    distance = np.full((n, N_LEVELS), np.nan, np.float32)
    columns: dict[str, list[NDArray]] = {"view": [], "series": [], "offset": [], "fraction": []}
    descriptors = [describe(item.pixels, item.plane) for _, series in used for item in series.slices]
    for k, series in used:
        offset, fraction = series_geometry(series)
        count = len(series.slices)
        columns["view"].append(np.full(count, list(View).index(series.view or View.AXIAL_T2)))
        columns["series"].append(np.full(count, k))
        columns["offset"].append(offset)
        columns["fraction"].append(fraction)
        if series.view is View.AXIAL_T2:
            rows = [item.plane.distance(patient[:N_LEVELS]) for item in series.slices]
            distance[starts[k] : starts[k] + count] = rows
    sagittal = _sagittal_pictures(study, patient)
    axial = _axial_pictures(study, annotated, patient, starts)
    return SelectorExample(
        study.study_id,
        np.array(descriptors, np.float32).reshape(n, -1),
        _joined(columns["view"], np.int8),
        _joined(columns["series"], np.int16),
        _joined(columns["offset"], np.float32),
        _joined(columns["fraction"], np.float32),
        distance,
        annotated,
        patient.astype(np.float32),
        *sagittal,
        *axial,
    )


def _joined(parts: list[NDArray], dtype: type) -> NDArray:
    return np.concatenate(parts).astype(dtype) if parts else np.zeros(0, dtype)


def _annotations(
    study: Study, coordinates: pd.DataFrame | None, starts: dict[int, int]
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    annotated, patient = np.full(len(TARGETS), -1, np.int32), np.full((len(TARGETS), 3), np.nan)
    if coordinates is None:
        return annotated, patient
    places = {
        (series.series_id, item.instance_number): (k, index)
        for k, series in enumerate(study.series)
        if k in starts
        for index, item in enumerate(series.slices)
    }
    index = {(target.condition.value, target.level.value): k for k, target in enumerate(TARGETS)}
    rows: Any = coordinates.itertuples()
    for row in rows:
        place = places.get((str(row.series_id), int(row.instance_number)))
        target = index.get((str(row.condition), str(row.level)))
        if place is None or target is None:
            continue
        series, number = place
        annotated[target] = starts[series] + number
        patient[target] = study.series[series].slices[number].plane.to_patient([[row.x, row.y]])[0]
    return annotated, patient


def _sagittal_pictures(study: Study, patient: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Slices of sagittal series on which canal or foraminal points lie."""
    conditions = [[k for k, t in enumerate(TARGETS) if t.condition.family is Family.SPINAL]]
    conditions += [
        [
            k
            for k, t in enumerate(TARGETS)
            if t.condition.family is Family.FORAMINAL and t.condition.side is side
        ]
        for side in Side
    ]
    pictures, points, states = [], [], []
    for series in (s for s in study.series if s.view in SAGITTAL_VIEWS):
        cutter = Cutter(series, series.view or View.SAGITTAL_T2)
        for number, item in enumerate(series.slices):
            place, state = np.full((10, 2), np.nan), np.zeros(10, np.int8)
            away = np.abs(item.plane.distance(patient))
            for part, (rows, reach) in enumerate(
                zip(conditions, (_CANAL_REACH, _FORAMEN_REACH, _FORAMEN_REACH))
            ):
                for level, row in enumerate(rows):
                    channel = level + (0 if part == 0 else N_LEVELS)
                    if away[row] <= reach:
                        center = image_center(series, number)
                        pixel = tuple(item.plane.to_pixel(patient[row])[0])
                        place[channel] = cutter.place(number, center, pixel, SAGITTAL_MM, SAGITTAL_PX)
                        state[channel] = PRESENT
            if not state.any():
                continue
            canal = away[conditions[0]]
            state[:N_LEVELS][(state[:N_LEVELS] == UNKNOWN) & (canal > _BESIDE)] = ABSENT
            if np.nanmin(canal, initial=np.inf) < _CANAL_REACH:
                state[N_LEVELS:][state[N_LEVELS:] == UNKNOWN] = ABSENT
            pictures.append(cutter.cut(number, image_center(series, number), SAGITTAL_MM, SAGITTAL_PX))
            points.append(place)
            states.append(state)
    return _stack(pictures, points, states, SAGITTAL_PX, 10)


def _axial_pictures(
    study: Study, annotated: NDArray, patient: NDArray, starts: dict[int, int]
) -> tuple[NDArray, NDArray, NDArray]:
    """Axial slices annotated for a recess, with both recesses of the level projected onto them."""
    rows = [[k for k, t in enumerate(TARGETS) if t.condition.family is Family.SUBARTICULAR and t.condition.side is s]
            for s in Side]  # fmt: skip
    pictures, points, states = [], [], []
    for k, series in enumerate(study.series):
        if series.view is not View.AXIAL_T2:
            continue
        cutter = Cutter(series, View.AXIAL_T2)
        for level in range(N_LEVELS):
            pair = [side[level] for side in rows]
            for number in {int(annotated[row]) - starts[k] for row in pair if annotated[row] >= 0}:
                if not 0 <= number < len(series.slices):
                    continue
                plane, center = series.slices[number].plane, image_center(series, number)
                place, state = np.full((2, 2), np.nan), np.zeros(2, np.int8)
                for channel, row in enumerate(pair):
                    if np.isfinite(patient[row, 0]) and abs(plane.distance(patient[row])[0]) < 6:
                        pixel = tuple(plane.to_pixel(patient[row])[0])
                        place[channel] = cutter.place(number, center, pixel, AXIAL_MM, AXIAL_PX)
                        state[channel] = PRESENT
                pictures.append(cutter.cut(number, center, AXIAL_MM, AXIAL_PX))
                points.append(place)
                states.append(state)
    return _stack(pictures, points, states, AXIAL_PX, 2)


def _stack(
    pictures: list, points: list, states: list, px: int, channels: int
) -> tuple[NDArray, NDArray, NDArray]:
    return (
        np.array(pictures, np.uint8).reshape(-1, px, px),
        np.array(points, np.float32).reshape(-1, channels, 2),
        np.array(states, np.int8).reshape(-1, channels),
    )
