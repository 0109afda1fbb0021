from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.spatial.transform import Rotation

from lsdc.cohort.geometry import SlicePlane, plane_of

numbers = st.floats(-300, 300)
points = st.lists(st.tuples(numbers, numbers), min_size=1, max_size=5)
spacings = st.floats(0.1, 5)


@st.composite
def planes(draw: st.DrawFn) -> SlicePlane:
    """Any plane in space."""
    angles = draw(st.tuples(*[st.floats(-180, 180)] * 3))
    row, column, _ = Rotation.from_euler("xyz", angles, degrees=True).as_matrix().T
    origin = draw(st.tuples(numbers, numbers, numbers))
    return SlicePlane(origin, tuple(row), tuple(column), (draw(spacings), draw(spacings)))


@given(planes(), points)
def test_pixel_to_patient_and_back(plane: SlicePlane, points: list[tuple[float, float]]) -> None:
    assert_allclose(plane.to_pixel(plane.to_patient(points)), points, atol=1e-6)


@given(planes(), points)
def test_pixels_lie_in_their_plane(plane: SlicePlane, points: list[tuple[float, float]]) -> None:
    assert_allclose(plane.distance(plane.to_patient(points)), 0, atol=1e-6)


@given(planes(), planes(), points)
def test_projection_into_another_series_moves_along_its_normal_only(
    one: SlicePlane, other: SlicePlane, points: list[tuple[float, float]]
) -> None:
    patient = one.to_patient(points)
    projected = other.to_patient(other.to_pixel(patient))
    assert_allclose(patient - projected, other.distance(patient)[:, None] * other.normal, atol=1e-5)


def test_a_point_of_a_sagittal_slice_is_found_on_the_axial_one() -> None:
    sagittal = SlicePlane((5, -100, 80), (0, 1, 0), (0, 0, -1), (0.5, 0.8))
    axial = SlicePlane((-90, -110, 30), (1, 0, 0), (0, 1, 0), (0.6, 0.6))
    patient = sagittal.to_patient([[125, 100]])
    assert_allclose(patient, [[5, 0, 30]])
    assert_allclose(axial.to_pixel(patient), [[95 / 0.6, 110 / 0.6]])
    assert_allclose(axial.distance(patient), [0])


def test_spacing_is_rows_first_as_in_the_header() -> None:
    plane = SlicePlane((0, 0, 0), (1, 0, 0), (0, 1, 0), (2.0, 0.5))
    assert_allclose(plane.to_patient([[10, 10]]), [[5, 20, 0]])


@pytest.mark.parametrize(("row", "left_at_right"), [((1, 0, 0), True), ((-1, 0, 0), False)])
def test_side_follows_patient_space(row: tuple[int, int, int], left_at_right: bool) -> None:
    plane = SlicePlane((0, 0, 0), row, (0, 1, 0), (1, 1))
    left = plane.to_pixel([[30, 0, 0]])[0, 0]
    right = plane.to_pixel([[-30, 0, 0]])[0, 0]
    assert (left > right) == left_at_right == plane.left_is_right_of_image


@given(planes())
def test_the_anatomical_plane_does_not_depend_on_the_direction_of_the_normal(plane: SlicePlane) -> None:
    assert plane_of(plane.normal) == plane_of(-plane.normal)
