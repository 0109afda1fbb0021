from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from pydicom import config
from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian
from support.dicom import make_enhanced, make_slice, picture, save, write_series

from lsdc.cohort.dicom.series import read_series
from lsdc.cohort.study import Series
from lsdc.cohort.vocabulary import View

T1, T2, AXIAL = View.SAGITTAL_T1, View.SAGITTAL_T2, View.AXIAL_T2
KEYS = {
    "repetition_time_ms", "echo_time_ms", "field_strength_t", "slice_thickness_mm", "spacing_between_slices_mm",
    "row_spacing_mm", "column_spacing_mm", "rows", "columns", "flip_angle_deg", "echo_train_length",
    "pixel_bandwidth_hz", "age_years", "sex_male", "n_slices",
}  # fmt: skip


def read(paths: Sequence[Path], description: str | None = "Sagittal T2/STIR") -> list[Series]:
    """All series of a series that has no problem."""
    series, problems = read_series("77", paths, description)
    assert not problems and all(item.series_id == "77" for item in series)
    return series


def read_one(paths: Sequence[Path], description: str | None = "Sagittal T2/STIR") -> Series:
    (series,) = read(paths, description)
    return series


def numbers_of(series: Series) -> list[int]:
    return [item.instance_number for item in series.slices]


def origins_of(series: Series, axis: int = 0) -> list[float]:
    return [item.plane.origin[axis] for item in series.slices]


def tilted(degrees: float) -> list[float]:
    """Orientation of an axial slice turned about the left-right axis."""
    angle = math.radians(degrees)
    return [1, 0, 0, 0, math.cos(angle), math.sin(angle)]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations([-9.0, -4.5, 0.0, 4.5, 9.0]))
def test_slices_are_ordered_by_position_whatever_their_numbers(tmp_path: Path, places: list[float]) -> None:
    shutil.rmtree(tmp_path / "s", ignore_errors=True)
    series = read_one(write_series(tmp_path / "s", places))
    assert origins_of(series) == sorted(places)
    assert numbers_of(series) == [places.index(place) + 1 for place in sorted(places)]
    assert series.flags == frozenset()
    for item in series.slices:
        assert_allclose(item.pixels, picture(item.instance_number))


@pytest.mark.parametrize("orientation", [(0, 1, 0, 0, 0, -1), (0, -1, 0, 0, 0, -1), (0, 1, 0, 0, 0, 1)])
def test_sagittal_slices_run_from_right_to_left_for_any_normal(
    tmp_path: Path, orientation: tuple[int, ...]
) -> None:
    series = read_one(write_series(tmp_path, [5, 0, -5], ImageOrientationPatient=list(orientation)))
    assert origins_of(series) == [-5, 0, 5]


def test_axial_slices_run_from_foot_to_head_even_when_steep(tmp_path: Path) -> None:
    paths = []
    for k, along in enumerate([10, 0, -10], start=1):
        normal = np.array([0, -math.sin(math.radians(55)), math.cos(math.radians(55))])
        place = [float(v) for v in normal * along]
        paths.append(
            save(
                tmp_path / f"{k}.dcm",
                make_slice(
                    plane="axial", number=k, ImageOrientationPatient=tilted(55), ImagePositionPatient=place
                ),
            )
        )
    series = read_one(paths, "Axial T2")
    assert series.view is AXIAL and numbers_of(series) == [3, 2, 1]


def test_files_are_numbered_by_header_then_by_name(tmp_path: Path) -> None:
    paths = write_series(tmp_path, [0, 4, 8], names="{}0.dcm")
    assert numbers_of(read_one(paths)) == [1, 2, 3]
    paths = write_series(tmp_path, [0, 4, 8], names="IM-0001-{:04d}.dcm", InstanceNumber=None)
    assert numbers_of(read_one(paths)) == [1, 2, 3]
    paths = write_series(tmp_path, [0, 4, 8], names="{}x", InstanceNumber=None)
    assert numbers_of(read_one(paths)) == [1, 2, 3]


