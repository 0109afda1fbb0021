"""Limits before work: little on the disk, or little that makes sense, is little work and little memory."""

from __future__ import annotations

import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from pydicom import config
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from support.dicom import NATIVE, make_enhanced, make_slice, picture, save

from lsdc.cohort.cropping import Cutter
from lsdc.cohort.dicom.frames import read_file
from lsdc.cohort.dicom.opening import NotDicomError, UnreadableError, open_dataset, open_header
from lsdc.cohort.dicom.pixel_budget import PixelBudget, TooManyPixelsError
from lsdc.cohort.dicom.pixels import LARGEST_VALUE
from lsdc.cohort.dicom.safe_attributes import items, numbers, text, tolerant, value
from lsdc.cohort.dicom.structure import MAX_DEPTH
from lsdc.cohort.geometry import SlicePlane
from lsdc.cohort.study import Series, Slice
from lsdc.cohort.vocabulary import View

SEQUENCE = struct.pack("<HH2sHI", 8, 0x1115, b"SQ", 0, 0xFFFFFFFF)
ITEM, ENDLESS_ITEM = struct.pack("<HHI", 0xFFFE, 0xE000, 0), struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
END = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
TAGS = ["Modality", "Rows", "StudyInstanceUID"]


def front(folder: Path, syntax: UID = ExplicitVRLittleEndian) -> bytes:
    """Preamble and meta header of a file."""
    content = save(folder / "front", make_slice(), syntax).read_bytes()
    (folder / "front").unlink()
    return content[: 144 + int.from_bytes(content[140:144], "little")]


def deflated(folder: Path, content: bytes) -> bytes:
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return front(folder, DeflatedExplicitVRLittleEndian) + deflater.compress(content) + deflater.flush()


@contextmanager
def little_work(seconds: float, megabytes: float = 0) -> Iterator[None]:
    """Fail beyond generous bounds (of this process's own time) that only a blow-up passes.

    Memory is only measured where it is bounded.
    """
    if megabytes:
        tracemalloc.start()
    start = time.process_time()
    yield
    assert time.process_time() - start < seconds
    if megabytes:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < megabytes * 1e6


def refused(path: Path) -> str:
    """The reason, which is the same for the whole file and for its header."""
    reasons = set()
    for read in (open_dataset, lambda item: open_header(item, TAGS)):
        with pytest.raises(UnreadableError) as caught, tolerant():
            read(path)
        assert caught.value.remedy
        reasons.add(caught.value.reason)
    (reason,) = reasons
    return reason


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda d: deflated(d, SEQUENCE + bytes(4 << 20)), "something else than items"),
        (lambda d: deflated(d, bytes(100 << 20)), "bytes inflate to more than"),
        (lambda d: deflated(d, SEQUENCE + ITEM * 10**6), "more attributes and items than a file of its size"),
        (lambda d: deflated(d, struct.pack("<HH2sH", 8, 0x60, b"CS", 0) * 10**5), "in no order"),
        (lambda d: deflated(d, bytes(1000))[:-3], "cut short"),
        (lambda d: front(d) + SEQUENCE + bytes(4 << 20), "something else than items"),
        (lambda d: front(d) + SEQUENCE + ITEM * 150_000 + END, "more attributes and items than"),
        (lambda d: front(d) + (SEQUENCE + ENDLESS_ITEM) * 400, f"nested more than {MAX_DEPTH} deep"),
        (lambda d: front(d) + SEQUENCE + ITEM, "a sequence has no end"),
        (lambda d: front(d) + bytes(4 << 20), "meta header"),
        (lambda d: front(d) + struct.pack("<HH2sHI", 8, 5, b"UC", 0, 1 << 20) + b"\\a" * (1 << 19), "character set"),
        (lambda d: front(d)[:132] + struct.pack("<HH2sHI", 2, 16, b"UC", 0, 1 << 21) + bytes(1 << 21), "meta header"),
    ],
    ids=["deflated zeros", "inflates", "empty items", "attributes", "deflated and cut", "zeros in a sequence", "items",
         "depth", "open sequence", "zeros", "character sets", "meta header"],
)  # fmt: skip
def test_bombs_are_refused_before_they_cost(
    tmp_path: Path, make: Callable[[Path], bytes], reason: str
) -> None:
    path = tmp_path / "bomb.dcm"
    path.write_bytes(make(tmp_path))
    with little_work(seconds=15):
        assert reason in refused(path)


