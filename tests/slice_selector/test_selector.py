"""The selector on simulated studies: always 25 places, right geometry, nothing learned from the judged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from lsdc.cohort.discovery.studies import discover, read_study
from lsdc.cohort.study import Study
from lsdc.cohort.vocabulary import TARGETS, Family, View
from lsdc.features.projections import find_spots
from lsdc.metrics.location_errors import misses, summarize
from lsdc.runtime import ArtefactError
from lsdc.slice_selector.fitting import ALL, SelectorConfig, cross_fit_selector, folder_of
from lsdc.slice_selector.selector import SliceSelector
from lsdc.slice_selector.training_example import SelectorExample, make_example

TINY = SelectorConfig(steps=1, batch=8)


@pytest.fixture(scope="module")
def cohort(small_cohort):
    return discover(small_cohort)


@pytest.fixture(scope="module")
def studies(cohort):
    sources = [source for source in cohort.studies if source.split == "train"][:4]
    return {source.study_id: read_study(source) for source in sources}


@pytest.fixture(scope="module")
def coordinates(cohort, studies):
    return {study: part for study, part in cohort.coordinates.groupby("study_id") if study in studies}


@pytest.fixture(scope="module")
def examples(studies, coordinates):
    return [make_example(study, coordinates[name]) for name, study in studies.items()]


@pytest.fixture(scope="module")
def located(studies, selectors):
    out, folds = selectors
    loaded = {fold: SliceSelector.load(folder_of(out, fold)) for fold in set(folds.values())}
    return {name: loaded[folds[name]].locate(study) for name, study in studies.items()}


@pytest.fixture(scope="module")
def selectors(examples, tmp_path_factory):
    out = tmp_path_factory.mktemp("selectors")
    folds = {example.study_id: k % 2 for k, example in enumerate(examples)}
    cross_fit_selector(examples, folds, TINY, out, workers=1)
    return out, folds


def test_an_example_knows_its_annotations(studies, examples):
    for study, example in zip(studies.values(), examples):
        n = sum(len(series.slices) for series in study.series if series.view)
        assert len(example.descriptors) == len(example.view) == n
        for k, target in enumerate(TARGETS):
            slice_ = example.annotated[k]
            if slice_ >= 0:
                assert list(View)[example.view[slice_]] is target.condition.view
        present = example.sagittal_state == 1
        assert np.isfinite(example.sagittal_points[present]).all()
        assert (
            (example.sagittal_points[present] > 0) & (example.sagittal_points[present] < 192)
        ).mean() > 0.95


def test_an_example_is_saved_without_pickle(examples, tmp_path):
    examples[0].save(tmp_path / "example.npz")
    again = SelectorExample.load(tmp_path / "example.npz")
    np.testing.assert_array_equal(again.annotated, examples[0].annotated)
    assert again.study_id == examples[0].study_id
    (tmp_path / "bad.npz").write_bytes(b"PK no")
    with pytest.raises(ArtefactError, match="a damaged selector example"):
        SelectorExample.load(tmp_path / "bad.npz")


def test_without_coordinates_nothing_is_annotated(studies):
    example = make_example(next(iter(studies.values())), None)
    assert (example.annotated == -1).all()
    assert len(example.sagittal) == 0


def test_all_targets_are_located_in_their_own_view(studies, located):
    for name, study in studies.items():
        locations = located[name]
        assert [location.target for location in locations] == list(TARGETS)
        for location in locations:
            if location.series is None:
                continue
            assert study.series[location.series].view is location.target.condition.view
            plane = study.series[location.series].slices[location.slice].plane
            np.testing.assert_allclose(plane.to_patient([location.point])[0], location.patient, atol=1e-3)
            assert 0 <= location.confidence <= 1


def test_left_is_left(located):
    apart = []
    for locations in located.values():
        by_target = {location.target: location for location in locations}
        for target, location in by_target.items():
            if target.condition.side and target.condition.side.value == "left":
                apart.append(location.patient[0] - by_target[target.mirrored].patient[0])
    # Selectors fitted to a handful of studies may take the slices of one foramen for those of the other.
    assert np.mean(np.array(apart) > 0) > 0.85
    assert np.median(apart) > 15


def test_levels_go_down(located):
    for locations in located.values():
        heights = [location.patient[2] for location in locations[:5]]
        assert heights == sorted(heights, reverse=True)


@pytest.mark.parametrize("absent", list(View))
def test_an_absent_view_is_flagged_and_the_place_still_known(studies, selectors, absent):
    selector = SliceSelector.load(folder_of(selectors[0], ALL))
    study = next(study for study in studies.values() if all(study.of_view(view) for view in View))
    less = Study(study.study_id, tuple(series for series in study.series if series.view is not absent))
    for location in selector.locate(less):
        if location.target.condition.view is absent:
            assert location.series is None
            assert "view_absent" in location.flags
            assert location.located_by == "geometry"
            assert np.isfinite(location.patient).all()


@pytest.mark.parametrize("flag", ["no_position", "no_orientation"])
@pytest.mark.parametrize("lost", [View.AXIAL_T2, View.SAGITTAL_T2])
def test_a_series_of_unknown_place_is_not_projected_to(studies, selectors, lost, flag):
    """What is taken for its place may be anywhere: its slices are dealt over the levels instead."""
    selector = SliceSelector.load(folder_of(selectors[0], ALL))
    study = next(study for study in studies.values() if all(study.of_view(view) for view in View))
    moved = Study(study.study_id, tuple(elsewhere(s, flag) if s.view is lost else s for s in study.series))
    for before, after in zip(selector.locate(study), selector.locate(moved)):
        if after.target.condition.view is View.AXIAL_T2:
            assert after.slice is not None and after.confidence <= 0.1
        elif after.target.condition.view is lost:
            assert after.slice == before.slice
        else:
            assert after.slice == before.slice
            assert np.hypot(*np.subtract(after.point, before.point)) < 25


@pytest.mark.parametrize("lost", [View.SAGITTAL_T1, View.SAGITTAL_T2])
def test_a_placed_sagittal_series_leads_to_the_axial_ones(studies, selectors, lost):
    selector = SliceSelector.load(folder_of(selectors[0], ALL))
    study = next(study for study in studies.values() if all(study.of_view(view) for view in View))
    moved = Study("moved", tuple(elsewhere(s, "no_position") if s.view is lost else s for s in study.series))
    without = Study("without", tuple(s for s in study.series if s.view is not lost))
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
def test_no_place_is_told_by_a_series_without_one(studies, selectors, left, lost):
    """Views that are absent must not be shown elsewhere by points of a series that may be anywhere."""
    selector = SliceSelector.load(folder_of(selectors[0], ALL))
    whole = next(study for study in studies.values() if all(study.of_view(view) for view in View))
    kept = [series for series in whole.series if series.view in left]
    study = Study("less", tuple(elsewhere(s, "no_position") if s.view is lost else s for s in kept))
    led = any(
        series.placed for series in kept if series.view is not View.AXIAL_T2 and series.view is not lost
    )
    for true, location in zip(selector.locate(whole), selector.locate(study)):
        spots = find_spots(study, location)
        assert all(study.series[spot.series].placed or view is location.view for view, spot in spots.items())
        if location.view not in left:
            assert location.located_by == ("geometry" if led else "absent") and bool(spots) <= led
            assert not led or np.linalg.norm(np.subtract(location.patient, true.patient)) < 40


def elsewhere(series, flag):
    slices = tuple(
        replace(item, plane=replace(item.plane, origin=tuple(np.add(item.plane.origin, 300.0))))
        for item in series.slices
    )
    return replace(series, slices=slices, flags=series.flags | {flag})


def test_a_placed_axial_series_is_preferred_to_one_of_unknown_place(studies, selectors):
    selector = SliceSelector.load(folder_of(selectors[0], ALL))
    study = next(study for study in studies.values() if all(study.of_view(view) for view in View))
    unplaced = elsewhere(study.of_view(View.AXIAL_T2)[0], "no_position")
    both = Study(study.study_id, (unplaced, *study.series))
    for before, after in zip(selector.locate(study), selector.locate(both)):
        assert (after.slice, after.point, after.confidence) == (before.slice, before.point, before.confidence)
        assert after.series == (None if before.series is None else before.series + 1)


def test_an_empty_study_and_one_slice(studies, selectors):
    selector = SliceSelector.load(folder_of(selectors[0], ALL))
    empty = selector.locate(Study("empty", ()))
    assert len(empty) == 25
    assert {location.located_by for location in empty} == {"absent"}
    study = next(iter(studies.values()))
    series = study.of_view(View.SAGITTAL_T2)[0]
    one = type(series)(**{**vars(series), "slices": series.slices[len(series.slices) // 2 :][:1]})
    locations = selector.locate(Study("one", (one,)))
    assert {location.slice for location in locations[:5]} == {0}


def test_the_bundled_selector_needs_no_fit(studies):
    locations = SliceSelector.bundled().locate(next(iter(studies.values())))
    assert len(locations) == 25


def test_a_fold_never_saw_its_studies(examples, selectors, tmp_path):
    """Changing what readers marked in a study must not change the selector that locates it."""
    out, folds = selectors
    changed = [
        SelectorExample(**{**vars(example), "annotated": np.roll(example.annotated, 7)})
        if folds[example.study_id] == 0
        else example
        for example in examples
    ]
    cross_fit_selector(changed, folds, TINY, tmp_path / "again", workers=1)
    for name in sorted(path.name for path in folder_of(out, 0).glob("*.safetensors")):
        assert (folder_of(out, 0) / name).read_bytes() == (
            folder_of(tmp_path / "again", 0) / name
        ).read_bytes()
    one, two = (SliceSelector.load(folder_of(folder, 0)) for folder in (out, tmp_path / "again"))
    for family in Family:
        if one.rankings[family].ranker is None:
            continue
        np.testing.assert_array_equal(
            one.rankings[family].ranker.weights_, two.rankings[family].ranker.weights_
        )


def test_a_finished_fold_is_kept(examples, selectors):
    out, folds = selectors
    before = {path: path.stat().st_mtime_ns for path in out.rglob("manifest.json")}
    cross_fit_selector(examples, folds, TINY, out, workers=1)
    assert before == {path: path.stat().st_mtime_ns for path in out.rglob("manifest.json")}


def test_a_selector_folder_is_checked(tmp_path):
    with pytest.raises(ArtefactError, match="no such selector directory"):
        SliceSelector.load(tmp_path / "absent")


def as_store(study: Study, coordinates: pd.DataFrame) -> pd.DataFrame:
    """Rows of a store in which the selector found exactly what the readers marked."""
    slices = {(s.series_id, item.instance_number): item for s in study.series for item in s.slices}
    marked = {(row.condition, row.level): row for row in coordinates.itertuples()}
    rows = []
    for target in TARGETS:
        row = marked.get((target.condition.value, target.level.value))
        if row is None:
            place = ("", -1, np.nan, np.nan, np.nan, np.nan, np.nan)
        else:
            plane = slices[row.series_id, row.instance_number].plane
            place = (row.series_id, row.instance_number, row.x, row.y, *plane.to_patient([[row.x, row.y]])[0])
        rows.append((target.condition.value, target.level.value, *place))
    names = [
        "condition",
        "level",
        "series_id",
        "instance_number",
        "x",
        "y",
        "left_mm",
        "posterior_mm",
        "head_mm",
    ]
    return pd.DataFrame(rows, columns=names)


def test_the_report_counts_misses(studies, coordinates):
    name, study = next(iter(studies.items()))
    exact = as_store(study, coordinates[name])
    found = misses(study, coordinates[name], exact)
    assert {miss.selector for miss in found} == {0}
    assert max(miss.mm for miss in found) == 0
    nearest = [miss.rule for miss in found if miss.family is Family.SUBARTICULAR]
    assert np.mean(np.array(nearest) <= 2) > 0.9
    wrong = exact.assign(x=exact["x"] + 10, instance_number=exact["instance_number"] + 1)
    rows = {row["family"]: row for row in summarize(misses(study, coordinates[name], wrong))}
    assert rows["spinal"]["selector"]["exact"] == 0
    assert rows["spinal"]["selector"]["within_1"] == 1
    assert rows["spinal"]["median_mm"] > 1


def test_the_rule_for_recesses_knows_no_annotation(studies, coordinates):
    name, study = next(iter(studies.items()))
    nowhere = as_store(study, coordinates[name]).assign(left_mm=np.nan)
    found = [miss for miss in misses(study, coordinates[name], nowhere) if miss.family is Family.SUBARTICULAR]
    assert found and {miss.rule for miss in found} == {np.inf}
