"""series.csv says of every series of a study whether it is a view, why not, and how many targets lie on it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
from support.made_study import axial, locate_all, sagittal, study_of

from lsdc.cohort.vocabulary import View
from lsdc.features.located_study import LocatedStudy
from lsdc.features.series_table import COLUMNS, passed_over, series_of, with_numbers, write_series


def test_views_and_what_was_passed_over_stand_in_the_table(tmp_path: Path) -> None:
    scout = replace(sagittal(View.SAGITTAL_T2), series_id="=scout", view=None, passed_over="localizer")
    study = study_of(sagittal(View.SAGITTAL_T1), sagittal(View.SAGITTAL_T2), axial(), scout)
    write_series(tmp_path / "series.csv", series_of(LocatedStudy.of(study, locate_all(study))))
    text = pd.read_csv(tmp_path / "series.csv", dtype=str, keep_default_na=False)
    assert text.columns.tolist() == list(COLUMNS)
    assert text["view"].tolist() == ["Sagittal T1", "Sagittal T2/STIR", "Axial T2", ""]
    assert text["passed_over"].tolist() == ["", "", "", "localizer"]
    assert text["series_id"].tolist()[3] == "'=scout"  # a spreadsheet would run it
    table = with_numbers(text)
    assert table["targets"].tolist() == [10, 5, 10, 0]
    assert table["chosen"].tolist() == [True, True, True, False]
    assert (table["slices"] == [len(item.slices) for item in study.series]).all()
    assert "localizer" in passed_over(text)[0]
