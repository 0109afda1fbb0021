"""The selector on simulated studies: always 25 places, right geometry, nothing learned from the judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from lsdc.cohort.location import Location, Status
from lsdc.cohort.study import Series, Slice, Study
from lsdc.cohort.vocabulary import TARGETS, Condition, Family, Level, Side, Target, View
from lsdc.features.projections import find_projections
from lsdc.slice_selector.axial import SHOWN_WITHIN_MM, AxialSearch
from lsdc.slice_selector.fitting import ALL, folder_of
from lsdc.slice_selector.heatmap_decoding import STRIDE
from lsdc.slice_selector.localizer import Localizer
from lsdc.slice_selector.ranking import CandidateSlices, SliceRanking
from lsdc.slice_selector.sagittal import SagittalSearch
from lsdc.slice_selector.selector import SliceSelector
from lsdc.slice_selector.square_images import SAGITTAL_PX

Studies = dict[str, Study]
Selectors = tuple[Path, dict[str, int]]


@pytest.fixture(scope="module")
def selector(selectors: Selectors) -> SliceSelector:
    """The selector that saw all studies."""
    return SliceSelector.load(folder_of(selectors[0], ALL))


@pytest.fixture(scope="module")
def whole(studies: Studies) -> Study:
    """A study with all three views."""
    return next(study for study in studies.values() if all(study.of_view(view) for view in View))


@pytest.fixture(scope="module")
def located(studies: Studies, selectors: Selectors) -> dict[str, list[Location]]:
    out, folds = selectors
    loaded = {fold: SliceSelector.load(folder_of(out, fold)) for fold in set(folds.values())}
    return {name: loaded[folds[name]].locate(study) for name, study in studies.items()}


def test_all_targets_are_located_in_their_own_view(
    studies: Studies, located: dict[str, list[Location]]
) -> None:
    for name, study in studies.items():
        locations = located[name]
        assert [location.target for location in locations] == list(TARGETS)
        for location in locations:
            if location.series is None or location.slice is None:
                continue
            assert study.series[location.series].view is location.target.condition.view
            plane = study.series[location.series].slices[location.slice].plane
            np.testing.assert_allclose(plane.to_patient([location.point])[0], location.patient, atol=1e-3)
            assert 0 <= location.confidence <= 1


def test_left_is_left(located: dict[str, list[Location]]) -> None:
    across = []
    for locations in located.values():
        by_target = {location.target: location for location in locations}
        for target, location in by_target.items():
            if target.condition.side and target.condition.side.value == "left":
                across.append(location.patient[0] - by_target[target.mirrored].patient[0])
    # Selectors fitted to a handful of studies may take the slices of one foramen for those of the other.
    assert np.mean(np.array(across) > 0) > 0.85
    assert np.median(across) > 15


def test_levels_go_down(located: dict[str, list[Location]]) -> None:
    for locations in located.values():
        heights = [location.patient[2] for location in locations[:5]]
        assert heights == sorted(heights, reverse=True)


@pytest.mark.parametrize("absent", list(View))
def test_an_absent_view_is_flagged_and_the_place_still_known(
    whole: Study, selector: SliceSelector, absent: View
) -> None:
    less = Study(whole.study_id, tuple(series for series in whole.series if series.view is not absent))
    for location in selector.locate(less):
        if location.target.condition.view is absent:
            assert location.series is None
            assert "view_absent" in location.flags
            assert location.located_by == "geometry"
            assert np.isfinite(location.patient).all()


@pytest.mark.parametrize("flag", ["no_position", "no_orientation"])
@pytest.mark.parametrize("lost", [View.AXIAL_T2, View.SAGITTAL_T2])
def test_a_series_of_unknown_place_is_not_projected_to(
    whole: Study, selector: SliceSelector, lost: View, flag: str
) -> None:
    """What is taken for its position may be anything: its slices are spread over the levels instead."""
    moved = Study(whole.study_id, tuple(elsewhere(s, flag) if s.view is lost else s for s in whole.series))
    for before, after in zip(selector.locate(whole), selector.locate(moved)):
        if after.target.condition.view is View.AXIAL_T2:
            # Where sagittal T2 is lost, T1 still leads to the axial slices, as surely as it shows the canal.
            assert after.slice is not None and (after.confidence <= 0.1 or lost is not View.AXIAL_T2)
        elif after.target.condition.view is lost:
            assert after.slice == before.slice
        else:
            assert after.slice == before.slice
            assert np.hypot(*np.subtract(after.point, before.point)) < 25


@pytest.mark.parametrize("lost", [View.SAGITTAL_T1, View.SAGITTAL_T2])
def test_a_placed_sagittal_series_leads_to_the_axial_ones(
    whole: Study, selector: SliceSelector, lost: View
) -> None:
    moved = Study("moved", tuple(elsewhere(s, "no_position") if s.view is lost else s for s in whole.series))
    without = Study("without", tuple(s for s in whole.series if s.view is not lost))
    slices = [
        [(k.slice, k.confidence) for k in selector.locate(item) if k.view is View.AXIAL_T2]
        for item in (moved, without)
    ]
    assert slices[0] == slices[1], "as if the series without a place were not there"


@pytest.mark.parametrize(
    ("left", "lost"),
    [
        ({View.SAGITTAL_T2, View.AXIAL_T2}, View.SAGITTAL_T2),
        ({View.SAGITTAL_T1, View.AXIAL_T2}, View.SAGITTAL_T1),
        ({View.SAGITTAL_T2, View.AXIAL_T2}, View.AXIAL_T2),
        ({View.SAGITTAL_T1, View.SAGITTAL_T2}, View.SAGITTAL_T2),
    ],
)
def test_a_series_without_a_place_leads_nowhere(
    whole: Study, selector: SliceSelector, left: set[View], lost: View
) -> None:
    """Views that are absent must not be shown elsewhere by points of a series that may be anywhere."""
    kept = [series for series in whole.series if series.view in left]
    study = Study("less", tuple(elsewhere(s, "no_position") if s.view is lost else s for s in kept))
    led = any(
        series.placed for series in kept if series.view is not View.AXIAL_T2 and series.view is not lost
    )
    for true, location in zip(selector.locate(whole), selector.locate(study)):
        projections = find_projections(study, location)
        assert all(
            study.series[projection.series].placed or view is location.view
            for view, projection in projections.items()
        )
        if location.view not in left:
            assert location.located_by == ("geometry" if led else "absent") and bool(projections) <= led
            assert not led or np.linalg.norm(np.subtract(location.patient, true.patient)) < 40


def elsewhere(series: Series, flag: str) -> Series:
    """The series moved by 300 mm along each axis, with a flag."""
    slices = tuple(
        replace(item, plane=replace(item.plane, origin=(x + 300.0, y + 300.0, z + 300.0)))
        for item in series.slices
        for x, y, z in [item.plane.origin]
    )
    return replace(series, slices=slices, flags=series.flags | {flag})


class _Farthest(SliceRanking):
    """Prefers the farthest of the slices that it is asked about."""

    def score(self, asked: Sequence[tuple[Target, CandidateSlices]]) -> list[NDArray[np.float64]]:
        found = []
        for _, slices in asked:
            assert slices.descriptors is not None and slices.scored is not None
            assert len(slices.descriptors) == slices.scored.sum()
            found.append(np.where(slices.scored, np.abs(slices.distance), -np.inf))
        return found


def test_recesses_are_sought_on_the_three_slices_nearest_to_the_canal(
    whole: Study, selector: SliceSelector
) -> None:
    search, ranking = AxialSearch(whole, None), _Farthest(Family.SUBARTICULAR)
    ranking.ranker = selector.rankings[Family.SUBARTICULAR].ranker
    planes = [whole.series[k].slices[i].plane for k, i in search.slices]
    levels = np.array([plane.to_patient([(120.0, 120.0)])[0] for plane in planes[2:7]])
    counted = set()
    for canal, found in zip(levels, search.find(levels, ranking)):
        assert found is not None
        distance = np.sort([abs(plane.distance(canal)[0]) for plane in planes])
        within = distance[distance <= SHOWN_WITHIN_MM][:3]
        chosen = whole.series[found.series].slices[found.slice].plane
        assert abs(chosen.distance(canal)[0]) == pytest.approx(within[-1])
        counted.add(len(within))
    assert 3 in counted


def beside(study: Study) -> Study:
    """A study whose axial series is moved by 300 mm to the patient's left, as one of a hip lies."""
    return replace(
        study,
        series=tuple(
            replace(
                series,
                slices=tuple(
                    replace(item, plane=replace(item.plane, origin=(x + 300.0, y, z)))
                    for item in series.slices
                    for x, y, z in [item.plane.origin]
                ),
            )
            if series.view is View.AXIAL_T2
            else series
            for series in study.series
        ),
    )


