"""NIfTI volumes: equal to those of dcm2niix, voxel for voxel."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
from support.dicom import write_series
from support.made_study import make_slice, sagittal

from lsdc.cohort.export.exporting import export_images
from lsdc.cohort.export.regular_stacks import affine_of, regular_stacks
from lsdc.cohort.study import Series
from lsdc.cohort.vocabulary import View

needs_dcm2niix = pytest.mark.skipif(shutil.which("dcm2niix") is None, reason="needs the program dcm2niix")
REAL = Path(__file__).parents[3] / "real_rsna-whole"


def theirs(folder: Path, out: Path) -> list[nibabel.Nifti1Image]:
    """Convert a series by dcm2niix."""
    out.mkdir(parents=True)
    command = ["dcm2niix", "-b", "n", "-z", "n", "-f", "%s_%j", "-o", str(out), str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    return [nibabel.Nifti1Image.from_filename(path) for path in sorted(out.glob("*.nii"))]


def compare(out: Path, data: Path, work: Path, offset_mm: float) -> int:
    """Count the volumes that dcm2niix has as well; each such must be equal."""
    table = pd.read_csv(out / "images.csv", dtype={"study_id": str, "series_id": str})
    equal = 0
    for (study, series), rows in table.groupby(["study_id", "series_id"]):
        converted = theirs((data / rows["source"].iloc[0]).parent, work / str(study) / str(series))
        for path in rows["path"].unique():
            ours = nibabel.Nifti1Image.from_filename(out / path)
            near = [item for item in converted if _is_near(item, ours, offset_mm)]
            assert near, f"{path}: dcm2niix has no volume at this place"
            assert any(np.allclose(item.get_fdata(), ours.get_fdata(), rtol=1e-6, atol=1e-3) for item in near)
            equal += 1
    return equal


def _is_near(one: nibabel.Nifti1Image, other: nibabel.Nifti1Image, offset_mm: float) -> bool:
    if one.shape != other.shape:
        return False
    difference = np.abs(one.affine - other.affine)
    return bool(difference[:3, :3].max() < 1e-4 and difference[:3, 3].max() < offset_mm)


@needs_dcm2niix
def test_simulated_studies_are_those_of_dcm2niix(small_cohort: Path, tmp_path: Path) -> None:
    data = tmp_path / "test_images"
    for folder in sorted((small_cohort / "test_images").iterdir())[:2]:
        shutil.copytree(folder, data / folder.name)
    shutil.copy(small_cohort / "test_series_descriptions.csv", tmp_path)
    exported = export_images(data, tmp_path / "out", format="nifti", workers=1)
    assert compare(tmp_path / "out", data, tmp_path / "theirs", 1e-4) >= exported.series
    assert exported.problems == 0


@needs_dcm2niix
@pytest.mark.parametrize("plane", ["sagittal", "axial"])
@pytest.mark.parametrize("backwards", [False, True])
def test_a_regular_stack_is_that_of_dcm2niix(plane: str, backwards: bool, tmp_path: Path) -> None:
    places = [4.5 * k for k in range(5)][:: -1 if backwards else 1]
    write_series(tmp_path / "data", places, plane=plane, Manufacturer="SIEMENS")
    export_images(tmp_path / "data", tmp_path / "out", format="nifti", workers=1)
    assert compare(tmp_path / "out", tmp_path / "data", tmp_path / "theirs", 1e-4) == 1
    volume = nibabel.Nifti1Image.from_filename(next((tmp_path / "out").rglob("*.nii.gz")))
    assert volume.get_data_dtype() == np.int16
    assert volume.header.get_xyzt_units()[0] == "mm"


@needs_dcm2niix
def test_a_single_slice_is_that_of_dcm2niix(tmp_path: Path) -> None:
    write_series(tmp_path / "data", [4.5], SeriesDescription="one slice")
    export_images(tmp_path / "data", tmp_path / "out", format="nifti", workers=1)
    assert compare(tmp_path / "out", tmp_path / "data", tmp_path / "theirs", 1e-4) == 1


@needs_dcm2niix
@pytest.mark.skipif(not REAL.is_dir(), reason="needs a real study, which the repository does not hold")
def test_a_real_study_is_that_of_dcm2niix(tmp_path: Path) -> None:
    study = next((REAL / "train_images").iterdir())
    sagittal_series = [folder for folder in sorted(study.iterdir()) if len(list(folder.iterdir())) < 30]
    for folder in sagittal_series:
        shutil.copytree(folder, tmp_path / "train_images" / study.name / folder.name)
    export_images(tmp_path / "train_images", tmp_path / "out", format="nifti", workers=1)
    found = compare(tmp_path / "out", tmp_path / "train_images", tmp_path / "theirs", 1e-4)
    assert found == len(sagittal_series)


def test_voxels_lie_where_their_slices_do() -> None:
    series = sagittal()
    (stack,), left = regular_stacks(series)
    slices = [series.slices[index] for index in stack]
    affine, rows = affine_of(slices), slices[0].pixels.shape[0]
    for column, row, number in [(0, 0, 0), (20, 31, 4), (149, 159, 10)]:
        ras = affine @ [column, rows - 1 - row, number, 1]
        assert ras[:3] * [-1, -1, 1] == pytest.approx(slices[number].plane.to_patient([(column, row)])[0])
    assert left == []
    assert np.linalg.det(affine[:3, :3]) < 0


def test_a_gap_splits_a_stack() -> None:
    series = sagittal(xs=[0, 4, 8, 20, 24, 28])
    stacks, left = regular_stacks(series)
    assert sorted(map(sorted, stacks)) == [[0, 1, 2], [3, 4, 5]]
    assert left == []


def test_slices_of_another_size_or_tilt_are_another_stack() -> None:
    def of(places: range, tilt: float, shape: tuple[int, int]) -> list:
        row = (0.0, float(np.cos(tilt)), float(np.sin(tilt)))
        column = (0.0, float(np.sin(tilt)), -float(np.cos(tilt)))
        return [make_slice((4.0 * k, 0, 0), row, column, shape=shape, number=k) for k in places]

    slices = of(range(3), 0.0, (20, 20)) + of(range(3, 6), 0.03, (20, 20)) + of(range(6, 9), 0.0, (20, 24))
    stacks, left = regular_stacks(Series("s", View.SAGITTAL_T2, tuple(slices)))
    assert sorted(map(sorted, stacks)) == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert left == []


def test_unequal_steps_are_a_problem(tmp_path: Path) -> None:
    write_series(tmp_path / "data", [0, 3, 7, 8, 14, 16, 25])
    exported = export_images(tmp_path / "data", tmp_path / "out", format="nifti", workers=1)
    problems = pd.read_csv(tmp_path / "out" / "problems.csv")
    assert problems["reason"].str.contains("slices lie at unequal steps; there is no volume of it").all()
    assert (exported.slices, exported.problems) == (0, 1)


def test_slices_without_positions_are_a_problem(tmp_path: Path) -> None:
    write_series(tmp_path / "data", [0, 4, 8], ImagePositionPatient=None)
    export_images(tmp_path / "data", tmp_path / "out", format="nifti", workers=1)
    problems = pd.read_csv(tmp_path / "out" / "problems.csv")
    assert problems["reason"].str.contains("do not say where its slices lie").any()
