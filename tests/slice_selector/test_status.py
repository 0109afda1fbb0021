from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from false_spacing import falsified
from support.made_study import axial, locate_all, sagittal, study_of

from lsdc.cohort.location import Location, Status
from lsdc.cohort.study import Series, Study
from lsdc.cohort.vocabulary import Condition, View
from lsdc.slice_selector.selector import SliceSelector
from lsdc.slice_selector.status import NO_SPINE, with_status

CANAL, LEFT = Condition.SPINAL_CANAL_STENOSIS, Condition.LEFT_NEURAL_FORAMINAL_NARROWING
RECESS = Condition.LEFT_SUBARTICULAR_STENOSIS


def study(**changes: Any) -> Study:
    return study_of(replace(sagittal(View.SAGITTAL_T1), **changes), sagittal(View.SAGITTAL_T2), axial())


def located(
    of: Study, change: Callable[[Location], Location] = lambda item: item, chained: int = 5
) -> list[Location]:
    """Locate all targets; the made patient's levels lie as far apart as real ones."""
    far = (replace(item, patient=(0.0, 0.0, -30.0 * k)) for k, item in enumerate(locate_all(of)))
    return with_status(of, [change(item) for item in far], chained)


def of(condition: Condition, locations: list[Location]) -> tuple[set[Status], set[str]]:
    found = [item for item in locations if item.target.condition is condition]
    return {item.status for item in found}, {item.reason for item in found}


def test_what_is_sure_is_seen() -> None:
    assert {(item.status, item.reason) for item in located(study())} == {(Status.SEEN, "")}


def test_an_absent_view_is_not_seen_and_says_what_was_passed_over() -> None:
    scout = replace(axial(), view=None, passed_over="localizer")
    without = study_of(sagittal(View.SAGITTAL_T1), sagittal(View.SAGITTAL_T2), scout, scout)
    locations = located(without)
    assert of(RECESS, locations) == ({Status.NOT_SEEN}, {"no axial T2 series (passed over: 2 localizer)"})
    assert of(CANAL, locations) == ({Status.SEEN}, {""})


def test_levels_that_no_slice_reaches_are_not_seen() -> None:
    locations = located(
        study(), lambda item: replace(item, series=None, slice=None) if item.view is View.AXIAL_T2 else item
    )
    assert of(RECESS, locations) == ({Status.NOT_SEEN}, {"no axial T2 slice reaches it"})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"confidence": 0.4}, "its place is uncertain"),
        ({"level_doubt": 0.35}, "levels may be one too high or too low"),
        (
            {"patient": (0.0, 0.0, 0.0)},
            "0 mm from L1/L2 to L5/S1 fit no adult spine; the pixel spacing may be wrong",
        ),
    ],
)
def test_what_speaks_against_a_place_makes_it_unsure(change: dict[str, Any], reason: str) -> None:
    locations = located(
        study(), lambda item: replace(item, **change) if item.target.condition is LEFT else item
    )
    assert of(LEFT, locations) == ({Status.UNSURE}, {reason})
    assert of(CANAL, locations) == ({Status.SEEN}, {""})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"flags": frozenset({"no_position"})}, "the header does not say where the images lie"),
        ({"flags": frozenset({"no_pixel_spacing"})}, "the header gives no pixel spacing"),
        ({"flags": frozenset({"odd_field"})}, "the pixel spacing does not fit the field of view"),
        ({"traits": frozenset({"fat_saturated"})}, "the only T1 series has suppressed fat"),
    ],
)
def test_what_the_header_lacks_makes_its_places_unsure(changes: dict[str, Any], reason: str) -> None:
    status, reasons = of(LEFT, located(study(**changes)))
    assert status == {Status.UNSURE} and all(item.startswith(reason) for item in reasons)


def test_recesses_without_a_sagittal_series_are_not_seen() -> None:
    """Axial slices of a knee or a brain look no worse to a localizer of recesses."""
    reason = "no sagittal series shows that this is the lumbar spine, and at which level"
    assert of(RECESS, located(study_of(axial()))) == ({Status.NOT_SEEN}, {reason})


