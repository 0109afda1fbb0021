"""Projections and crops: every view that shows a target, upright, in millimeters, right sides mirrored."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from support.made_study import GrayOf, axial, locate, make_slice, sagittal, study_of, tissue, whole_study

from lsdc.cohort.cropping import Cutter, reorientation_of
from lsdc.cohort.geometry import SlicePlane
from lsdc.cohort.location import Location
from lsdc.cohort.study import Series, Slice, Study
from lsdc.cohort.vocabulary import TARGETS, Condition, Level, Target, View
from lsdc.features.crops import cut_crops
from lsdc.features.located_study import LocatedStudy
from lsdc.features.projections import find_projections, neighbors

CANAL = Target(Condition.SPINAL_CANAL_STENOSIS, Level.L3_L4)
LEFT = Target(Condition.LEFT_NEURAL_FORAMINAL_NARROWING, Level.L3_L4)
FULL = whole_study()


def crops_of(study: Study, px: int, *locations: Location) -> NDArray[np.uint8]:
    return cut_crops(LocatedStudy.of(study, locations), px)


def cutter_of(item: Slice) -> Cutter:
    return Cutter(Series("s", View.SAGITTAL_T2, (item,)), View.SAGITTAL_T2)


def pixel_of(item: Slice, patient: tuple[float, float, float]) -> tuple[float, float]:
    column, row = item.plane.to_pixel(patient)[0]
    return float(column), float(row)


def test_a_target_is_found_in_all_views() -> None:
    projections = find_projections(FULL, locate(FULL, CANAL, (1.0, 3.0, 6.0)))
    assert set(projections) == set(View)
    assert projections[View.SAGITTAL_T2].slice == 5 and projections[View.AXIAL_T2].slice == 7
    for view, projection in projections.items():
        plane = FULL.series[projection.series].slices[projection.slice].plane
        assert np.linalg.norm(plane.to_patient(projection.point)[0] - (1, 3, 6)) == pytest.approx(
            0 if projection.distance_mm == 0 else projection.distance_mm, abs=1.01
        ), view


@pytest.mark.parametrize("point", [(20.0, 31.3), (-4.6, 12.0), (47.5, 63.5), (90.0, -70.0)])
@pytest.mark.parametrize(("mm", "px"), [(10.0, 24), (90.0, 48)])
def test_a_crop_is_that_of_an_image_with_nothing_around(
    point: tuple[float, float], mm: float, px: int
) -> None:
    gray = np.random.default_rng(0).normal(300, 200, (64, 48)).astype(np.float32)
    cutter = cutter_of(Slice(gray, SlicePlane((0, 0, 0), (0, 1, 0), (0, 0, -1), (0.7, 0.9)), 1, "x"))
    low, high = cutter.series.window
    around = np.pad(gray, 300, constant_values=-np.inf)
    windowed = ((around - low) * (255.0 / (high - low))).clip(0, 255).astype(np.uint8)
    half = mm / 0.9 / 2, mm / 0.7 / 2
    edges = [point[k] + 300.5 + sign * half[k] for sign in (-1, 1) for k in range(2)]
    starts = [int(edges[k]) - 2 for k in range(2)]
    stops = [int(np.ceil(edges[k + 2])) + 2 for k in range(2)]
    part = Image.fromarray(windowed[starts[1] : stops[1], starts[0] : stops[0]])
    left, top, right, bottom = (edge - starts[k % 2] for k, edge in enumerate(edges))
    expected = np.asarray(part.resize((px, px), Image.Resampling.BILINEAR, (left, top, right, bottom)))
    found = cutter.cut(0, point, mm, px).astype(int)
    assert np.abs(found - expected).max() <= 1  # of the last digits of the box


def test_a_view_out_of_reach_is_absent() -> None:
    projections = find_projections(FULL, locate(FULL, CANAL, (0.0, 0.0, 35.9)))
    assert View.AXIAL_T2 in projections
    assert View.AXIAL_T2 not in find_projections(FULL, locate(FULL, CANAL, (0.0, 0.0, 36.1)))


def test_the_nearest_of_several_series_is_taken() -> None:
    study = study_of(sagittal(), axial([-30, -25]), axial([2, 6]))
    assert find_projections(study, locate(study, CANAL, (0.0, 0.0, 1.0)))[View.AXIAL_T2].series == 2


def test_without_the_graded_view_the_others_still_show_it() -> None:
    study = study_of(axial())
    location = locate(study, CANAL, (0.0, 0.0, 0.0))
    assert set(find_projections(study, location)) == {View.AXIAL_T2}
    crops = crops_of(study, 32, location)
    assert not crops[0, :2].any() and crops[0, 2].any()


def test_nothing_known_gives_zeros() -> None:
    nowhere = locate(study_of(), CANAL, (np.nan, np.nan, np.nan))
    assert find_projections(FULL, nowhere) == {} and not crops_of(FULL, 16, nowhere).any()


def test_a_series_without_position_shows_only_targets_graded_on_it() -> None:
    unplaced = replace(sagittal(), flags=frozenset({"no_position"}))
    study = study_of(unplaced, axial())
    assert set(find_projections(study, locate(study, CANAL, (0.0, 0.0, 0.0)))) == {View.SAGITTAL_T2}
    assert set(find_projections(study, locate(study, LEFT, (0.0, 0.0, 0.0)))) == {View.AXIAL_T2}


def test_neighbors_stay_in_their_block() -> None:
    series = axial([-30, -26, -22, 0, 4, 8])
    assert neighbors(series, 0) == (0, 0, 1)
    assert neighbors(series, 1) == (0, 1, 2)
    assert neighbors(series, 2) == (1, 2, 2)
    assert neighbors(series, 3) == (3, 3, 4)
    assert neighbors(axial([0]), 0) == (0, 0, 0)


TURNS = {
    "as it should be": ((-60, 60), (0, 1, 0), (0, 0, -1)),
    "posterior at the left": ((60, 60), (0, -1, 0), (0, 0, -1)),
    "head down": ((-60, -60), (0, 1, 0), (0, 0, 1)),
    "lying": ((-60, 60), (0, 0, -1), (0, 1, 0)),
    "lying the other way": ((60, -60), (0, 0, 1), (0, -1, 0)),
}


@pytest.mark.parametrize("turn", TURNS)
def test_sagittal_images_stand_upright(turn: str) -> None:
    (y, z), row, column = TURNS[turn]
    item = make_slice((0, y, z), row, column, shape=(151, 151))
    cutter, center = cutter_of(item), pixel_of(item, (0, 2, 3))
    image = cutter.cut(0, center, 40, 64)
    steps = (np.arange(64) - 31.5) * 40 / 64
    across, down = np.meshgrid(steps, steps)
    expected = tissue(np.stack([0 * across, 2 + across, 3 - down], -1))
    assert np.corrcoef(expected.ravel(), image.ravel())[0, 1] > 0.999
    place = cutter.place(0, center, pixel_of(item, (0, 12, 8)), 40, 64)
    np.testing.assert_allclose(place, (31.5 + 10 * 1.6, 31.5 - 5 * 1.6), atol=1e-6)


def test_size_is_in_millimeters() -> None:
    """The same square looks the same whatever the pixels are."""
    fine = make_slice((0, -60, 60), (0, 1, 0), (0, 0, -1), spacing=(0.4, 0.5), shape=(300, 240))
    coarse = make_slice((0, -60, 60), (0, 1, 0), (0, 0, -1), spacing=(1.0, 0.8), shape=(120, 150))
    one, two = (
        cutter_of(item).cut(0, pixel_of(item, (0, 0, 0)), 50, 48).astype(float) for item in (fine, coarse)
    )
    assert np.abs(one - two).mean() < 4


def test_outside_the_slice_is_black() -> None:
    item = make_slice((0, -60, 60), (0, 1, 0), (0, 0, -1))
    image = cutter_of(item).cut(0, (0.0, 0.0), 20, 20)
    assert not image[:9].any() and not image[:, :9].any() and image[11:, 11:].any()
    assert not cutter_of(item).cut(0, (-500.0, 0.0), 20, 20).any()


def test_a_mirrored_patient_has_swapped_crops() -> None:
    def mirror(points: ArrayLike) -> NDArray[np.float64]:
        return tissue(np.asarray(points) * (-1, 1, 1))

    def both(gray: GrayOf) -> Study:
        # Not symmetric about 0: mirrored sagittal slices run over the negated positions.
        xs = np.arange(-18.0, 25.0, 4.0) if gray is tissue else np.sort(-np.arange(-18.0, 25.0, 4.0))
        shift = 0 if gray is tissue else 0.8
        slices = [
            make_slice((-60 + shift, -60, z), (1, 0, 0), (0, 1, 0), gray=gray, shape=(160, 150))
            for z in (0, 5, 10)
        ]
        return study_of(
            sagittal(View.SAGITTAL_T1, xs, gray),
            sagittal(View.SAGITTAL_T2, xs, gray),
            Series("ax", View.AXIAL_T2, tuple(slices)),
        )

    study, mirrored = both(tissue), both(mirror)
    rng = np.random.default_rng(0)
    places = [tuple(rng.uniform((-12, -10, 2), (14, 10, 8))) for _ in TARGETS]
    one = crops_of(study, 40, *(locate(study, t, p) for t, p in zip(TARGETS, places)))
    swapped = [locate(mirrored, t.mirrored, (-p[0], p[1], p[2])) for t, p in zip(TARGETS, places)]
    two = crops_of(mirrored, 40, *swapped)
    sided = np.array([t.condition.side is not None for t in TARGETS])
    assert np.abs(one[sided].astype(int) - two[sided]).max() <= 3


def test_axial_poses_put_left_at_the_right() -> None:
    plane = SlicePlane((0, 0, 0), (-1.0, 0, 0), (0, -1.0, 0), (1, 1))
    assert reorientation_of(plane, View.AXIAL_T2) == (False, True, True)
    assert reorientation_of(plane, View.AXIAL_T2, mirrored=True) == (False, False, True)