def test_axial_images_beside_the_spine_show_no_recess(whole: Study) -> None:
    """Their planes reach the levels, their images do not."""
    for location in SliceSelector.bundled().locate(beside(whole)):
        if location.view is View.AXIAL_T2:
            assert (location.series, location.status) == (None, Status.NOT_SEEN)
            assert location.reason == "no axial T2 slice reaches it"


def test_axial_images_beside_the_spine_do_not_replace_those_of_it(whole: Study) -> None:
    hip = beside(whole).of_view(View.AXIAL_T2)
    both = replace(whole, series=(*hip, *whole.series))
    for true, location in zip(SliceSelector.bundled().locate(whole), SliceSelector.bundled().locate(both)):
        assert (location.slice, location.point) == (true.slice, true.point)
        assert location.series == (None if true.series is None else true.series + len(hip))


def test_a_placed_axial_series_is_preferred_to_one_of_unknown_place(
    whole: Study, selector: SliceSelector
) -> None:
    unplaced = elsewhere(whole.of_view(View.AXIAL_T2)[0], "no_position")
    both = Study(whole.study_id, (unplaced, *whole.series))
    for before, after in zip(selector.locate(whole), selector.locate(both)):
        assert (after.slice, after.point, after.confidence) == (before.slice, before.point, before.confidence)
        assert after.series == (None if before.series is None else before.series + 1)