def test_orientations_are_split(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "a", [0, 4, 8], plane="axial")
    paths += write_series(
        tmp_path / "b", [30, 34], plane="axial", ImageOrientationPatient=tilted(12), series="1.2.3.1"
    )
    large, small = read(paths, "Axial T2")
    assert (len(large.slices), len(small.slices)) == (3, 2)
    assert large.view is small.view is AXIAL
    assert "split" in large.flags and "split" in small.flags


def test_small_differences_of_orientation_stay_together(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "a", [0, 4], plane="axial")
    paths += write_series(tmp_path / "b", [8, 12], plane="axial", ImageOrientationPatient=tilted(3))
    assert len(read_one(paths, "Axial T2").slices) == 4


def test_blocks_with_gaps_stay_one_series_in_order(tmp_path: Path) -> None:
    series = read_one(write_series(tmp_path, [40, 44, 48, 0, 4, 8], plane="axial"), "Axial T2")
    assert origins_of(series, 2) == [0, 4, 8, 40, 44, 48]


def test_two_echoes_at_the_same_places_are_split_and_the_fitting_one_has_the_view(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "pd", [0, 4, 8], EchoTime=20)
    paths += write_series(tmp_path / "t2", [0, 4, 8], EchoTime=95, pixels=picture(9))
    series = read(paths)
    echoes = {item.metadata["echo_time_ms"]: item.view for item in series}
    assert echoes == {20: None, 95: T2}
    assert all(len(item.slices) == 3 for item in series)
    assert {item.metadata["echo_time_ms"]: item.view for item in read(paths, "Sagittal T1")} == {
        20: T1,
        95: None,
    }


def test_stations_beside_each_other_are_split(tmp_path: Path) -> None:
    upper, lower = [], []
    for k, x in enumerate([0, 4, 8], start=1):
        upper.append(save(tmp_path / f"u{k}", make_slice(number=k, ImagePositionPatient=[x, -80, 300])))
        lower.append(save(tmp_path / f"l{k}", make_slice(number=k + 3, ImagePositionPatient=[x, -80, 90])))
    one, other = read(upper + lower)
    assert {origins_of(one, 2)[0], origins_of(other, 2)[0]} == {300, 90}
    assert origins_of(one) == origins_of(other) == [0, 4, 8]


def test_a_file_that_was_copied_counts_once(tmp_path: Path) -> None:
    paths = write_series(tmp_path, [0, 4, 8])
    paths.append(Path(shutil.copy(paths[1], tmp_path / "copy.dcm")))
    series = read_one(paths)
    assert numbers_of(series) == [1, 2, 3] and series.flags == {"duplicates_dropped"}


def test_of_slices_at_one_position_the_first_is_kept(tmp_path: Path) -> None:
    paths = write_series(tmp_path, [0, 4, 8, 4.01])
    series = read_one(paths)
    assert numbers_of(series) == [1, 2, 3] and "duplicates_dropped" in series.flags


def test_of_slices_at_one_position_the_usual_size_is_kept(tmp_path: Path) -> None:
    paths = write_series(tmp_path, [0, 4, 8])
    odd = make_slice(picture(5, (48, 54)), number=0, place=4, PixelSpacing=[1 / 3, 0.5])
    series = read_one([*paths, save(tmp_path / "odd.dcm", odd)])
    assert numbers_of(series) == [1, 2, 3]


def test_slices_of_unequal_size_stay_as_they_are(tmp_path: Path) -> None:
    paths = [
        save(tmp_path / f"{k}", make_slice(picture(k, (32, 32 + 4 * k)), place=4 * k, number=k))
        for k in range(3)
    ]
    assert [item.pixels.shape for item in read_one(paths).slices] == [(32, 32), (32, 36), (32, 40)]


MISSING = [None, "", "nan", "1.2\\x", "1.5", "0\\0", "-1\\-1", "1\\2\\3\\4\\5\\6\\7"]


def garble(dataset: Dataset, name: str, value: str | None) -> Dataset:
    """Write a value of any form, or none."""
    if name in dataset:
        del dataset[name]
    if value is not None:
        dataset.add_new(name, "LO", value.split("\\"))
    return dataset


