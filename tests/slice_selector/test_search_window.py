"""Images of the whole spine, and several parts of the patient in one study."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lsdc.cohort.discovery.sources import StudySource
from lsdc.cohort.location import Status
from lsdc.cohort.study import Series, Slice, Study
from lsdc.cohort.vocabulary import View
from lsdc.features.array_files import ArrayFiles
from lsdc.features.extract_worker import StudyTask, write_study
from lsdc.features.store_settings import Settings
from lsdc.features.study_rows import read_study_rows
from lsdc.runtime.artifact import read_json
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
    assert [item.view for item in selector.narrowed(both).series] == [None, View.SAGITTAL_T2]


def test_what_shows_another_part_of_the_patient_is_in_no_store(whole: Study, tmp_path: Path) -> None:
    neck = [moved(item, 400, f"neck {k}") for k, item in enumerate(whole.series)]
    both = Study("both", (*neck, *(item for item in whole.series if item.view is not View.AXIAL_T2)))
    # Blurred and upside down: the lumbar spine is where it is.
    both = replace(both, series=tuple(
        replace(item, slices=tuple(replace(one, pixels=one.pixels[::-1]) for one in item.slices))
        if item.series_id.startswith("neck") else item
        for item in both.series
    ))  # fmt: skip
    SliceSelector.bundled().save(tmp_path / "selector")
    arrays = ArrayFiles(tmp_path / "arrays", 1, Settings().sizes)
    arrays.path.mkdir()
    arrays.create()
    (tmp_path / "work").mkdir()
    task = StudyTask(StudySource("both", "new", ()), 0, tmp_path / "selector", arrays, tmp_path / "work")
    write_study(task, both)
    table = pd.DataFrame(read_json(task.record_path)["series"])
    assert table["view"].tolist() == [*[""] * len(neck), "Sagittal T2/STIR", "Sagittal T1"]
    rows = read_study_rows(task.rows_path)
    axial = rows["view"] == View.AXIAL_T2.value
    assert set(rows.loc[axial, "status"]) == {"not seen"} and (rows["meta_axial_series"] == 0).all()
    assert (rows.loc[axial, "volume_slice"] == -1).all()
