"""Images with the points that readers marked, for training the localizer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.geometry import SlicePlane
from lsdc.cohort.study import Study
from lsdc.cohort.vocabulary import Family, Side, View
from lsdc.slice_selector.annotations import Annotations, targets_by_level
from lsdc.slice_selector.square_images import (
    ABSENT,
    AXIAL_PX,
    N_LEVELS,
    PRESENT,
    SAGITTAL_PX,
    SAGITTAL_VIEWS,
    UNKNOWN,
    SquareImages,
)

_CANAL_SHOWN_MM, _FORAMEN_SHOWN_MM, _RECESS_SHOWN_MM = 4.0, 3.5, 6.0
"""A slice shows a marked point that is at most so far from its plane."""
_SAME_FORAMINA_MM = 9.0
"""Where a slice shows one foramen, marks of its other levels so near are in the same place of its plane."""
_CANAL_ABSENT_MM = 9.0
"""A slice that is farther than this from a level's canal point certainly does not show it."""

_Points = NDArray[np.float64]
_State = NDArray[np.int8]
_Row = tuple[NDArray[np.uint8], _Points, _State]


@dataclass(frozen=True)
class AnnotatedImages:
    """Images of one kind with their points.

    Parameters
    ----------
    images : (n, px, px) uint8
        Upright gray values.
    points : (n, channels, 2) float32
        Column and row, px; NaN where not shown.
    state : (n, channels) int8
        0 unknown, 1 present, 2 absent.
    """

    images: NDArray[np.uint8]
    points: NDArray[np.float32]
    state: NDArray[np.int8]


def annotated_sagittal_images(study: Study, annotations: Annotations) -> AnnotatedImages:
    """Cut the sagittal slices of all series on which a marked canal or foraminal point is shown.

    Parameters
    ----------
    study : Study
        Any number of sagittal series, T1 and T2.
    annotations : Annotations
        Of that study; points marked on one series are shown on the other.

    Returns
    -------
    AnnotatedImages
        192 px, ten channels: the canal, then the foramen of the five levels.
    """
    return _collected(_sagittal_rows(study, annotations), SAGITTAL_PX, 2 * N_LEVELS)


def _sagittal_rows(study: Study, annotations: Annotations) -> Iterator[_Row]:
    for index, series in enumerate(study.series):
        if series.view not in SAGITTAL_VIEWS:
            continue
        square, patient = SquareImages.sagittal(series), annotations.on(study, index)
        for number, item in enumerate(series.slices):
            points, state = _sagittal_points(square, number, item.plane, patient)
            if state.any():
                yield square.cut(number), points, state


def _sagittal_points(
    square: SquareImages, number: int, plane: SlicePlane, patient: NDArray[np.float64]
) -> tuple[_Points, _State]:
    """Points (10, 2) and states (10,) of a sagittal slice; all unknown where no marked point is near it."""
    canal = targets_by_level(Family.SPINAL)
    parts = [(0, canal, _CANAL_SHOWN_MM)]
    parts += [(N_LEVELS, targets_by_level(Family.FORAMINAL, side), _FORAMEN_SHOWN_MM) for side in Side]
    points, state = np.full((2 * N_LEVELS, 2), np.nan), np.zeros(2 * N_LEVELS, np.int8)
    distance = np.abs(plane.distance(patient))
    for first_channel, targets, shown in parts:
        widens = first_channel == N_LEVELS and np.nanmin(distance[targets], initial=np.inf) <= shown
        reach = _SAME_FORAMINA_MM if widens else shown
        for level, target in enumerate(targets):
            if distance[target] <= reach:
                pixel = plane.to_pixel(patient[target])[0]
                points[first_channel + level] = square.to_image(number, pixel)
                state[first_channel + level] = PRESENT
    if state.any():
        _mark_absent(state, distance[canal])
    return points, state


def _mark_absent(state: _State, canal_distance: NDArray[np.float64]) -> None:
    """Mark what a slice cannot show, in place: the canal far beside it, foramina on a slice through the canal."""
    canal, foramina = state[:N_LEVELS], state[N_LEVELS:]
    canal[(canal == UNKNOWN) & (canal_distance > _CANAL_ABSENT_MM)] = ABSENT
    if np.nanmin(canal_distance, initial=np.inf) < _CANAL_SHOWN_MM:
        foramina[foramina == UNKNOWN] = ABSENT


def annotated_axial_images(study: Study, annotations: Annotations) -> AnnotatedImages:
    """Cut the axial slices that are marked for a recess, with both recesses of the level projected onto them.

    Parameters
    ----------
    study : Study
        Any number of axial series.
    annotations : Annotations
        Of that study.

    Returns
    -------
    AnnotatedImages
        128 px, two channels: the patient's left and right recess. A slice that is marked for two levels comes twice.
    """
    return _collected(_axial_rows(study, annotations), AXIAL_PX, len(Side))


def _axial_rows(study: Study, annotations: Annotations) -> Iterator[_Row]:
    pairs = list(zip(*(targets_by_level(Family.SUBARTICULAR, side) for side in Side)))
    for k, series in enumerate(study.series):
        if series.view is not View.AXIAL_T2:
            continue
        square, patient = SquareImages.axial(series), annotations.on(study, k)
        for pair in pairs:
            marked = {int(row) - annotations.first_row[k] for row in annotations.rows[list(pair)] if row >= 0}
            for number in marked:
                if not 0 <= number < len(series.slices):
                    continue
                plane = series.slices[number].plane
                points, state = _recess_points(square, number, plane, patient[list(pair)])
                yield square.cut(number), points, state


def _recess_points(
    square: SquareImages, number: int, plane: SlicePlane, patient: NDArray[np.float64]
) -> tuple[_Points, _State]:
    """Points (2, 2) and states (2,) of the recesses (2, 3) mm on an axial slice."""
    points, state = np.full((len(Side), 2), np.nan), np.zeros(len(Side), np.int8)
    for side, point in enumerate(patient):
        if np.isfinite(point[0]) and abs(plane.distance(point)[0]) < _RECESS_SHOWN_MM:
            points[side] = square.to_image(number, plane.to_pixel(point)[0])
            state[side] = PRESENT
    return points, state


def _collected(rows: Iterable[_Row], px: int, channels: int) -> AnnotatedImages:
    images, points, states = [], [], []
    for image, image_points, state in rows:
        images.append(image)
        points.append(image_points)
        states.append(state)
    return AnnotatedImages(
        np.array(images, np.uint8).reshape(-1, px, px),
        np.array(points, np.float32).reshape(-1, channels, 2),
        np.array(states, np.int8).reshape(-1, channels),
    )
