"""Pictures for other tools: their pixels are those of the DICOM files, and the table leads back to them."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from pydicom import dcmread
from support.dicom import make_enhanced, make_slice, picture, save, write_series

from lsdc.cohort.discovery.studies import read_study
from lsdc.cohort.export.export_settings import Format
from lsdc.cohort.export.exporting import export_images
from lsdc.cohort.geometry import SlicePlane
from lsdc.commands.features_export import Export
from lsdc.runtime import ArtifactError, ConfigError
from lsdc.runtime.commands import run_command


def table_of(out: Path) -> pd.DataFrame:
    return pd.read_csv(out / "images.csv", dtype={"study_id": str, "series_id": str}, keep_default_na=False)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two studies: one of a sagittal and an axial series, one of a multi-frame file."""
    write_series(tmp_path / "data" / "a" / "sag", [-9, -4.5, 0, 4.5, 9], contrast="t1")
    write_series(tmp_path / "data" / "a" / "ax", [0, 5, 10], plane="axial", series="1.2.3.2")
    frames = make_enhanced(
        [-4.5, 0.0, 4.5], StudyInstanceUID="1.2.4", SeriesInstanceUID="1.2.4.1", PatientID="other"
    )
    save(tmp_path / "data" / "b" / "frames.dcm", frames)
    return tmp_path / "data"