def test_what_inflates_to_gigabytes_takes_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "bomb.dcm"
    path.write_bytes(deflated(tmp_path, bytes(200 << 20)))
    with little_work(seconds=10, megabytes=100):
        assert "bytes inflate to more than" in refused(path)


@pytest.mark.parametrize("kind", [b"UN", b"SQ", b"OB", b"OW", b"UT"])
def test_four_megabytes_without_an_end(tmp_path: Path, kind: bytes) -> None:
    path = tmp_path / "bomb.dcm"
    path.write_bytes(front(tmp_path) + struct.pack("<HH2sHI", 8, 0x10, kind, 0, 0xFFFFFFFF) + bytes(4 << 20))
    with little_work(seconds=15, megabytes=100), tolerant():
        for read in (open_dataset, lambda item: open_header(item, TAGS)):
            try:
                assert len(read(path)) == 0
            except UnreadableError as error:
                assert "damaged DICOM header" in error.reason


def test_claims_of_four_gigabytes_set_nothing_aside(tmp_path: Path) -> None:
    path = tmp_path / "claim.dcm"
    path.write_bytes(front(tmp_path) + struct.pack("<HH2sHI", 0x10, 0x4000, b"LT", 0, 7) + b"x" * 100
                     + struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OW", 0, 0xFFFFFFF0) + bytes(100))  # fmt: skip
    with little_work(seconds=10, megabytes=20), tolerant():
        open_dataset(path)


@pytest.mark.parametrize("syntax", [*NATIVE], ids=lambda uid: uid.name)
@pytest.mark.parametrize("bare", [False, True])
def test_sound_files_are_read_as_before(tmp_path: Path, syntax: UID, bare: bool) -> None:
    if bare and syntax == DeflatedExplicitVRLittleEndian:
        pytest.skip("nothing would say that it is deflated")
    path = save(tmp_path / "x", make_enhanced([0, 4, 8], slopes=[1, 2, 3]), syntax, bare=bare)
    with tolerant():
        whole, header = open_dataset(path), open_header(path, TAGS)
    assert text(header, "Modality") == "MR" and numbers(header, "Rows", 1) == (32,)
    assert "PixelData" in whole and "PixelData" not in header
    assert len(items(whole, "PerFrameFunctionalGroupsSequence")) == 3


def test_a_large_enhanced_file_is_within_the_limits(tmp_path: Path) -> None:
    count = 600
    dataset = make_enhanced(
        [0.5 * k for k in range(count)], np.zeros((count, 4, 4), np.uint16), slopes=[1.0] * count
    )
    for syntax in (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian):
        assert len(read_file(save(tmp_path / "x", dataset, syntax))) == count


def test_what_is_no_dicom_file_is_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello " * 50)
    with pytest.raises(NotDicomError, match="not a DICOM file"):
        open_header(path, TAGS)


def raw(name: str, kind: str | None, content: bytes) -> Dataset:
    dataset = Dataset()
    tag = Tag(name)
    dataset[tag] = RawDataElement(tag, kind, len(content), content, 0, kind is None, True)
    return dataset


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (
            "SQ",
            ENDLESS_ITEM[:4] + struct.pack("<I", 10) + struct.pack("<HH2sH", 0x28, 0x10, b"ZZ", 2) + b"ab",
        ),
        ("SQ", bytes(100_000)),
        ("SQ", ITEM * 50_000),
        ("UT", b"a\\" * 10**6),
        ("DS", b"1\\" * 10**6),
        ("US", b"\1\0" * 10**6),
        ("FD", b"\1\0" * 10**6),
        ("PN", b"\x1b$B" * 10**5),
        ("UN", bytes(10**6)),
        (None, b"\\" * 10**6),
        ("ZZ", b"ab"),
    ],
    ids=[
        "odd item",
        "zeros",
        "items",
        "text",
        "decimals",
        "shorts",
        "doubles",
        "name",
        "unknown",
        "implicit",
        "no type",
    ],
)
@pytest.mark.parametrize(
    "name", ["Modality", "PixelSpacing", "PatientName", "ReferencedImageSequence", "0029,1010"]
)
def test_anything_in_any_attribute(name: str, kind: str | None, content: bytes) -> None:
    with little_work(seconds=15), tolerant():
        assert len(text(raw(name.replace(",", ""), kind, content), name.replace(",", ""))) <= 1024
        assert numbers(raw(name.replace(",", ""), kind, content), name.replace(",", ""), 2) is None
        assert len(items(raw(name.replace(",", ""), kind, content), name.replace(",", ""))) <= 20_000


