"""Images of the whole spine, and several parts of the patient in one study."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lsdc.cohort.location import Status
from lsdc.cohort.study import Series, Slice, Study
from lsdc.cohort.vocabulary import View
from lsdc.slice_selector.selector import SliceSelector


@pytest.fixture(scope="module")
def whole(studies: dict[str, Study]) -> Study:
    return next(study for study in studies.values() if all(study.of_view(view) for view in View))


@pytest.fixture(scope="module")
def selector() -> SliceSelector:
    return SliceSelector.bundled()


def composed(series: Series) -> Series:
    """Put two other pictures above each image, as a composed image of the whole spine has them."""

    def taller(item: Slice) -> Slice:
        above = np.full_like(item.pixels, item.pixels.mean())
        pixels = np.concatenate([above, item.pixels[::-1], item.pixels])
        up = np.asarray(item.plane.column_direction) * item.plane.spacing[0] * 2 * len(item.pixels)
        x, y, z = np.asarray(item.plane.origin) - up
        return replace(item, pixels=pixels, plane=replace(item.plane, origin=(float(x), float(y), float(z))))

    return replace(series, slices=tuple(map(taller, series.slices)))


def moved(series: Series, up: float, series_id: str) -> Series:
    def higher(item: Slice) -> Slice:
        x, y, z = item.plane.origin
        return replace(item, plane=replace(item.plane, origin=(x, y, z + up)))

    return replace(series, slices=tuple(map(higher, series.slices)), series_id=series_id)


@pytest.mark.parametrize("others", [True, False])
def test_the_lumbar_spine_is_found_at_the_end_of_a_tall_image(
    whole: Study, selector: SliceSelector, others: bool
) -> None:
    expected = np.array([item.patient for item in selector.locate(whole)[:5]])
    series = [composed(item) if item.view is View.SAGITTAL_T2 else item for item in whole.series]
    kept = [item for item in series if others or item.view is View.SAGITTAL_T2]
    found = selector.locate(Study("tall", tuple(kept)))[:5]
    np.testing.assert_allclose([item.patient for item in found], expected, atol=8)
    assert all(item.status is Status.SEEN for item in found)


def test_of_two_parts_of_the_patient_that_with_the_lumbar_spine_is_taken(
    whole: Study, selector: SliceSelector
) -> None:
    (t2,) = whole.of_view(View.SAGITTAL_T2)
    blurred = replace(t2, slices=tuple(replace(item, pixels=item.pixels[::-1]) for item in t2.slices))
    both = Study("both", (moved(blurred, 400, "neck"), t2))
    assert {item.series for item in selector.locate(both)[:5]} == {1}