def test_pictures_of_16_bits_hold_the_values_of_the_files(tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    exported = export_images(tree, out, bits=16, workers=1)
    assert (exported.studies, exported.series, exported.slices, exported.failed) == (2, 3, 11, 0)
    table = table_of(out)
    assert len(table) == 11 and table["path"].is_unique
    for row in table.to_dict("records"):
        name, _, frame = row["source"].partition("#")
        values = dcmread(tree / name).pixel_array
        values = values[int(frame) - 1] if frame else values
        stored = np.asarray(Image.open(out / row["path"]))
        assert stored.dtype == np.uint16
        np.testing.assert_array_equal(stored * row["scale"] + row["offset"], values)


def test_the_table_says_where_a_picture_lies_in_the_patient(tree: Path, tmp_path: Path) -> None:
    export_images(tree, tmp_path / "out", workers=1)
    for row in table_of(tmp_path / "out").to_dict("records"):
        if "#" in row["source"]:
            continue
        header = dcmread(tree / row["source"], stop_before_pixels=True)
        assert [row["left_mm"], row["posterior_mm"], row["head_mm"]] == pytest.approx(
            header.ImagePositionPatient
        )
        axes = [row[f"{axis}_{way}"] for axis in ("row", "column") for way in ("left", "posterior", "head")]
        assert axes == pytest.approx(header.ImageOrientationPatient)
        plane = SlicePlane(tuple(header.ImagePositionPatient), tuple(axes[:3]), tuple(axes[3:]), (1.0, 1.0))
        assert row["position_mm"] == pytest.approx(plane.position)
        assert (row["row_spacing_mm"], row["column_spacing_mm"]) == (0.5, 0.75)
        assert row["instance_number"] == header.InstanceNumber


def test_pictures_of_8_bits_have_the_gray_window_of_their_series(tree: Path, tmp_path: Path) -> None:
    export_images(tree, tmp_path / "out", workers=1)
    series = read_study(tree / "b").series[0]
    low, high = series.window
    rows = table_of(tmp_path / "out").query("study_id == '1.2.4'").sort_values("slice")
    for row, item in zip(rows.to_dict("records"), series.slices):
        gray = np.asarray(Image.open(tmp_path / "out" / row["path"])) * row["scale"] + row["offset"]
        assert np.abs(gray - item.pixels.clip(low, high)).max() <= row["scale"] / 2 + 1e-3


def test_values_that_are_no_whole_numbers_keep_16_bits(tmp_path: Path) -> None:
    slices = [
        make_slice(picture(k, low=-500, high=500, dtype=np.int16), place=4.0 * k, number=k) for k in (1, 2, 3)
    ]
    for k, item in enumerate(slices):
        item.RescaleSlope, item.RescaleIntercept = "0.37", "-12"
        save(tmp_path / "data" / f"{k}.dcm", item)
    export_images(tmp_path / "data", tmp_path / "out", bits=16, workers=1)
    row = table_of(tmp_path / "out").iloc[0]
    stored = np.asarray(Image.open(tmp_path / "out" / row["path"]))
    truth = dcmread(tmp_path / "data" / row["source"]).pixel_array * 0.37 - 12
    assert np.abs(stored * row["scale"] + row["offset"] - truth).max() <= row["scale"]
    assert row["scale"] < 0.01


def test_an_interrupted_export_goes_on(tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = export_images(tree, out, workers=1)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}
    shutil.rmtree(out / "1.2.4")
    again = export_images(tree, out, workers=1)
    assert again.written == 3 and again.slices == first.slices
    kept = {path for path in before if "1.2.4" not in path.parts}
    assert all(path.stat().st_mtime_ns == before[path] for path in kept)
    assert export_images(tree, out, workers=1).written == 0


def test_a_study_that_has_changed_is_exported_again(tree: Path, tmp_path: Path) -> None:
    out, aside = tmp_path / "out", tmp_path / "aside"
    (tree / "a" / "ax").rename(aside)
    assert export_images(tree, out, workers=1).slices == 8
    aside.rename(tree / "a" / "ax")
    again = export_images(tree, out, workers=1)
    assert (again.slices, again.written) == (11, 8) and len(table_of(out)) == 11
    assert export_images(tree, out, workers=1).written == 0


def test_other_arguments_are_refused(tree: Path, tmp_path: Path) -> None:
    export_images(tree, tmp_path / "out", workers=1)
    with pytest.raises(ArtifactError, match=r"begun with another configuration \(bits differ\)"):
        export_images(tree, tmp_path / "out", bits=16, workers=1)
    with pytest.raises(ConfigError, match="a jpg picture has 8 bits"):
        export_images(tree, tmp_path / "other", format="jpg", bits=16)
    with pytest.raises(ConfigError, match="bits are for pictures"):
        export_images(tree, tmp_path / "other", format="nifti", bits=16)
    with pytest.raises(ConfigError, match="format must be one of png, jpg, nifti, not 'bmp'"):
        export_images(tree, tmp_path / "other", format="bmp")  # type: ignore[arg-type]


def test_what_cannot_be_read_becomes_a_problem(tree: Path, tmp_path: Path) -> None:
    (tree / "a" / "sag" / "3.dcm").write_bytes((tree / "a" / "sag" / "3.dcm").read_bytes()[:600])
    exported = export_images(tree, tmp_path / "out", workers=1)
    problems = pd.read_csv(tmp_path / "out" / "problems.csv")
    assert exported.problems == len(problems) == 1
    assert "3.dcm" in problems["path"][0]
    assert exported.slices == 10


def test_an_archive_of_studies_is_exported(tree: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        for path in sorted(tree.rglob("*.dcm")):
            archive.write(path, path.relative_to(tree))
    words = ["export", str(tmp_path / "export.zip"), "--out", str(tmp_path / "out"), "--format", "jpg",
             "--workers", "1", "--log-level", "error"]  # fmt: skip
    assert run_command({"export": Export}, "lsdc-features", "", words) == 0
    table = table_of(tmp_path / "out")
    assert len(table) == 11
    assert set(table["source"]) >= {"a/ax/1.dcm", "b/frames.dcm#1"}
    assert all((tmp_path / "out" / path).is_file() for path in table["path"])


def test_an_export_by_hashes_names_nobody(tree: Path, tmp_path: Path) -> None:
    (tree / "a" / "Doe_John.dcm").write_bytes((tree / "a" / "sag" / "3.dcm").read_bytes()[:600])
    kinds: tuple[Format, ...] = ("png", "nifti")
    for kind in kinds:
        export_images(tree, tmp_path / kind, format=kind, study_id="hash", workers=1)
        for path in (tmp_path / kind).rglob("*"):
            said = str(path.relative_to(tmp_path)) + (
                path.read_text() if path.suffix in (".csv", ".json") else ""
            )
            found = [
                word for word in ("1.2.3", "1.2.4", "SECRET", "Doe", "sag/", "frames.dcm") if word in said
            ]
            assert found == []


def test_names_are_those_of_the_competition(small_cohort: Path, tmp_path: Path) -> None:
    data = tmp_path / "test_images"
    shutil.copytree(sorted((small_cohort / "test_images").iterdir())[0], data / "4003253")
    shutil.copy(small_cohort / "test_series_descriptions.csv", tmp_path)
    export_images(data, tmp_path / "out", workers=1)
    table = table_of(tmp_path / "out")
    assert set(table["study_id"]) == {"4003253"}
    assert (
        table["path"]
        .str.fullmatch(r"4003253/(sagittal_t1|sagittal_t2|axial_t2|other)_\d+(_part\d)?/\d{3}\.png")
        .all()
    )
    assert (table["slice"] == table["path"].str[-7:-4].astype(int)).all()
