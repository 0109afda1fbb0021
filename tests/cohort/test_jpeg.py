"""JPEG lossless (process 14) and 12-bit JPEG, decoded here; JPEG-LS with padding."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import JPEGLossless, JPEGLosslessSV1, JPEGLSLossless
from support.dicom import make_enhanced, make_slice, picture, save
from support.lossless_jpeg import encode_lossless

from lsdc.cohort.dicom.frames import read_file
from lsdc.cohort.dicom.jpeg_lossless import decode_lossless
from lsdc.cohort.dicom.jpeg_sequential import decode_sequential
from lsdc.cohort.dicom.jpeg_stream import JpegError, read_stream
from lsdc.cohort.dicom.opening import UnreadableError


def decoded(frame: bytes) -> NDArray:
    stream = read_stream(frame)
    return decode_lossless(stream) if stream.kind == "lossless" else decode_sequential(stream)


@pytest.mark.parametrize("restart_rows", [0, 5])
@pytest.mark.parametrize("predictor", range(1, 8))
@pytest.mark.parametrize("precision", [8, 12, 16])
def test_every_predictor_and_precision(precision: int, predictor: int, restart_rows: int) -> None:
    values = np.random.default_rng(precision).integers(0, 1 << precision, (13, 11))
    assert_array_equal(decoded(encode_lossless(values, precision, predictor, restart_rows)), values)


def test_differences_that_wrap_modulo_two_to_the_sixteen() -> None:
    """From 0 to 65535 is one step down, and half the range is the one difference without a sign."""
    values = np.tile([0, 65535, 0, 32768, 0, 65535], (4, 2))
    for predictor in range(1, 8):
        assert_array_equal(decoded(encode_lossless(values, 16, predictor)), values)


@pytest.mark.parametrize("precision", [8, 10, 12])
@pytest.mark.parametrize("predictor", range(1, 5))
def test_values_reached_from_below_as_some_scanners_write_them(predictor: int, precision: int) -> None:
    values = np.random.default_rng(1).integers(0, 1 << precision, (9, 8))
    assert_array_equal(decoded(encode_lossless(values, precision, predictor, wrap=True)), values)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1)])
def test_small_images(shape: tuple[int, int]) -> None:
    values = np.random.default_rng(2).integers(0, 4096, shape)
    assert_array_equal(decoded(encode_lossless(values, 12, 7)), values)


def test_bits_that_were_dropped_are_zero() -> None:
    values = np.random.default_rng(3).integers(0, 4096, (9, 8))
    assert_array_equal(decoded(encode_lossless(values, 12, 4, shift=2)), values >> 2 << 2)


def test_signed_values_and_frames_of_a_file(tmp_path: Path) -> None:
    values = picture(3, (2, 32, 36), np.int16, -2048, 2047)
    dataset = make_enhanced([0, 4], values)
    dataset.BitsStored, dataset.HighBit = 12, 11
    frames = read_file(save(tmp_path / "x", dataset, JPEGLosslessSV1))
    assert_array_equal([frame.pixels for frame in frames], values)


def test_another_predictor_in_its_own_transfer_syntax(tmp_path: Path) -> None:
    values, dataset = picture(4), make_slice(picture(4))
    path = save(tmp_path / "x", dataset, JPEGLosslessSV1)
    dataset.PixelData = encapsulate([encode_lossless(values, 16, 6)])
    dataset.file_meta.TransferSyntaxUID = JPEGLossless
    dataset.save_as(path, enforce_file_format=True)
    assert_array_equal(read_file(path)[0].pixels, values)


def test_a_real_image_of_twelve_bits() -> None:
    """The expected values are those of libjpeg-turbo 3."""
    path = get_testdata_file("JPEG-lossy.dcm", download=False)
    (frame,) = generate_frames(dcmread(path).PixelData, number_of_frames=1)
    values = decoded(frame)
    assert values.shape == (1024, 256) and values.max() == 264
    assert abs(values.mean() - 14.37) < 0.05
    assert np.abs(values[420, 138:143].astype(int) - [231, 240, 244, 242, 249]).max() <= 1


@settings(max_examples=300)
@given(st.data())
def test_damaged_streams_are_errors_or_images(data: st.DataObject) -> None:
    values = np.random.default_rng(5).integers(0, 4096, (8, 8))
    frame = bytearray(encode_lossless(values, 12, 1, restart_rows=4))
    for _ in range(data.draw(st.integers(1, 4))):
        frame[data.draw(st.integers(2, len(frame) - 1))] = data.draw(st.integers(0, 255))
    del frame[data.draw(st.integers(3, len(frame))) :]
    if int.from_bytes(frame[7:9], "big") * int.from_bytes(frame[9:11], "big") > 10_000:
        return  # the guard has refused it before
    with contextlib.suppress(JpegError):
        decoded(bytes(frame))


def test_a_second_size_and_colors_are_refused() -> None:
    frame = encode_lossless(np.zeros((8, 8), np.uint8), 8)
    start = frame.index(b"\xff\xc3")
    with pytest.raises(JpegError, match="two frames"):
        read_stream(frame[: start + 13] + frame[start:])
    colored = bytearray(frame)
    colored[start + 9] = 3
    with pytest.raises(JpegError, match="3 components"):
        read_stream(bytes(colored))


def test_a_damaged_file_is_a_record(tmp_path: Path) -> None:
    dataset = make_slice()
    path = save(tmp_path / "x", dataset, JPEGLosslessSV1)
    dataset.PixelData = encapsulate([encode_lossless(picture(1), 16)[:-200]])
    dataset.save_as(path, enforce_file_format=True)
    with pytest.raises(UnreadableError, match=r"cannot be decoded from JPEG Lossless.*cut short"):
        read_file(path)


@pytest.mark.parametrize("padding", [1, 2, 3])
def test_jpeg_ls_with_zeros_before_its_end(tmp_path: Path, padding: int) -> None:
    values, dataset = picture(6), make_slice(picture(6))
    path = save(tmp_path / "x", dataset, JPEGLSLossless)
    (frame,) = generate_frames(dataset.PixelData, number_of_frames=1)
    end = frame.rindex(b"\xff\xd9")
    dataset.PixelData = encapsulate([frame[:end] + bytes(padding) + frame[end:]])
    dataset.save_as(path, enforce_file_format=True)
    assert_array_equal(read_file(path)[0].pixels, values)
