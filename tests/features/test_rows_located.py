from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
from support.made_study import locate_all, sagittal, study_of

from lsdc.cohort.location import Location
from lsdc.cohort.study import Series
from lsdc.cohort.vocabulary import View
from lsdc.features.rows_located import locations_of
from lsdc.features.study_rows import _location


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
