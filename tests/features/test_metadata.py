"""Numbers per target: an allowlist, the same columns always, the same numbers for a mirrored patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from support.made_study import axial, locate, locate_all, patient_of, sagittal, study_of, whole_study

from lsdc.cohort.location import Location
from lsdc.cohort.study import Study
from lsdc.cohort.vocabulary import TARGETS, View
from lsdc.features.located_study import LocatedStudy
from lsdc.features.metadata import metadata_of


def numbers(study: Study, locations: Sequence[Location] | None = None) -> pd.DataFrame:
    table = metadata_of(LocatedStudy.of(study, locate_all(study) if locations is None else locations))
    return table.set_axis([target.slug for target in TARGETS])


def test_columns_are_the_same_whatever_is_there() -> None:
    whole, empty = numbers(whole_study()), numbers(Study("nothing", ()))
    assert list(whole.columns) == list(empty.columns)
    assert set(whole.dtypes.astype(str)) == {"float32", "bool"}
    assert empty.flag_own_view_absent.all() and empty.flag_t1_absent.all()


def test_only_allowed_metadata_enters() -> None:
    series = replace(
        axial(),
        metadata={"echo_time_ms": 100.0, "age_years": 61.0, "patient_name": "Doe", "study_date": 20200101.0},
    )
    table = numbers(study_of(sagittal(), series))
    assert (table.meta_axial_echo_time_ms == 100).all() and (table.meta_age_years == 61).all()
    assert table.meta_t2_echo_time_ms.isna().all() and table.meta_sex_male.isna().all()
    assert not [name for name in table.columns if "name" in name or "date" in name]


def test_geometry_in_millimeters() -> None:
    table = numbers(whole_study())
    left = table.loc["left_subarticular_stenosis_l3_l4"]
    assert left.meta_lateral_mm == pytest.approx(9)
    assert left.meta_to_level_above_mm == pytest.approx(np.hypot(12, 3), rel=1e-5)
    assert left.meta_bend_deg == pytest.approx(0, abs=0.1)
    assert np.isnan(table.loc["left_subarticular_stenosis_l5_s1"].meta_to_level_below_mm)
    assert table.meta_lumbar_length_mm.iloc[0] == pytest.approx(4 * np.hypot(12, 3), rel=1e-5)


def test_places_in_coordinates_of_their_own_are_not_compared() -> None:
    study = study_of(
        sagittal(View.SAGITTAL_T1), sagittal(), replace(axial(), flags=frozenset({"no_position"}))
    )
    whole, table = numbers(whole_study()), numbers(study)
    recesses = table.index.str.contains("subarticular")
    assert (
        table.loc[recesses, ["meta_lateral_mm", "meta_behind_canal_mm", "meta_above_canal_mm"]]
        .isna()
        .all(axis=None)
    )
    for name in ("meta_to_level_above_mm", "meta_bend_deg", "meta_lumbar_length_mm"):  # within one series
        np.testing.assert_array_equal(table[name], whole[name])
    np.testing.assert_array_equal(table.meta_above_canal_mm[~recesses], whole.meta_above_canal_mm[~recesses])


def test_sides_of_a_symmetric_patient_agree() -> None:
    table = numbers(whole_study())
    left, right = table[table.index.str.startswith("left")], table[table.index.str.startswith("right")]
    np.testing.assert_allclose(left.astype(float), right.astype(float), atol=1e-4)


def test_a_mirrored_patient_has_swapped_numbers() -> None:
    def table(sign: int) -> pd.DataFrame:
        xs = np.sort(sign * np.arange(-18.0, 25.0, 4.0))
        study = study_of(sagittal(View.SAGITTAL_T1, xs), sagittal(View.SAGITTAL_T2, xs), axial())
        places = {t: np.add(patient_of(t), (2.5, 0, k / 7)) for k, t in enumerate(TARGETS)}
        if sign < 0:
            places = {t: places[t.mirrored] * (-1, 1, 1) for t in TARGETS}
        return numbers(study, [locate(study, t, tuple(places[t])) for t in TARGETS])

    mirrored = table(-1).loc[[t.mirrored.slug for t in TARGETS]]
    np.testing.assert_allclose(table(1).astype(float), mirrored.astype(float), atol=1e-4)


def test_series_flags_reach_the_targets_they_concern() -> None:
    study = study_of(sagittal(), replace(axial(), flags=frozenset({"no_thickness", "unheard_of"})))
    table = numbers(study)
    assert table.flag_no_thickness.all() and not table.flag_no_position.any()
