"""Usual files are read at once, to the same data set that pydicom's reader gives; all others are left to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless
from support.dicom import make_slice, picture, save

from lsdc.cohort.dicom import opening, plain_files
from lsdc.cohort.dicom.opening import UnreadableError, open_dataset
from lsdc.cohort.dicom.plain_files import read_plain
from lsdc.cohort.dicom.safe_attributes import tolerant
from lsdc.cohort.dicom.transfer_syntaxes import transfer_syntax

LARGE = picture(3, (256, 256))


def plain(path: Path) -> Dataset | None:
    with path.open("rb") as stream:
        syntax, start = transfer_syntax(stream)
        return read_plain(stream, path.stat().st_size, start, syntax, 10_000)


def parsed(dataset: Dataset, tag: BaseTag) -> object:
    """An attribute as pydicom parses it, or how it fails."""
    try:
        return dataset[tag].VR, repr(dataset[tag].value)
    except Exception as error:  # noqa: BLE001 - damaged bytes fail in any way
        return type(error)


def content(dataset: Dataset) -> tuple[object, ...]:
    """All that a data set holds."""
    encoding = dataset.original_encoding, dataset.original_character_set
    return *(
        [(tag, parsed(part, tag)) for tag in sorted(part.keys())] for part in (dataset, dataset.file_meta)
    ), encoding


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian], ids=lambda uid: uid.name)
@pytest.mark.parametrize("pixels", [LARGE, picture(3)], ids=["large", "small"])
@pytest.mark.parametrize("characters", [None, "ISO_IR 100", "ISO_IR 192"])
def test_a_usual_file_is_read_as_by_pydicom(
    tmp_path: Path, syntax: str, pixels: np.ndarray, characters: str | None
) -> None:
    path = save(
        tmp_path / "x.dcm", make_slice(pixels, SpecificCharacterSet=characters, PatientAge=""), syntax
    )
    found = plain(path)
    assert found is not None
    assert content(found) == content(dcmread(path))


def longer(path: Path) -> Path:
    path.write_bytes(path.read_bytes() + b"\0\0")
    return path


def shorter(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-2])
    return path


@pytest.mark.parametrize(
    "make",
    [
        lambda path: save(path, make_slice(), ExplicitVRBigEndian),
        lambda path: save(path, make_slice(), RLELossless),
        lambda path: save(path, make_slice(), bare=True),
        lambda path: save(path, make_slice(SpecificCharacterSet=["", "ISO 2022 IR 87"])),
        lambda path: longer(save(path, make_slice())),
        lambda path: shorter(save(path, make_slice())),
        lambda path: shorter(save(path, make_slice(LARGE))),
    ],
    ids=[
        "big endian",
        "compressed",
        "no preamble",
        "characters",
        "more bytes",
        "fewer bytes",
        "fewer pixels",
    ],
)
def test_what_is_out_of_the_ordinary_is_left_to_pydicom(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    assert plain(make(tmp_path / "x.dcm")) is None


def test_too_many_attributes_are_left_to_the_walk(tmp_path: Path) -> None:
    path = save(tmp_path / "x.dcm", make_slice())
    with path.open("rb") as stream:
        syntax, start = transfer_syntax(stream)
        assert read_plain(stream, path.stat().st_size, start, syntax, 10) is None


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("usual") / "x.dcm", make_slice())


def opened(path: Path) -> object:
    try:
        with tolerant():
            return content(open_dataset(path))
    except UnreadableError as error:
        return error.reason


@given(changes=st.lists(st.tuples(st.integers(128, 1200), st.integers(0, 255)), min_size=1, max_size=3))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_files_are_read_or_refused_as_before(
    usual: Path, monkeypatch: pytest.MonkeyPatch, changes: list[tuple[int, int]]
) -> None:
    damaged = bytearray(usual.read_bytes())
    for place, byte in changes:
        damaged[place % len(damaged)] = byte
    path = usual.with_name("damaged.dcm")
    path.write_bytes(damaged)
    with monkeypatch.context() as patch:
        patch.setattr(opening, "read_plain", lambda *_: None)
        expected = opened(path)
    monkeypatch.setattr(opening, "read_plain", plain_files.read_plain)
    assert opened(path) == expected