def test_recesses_that_no_sagittal_series_leads_to_are_unsure() -> None:
    adrift = replace(axial(), flags=frozenset({"no_position"}))
    status, reasons = of(RECESS, located(study_of(*study().series[:2], adrift)))
    assert status == {Status.UNSURE}
    assert all(item.endswith("no sagittal series tells the level") for item in reasons)


def test_foramina_of_a_series_in_another_frame_of_reference_are_unsure() -> None:
    """Their places on the other series, and so two of three crops, are somewhere else."""
    t1, t2, ax = study().series
    frames = [replace(one, frame_of_reference=frame) for one, frame in zip((t1, t2, ax), "abb")]
    reason = "another frame of reference than that of the sagittal T2 series"
    assert of(LEFT, located(study_of(*frames))) == ({Status.UNSURE}, {reason})
    assert (
        of(CANAL, located(study_of(*frames)))
        == of(RECESS, located(study_of(*frames)))
        == ({Status.SEEN}, {""})
    )
    remade = [replace(one, frame_of_reference=id, series_id=id) for one, id in zip((t1, t2, ax), "abc")]
    stacks = [*remade, remade[2]]  # two of one series
    for known in ((t1, frames[1], ax), (frames[0], t2, ax), (frames[0], frames[2]), remade, stacks):
        assert of(LEFT, located(study_of(*known)))[0] == {Status.SEEN}


def test_where_the_sagittal_series_disagree_nothing_is_sure() -> None:
    far = [replace(item, patient=(0.0, 0.0, -30.0 * k)) for k, item in enumerate(locate_all(study()))]
    locations = with_status(study(), far, 5, disagree=True)
    assert {item.status for item in locations} == {Status.UNSURE}
    assert all(
        item.reason.startswith("the sagittal series put the levels at different") for item in locations
    )


@pytest.mark.parametrize(("view", "factor"), [(View.SAGITTAL_T1, 0.75), (View.SAGITTAL_T2, 1.2), (None, 1.0)])
def test_a_false_spacing_of_one_sagittal_series_is_noticed(
    studies: dict[str, Study], view: View | None, factor: float
) -> None:
    given = next(
        item for item in studies.values() if item.of_view(View.SAGITTAL_T1) and item.of_view(View.SAGITTAL_T2)
    )

    series = tuple(falsified(item, factor) if item.view is view else item for item in given.series)
    locations = SliceSelector.bundled().locate(replace(given, series=series))
    sagittal = [item for item in locations if item.view is not View.AXIAL_T2]
    disagree = {item.reason.startswith("the sagittal series put the levels") for item in sagittal}
    assert disagree == {view is not None}


def test_pictures_that_show_no_spine_are_not_seen() -> None:
    locations = located(study(), lambda item: replace(item, confidence=0.1))
    assert all(item.status is Status.NOT_SEEN and item.reason.startswith(NO_SPINE) for item in locations)


@pytest.mark.parametrize(
    ("chained", "confidence", "seen"), [(3, 0.9, False), (4, 0.8, False), (4, 0.9, True)]
)
def test_a_canal_without_vertebrae_is_no_spine(chained: int, confidence: float, seen: bool) -> None:
    locations = located(study(), lambda item: replace(item, confidence=confidence), chained)
    assert {item.status for item in locations} == {Status.SEEN if seen else Status.NOT_SEEN}


@pytest.mark.parametrize("kind", ["noise", "nothing"])
def test_the_bundled_selector_sees_no_spine_in_noise(kind: str) -> None:
    rng = np.random.default_rng(0)

    def blank(series: Series) -> Series:
        slices = tuple(
            replace(item, pixels=(rng.random((160, 150)) * (kind == "noise") + 1).astype(np.float32))
            for item in series.slices
        )
        return replace(series, slices=slices)

    views = blank(sagittal(View.SAGITTAL_T1)), blank(sagittal(View.SAGITTAL_T2)), blank(axial())
    assert {item.status for item in SliceSelector.bundled().locate(study_of(*views))} == {Status.NOT_SEEN}
