from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from pydicom import config
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels import get_decoder, pixel_array
from pydicom.uid import (
    MPEG2MPML,
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
)
from support.dicom import COMPRESSED, NATIVE, make_enhanced, make_slice, picture, save

from lsdc.cohort.dicom import frame_decoding
from lsdc.cohort.dicom.decoder_guard import check_runs
from lsdc.cohort.dicom.frames import read_file
from lsdc.cohort.dicom.opening import UnreadableError
from lsdc.runtime import Problem


def pixels_of(path: Path) -> NDArray[np.float32]:
    (frame,) = read_file(path)
    assert frame.pixels.dtype == np.float32
    return frame.pixels


def refusal(path: Path) -> Problem:
    """The one problem of a file that gives no image."""
    with pytest.raises(UnreadableError) as caught:
        read_file(path)
    problem = caught.value.problem(path)
    assert problem.path == str(path) and problem.reason and problem.remedy
    return problem


@pytest.mark.parametrize("syntax", [*NATIVE, *COMPRESSED], ids=lambda uid: uid.name)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16])
def test_every_encoding_gives_the_same_values(tmp_path: Path, syntax: UID, dtype: type[np.generic]) -> None:
    low, high = {np.uint8: (0, 255), np.uint16: (0, 4095), np.int16: (-2048, 2047)}[dtype]
    values = picture(3, dtype=dtype, low=low, high=high)
    assert_array_equal(pixels_of(save(tmp_path / "x", make_slice(values), syntax)), values)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_files_without_preamble(tmp_path: Path, syntax: UID) -> None:
    values = picture(3)
    assert_array_equal(pixels_of(save(tmp_path / "x", make_slice(values), syntax, bare=True)), values)


def damaged_runs(frame: bytes, damage: str) -> bytes:
    """An RLE frame with a byte of padding, with what its header leaves unused set, or with a run that is no run."""
    if damage == "header":
        return frame[:20] + b"\1" + frame[21:]
    last = int.from_bytes(frame[8:12], "little")
    return frame + b"\0" if damage == "padding" else frame[:last] + b"\x80" + frame[last:]


@given(
    seed=st.integers(0, 2**16), shape=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    most=st.sampled_from([1, 300, 4095]), damage=st.sampled_from(["none", "padding", "header", "no run"]),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_run_lengths_give_the_same_by_either_decoder(
    seed: int, shape: tuple[int, int], most: int, damage: str
) -> None:
    values = picture(seed, shape, high=most) if np.prod(shape) > 1 else np.full(shape, most, np.uint16)
    dataset = make_slice(values)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.compress(RLELossless, generate_instance_uid=False)
    (frame,) = generate_frames(dataset.PixelData, number_of_frames=1)
    frame = frame if damage == "none" else damaged_runs(frame.rstrip(b"\0") or frame, damage)
    dataset.PixelData = encapsulate([frame])
    dataset["PixelData"].is_undefined_length = True
    if check_runs(next(iter(generate_frames(dataset.PixelData, number_of_frames=1))), values.size):
        assert damage != "header"
        assert_array_equal(pixel_array(dataset, decoding_plugin="pylibjpeg"), values)
        assert_array_equal(pixel_array(dataset, decoding_plugin="pydicom"), values)
    else:
        assert damage != "none"


def test_frames_that_another_table_may_lead_to_are_not_for_the_decoder_that_panics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[str] = []

    def decode(dataset: Dataset, decoding_plugin: str) -> NDArray[np.generic]:
        used.append(decoding_plugin)
        return pixel_array(dataset, decoding_plugin=decoding_plugin)

    monkeypatch.setattr(frame_decoding, "pixel_array", decode)
    values = picture(1)
    for extended in (False, True):
        dataset = make_slice(values)
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.compress(RLELossless, generate_instance_uid=False, encapsulate_ext=extended)
        assert ("ExtendedOffsetTable" in dataset) == extended
        dataset.save_as(tmp_path / f"{extended}.dcm", enforce_file_format=True)
        assert_array_equal(pixels_of(tmp_path / f"{extended}.dcm"), values)
    assert used == ["pylibjpeg", "pydicom"]


def test_bits_beyond_those_stored_are_no_values(tmp_path: Path) -> None:
    values = picture(3)
    marked = values | (np.arange(values.size, dtype=np.uint16).reshape(values.shape) % 16 << 12)
    assert_array_equal(pixels_of(save(tmp_path / "x", make_slice(marked.astype(np.uint16)))), values)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless])