def test_an_empty_study_and_one_slice(whole: Study, selector: SliceSelector) -> None:
    empty = selector.locate(Study("empty", ()))
    assert len(empty) == 25
    assert {location.located_by for location in empty} == {"absent"}
    series = whole.of_view(View.SAGITTAL_T2)[0]
    one = replace(series, slices=series.slices[len(series.slices) // 2 :][:1])
    locations = selector.locate(Study("one", (one,)))
    assert {location.slice for location in locations[:5]} == {0}


def test_the_bundled_selector_needs_no_fit(whole: Study) -> None:
    locations = SliceSelector.bundled().locate(whole)
    assert len(locations) == 25


def test_levels_are_doubted_where_the_sacrum_is_not_seen(studies: Studies) -> None:
    bundled = SliceSelector.bundled()

    def doubts(part: float) -> float:
        """Mean doubt of the canal's levels on the upper part of the sagittal slices."""
        found = []
        for study in studies.values():
            upper = tuple(
                replace(
                    series,
                    slices=tuple(
                        replace(item, pixels=item.pixels[: int(part * len(item.pixels))])
                        for item in series.slices
                    ),
                )
                for series in study.series
                if series.view is View.SAGITTAL_T2
            )
            found += [item.level_doubt for item in bundled.locate(Study(study.study_id, upper))[:5]]
        return float(np.nanmean(found))

    whole, cut = doubts(1.0), doubts(0.6)
    assert 0 <= whole < 0.1
    assert whole + 0.1 < cut <= 1


@pytest.mark.parametrize("slices", [2, 4, 7])
def test_a_foramen_is_on_its_own_side(slices: int) -> None:
    rng = np.random.default_rng(slices)
    images = [rng.integers(0, 255, (96, 96)).astype(np.uint8) for _ in range(slices)]
    study = Study.from_images(images, View.SAGITTAL_T1, spacing=(3.0, 3.0), slice_distance=9.0)
    positions = [item.plane.origin[0] for item in study.series[0].slices]
    middle = (min(positions) + max(positions)) / 2
    for location in SliceSelector.bundled().locate(study):
        if location.target.condition.family is Family.FORAMINAL:
            assert location.series == 0
            left_of_middle = location.patient[0] > middle
            assert left_of_middle == (location.target.condition.side is Side.LEFT)


def foramina(study: Study, side: Side) -> list[Location]:
    """Locate the five foramina of a side."""
    return [
        item
        for item in SliceSelector.bundled().locate(study)
        if item.target.condition.family is Family.FORAMINAL and item.target.condition.side is side
    ]


def with_t1(study: Study, slices: Sequence[Slice], *others: View) -> Study:
    """Keep some slices of T1, and the series of other views."""
    t1 = replace(study.of_view(View.SAGITTAL_T1)[0], slices=tuple(slices))
    return Study(study.study_id, (t1, *(item for item in study.series if item.view in others)))


@pytest.mark.parametrize("slices", [1, 4])
@pytest.mark.parametrize("side", Side)
def test_a_side_that_a_torn_series_does_not_hold_is_not_seen(whole: Study, side: Side, slices: int) -> None:
    """The foramina of the other side would be graded twice."""
    every = whole.of_view(View.SAGITTAL_T1)[0].slices
    half = every[-slices:] if side is Side.LEFT else every[:slices]
    torn = with_t1(whole, half, View.SAGITTAL_T2)
    assert {item.series for item in foramina(torn, side)} == {0}
    for item in foramina(torn, next(other for other in Side if other is not side)):
        assert (item.series, item.status) == (None, Status.NOT_SEEN)
        assert item.reason == "no sagittal T1 slice shows this side"
        assert item.flags == {"out_of_stack"}


def test_a_midline_in_another_frame_of_reference_says_nothing_of_sides(whole: Study) -> None:
    torn = with_t1(whole, whole.of_view(View.SAGITTAL_T1)[0].slices[-4:], View.SAGITTAL_T2)
    apart = tuple(
        replace(item, frame_of_reference=f"1.2.{item.view is View.SAGITTAL_T1:d}") for item in torn.series
    )
    assert {item.series for item in foramina(replace(torn, series=apart), Side.RIGHT)} == {0}


@pytest.mark.parametrize(
    ("kept", "sure"),
    [(slice(None), True), ([5], False), (slice(3, 9), False), ([5, 6, 14, 15], True)],
    ids=["whole", "one slice", "half", "annotated slices only"],
)
def test_without_another_series_a_narrow_one_may_show_one_side(
    whole: Study, kept: slice | list[int], sure: bool
) -> None:
    every = whole.of_view(View.SAGITTAL_T1)[0].slices
    slices = every[kept] if isinstance(kept, slice) else [every[k] for k in kept]
    alone = with_t1(whole, slices)
    for side in Side:
        for item in foramina(alone, side):
            assert item.series == 0
            assert ("may show one side only" in item.reason) is not sure


class _Doubtful:
    """Sees the foramina of right slices, which are dark, surely; those of left ones rather one level too low."""

    def look(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], None, None]:
        cells, level = SAGITTAL_PX // STRIDE, 6
        maps = np.full((len(images), 2 * len(Level), cells, cells), 1e-7, np.float32)
        for k, image in enumerate(images):
            for j in range(len(Level)):
                row, of_left = 8 + level * j, image.max() > 127
                maps[k, len(Level) + j, row, 24] = 0.35 if of_left else 0.8
                maps[k, len(Level) + j, row + level, 24] = 0.45 if of_left else 0.0
        return maps, None, None


def test_levels_are_counted_on_the_slices_of_both_sides() -> None:
    images = [np.full((64, 64), 9 + 10 * k, np.uint8) for k in range(9)]
    study = Study.from_images(images, View.SAGITTAL_T1, spacing=(4.7, 4.7))
    search = SagittalSearch(study, 0, None)
    search.localizer = cast(Localizer, _Doubtful())
    sides = Condition.LEFT_NEURAL_FORAMINAL_NARROWING, Condition.RIGHT_NEURAL_FORAMINAL_NARROWING
    left, right = search.find(sides, SliceRanking(Family.FORAMINAL))
    np.testing.assert_allclose(left.points, right.points, atol=0.1)
    np.testing.assert_allclose(left.confidence, 0.35, atol=1e-4)
    np.testing.assert_allclose(right.confidence, 0.8, atol=1e-4)
    assert left.doubt == right.doubt > 0.02
    assert (left.slices > 4).all() and (right.slices < 4).all()
    (alone,) = search.find(sides[:1], SliceRanking(Family.FORAMINAL))
    np.testing.assert_allclose((alone.points - left.points)[:, 1], 6 * STRIDE * 300 / 192 / 4.7, atol=0.1)


@pytest.mark.parametrize(("count", "described"), [(1, 1), (2, 2), (3, 3), (5, 3), (17, 9)])
def test_the_canal_is_sought_near_the_middle_of_a_series(
    selector: SliceSelector, monkeypatch: pytest.MonkeyPatch, count: int, described: int
) -> None:
    images = [np.full((64, 64), 9 + k, np.uint8) for k in range(count)]
    study = Study.from_images(images, View.SAGITTAL_T2, spacing=(4.0, 4.0))
    asked: list[CandidateSlices] = []
    ranking = selector.rankings[Family.SPINAL]
    assert ranking.ranker is not None
    score = SliceRanking.score

    def noted(
        self: SliceRanking, pairs: Sequence[tuple[Target, CandidateSlices]]
    ) -> list[NDArray[np.float64]]:
        asked.extend(slices for _, slices in pairs)
        return score(self, pairs)

    monkeypatch.setattr(SliceRanking, "score", noted)
    (found,) = SagittalSearch(study, 0, None).find([Condition.SPINAL_CANAL_STENOSIS], ranking)
    slices, *others = asked
    assert all(one is slices for one in others)
    assert slices.scored is not None and slices.descriptors is not None
    assert len(slices.descriptors) == slices.scored.sum() == described
    assert slices.scored[found.slices].all()
