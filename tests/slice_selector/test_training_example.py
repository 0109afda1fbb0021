"""What the selector learns from: annotated slices, and images with the points that readers marked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.made_study import make_slice

from lsdc.cohort.study import Series, Study
from lsdc.cohort.vocabulary import TARGETS, Level, View
from lsdc.runtime import ArtifactError
from lsdc.slice_selector.annotations import read_annotations
from lsdc.slice_selector.heatmap_decoding import STRIDE
from lsdc.slice_selector.square_images import SAGITTAL_MM, SAGITTAL_PX, SquareImages
from lsdc.slice_selector.training_example import SelectorExample, make_example, series_geometry


def test_an_example_knows_its_annotations(studies: dict[str, Study], examples: list[SelectorExample]) -> None:
    for study, example in zip(studies.values(), examples):
        n = sum(len(series.slices) for series in study.series if series.view)
        assert len(example.descriptors) == len(example.view) == len(example.distance) == n
        for k, target in enumerate(TARGETS):
            row = example.annotated[k]
            if row >= 0:
                assert list(View)[example.view[row]] is target.condition.view
        present = example.sagittal_state == 1
        points = example.sagittal_points[present]
        assert np.isfinite(points).all()
        assert ((points > 0) & (points < SAGITTAL_PX)).mean() > 0.95


def test_an_example_is_saved_without_pickle(examples: list[SelectorExample], tmp_path: Path) -> None:
    examples[0].save(str(tmp_path / "example.npz"))
    again = SelectorExample.load(tmp_path / "example.npz")
    np.testing.assert_array_equal(again.annotated, examples[0].annotated)
    assert again.study_id == examples[0].study_id
    (tmp_path / "bad.npz").write_bytes(b"PK no")
    with pytest.raises(ArtifactError, match="a damaged selector example"):
        SelectorExample.load(tmp_path / "bad.npz")


def test_without_coordinates_nothing_is_annotated(studies: dict[str, Study]) -> None:
    example = make_example(next(iter(studies.values())), None)
    assert (example.annotated == -1).all()
    assert len(example.sagittal) == 0


def test_a_study_without_series_gives_an_empty_example() -> None:
    example = make_example(Study("empty", ()), None)
    assert len(example.descriptors) == len(example.view) == len(example.distance) == 0


def test_square_images_map_points_back_and_weigh_their_neighborhood(studies: dict[str, Study]) -> None:
    series = next(iter(studies.values())).of_view(View.SAGITTAL_T2)[0]
    square = SquareImages.sagittal(series)
    assert square.cut(0).shape == (SAGITTAL_PX, SAGITTAL_PX)
    point = np.array([30.0, 70.0])
    x, y = square.to_image(0, point)
    np.testing.assert_allclose(square.to_slice(0, np.array([x, y])), point)
    weights = square.closeness(0, point, spread_mm=10.0)
    row, column = np.unravel_index(weights.argmax(), weights.shape)
    assert abs(column * STRIDE + 1.5 - x) <= STRIDE / 2
    assert abs(row * STRIDE + 1.5 - y) <= STRIDE / 2
    steps = 10.0 / (SAGITTAL_MM / SAGITTAL_PX) / STRIDE
    assert weights[row, column - round(steps)] == pytest.approx(np.exp(-0.5), abs=0.15)


def test_marks_are_not_told_on_series_whose_places_are_unknown() -> None:
    rng = np.random.default_rng(0)
    pictures = {
        view: rng.integers(0, 255, (15, 96, 96), np.uint8) for view in (View.SAGITTAL_T1, View.SAGITTAL_T2)
    }
    study = Study.from_images(pictures, spacing=(2.0, 2.0), slice_distance=4.0, study_id="1")
    series = next(item for item in study.series if item.view is View.SAGITTAL_T1)
    marks = pd.DataFrame({
        "series_id": series.series_id, "instance_number": series.slices[4].instance_number,
        "condition": "left_neural_foraminal_narrowing", "level": [level.value for level in Level],
        "x": 50.0, "y": np.linspace(20, 80, 5),
    })  # fmt: skip
    annotations = read_annotations(study, marks)
    for k, item in enumerate(study.series):
        assert np.isfinite(annotations.on(study, k)).any() == (item.view is View.SAGITTAL_T1)


@pytest.mark.parametrize("degrees", [0.0, 44.0, 46.0, 59.0])
@pytest.mark.parametrize("flipped", [False, True])
def test_axial_slices_are_counted_towards_the_head_however_they_are_tilted(
    degrees: float, flipped: bool
) -> None:
    cosine, sine = float(np.cos(np.radians(degrees))), float(np.sin(np.radians(degrees)))
    # The normal of the plane points up and to the back, or down and to the front.
    column = (0.0, cosine, -sine) if not flipped else (0.0, -cosine, sine)
    heights = np.array([-8.0, -4.0, 0.0, 4.0, 8.0])
    slices = tuple(
        make_slice((0.0, z * sine, z * cosine), (1.0, 0.0, 0.0), column, shape=(8, 8)) for z in heights
    )
    offset, fraction = series_geometry(Series("axial", View.AXIAL_T2, slices))
    np.testing.assert_allclose(offset, heights, atol=1e-9)
    np.testing.assert_allclose(fraction, [0, 0.25, 0.5, 0.75, 1], atol=1e-9)