@pytest.mark.parametrize("signed", [0, 1])
def test_values_stored_in_the_upper_bits(tmp_path: Path, syntax: UID, signed: int) -> None:
    low, high = (-2048, 2047) if signed else (0, 4095)
    values = picture(3, dtype=np.int16 if signed else np.uint16, low=low, high=high)
    dark = values // 16  # as of a slice beside the patient, which must not become sixteen times as bright
    for k, own in enumerate((values, dark)):
        dataset = make_slice((own * 16).astype(values.dtype), BitsStored=12, HighBit=15)
        assert_array_equal(pixels_of(save(tmp_path / str(k), dataset, syntax)), own)


def test_a_high_bit_that_the_values_contradict_is_wrong(tmp_path: Path) -> None:
    values = picture(3)
    assert_array_equal(pixels_of(save(tmp_path / "x", make_slice(values, HighBit=15))), values)


def test_signed_values_in_fewer_bits_than_allocated(tmp_path: Path) -> None:
    values = picture(3, dtype=np.int16, low=-2048, high=2047)
    stored = (values.astype(np.uint16) & 0x0FFF).astype(np.uint16)
    dataset = make_slice(stored, PixelRepresentation=1)
    assert_array_equal(pixels_of(save(tmp_path / "x", dataset)), values)


def test_rescale_slope_and_intercept(tmp_path: Path) -> None:
    values = picture(3)
    path = save(tmp_path / "x", make_slice(values, RescaleSlope="1.5", RescaleIntercept="-100"))
    assert_allclose(pixels_of(path), values * 1.5 - 100)


@pytest.mark.parametrize("slope", ["0", "", "nan", "a"])
def test_a_slope_that_makes_no_sense_is_one(tmp_path: Path, slope: str) -> None:
    values = picture(3)
    with config.disable_value_validation():
        dataset = make_slice(values)
        dataset.add_new("RescaleSlope", "LO", slope)
        dataset.add_new("RescaleIntercept", "LO", "inf")
        path = save(tmp_path / "x", dataset)
    assert_array_equal(pixels_of(path), values)


