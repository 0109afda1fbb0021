"""Which studies are extracted, and in which folds they are."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from lsdc.cohort.folds import make_folds
from lsdc.cohort.tables import read_labels
from lsdc.features.extraction_plan import plan_extraction
from lsdc.features.store_settings import Settings
from lsdc.runtime import TableError


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