@pytest.mark.parametrize("value", MISSING)
@pytest.mark.parametrize(
    ("name", "flag"),
    [
        ("ImageOrientationPatient", "no_orientation"),
        ("ImagePositionPatient", "no_position"),
        ("PixelSpacing", "no_pixel_spacing"),
        ("SliceThickness", "no_thickness"),
        ("SpacingBetweenSlices", "no_spacing_between"),
    ],
)
def test_what_is_missing_or_makes_no_sense_is_replaced_and_flagged(
    tmp_path: Path, name: str, flag: str, value: str | None
) -> None:
    if value == "1.5" and name.startswith("S"):
        value = "-1.5"
    paths = []
    with config.disable_value_validation():
        for k, place in enumerate([0, 4, 8], start=1):
            paths.append(save(tmp_path / f"{k}", garble(make_slice(place=place, number=k), name, value)))
    series = read_one(paths)
    if (name, value) == ("PixelSpacing", "1.5"):  # one number stands for both directions
        flag = "odd_header"
        assert series.slices[0].plane.spacing == (1.5, 1.5)
    assert series.flags == {flag} and series.view is T2 and len(series.slices) == 3
    assert np.isfinite([item.plane.origin for item in series.slices]).all()
    steps = np.diff(series.positions)
    assert (np.abs(steps) > 3.9).all() and len(set(np.sign(steps))) == 1


def without(
    tmp_path: Path, plane: str = "sagittal", places: Sequence[float] = (0, 4, 8), **attributes: Any
) -> list[Path]:
    return write_series(tmp_path, places, plane, **attributes)


def test_fallback_of_pixel_spacing_is_the_usual_field_of_view(tmp_path: Path) -> None:
    series = read_one(without(tmp_path / "a", PixelSpacing=None))
    assert series.slices[0].plane.spacing == (300 / 36, 300 / 36)
    assert math.isnan(series.metadata["row_spacing_mm"])
    series = read_one(without(tmp_path / "b", "axial", PixelSpacing=None), "Axial T2")
    assert series.slices[0].plane.spacing == (200 / 36, 200 / 36)
    series = read_one(without(tmp_path / "c", PixelSpacing=None, ReconstructionDiameter=180))
    assert series.slices[0].plane.spacing == (5, 5)
    assert series.flags == {"no_pixel_spacing"}


def test_fallback_of_spacing_between_slices_is_measured(tmp_path: Path) -> None:
    series = read_one(without(tmp_path, SpacingBetweenSlices=None))
    assert series.metadata["spacing_between_slices_mm"] == 4
    assert series.flags == {"no_spacing_between"}


def test_fallback_of_orientation_is_the_described_plane(tmp_path: Path) -> None:
    sagittal = read_one(without(tmp_path / "a", ImageOrientationPatient=None))
    assert sagittal.slices[0].plane.row_direction == (0, 1, 0) and origins_of(sagittal) == [0, 4, 8]
    axial = read_one(without(tmp_path / "b", "axial", ImageOrientationPatient=None), "Axial T2")
    assert axial.slices[0].plane.row_direction == (1, 0, 0) and origins_of(axial, 2) == [0, 4, 8]


def test_without_description_the_plane_is_that_across_which_positions_run(tmp_path: Path) -> None:
    options: dict[str, Any] = {"ImageOrientationPatient": None, "SeriesDescription": "T2 transversal"}
    series = read_one(without(tmp_path, "axial", **options), None)
    assert series.view is AXIAL and series.slices[0].plane.row_direction == (1, 0, 0)
    assert series.flags == {"no_orientation", "view_guessed"}


def test_fallback_of_position_puts_slices_side_by_side_around_the_isocenter(tmp_path: Path) -> None:
    series = read_one(without(tmp_path, ImagePositionPatient=None))
    assert_allclose(origins_of(series), [-4.5, 0, 4.5])
    middle = series.slices[1].plane.to_patient([(35 / 2, 31 / 2)])
    assert_allclose(middle, [[0, 0, 0]], atol=1e-9)
    assert numbers_of(series) == [1, 2, 3]


