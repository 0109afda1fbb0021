"""Small volumes and previews show the targets where they say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from support.made_study import axial, locate_all, make_slice, sagittal, study_of, whole_study

from lsdc.cohort.study import Series, Study
from lsdc.cohort.vocabulary import TARGETS, View
from lsdc.features.located_study import LocatedStudy
from lsdc.features.previews import cut_previews
from lsdc.features.volumes import FIELD_MM, cut_volume


def located(study: Study) -> LocatedStudy:
    return LocatedStudy.of(study, locate_all(study))


def volume_of(study: Study, view: View, slices: int = 8) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    volume, points = cut_volume(located(study), view, slices, px=50)
    assert volume is not None
    return volume, points


@pytest.mark.parametrize("view", View)
def test_targets_are_where_the_volume_says(view: View) -> None:
    volume, points = volume_of(whole_study(), view)
    assert volume.shape == (8, 50, 50) and volume.any(axis=(1, 2)).all()
    graded = np.array([target.condition.view is view for target in TARGETS])
    assert np.isfinite(points[graded]).all() and np.isnan(points[~graded]).all()
    by_target = dict(zip(TARGETS, points * FIELD_MM[view] / 50))
    if view is View.AXIAL_T2:
        apart = [by_target[t.mirrored] - by_target[t] for t in TARGETS[15:20]]
        np.testing.assert_allclose([delta[1:] for delta in apart], [(-18, 0)] * 5, atol=1e-3)
    else:
        one, two = (TARGETS[0], TARGETS[4]) if view is View.SAGITTAL_T2 else (TARGETS[5], TARGETS[9])
        np.testing.assert_allclose((by_target[two] - by_target[one])[1:], (12, 48), atol=1e-3)


def test_axial_volume_holds_all_series_from_foot_to_head() -> None:
    study = study_of(axial([10, 14, 18]), axial([-20, -16, -12]))
    volume, points = volume_of(study, View.AXIAL_T2, slices=6)
    order = [point[0] for point, target in zip(points, TARGETS) if target.condition.view is View.AXIAL_T2]
    assert len({image.tobytes() for image in volume}) == 6
    assert order[:5] == sorted(order[:5], reverse=True)


def test_a_volume_without_a_place_is_cut_around_its_own_targets() -> None:
    study = whole_study()
    placed, _ = volume_of(study, View.AXIAL_T2)
    away = replace(
        study.series[2],
        flags=frozenset({"no_position"}),
        slices=tuple(
            replace(
                item, plane=replace(item.plane, origin=tuple(np.add(item.plane.origin, (70.0, 60.0, 400.0))))
            )
            for item in study.series[2].slices
        ),
    )
    locations = [
        replace(item, patient=tuple(np.add(item.patient, (70.0, 60.0, 400.0)))) if item.series == 2 else item
        for item in locate_all(study)
    ]
    moved = LocatedStudy.of(replace(study, series=(*study.series[:2], away)), locations)
    volume, points = cut_volume(moved, View.AXIAL_T2, 8, px=50)
    assert volume is not None
    np.testing.assert_allclose(volume.astype(int), placed.astype(int), atol=25)  # half a pixel or two
    shown = points[[target.condition.view is View.AXIAL_T2 for target in TARGETS]]
    assert ((shown[:, 1:] > 15) & (shown[:, 1:] < 35)).all()


@pytest.mark.parametrize("degrees", [0.0, 44.0, 46.0, 58.0])
def test_axial_slices_are_cut_at_the_spine_however_they_are_tilted(degrees: float) -> None:
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    # Through the spine at its height, and on both sides of it.
    slices = tuple(
        make_slice((-60.0, 3 - 60 * cosine, z + 60 * sine), (1, 0, 0), (0, cosine, -sine))
        for z in (-4.0, 0.0, 4.0)
    )
    study = study_of(sagittal(View.SAGITTAL_T1), sagittal(), Series("ax", View.AXIAL_T2, slices))
    _, points = volume_of(study, View.AXIAL_T2, slices=3)
    at = [points[k] for k, target in enumerate(TARGETS) if target.slug.endswith("stenosis_l3_l4")]
    (row,) = {round(float(point[2])) for point in at if np.isfinite(point[2])}
    assert row == pytest.approx(25, abs=4)


def test_an_absent_view_has_no_volume() -> None:
    volume, points = cut_volume(located(study_of(sagittal())), View.AXIAL_T2, slices=8, px=50)
    assert volume is None and np.isnan(points).all()


def test_previews_show_every_located_target() -> None:
    previews, points = cut_previews(located(whole_study()), px=64)
    assert previews.any(axis=(1, 2)).all() and set(points[:, 0]) == set(range(8))
    assert ((points[:, 1:] > 0) & (points[:, 1:] < 63)).all()


def test_previews_of_nothing_are_black() -> None:
    previews, points = cut_previews(located(Study("nothing", ())), px=16)
    assert not previews.any() and np.isnan(points).all()
