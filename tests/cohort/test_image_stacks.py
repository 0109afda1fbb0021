"""Studies of images that are not DICOM."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from PIL import Image

from lsdc.cohort.cropping import reorientation_of
from lsdc.cohort.image_stacks import ImagesError
from lsdc.cohort.study import Study
from lsdc.cohort.vocabulary import Family, View
from lsdc.slice_selector.selector import SliceSelector

T1, T2, AXIAL = View.SAGITTAL_T1, View.SAGITTAL_T2, View.AXIAL_T2


def gray(count: int = 3, dtype: str = "uint8") -> list[NDArray[Any]]:
    """Images of 40 rows and 30 columns, the number of the image in all pixels."""
    return [np.full((40, 30), k, dtype) for k in range(1, count + 1)]


def saved(folder: Path, names: list[str], mode: str = "L") -> list[Path]:
    """Image files, the position of the name in all pixels."""
    folder.mkdir(exist_ok=True)
    for k, name in enumerate(names, start=1):
        Image.fromarray(np.full((40, 30), k, np.uint8)).convert(mode).save(folder / name)
    return [folder / name for name in names]


def values_of(study: Study) -> list[list[int]]:
    """The value of each slice by series."""
    return [[int(item.pixels[0, 0]) for item in series.slices] for series in study.series]


@pytest.mark.parametrize("view", View)
def test_slices_are_upright_and_in_anatomical_order(view: View) -> None:
    study = Study.from_images(gray(), view, spacing=(0.5, 0.8), slice_distance=4.5, study_id="7")
    (series,) = study.series
    assert (study.study_id, series.view, series.placed) == ("7", view, True)
    axis = 2 if view is AXIAL else 0
    assert_allclose([item.plane.origin[axis] for item in series.slices], [-4.5, 0, 4.5])
    assert [item.instance_number for item in series.slices] == [1, 2, 3]
    plane = series.slices[1].plane
    assert_allclose(plane.to_patient([(14.5, 19.5)]), [[0, 0, 0]], atol=1e-9)
    assert reorientation_of(plane, view) == (False, False, False)
    assert series.metadata["spacing_between_slices_mm"] == 4.5 and series.metadata["n_slices"] == 3
    assert series.slices[0].pixels.dtype == np.float32


@pytest.mark.parametrize(("view", "order"), [(T2, "left_to_right"), ("Axial T2", "head_to_foot")])
def test_the_other_order_turns_the_stack_around(view: str, order: str) -> None:
    (series,) = Study.from_images(gray(), view, spacing=(1, 1), order=order).series
    assert [item.instance_number for item in series.slices] == [3, 2, 1]
    assert [item.source for item in series.slices] == ["image 3", "image 2", "image 1"]


def test_a_mapping_gives_a_series_per_view_whose_relative_place_is_unknown() -> None:
    study = Study.from_images(
        {"Sagittal T2/STIR": gray(3), "Axial T2": gray(5)},
        spacing={T2: (0.6, 0.6), AXIAL: (0.4, 0.4)},
        slice_distance={"Sagittal T2/STIR": 4.0, "Axial T2": 5.0},
        order={"Sagittal T2/STIR": "left_to_right", "Axial T2": "foot_to_head"},
    )
    assert [series.view for series in study.series] == [T2, AXIAL]
    assert values_of(study) == [[3, 2, 1], [1, 2, 3, 4, 5]]
    assert [series.slices[0].plane.spacing for series in study.series] == [(0.6, 0.6), (0.4, 0.4)]
    assert_allclose(np.abs(np.diff(study.series[1].positions)), 5)
    assert not any(series.placed for series in study.series)


@pytest.mark.parametrize("mode", ["L", "RGB", "P"])
def test_files_are_read_as_gray(tmp_path: Path, mode: str) -> None:
    paths = saved(tmp_path, ["b.png", "a.png"], mode)
    study = Study.from_images(paths, T1, spacing=(1, 1))
    assert values_of(study) == [[1, 2]]
    assert [item.source for item in study.series[0].slices] == [str(path) for path in paths]


def test_a_folder_is_read_in_natural_order(tmp_path: Path) -> None:
    saved(tmp_path, ["10.png", "2.png", "1.png"])
    (tmp_path / "notes.txt").write_text("no image")
    for folder in (tmp_path, str(tmp_path)):
        assert values_of(Study.from_images(folder, T2, spacing=(1, 1))) == [[3, 2, 1]]


def test_jpeg_and_deep_png_files(tmp_path: Path) -> None:
    saved(tmp_path, ["1.jpg"])
    assert values_of(Study.from_images(tmp_path, T2, spacing=(1, 1))) == [[1]]
    deep = np.full((40, 30), 3000, np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    (series,) = Study.from_images([tmp_path / "deep.png"], T2, spacing=(1, 1)).series
    assert_array_equal(series.slices[0].pixels, deep)


@pytest.mark.parametrize(
    ("images", "options", "message"),
    [
        ([np.zeros((4, 4)), np.zeros(4)], {}, r"image 2: has the shape \(4,\); expected \(rows, columns\)"),
        ([np.zeros((4, 4, 3))], {}, r"image 1: has the shape \(4, 4, 3\)"),
        ([np.zeros((0, 4))], {}, r"image 1: has the shape \(0, 4\)"),
        ([np.array([["a"]])], {}, "image 1: holds <U1; expected numbers"),
        ([np.array([[np.nan]])], {}, "image 1: holds values that are not finite"),
        ([*gray(1), *gray(1, "uint16")], {}, "image 2 holds uint16 and image 1 holds uint8"),
        ([], {}, "Sagittal T2/STIR: no image"),
        (gray(), {"spacing": (0, 1)}, "spacing must be positive and finite \\(mm\\), not 0"),
        (gray(), {"spacing": (1, float("nan"))}, "spacing must be positive"),
        (gray(), {"spacing": 0.6}, "spacing must be two numbers"),
        (gray(), {"spacing": {AXIAL: (1, 1)}}, "spacing has no value for the view 'Sagittal T2/STIR'"),
        (gray(), {"slice_distance": -4}, "slice_distance must be positive"),
        (gray(), {"order": "foot_to_head"}, "unknown order 'foot_to_head'; expected 'right_to_left' or"),
        (gray(), {"view": "T2"}, "view: unknown view 'T2'; expected one of 'Sagittal T1'"),
        (gray(), {"view": None}, "view is needed"),
        ({T2: gray()}, {}, "view must be left out"),
        ({}, {"view": None}, "images names no view"),
        ("nowhere", {}, "nowhere: no such folder"),
        (["nowhere.png"], {}, "nowhere.png: no such file"),
    ],
)
def test_errors_name_the_image_or_the_argument(images: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ImagesError, match=message):
        Study.from_images(images, **{"view": T2, "spacing": (1, 1)} | options)


def test_files_that_are_no_images_are_named(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    with pytest.raises(ImagesError, match=r"broken.png: cannot be read as PNG or JPEG"):
        Study.from_images(tmp_path, T2, spacing=(1, 1))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImagesError, match=r"empty: the folder holds no image; expected .png"):
        Study.from_images(tmp_path / "empty", T2, spacing=(1, 1))


def test_the_bundled_selector_locates_on_it() -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (96, 96), np.uint8) for _ in range(3)]
    locations = SliceSelector.bundled().locate(Study.from_images(images, T2, spacing=(3, 3)))
    assert len(locations) == 25
    spinal = [item for item in locations if item.target.condition.family is Family.SPINAL]
    assert np.isfinite([item.point for item in spinal]).all()
