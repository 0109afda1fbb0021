"""Damaged and malicious files cost themselves only: no exception, little memory, one problem each."""

from __future__ import annotations

import random
import struct
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import config
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)
from support.dicom import COMPRESSED, NATIVE, make_enhanced, make_slice, picture, save

from lsdc.cohort.dicom.series import read_series
from lsdc.cohort.discovery.sources import DiscoveryError
from lsdc.cohort.discovery.studies import discover, read_study
from lsdc.runtime import Problem


def check(path: Path) -> tuple[int, list[Problem]]:
    """Read a file as a series and as a cohort; the number of slices and the problem."""
    series, problems = read_series("1", [path], None)
    assert len(problems) <= 1 and len(series) + len(problems) >= 1
    for item in series:
        assert np.isfinite(item.positions).all()
        assert all(type(value) is float for value in item.metadata.values())
        for image in item.slices:
            assert np.isfinite(image.pixels).all()
            assert np.isfinite(image.plane.to_pixel(image.plane.to_patient([[1, 2]]))).all()
    for problem in problems:
        assert problem.path == str(path) and problem.remedy
        assert problem.reason.isprintable() and "Secret" not in problem.reason
    try:
        cohort = discover(path.parent)
    except DiscoveryError:
        return 0, problems
    studies = [read_study(source) for source in cohort.studies]
    found = sum(len(study.series) + len(study.problems) for study in studies) + len(cohort.problems)
    assert found >= 1
    return sum(len(item.slices) for item in series), problems


def originals(tmp_path: Path) -> Iterator[bytes]:
    for syntax in (*NATIVE, *COMPRESSED):
        yield save(tmp_path / "original", make_slice(), syntax).read_bytes()
    yield save(tmp_path / "original", make_slice(), ImplicitVRLittleEndian, bare=True).read_bytes()
    yield save(tmp_path / "original", make_enhanced([0, 4, 8])).read_bytes()


@pytest.mark.parametrize("seed", range(4))
def test_random_bytes_in_files(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    contents = list(originals(tmp_path))
    (tmp_path / "damaged").mkdir()
    path = tmp_path / "damaged" / "x.dcm"
    for _ in range(150):
        content = bytearray(rng.choice(contents))
        reach = min(len(content), 1200) if rng.random() < 0.7 else len(content)
        for _ in range(rng.choice([1, 2, 4, 16, 64])):
            content[rng.randrange(reach)] = rng.randrange(256)
        path.write_bytes(content)
        check(path)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless, JPEG2000Lossless, JPEGLSLossless,
                                    DeflatedExplicitVRLittleEndian], ids=lambda uid: uid.name)  # fmt: skip
def test_files_cut_short_anywhere_are_one_problem(tmp_path: Path, syntax: UID) -> None:
    content = save(tmp_path / "original", make_slice(), syntax).read_bytes()
    (tmp_path / "cut").mkdir()
    path = tmp_path / "cut" / "x.dcm"
    for length in [*range(0, 1000, 29), *range(1000, len(content) - 20, 151)]:
        path.write_bytes(content[:length])
        slices, problems = check(path)
        assert (slices, len(problems)) == (0, 1), length


def claims(tmp_path: Path, **attributes: Any) -> Path:
    with config.disable_value_validation():
        return save(tmp_path / "x.dcm", make_slice(**attributes))


def compressed(tmp_path: Path, syntax: UID, change: Callable[[bytearray], bytes | bytearray]) -> Path:
    """A file whose one compressed frame was changed."""
    dataset = make_slice()
    path = save(tmp_path / "x.dcm", dataset, syntax)
    frame = bytearray(dataset.PixelData[16:])
    dataset.PixelData = encapsulate([bytes(change(frame))])
    dataset.save_as(path, enforce_file_format=True)
    return path


def large_jpeg_2000(frame: bytearray) -> bytearray:
    start = frame.index(b"\xff\x51")
    for offset in (6, 10, 22, 26):
        frame[start + offset : start + offset + 4] = struct.pack(">I", 60000)
    return frame


def large_jpeg_ls(frame: bytearray) -> bytearray:
    start = frame.index(b"\xff\xf7")
    frame[start + 5 : start + 9] = struct.pack(">HH", 60000, 60000)
    return frame


def endless_runs(_: bytearray) -> bytes:
    return struct.pack("<16I", 2, 64, 264, *[0] * 13) + b"\x81\x00" * 200


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: claims(folder, Rows=65535, Columns=65535),
        lambda folder: claims(folder, Rows=65535, Columns=65535, PixelData=b""),
        lambda folder: claims(folder, NumberOfFrames=2**31 - 1),
        lambda folder: claims(folder, NumberOfFrames=-5),
        lambda folder: claims(folder, SamplesPerPixel=60000),
        lambda folder: claims(folder, BitsAllocated=64),
        lambda folder: compressed(folder, JPEG2000Lossless, large_jpeg_2000),
        lambda folder: compressed(folder, JPEGLSLossless, large_jpeg_ls),
        lambda folder: compressed(folder, RLELossless, endless_runs),
    ],
    ids=["sides", "sides without data", "frames", "negative frames", "samples", "bits", "JPEG 2000", "JPEG-LS",
         "RLE"],
)  # fmt: skip
def test_lies_about_size_allocate_little(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    path = make(tmp_path)
    tracemalloc.start()
    slices, problems = check(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (slices, len(problems)) == (0, 1) and peak < 50e6


@pytest.mark.skipif(sys.platform != "linux", reason="needs files with holes")
def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = save(tmp_path / "x.dcm", make_slice())
    with path.open("ab") as stream:
        stream.truncate(3 * 2**30)
    _, problems = check(path)
    assert problems[0].reason == "3.0 GiB, more than any MR series"


def test_a_name_next_to_a_damaged_modality_is_not_told(tmp_path: Path) -> None:
    path = save(tmp_path / "x.dcm", make_slice())
    content = bytearray(path.read_bytes())
    place = content.index(b"\x08\x00\x60\x00CS")
    content[place + 6 : place + 8] = struct.pack("<H", 200)
    path.write_bytes(content)
    _, problems = check(path)
    assert problems[0].reason == "no MR image (modality unknown)"


def test_absurd_numbers_in_headers_are_missing(tmp_path: Path) -> None:
    absurd: dict[str, Any] = {
        "ImagePositionPatient": ["1e300", "0", "0"],
        "ImageOrientationPatient": ["1e200", "0", "0", "0", "1e200", "0"],
        "PixelSpacing": ["1e-30", "1e-30"],
        "SliceThickness": "-4",
        "EchoTime": "inf",
        "InstanceNumber": "99999999999",
    }
    with config.disable_value_validation():
        path = save(tmp_path / "x5.dcm", make_slice(picture(1), **absurd))
    (series,), problems = read_series("1", [path], "Sagittal T1")
    assert not problems and series.slices[0].instance_number == 5
    assert {"no_orientation", "no_position", "no_pixel_spacing", "no_thickness"} <= series.flags
    assert np.isnan(series.metadata["echo_time_ms"])
