"""Studies made by hand from a smooth function of patient space, and a selector that is always right."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lsdc.cohort.geometry import SlicePlane
from lsdc.cohort.location import Location
from lsdc.cohort.study import Series, Slice, Study
from lsdc.cohort.vocabulary import TARGETS, Family, Level, Side, Target, View

Triple = tuple[float, float, float]
GrayOf = Callable[[ArrayLike], NDArray[np.float64]]
"""Gray values (...) of points (..., 3) in mm."""


def tissue(points: ArrayLike) -> NDArray[np.float64]:
    """Gray values of a smooth patient that is alike from no two directions."""
    x, y, z = np.moveaxis(np.asarray(points), -1, 0)
    return 200 + 50 * np.sin(x / 9 + 0.5) + 40 * np.cos(y / 7 + x / 23) + 60 * np.sin(z / 11 + y / 31)


def make_slice(
    origin: Triple,
    row: Triple,
    column: Triple,
    spacing: tuple[float, float] = (0.8, 0.8),
    shape: tuple[int, int] = (160, 150),
    number: int = 1,
    gray: GrayOf = tissue,
) -> Slice:
    plane = SlicePlane(origin, row, column, spacing)
    columns, rows = np.meshgrid(np.arange(shape[1]), np.arange(shape[0]))
    points = plane.to_patient(np.stack([columns.ravel(), rows.ravel()], 1))
    return Slice(gray(points).reshape(shape).astype(np.float32), plane, number, "made")


def sagittal(
    view: View = View.SAGITTAL_T2, xs: Iterable[float] = range(-20, 21, 4), gray: GrayOf = tissue
) -> Series:
    slices = [make_slice((x, -60, 60), (0, 1, 0), (0, 0, -1), number=k, gray=gray) for k, x in enumerate(xs)]
    return Series("sag", view, tuple(slices))


def axial(zs: Iterable[float] = range(-30, 31, 5), gray: GrayOf = tissue) -> Series:
    slices = [make_slice((-60, -60, z), (1, 0, 0), (0, 1, 0), number=k, gray=gray) for k, z in enumerate(zs)]
    return Series("ax", View.AXIAL_T2, tuple(slices))


def study_of(*series: Series) -> Study:
    return Study("made", series)


def locate(study: Study, target: Target, patient: Triple) -> Location:
    """Locate a target where it is; the last series of its view is taken."""
    view, index, nearest, point = target.condition.view, None, None, (np.nan, np.nan)
    for k, series in enumerate(study.series):
        if series.view is view:
            index, nearest = k, series.nearest(np.array(patient))
            column, row = series.slices[nearest].plane.to_pixel(patient)[0]
            point = (column, row)
    return Location(target, view, index, nearest, point, patient, 1.0, "network")


def patient_of(target: Target) -> Triple:
    """Where a target lies in a made patient, mm."""
    level = list(Level).index(target.level)
    side = {None: 0.0, Side.LEFT: 1.0, Side.RIGHT: -1.0}[target.condition.side]
    lateral = {Family.SPINAL: 0.0, Family.FORAMINAL: 16.0, Family.SUBARTICULAR: 9.0}[target.condition.family]
    return (side * lateral, 3.0 * level, 24.0 - 12.0 * level)


def locate_all(study: Study) -> list[Location]:
    """Locate all 25 targets of a made study where they are."""
    return [locate(study, target, patient_of(target)) for target in TARGETS]


def whole_study() -> Study:
    """A study with all three views."""
    return study_of(sagittal(View.SAGITTAL_T1), sagittal(View.SAGITTAL_T2), axial())