def test_fallback_of_position_knows_slice_location(tmp_path: Path) -> None:
    paths = [
        save(tmp_path / f"{k}", make_slice(number=k, ImagePositionPatient=None, SliceLocation=place))
        for k, place in enumerate([6, 0, -6], start=1)
    ]
    series = read_one(paths)
    assert origins_of(series) == [-6, 0, 6] and numbers_of(series) == [3, 2, 1]


def test_step_of_slices_without_position(tmp_path: Path) -> None:
    options: dict[str, Any] = {"ImagePositionPatient": None, "SpacingBetweenSlices": None}
    assert_allclose(np.diff(origins_of(read_one(without(tmp_path / "a", SliceThickness=3, **options)))), 3)
    assert_allclose(np.diff(origins_of(read_one(without(tmp_path / "b", SliceThickness=None, **options)))), 4)


def test_positions_that_are_all_the_same_are_none(tmp_path: Path) -> None:
    series = read_one(write_series(tmp_path, [0, 0, 0, 0]))
    assert len(series.slices) == 4 and series.flags == {"no_position"}


def test_one_slice_without_header_values_takes_them_from_its_series(tmp_path: Path) -> None:
    paths = write_series(tmp_path, [0, 4, 8, 12])
    bare: dict[str, Any] = {
        "ImageOrientationPatient": None,
        "ImagePositionPatient": None,
        "PixelSpacing": None,
    }
    save(paths[2], make_slice(number=3, **bare))
    series = read_one(paths)
    assert series.flags == {"mended"} and numbers_of(series) == [1, 2, 3, 4]
    assert_allclose(series.slices[2].plane.origin, (8, -80, 90))
    assert series.slices[2].plane.spacing == (0.5, 0.75)
    save(paths[3], make_slice(number=4, **bare))
    assert_allclose(origins_of(read_one(paths)), [0, 4, 8, 12])


def test_an_axial_description_is_trusted_over_a_coronal_header(tmp_path: Path) -> None:
    series = read_one(write_series(tmp_path, [0, 4, 8], plane="coronal"), "Axial T2")
    assert series.view is AXIAL and series.flags == {"no_orientation", "no_position"}
    assert series.slices[0].plane.column_direction == (0, 1, 0)
    assert_allclose(np.diff(series.positions), 4.5)


def test_positions_that_agree_with_the_description_are_kept(tmp_path: Path) -> None:
    paths = write_series(tmp_path, [0, 4, 8], "axial", ImageOrientationPatient=[1, 0, 0, 0, 0, -1])
    series = read_one(paths, "Axial T2")
    assert series.flags == {"no_orientation"} and origins_of(series, 2) == [0, 4, 8]


def test_a_scout_in_a_described_series_has_no_view(tmp_path: Path) -> None:
    paths = write_series(tmp_path, [0, 4, 8])
    paths.append(save(tmp_path / "scout", make_slice(plane="coronal", number=4)))
    large, scout = read(paths)
    assert (large.view, scout.view) == (T2, None)


def test_views_without_description(tmp_path: Path) -> None:
    for name, plane, contrast, view in (
        ("a", "sagittal", "t1", T1),
        ("b", "sagittal", "t2", T2),
        ("c", "axial", "t2", AXIAL),
        ("d", "axial", "t1", None),
        ("e", "coronal", "t2", None),
    ):
        series = read_one(write_series(tmp_path / name, [0, 4], plane, contrast=contrast), None)
        assert series.view is view and series.flags == {"view_guessed"}


def test_a_description_that_names_no_view_leaves_it_to_the_headers(tmp_path: Path) -> None:
    assert read_one(write_series(tmp_path, [0, 4], contrast="t1"), "Spine").view is T1


def test_a_localizer_has_no_view(tmp_path: Path) -> None:
    paths = []
    for k, plane in enumerate(["sagittal", "coronal", "axial"], start=1):
        dataset = make_slice(plane=plane, number=k, EchoTime=4, RepetitionTime=12, ScanningSequence="GR")
        paths.append(save(tmp_path / f"{k}", dataset))
    assert [item.view for item in read(paths, None)] == [None, None, None]


