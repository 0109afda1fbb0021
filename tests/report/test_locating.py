"""The model page's section on places: errors against readers' marks, from headers alone."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

from lsdc.cohort.vocabulary import TARGETS
from lsdc.features.store import FeatureStore
from lsdc.report.cohort_page.cohort_headers import CohortHeaders
from lsdc.report.model_page.locating import locating_section, location_errors_of
from lsdc.report.sections import Drawing, Table


@pytest.fixture(scope="module")
def marked(small_cohort: Path) -> CohortHeaders:
    """The headers of a cohort, and what readers marked in it."""
    return CohortHeaders.read(small_cohort, 1)


def store_of(marked: CohortHeaders, moved: float) -> FeatureStore:
    """A store of three of its studies in which points were found so many px from readers' marks."""
    assert marked.coordinates is not None
    rows: list[dict[str, Any]] = []
    for study in [one.study for one in marked.studies if one.split == "train"][:3]:
        own = marked.coordinates[marked.coordinates["study_id"] == study.study_id]
        marks = own.drop_duplicates(["condition", "level"]).set_index(["condition", "level"])
        planes = {(s.series_id, item.instance_number): item.plane for s in study.series for item in s.slices}
        for target in TARGETS:
            key = (target.condition.value, target.level.value)
            row: dict[str, Any] = {
                "study_id": study.study_id, "condition": key[0], "level": key[1], "status": "seen",
                "view": target.condition.view.value, "confidence": 0.9,
            }  # fmt: skip
            if key in marks.index:
                mark: Any = marks.loc[key]
                plane = planes[mark["series_id"], mark["instance_number"]]
                left, posterior, head = plane.to_patient([[mark["x"], mark["y"]]])[0]
                row |= {
                    "series_id": mark["series_id"], "instance_number": mark["instance_number"],
                    "x": mark["x"] + moved, "y": mark["y"],
                    "left_mm": left, "posterior_mm": posterior, "head_mm": head,
                }  # fmt: skip
            else:
                row |= {"series_id": "", "instance_number": -1} | dict.fromkeys(
                    ("x", "y", "left_mm", "posterior_mm", "head_mm"), np.nan
                )
            rows.append(row)
    return cast(FeatureStore, SimpleNamespace(rows=pd.DataFrame(rows)))


def test_places_are_compared_with_marks_from_headers_alone(marked: CohortHeaders) -> None:
    exact, moved = (location_errors_of(store_of(marked, px), marked) for px in (0.0, 10.0))
    assert len(exact) == len(moved) > 60
    assert {one.slices for one in exact} == {0} and max(one.mm for one in exact) == 0
    assert min(one.mm for one in moved) > 1


def test_errors_are_drawn_and_tabulated(marked: CohortHeaders) -> None:
    section = locating_section(store_of(marked, 0.0), marked)
    assert not section.absent
    drawings = {part.title: part for part in section.parts if isinstance(part, Drawing)}
    words = [panel.alternative for panel in drawings["Errors of the place"].panels]
    assert words[0].startswith("Chosen slices: 100% of ") and words[1].endswith("median 0.0 mm.")
    tables = {part.title: part for part in section.parts if isinstance(part, Table)}
    assert all("100 %" in row for row in tables["Errors of the place by condition"].rows)


def test_what_is_missing_for_errors_is_said(marked: CohortHeaders) -> None:
    store = store_of(marked, 0.0)
    assert "give the store that the model was fitted on" in locating_section(None, marked).absent
    assert "train_label_coordinates.csv" in locating_section(store, None).absent
    store.rows["study_id"] = "another"
    assert "none of the annotated points" in locating_section(store, marked).absent