@pytest.mark.parametrize("padding", [-2000, 32767])
@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize("contrast", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_becomes_as_dark_as_the_darkest_value(
    tmp_path: Path, padding: int, syntax: UID, contrast: str
) -> None:
    values = picture(3, dtype=np.int16, low=10, high=900)
    values[:3] = padding
    dataset = make_slice(values, BitsStored=16, HighBit=15, PhotometricInterpretation=contrast)
    dataset.add_new("PixelPaddingValue", "SS", padding)
    pixels = pixels_of(save(tmp_path / "x", dataset, syntax))
    assert (pixels[:3] == pixels[3:].min()).all() and np.ptp(pixels) <= 890


def test_padding_may_be_a_range(tmp_path: Path) -> None:
    values = picture(3, low=10, high=900)
    values[:2], values[2] = 4000, 4090
    dataset = make_slice(values)
    dataset.add_new("PixelPaddingValue", "US", 4095)
    dataset.add_new("PixelPaddingRangeLimit", "US", 4000)
    assert pixels_of(save(tmp_path / "x", dataset)).max() <= 900


@pytest.mark.parametrize("value", [0, 400, 4095])
def test_a_padding_value_that_is_part_of_the_image_changes_nothing(tmp_path: Path, value: int) -> None:
    values = picture(3, high=4095)
    values[:4] = value
    dataset = make_slice(values)
    dataset.add_new("PixelPaddingValue", "US", value)
    assert_array_equal(pixels_of(save(tmp_path / "x", dataset)), values)


def test_windows_are_left_alone(tmp_path: Path) -> None:
    values = picture(3)
    path = save(tmp_path / "x", make_slice(values, WindowCenter="100", WindowWidth="50"))
    assert_array_equal(pixels_of(path), values)


def test_inverted_slices_stay_comparable(tmp_path: Path) -> None:
    """The same tissue has the same value in a bright and in a dark slice."""
    bright, dark = picture(1, low=0, high=4000), picture(2, low=1000, high=2000)
    for values in (bright, dark):
        path = save(tmp_path / "x", make_slice(values, PhotometricInterpretation="MONOCHROME1"))
        assert_array_equal(pixels_of(path), 4095.0 - values)


def test_inverted_signed_values(tmp_path: Path) -> None:
    values = picture(3, dtype=np.int16, low=-2048, high=2047)
    path = save(tmp_path / "x", make_slice(values, PhotometricInterpretation="MONOCHROME1"))
    assert_array_equal(pixels_of(path), -1.0 - values)


def test_float_pixels_without_numbers_get_the_smallest(tmp_path: Path) -> None:
    dataset = make_slice()
    del dataset.PixelData, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation
    values = np.linspace(-1, 1, 32 * 36, dtype=np.float32).reshape(32, 36)
    values[3, 4], values[5, 6] = np.nan, np.inf
    dataset.BitsAllocated, dataset.FloatPixelData = 32, values.tobytes()
    pixels = pixels_of(save(tmp_path / "x", dataset))
    assert pixels[3, 4] == pixels[5, 6] == -1
    assert pixels[0, 1] == values[0, 1]


def test_frames_of_an_enhanced_file(tmp_path: Path) -> None:
    values = np.stack([picture(k) for k in range(3)])
    path = save(tmp_path / "x", make_enhanced([0, 4.5, 9], values, slopes=[1, 2, 3]))
    frames = read_file(path)
    for k, frame in enumerate(frames):
        assert_allclose(frame.pixels, values[k] * (k + 1.0))
        assert frame.header.position == (4.5 * k, -80, 90)
        assert frame.header.spacing == (0.5, 0.75)
        assert frame.header.acquisition["echo_time_ms"] == 100
        assert frame.header.acquisition["repetition_time_ms"] == 3500
        assert (frame.instance_number, frame.source) == (k + 1, f"{path}#{k + 1}")


def test_a_rescale_that_all_frames_have_in_common_is_applied(tmp_path: Path) -> None:
    values = np.stack([picture(k) for k in range(2)])
    dataset = make_enhanced([0, 4.5], values, slopes=[3, 3])
    (first, _) = dataset.PerFrameFunctionalGroupsSequence
    shared = dataset.SharedFunctionalGroupsSequence[0]
    shared.PixelValueTransformationSequence = first.PixelValueTransformationSequence
    del dataset.PerFrameFunctionalGroupsSequence
    for frame, stored in zip(read_file(save(tmp_path / "x", dataset)), values):
        assert_allclose(frame.pixels, stored * 3.0)


def test_groups_for_fewer_frames_than_there_are(tmp_path: Path) -> None:
    dataset = make_enhanced([0, 4.5, 9])
    del dataset.PerFrameFunctionalGroupsSequence[1:]
    frames = read_file(save(tmp_path / "x", dataset))
    assert [frame.header.position is None for frame in frames] == [False, True, True]


@pytest.mark.parametrize("name", ["PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"])
def test_what_functional_groups_lack_is_taken_from_the_file(tmp_path: Path, name: str) -> None:
    """A vendor writes plain files of one image with groups that hold data of the coils alone."""
    plain = make_slice(place=12.0)
    (expected,) = read_file(save(tmp_path / "plain", plain))
    group, modifier = Dataset(), Dataset()
    modifier.ParallelAcquisition = "NO"
    group.MRModifierSequence = [modifier]
    plain.NumberOfFrames = 1
    setattr(plain, name, [group])
    (frame,) = read_file(save(tmp_path / "grouped", plain))
    assert frame.header == expected.header
    assert frame.header.position is not None and frame.header.spacing is not None
    assert frame.instance_number == expected.instance_number


def test_functional_groups_win_over_the_file(tmp_path: Path) -> None:
    path = save(tmp_path / "x", make_enhanced([0, 4.5], EchoTime=7.0, PixelSpacing=[2.0, 2.0]))
    for frame in read_file(path):
        assert frame.header.spacing == (0.5, 0.75)
        assert frame.header.acquisition["echo_time_ms"] == 100


def test_a_missing_decoder_is_named_without_a_plugin_that_may_be_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(tmp_path / "x", make_slice(), JPEGLSLossless)
    monkeypatch.setattr(type(get_decoder(JPEGLSLossless)), "is_available", False)
    problem = refusal(path)
    assert problem.reason == "no decoder for JPEG-LS Lossless Image Compression"
    assert problem.remedy == "export the series without compression"


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"PixelData": None}, "holds no pixel data"),
        ({"PixelData": b"\0" * 100}, "cannot be decoded"),
        ({"Rows": None}, "does not say how many rows"),
        ({"Rows": 0}, "does not say how many rows"),
        ({"Rows": 65535, "Columns": 65535}, "claims 1 x 65535 x 65535 pixels, but holds 2304 bytes"),
        ({"NumberOfFrames": 100000}, "claims 100000 x 32 x 36 pixels"),
        ({"NumberOfFrames": 7}, "cannot be decoded"),
        ({"NumberOfFrames": 0}, "does not say how many rows"),
        ({"BitsAllocated": 13}, "cannot be decoded"),
        ({"Modality": "CT"}, "no MR image \\(modality CT\\)"),
    ],
)
def test_files_without_a_usable_image(tmp_path: Path, attributes: dict[str, Any], reason: str) -> None:
    with config.disable_value_validation():
        path = save(tmp_path / "x", make_slice(**attributes))
    with pytest.raises(UnreadableError, match=reason):
        read_file(path)


