"""Studies made by hand from a smooth function of patient space, and a selector that is always right."""

from types import SimpleNamespace

import numpy as np

from lsdc.cohort.geometry import SlicePlane
from lsdc.cohort.study import Series, Slice, Study
from lsdc.cohort.vocabulary import TARGETS, Family, Level, Side, View


def tissue(points):
    """A smooth picture of the patient that is alike from no two directions."""
    x, y, z = np.moveaxis(np.asarray(points), -1, 0)
    return 200 + 50 * np.sin(x / 9 + 0.5) + 40 * np.cos(y / 7 + x / 23) + 60 * np.sin(z / 11 + y / 31)


def make_slice(origin, row, column, spacing=(0.8, 0.8), shape=(160, 150), number=1, look=tissue):
    plane = SlicePlane(tuple(origin), tuple(row), tuple(column), spacing)
    columns, rows = np.meshgrid(np.arange(shape[1]), np.arange(shape[0]))
    points = plane.to_patient(np.stack([columns.ravel(), rows.ravel()], 1))
    return Slice(look(points).reshape(shape).astype(np.float32), plane, number, "made")


def sagittal(view=View.SAGITTAL_T2, xs=range(-20, 21, 4), look=tissue, **options):
    slices = [
        make_slice((x, -60, 60), (0, 1, 0), (0, 0, -1), number=k, look=look, **options)
        for k, x in enumerate(xs)
    ]
    return Series("sag", view, tuple(slices))


def axial(zs=range(-30, 31, 5), look=tissue):
    slices = [make_slice((-60, -60, z), (1, 0, 0), (0, 1, 0), number=k, look=look) for k, z in enumerate(zs)]
    return Series("ax", View.AXIAL_T2, tuple(slices))


def study_of(*series):
    return Study("made", series)


def locate(study, target, patient):
    """A perfect selector."""
    view = target.condition.view
    here = SimpleNamespace(
        target=target,
        view=view,
        series=None,
        slice=None,
        point=(np.nan, np.nan),
        patient=patient,
        confidence=1.0,
        located_by="network",
        flags=frozenset(),
    )
    for k, series in enumerate(study.series):
        if series.view is view:
            here.series, here.slice = k, series.nearest(np.array(patient))
            here.point = tuple(series.slices[here.slice].plane.to_pixel(patient)[0])
    return here


def place_of(target):
    """Where a target lies in a made patient, mm."""
    level = list(Level).index(target.level)
    side = {None: 0.0, Side.LEFT: 1.0, Side.RIGHT: -1.0}[target.condition.side]
    lateral = {Family.SPINAL: 0.0, Family.FORAMINAL: 16.0, Family.SUBARTICULAR: 9.0}[target.condition.family]
    return (side * lateral, 3.0 * level, 24.0 - 12.0 * level)


def locate_all(study):
    """All 25 targets of a made study, rightly located."""
    return [locate(study, target, place_of(target)) for target in TARGETS]


def whole_study(look=tissue):
    """A study with all three views."""
    return study_of(
        sagittal(View.SAGITTAL_T1, look=look), sagittal(View.SAGITTAL_T2, look=look), axial(look=look)
    )