def test_metadata_are_numbers_from_the_allowlist(tmp_path: Path) -> None:
    series = read_one(without(tmp_path, PatientAge="093Y", StudyDescription="Secret"))
    assert set(series.metadata) == KEYS
    assert all(type(value) is float for value in series.metadata.values())
    assert series.metadata["age_years"] == 90 and series.metadata["sex_male"] == 0
    assert series.metadata["n_slices"] == 3 and series.metadata["rows"] == 32
    assert series.metadata["column_spacing_mm"] == 0.75
    text = repr((series.metadata, series.flags, series.series_id, series.slices[0].plane))
    assert "Secret" not in text and "SECRET" not in text and "1951" not in text


@pytest.mark.parametrize(
    ("age", "years"), [("057Y", 57), ("006M", 0.5), ("57", 57), ("", None), ("fifty", None)]
)
def test_age(tmp_path: Path, age: str, years: float | None) -> None:
    with config.disable_value_validation():
        paths = without(tmp_path, PatientAge=age)
    found = read_one(paths).metadata["age_years"]
    assert math.isnan(found) if years is None else found == years


def test_metadata_survive_one_damaged_header(tmp_path: Path) -> None:
    paths = write_series(tmp_path, [0, 4, 8])
    save(paths[0], make_slice(number=1, EchoTime=None, RepetitionTime=0, SliceThickness=400))
    found = read_one(paths).metadata
    assert (found["echo_time_ms"], found["repetition_time_ms"], found["slice_thickness_mm"]) == (100, 3500, 4)


def test_an_enhanced_file_is_a_series(tmp_path: Path) -> None:
    path = save(tmp_path / "e", make_enhanced([8, 4, 0], slopes=[1, 2, 3]))
    series = read_one([path], None)
    assert series.view is T2 and series.flags == {"view_guessed"}
    assert origins_of(series) == [0, 4, 8] and numbers_of(series) == [3, 2, 1]
    assert series.metadata["slice_thickness_mm"] == 4 and series.metadata["age_years"] == 57
    assert [item.source for item in series.slices] == [f"{path}#{k}" for k in (3, 2, 1)]


def test_frames_without_places_lie_side_by_side(tmp_path: Path) -> None:
    pixels = np.stack([picture(k) for k in range(3)])
    series = read_one([save(tmp_path / "m", make_slice(pixels, NumberOfFrames=3))])
    assert len(series.slices) == 3 and "no_position" in series.flags
    assert series.slices[0].plane.spacing == (0.5, 0.75)


def test_one_bad_file_is_one_problem(tmp_path: Path) -> None:
    paths = write_series(tmp_path, [0, 4, 8, 12, 16, 20])
    paths[0].write_bytes(b"")
    paths[1].write_bytes(paths[1].read_bytes()[:-500])
    paths[2].write_bytes(paths[2].read_bytes()[:200])
    paths[3].write_text("hello")
    save(paths[4], make_slice(number=5, Modality="CT"))
    series, problems = read_series("77", paths, "Sagittal T2/STIR")
    assert [numbers_of(item) for item in series] == [[6]]
    assert sorted(problem.path for problem in problems) == sorted(map(str, paths[:5]))
    assert all(problem.reason and problem.remedy for problem in problems)


def test_nothing_readable(tmp_path: Path) -> None:
    paths = write_series(tmp_path, [0])
    paths[0].write_bytes(b"")
    series, problems = read_series("77", paths, None)
    assert series == [] and len(problems) == 1


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian])
def test_a_series_of_usual_size_is_read_quickly(tmp_path: Path, syntax: UID) -> None:
    import time

    values = np.zeros((384, 384), np.uint16)
    values[:] = np.arange(384)
    paths = write_series(tmp_path, [4.0 * k for k in range(25)], syntax=syntax, pixels=values)
    start = time.perf_counter()
    assert len(read_one(paths).slices) == 25
    assert time.perf_counter() - start < 2
