"""Rows of a store are found again in the study that they describe."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from support.made_study import locate_all, sagittal, study_of

from lsdc.cohort.geometry import SlicePlane
from lsdc.cohort.location import Location
from lsdc.cohort.study import Series, Slice, Study
from lsdc.cohort.vocabulary import Condition, Level, Target, View
from lsdc.features.rows_located import locations_of
from lsdc.features.study_rows import _location

TARGET = Target(Condition.LEFT_SUBARTICULAR_STENOSIS, Level.L3_L4)


@pytest.fixture
def joined() -> Study:
    """An axial series of two blocks that were stored under two ids, each counted from one."""
    slices = tuple(
        Slice(
            np.zeros((20, 20), np.float32),
            SlicePlane((0.0, 0.0, 5.0 * k), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (1.0, 1.0)),
            instance_number=k % 4 + 1,
            source=f"{k}.dcm",
            series_id="lower" if k < 4 else "upper",
        )
        for k in range(8)
    )
    return Study("1", (Series("lower", View.AXIAL_T2, slices, flags=frozenset({"joined"})),))


@pytest.mark.parametrize("index", [1, 5])
def test_a_row_names_the_image_as_it_is_stored(joined: Study, index: int) -> None:
    (series,) = joined.series
    left, posterior, head = map(float, series.slices[index].plane.to_patient([(7.0, 9.0)])[0])
    here = Location(TARGET, View.AXIAL_T2, 0, index, (7.0, 9.0), (left, posterior, head), 0.9, "test")
    row = _location(joined, here)
    assert (row["series_id"], row["instance_number"]) == ("lower" if index < 4 else "upper", 2)
    for name in (row["series_id"], "lower"):  # earlier versions named the first block
        (found,) = locations_of(joined, pd.DataFrame([row | {"series_id": name}]))
        assert (found.series, found.slice) == (0, index)


def numbered(series: Series, sign: int) -> Series:
    return replace(
        series,
        slices=tuple(replace(item, instance_number=sign * k) for k, item in enumerate(series.slices, 1)),
    )


@pytest.mark.parametrize("sign", [1, -1])
def test_rows_are_found_again_whatever_the_sign_of_their_numbers(sign: int) -> None:
    """InstanceNumber may be negative; -1 alone does not mark what is absent."""
    study = study_of(
        numbered(sagittal(View.SAGITTAL_T1), sign), replace(numbered(sagittal(), sign), series_id="t2")
    )
    located = locate_all(study)
    rows = pd.DataFrame([_location(study, item) for item in located])

    def places(items: list[Location]) -> list[tuple[int | None, int | None]]:
        return [(item.series, item.slice) for item in items]

    assert places(list(locations_of(study, rows))) == places(located)
    assert (None, None) in places(located) and (1, 5) in places(located)
