"""Errors of locations: exact where the reader's mark was found, counted in slices and mm where not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.marked_rows import rows_at_marks

from lsdc.cohort.discovery.studies import discover, read_study
from lsdc.cohort.study import Study
from lsdc.cohort.vocabulary import Condition, Family, View
from lsdc.metrics.localization import location_errors, summarize_location_errors

Annotated = tuple[Study, pd.DataFrame]


@pytest.fixture(scope="module")
def annotated(small_cohort: Path) -> Annotated:
    """A study and what readers marked in it."""
    cohort = discover(small_cohort)
    assert cohort.coordinates is not None
    source = next(source for source in cohort.studies if source.split == "train")
    return read_study(source), cohort.coordinates[cohort.coordinates["study_id"] == source.study_id]


@pytest.fixture(scope="module")
def exact(annotated: Annotated) -> pd.DataFrame:
    """Rows of a store in which exactly what the readers marked was found."""
    return rows_at_marks(*annotated)


def test_what_was_found_exactly_has_no_error(annotated: Annotated, exact: pd.DataFrame) -> None:
    errors = location_errors(*annotated, exact)
    assert {error.slices for error in errors} == {0}
    assert max(error.mm for error in errors) == 0
    nearest = [error.baseline_slices for error in errors if error.family is Family.SUBARTICULAR]
    assert np.mean(np.array(nearest) <= 2) > 0.9


def test_errors_are_summarized_per_family(annotated: Annotated, exact: pd.DataFrame) -> None:
    wrong = exact.assign(x=exact["x"] + 10, instance_number=exact["instance_number"] + 1)
    summaries = {one.family: one for one in summarize_location_errors(location_errors(*annotated, wrong))}
    assert list(summaries) == list(Family)
    spinal = summaries[Family.SPINAL]
    assert spinal.n == 5
    assert (spinal.selector.exact, spinal.selector.within_1) == (0, 1)
    assert spinal.median_mm > 1


def test_there_is_no_distance_between_pixels_of_two_series(annotated: Annotated, exact: pd.DataFrame) -> None:
    """Each series has an origin and a spacing of its own."""
    study, coordinates = annotated
    other = next(series for series in study.series if series.view is View.SAGITTAL_T1)
    of_canal = exact["condition"] == Condition.SPINAL_CANAL_STENOSIS.value
    number = other.slices[0].instance_number
    moved = exact.mask(of_canal, exact.assign(series_id=other.series_id, instance_number=number))
    errors = [one for one in location_errors(study, coordinates, moved) if one.family is Family.SPINAL]
    assert errors and all(np.isinf(error.slices) and np.isnan(error.mm) for error in errors)


def test_the_baseline_for_recesses_knows_no_annotation(annotated: Annotated, exact: pd.DataFrame) -> None:
    nowhere = exact.assign(left_mm=np.nan)
    errors = [error for error in location_errors(*annotated, nowhere) if error.family is Family.SUBARTICULAR]
    assert errors
    assert {error.baseline_slices for error in errors} == {np.inf}