def test_color_is_refused(tmp_path: Path) -> None:
    dataset = make_slice(np.zeros((32, 108), np.uint8), SamplesPerPixel=3, PhotometricInterpretation="RGB")
    dataset.Columns, dataset.PlanarConfiguration = 36, 0
    assert refusal(save(tmp_path / "x", dataset)).reason == "a color image"


def test_a_palette_is_refused_as_color(tmp_path: Path) -> None:
    path = save(tmp_path / "x", make_slice(PhotometricInterpretation="PALETTE COLOR"))
    assert refusal(path).reason == "a color image"


def test_files_that_are_no_dicom(tmp_path: Path) -> None:
    path = tmp_path / "x.dcm"
    path.write_bytes(b"")
    assert refusal(path).reason == "the file is empty"
    path.write_text("study_id,series_id\n" * 20)
    assert refusal(path).reason == "not a DICOM file"
    assert refusal(tmp_path / "gone.dcm").reason == "cannot be opened (No such file or directory)"


def test_a_file_that_may_not_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "x.dcm", make_slice())

    def deny(*_: object) -> NoReturn:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "open", deny)
    assert refusal(path).reason == "cannot be opened (Permission denied)"


def test_an_unknown_encoding(tmp_path: Path) -> None:
    dataset = make_slice()
    path = save(tmp_path / "x", dataset)
    content = path.read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.9\0")
    path.write_bytes(content)
    assert refusal(path).reason.startswith("pixel data in an unknown encoding")
    assert MPEG2MPML not in NATIVE


def test_reading_is_silent_and_leaves_the_settings_of_pydicom_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = save(tmp_path / "x", make_slice())
    damaged = path.read_bytes().replace(b"0.5\\0.75", b"0.5\\x.75").replace(b"057Y", b"???Y")
    path.write_bytes(damaged)
    before = (config.settings.reading_validation_mode, config.convert_wrong_length_to_UN)
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error")
        (frame,) = read_file(path)
    assert frame.header.spacing is None
    assert np.isnan(frame.header.acquisition["age_years"])
    assert before == (config.settings.reading_validation_mode, config.convert_wrong_length_to_UN)
    assert not caplog.records
