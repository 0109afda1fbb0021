"""The model page's section on places: errors against readers' marks, from headers alone."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pandas as pd
import pytest
from support.marked_rows import rows_at_marks

from lsdc.cohort.location import Status
from lsdc.cohort.vocabulary import TARGETS
from lsdc.features.store import FeatureStore
from lsdc.report.cohort_page.cohort_headers import CohortHeaders
from lsdc.report.model_page.locating import locating_section, location_errors_of
from lsdc.report.model_page.target_sight import statuses_of
from lsdc.report.sections import Drawing, Table


@pytest.fixture(scope="module")
def marked(small_cohort: Path) -> CohortHeaders:
    """The headers of a cohort, and what readers marked in it."""
    return CohortHeaders.read(small_cohort, 1)


def store_of(marked: CohortHeaders, moved: float) -> FeatureStore:
    """A store of three of its studies in which points were found so many px from readers' marks."""
    assert marked.coordinates is not None
    views = [target.condition.view.value for target in TARGETS]
    tables = []
    for study in [one.study for one in marked.studies if one.split == "train"][:3]:
        own = marked.coordinates[marked.coordinates["study_id"] == study.study_id]
        rows = rows_at_marks(study, own.drop_duplicates(["condition", "level"]))
        x = rows["x"] + moved
        tables.append(rows.assign(x=x, study_id=study.study_id, status="seen", view=views, confidence=0.9))
    return cast(FeatureStore, SimpleNamespace(rows=pd.concat(tables, ignore_index=True)))


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


def test_stores_of_version_0_1_are_shown_by_their_confidences(marked: CohortHeaders) -> None:
    store = store_of(marked, 0.0)
    before = store.rows.drop(columns="status")
    before.loc[:2, "confidence"] = 0.01
    before["located_by"] = "network"
    old = cast(FeatureStore, SimpleNamespace(rows=before))
    seen = next(part for part in locating_section(old, None).parts if isinstance(part, Table))
    assert sum(int(str(row[2])) for row in seen.rows) == 3
    assert {Status.SEEN, Status.UNSURE} <= set(statuses_of(old).values())