def test_usual_values_are_still_read() -> None:
    with tolerant():
        assert text(raw("SeriesDescription", "LO", b"t2_tse_sag "), "SeriesDescription") == "t2_tse_sag"
        assert text(raw("ImageType", None, b"ORIGINAL\\PRIMARY"), "ImageType") == "ORIGINAL\\PRIMARY"
        assert numbers(raw("PixelSpacing", "DS", b"0.5\\0.6"), "PixelSpacing", 2) == (0.5, 0.6)
        assert value(raw("PixelData", "OW", bytes(10**6)), "PixelData") == bytes(10**6)


def test_pixels_are_counted_before_they_are_decoded(tmp_path: Path) -> None:
    paths = [save(tmp_path / f"{k}", make_slice(picture(k))) for k in range(3)]
    whole = PixelBudget(3 * 32 * 36, "study")
    series = PixelBudget(2 * 32 * 36, "series", whole)
    for path in paths[:2]:
        read_file(path, series)
    with pytest.raises(TooManyPixelsError, match="the series has more than 2,304 pixels"):
        read_file(paths[2], series)
    with pytest.raises(TooManyPixelsError, match="the study has more than 3,456 pixels"):
        other = PixelBudget(10**6, "series", whole)
        for path in paths[:2]:
            read_file(path, other)
    series.give_back()
    assert series.used == 0 and whole.used == 32 * 36


@pytest.mark.parametrize("spacing", [(0.0062, 0.0062), (0.0101, 20.0), (45.0, 0.02)])
def test_crops_of_odd_geometry_take_little_memory(spacing: tuple[float, float]) -> None:
    plane = SlicePlane((0.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, -1.0), spacing)
    pixels = np.linspace(0, 1, 8192 * 16, dtype=np.float32).reshape(8192, 16)
    series = Series("1", View.SAGITTAL_T2, (Slice(pixels, plane, 1, ""),))
    with little_work(seconds=20, megabytes=600):
        crop = Cutter(series, View.SAGITTAL_T2).cut(0, (7.5, 4095.5), 300.0, 192)
    assert crop.shape == (192, 192)


def test_constant_images_of_huge_values_have_a_window() -> None:
    plane = SlicePlane((0.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, -1.0), (0.5, 0.5))
    for level in (3.6e18, -3.6e18, 0.0):
        series = Series("1", View.SAGITTAL_T2, (Slice(np.full((8, 8), level, np.float32), plane, 1, ""),))
        assert Cutter(series, View.SAGITTAL_T2).cut(0, (4, 4), 4.0, 16).shape == (16, 16)


def test_rescaled_values_stay_where_sums_do_not_overflow(tmp_path: Path) -> None:
    dataset = make_slice(
        np.full((32, 36), 4_000_000_000, np.uint32), RescaleSlope="9e8", RescaleIntercept="0"
    )
    with config.disable_value_validation():
        dataset.BitsStored, dataset.HighBit = 32, 31
        (frame,) = read_file(save(tmp_path / "x", dataset))
    assert (frame.pixels == np.float32(LARGEST_VALUE)).all()
