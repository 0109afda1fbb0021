"""Which studies are extracted, and in which folds they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import pandas as pd
import pytest

from lsdc.cohort.discovery.sources import Cohort
from lsdc.cohort.discovery.studies import discover
from lsdc.cohort.discovery.study_content import content_of
from lsdc.cohort.folds import make_folds
from lsdc.cohort.tables import read_labels
from lsdc.features.extraction_plan import plan_extraction
from lsdc.features.store_settings import Settings
from lsdc.runtime import TableError


def test_corrected_tables_are_noticed(small_cohort: Path) -> None:
    cohort = discover(small_cohort)
    assert cohort.coordinates is not None

    def content(of: Cohort, like: Literal["bundled"] | None = None) -> str:
        return plan_extraction(small_cohort, Settings(), like, cohort=of).content()

    first, *others = cohort.studies
    series, *rest = first.series
    again = replace(
        series, description="Sagittal T2/STIR" if series.description != "Sagittal T2/STIR" else "Axial T2"
    )
    views = replace(cohort, studies=(replace(first, series=(again, *rest)), *others))
    marks = replace(cohort, coordinates=cohort.coordinates.assign(x=cohort.coordinates["x"] + 1))
    assert len({content(cohort), content(views), content(marks)}) == 3
    changed = views.studies[0]
    assert content_of(changed, described=True) != content_of(first, described=True)
    assert content_of(changed) == content_of(first)
    # Marks are of no consequence where they teach no selector.
    assert content(marks, "bundled") == content(cohort, "bundled") != content(views, "bundled")


def test_given_folds_are_used(small_cohort: Path, tmp_path: Path) -> None:
    labels = read_labels(small_cohort / "train.csv")
    folds = {study: (fold + 1) % 3 for study, fold in make_folds(labels, 3, seed=5).items()}
    table = tmp_path / "folds.csv"
    pd.DataFrame({"study_id": list(folds), "fold": list(folds.values())}).to_csv(table, index=False)
    settings = Settings(folds=table)
    assert plan_extraction(small_cohort, settings, None).folds == folds
    assert settings.content()["folds"] == str(table)
    pd.DataFrame({"study_id": list(folds)[1:], "fold": list(folds.values())[1:]}).to_csv(table, index=False)
    with pytest.raises(TableError, match=f"no fold for study '{next(iter(folds))}'"):
        plan_extraction(small_cohort, settings, None)
