"""Single files and studies that have once cost minutes, gigabytes or the whole run; hostile.py extracts each."""

from __future__ import annotations

import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from hostile_files import deflate, deflated_front
from pydicom import config
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless
from support.dicom import make_slice, picture, save

_SEQUENCE = struct.pack("<HH2sHI", 8, 0x1115, b"SQ", 0, 0xFFFFFFFF)
_ITEM = struct.pack("<HHI", 0xFFFE, 0xE000, 0)


def study(folder: Path, slices: int = 4, shape: tuple[int, int] = (64, 72), **attributes: Any) -> None:
    """A small study of three series."""
    with config.disable_value_validation():
        for series, (plane, contrast) in enumerate(
            (("sagittal", "t1"), ("sagittal", "t2"), ("axial", "t2")), start=1
        ):
            for k in range(slices):
                pixels = attributes.get("pixels")
                options = {name: value for name, value in attributes.items() if name != "pixels"}
                save(
                    folder / f"{series}_{k}.dcm",
                    make_slice(
                        picture(10 * series + k, shape) if pixels is None else pixels, plane, 4.0 * k, contrast, k + 1,
                        series=f"1.2.3.{series}", **options,
                    ),
                )  # fmt: skip


def deflated_zeros(folder: Path, megabytes: int, items: bytes = bytes(8), files: int = 1) -> None:
    study(folder)
    front = deflated_front(
        save(folder / "bomb.dcm", make_slice(), DeflatedExplicitVRLittleEndian).read_bytes()
    )
    bomb = front + deflate(_SEQUENCE + items * ((megabytes << 20) // len(items)))
    (folder / "bomb.dcm").unlink()
    for k in range(files):
        (folder / f"bomb{k}.dcm").write_bytes(bomb)


def undefined_length(folder: Path, kind: bytes) -> None:
    study(folder)
    content = save(folder / "bomb.dcm", make_slice(study="6.6.6")).read_bytes()
    place = content.index(b"\x08\x00\x60\x00CS")
    number = 0x1115 if kind == b"SQ" else 0x10
    opened = content[:place] + struct.pack("<HH2sHI", 8, number, kind, 0, 0xFFFFFFFF)
    (folder / "bomb.dcm").write_bytes(opened + bytes(4 << 20))


def sequence_as_modality(folder: Path) -> None:
    study(folder)
    content = save(folder / "odd.dcm", make_slice(study="6.6.6")).read_bytes()
    place = content.index(b"\x08\x00\x60\x00CS")
    length = int.from_bytes(content[place + 6 : place + 8], "little")
    inner = struct.pack("<HH2sH", 0x28, 0x10, b"ZZ", 2) + b"ab"
    value = struct.pack("<HHI", 0xFFFE, 0xE000, len(inner)) + inner
    odd = (
        content[: place + 4]
        + b"SQ\0\0"
        + struct.pack("<I", len(value))
        + value
        + content[place + 8 + length :]
    )
    (folder / "odd.dcm").write_bytes(odd)


def many_slices(folder: Path, count: int, shape: tuple[int, int], step: float, compressed: bool) -> None:
    """One series of so many slices, besides a small study."""
    study(folder)
    pixels = np.zeros(shape, np.uint16)
    mark = np.array([0xA1, 0xB2, 0xC3, 0xD4], np.uint16)  # of low bytes, which RLE keeps side by side
    pixels[0, :4] = mark
    original = make_slice(pixels, study="5.5.5", number=1111111111)
    original.ImagePositionPatient = ["+00000.00", "0", "0"]
    path = save(folder / "many.dcm", original, *([RLELossless] if compressed else []))
    content = path.read_bytes()
    path.unlink()
    (folder / "many").mkdir()
    for k in range(count):
        changed = content.replace(b"+00000.00", b"%+09.2f" % (k * step)).replace(
            b"1111111111", b"%-10d" % (k + 1)
        )
        other = np.frombuffer(struct.pack("<I", k), np.uint8).astype(np.uint16)
        kind: type[np.generic] = np.uint8 if compressed else np.uint16
        changed = changed.replace(mark.astype(kind).tobytes(), other.astype(kind).tobytes())
        (folder / "many" / f"{k:05d}.dcm").write_bytes(changed)


def odd_names(folder: Path) -> None:
    study(folder)
    (folder / '=HYPERLINK("http:evil").dcm').write_bytes(b"\x08\x00\x05\x00CS\x02\x00xx")
    (folder / "a\nb\x1b[31m.dcm").write_bytes(b"")
    with open(os.fsencode(folder) + b"/se\xfe.dcm", "wb") as stream:  # noqa: PTH123 - no UTF-8
        stream.write(b"x")


def layout_with_odd_series(folder: Path) -> None:
    inner = os.fsencode(folder) + b"/train_images/7/se\xfe\n=1+1"
    os.makedirs(inner)  # noqa: PTH103 - no UTF-8
    study(folder / "aside")
    for item in (folder / "aside").iterdir():
        os.rename(item, inner + b"/" + os.fsencode(item.name))  # noqa: PTH104 - no UTF-8
    (folder / "aside").rmdir()


def zip_bomb(folder: Path) -> None:
    study(folder)
    with zipfile.ZipFile(folder / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(200 << 20))


def not_a_number(folder: Path) -> None:
    values = np.full((32, 36), np.nan, np.float32)
    values[0, :2] = 3e38, -3e38
    study(folder)
    for path in folder.glob("*.dcm"):
        dataset = make_slice(
            number=int(path.stem[2]) + 1, place=4.0 * int(path.stem[2]), series=f"1.2.3.{path.stem[0]}"
        )
        for name in ("PixelData", "BitsStored", "HighBit", "PixelRepresentation"):
            delattr(dataset, name)
        dataset.BitsAllocated, dataset.FloatPixelData = 32, values.tobytes()
        save(path, dataset)


CASES: dict[str, Callable[[Path], None]] = {
    "a sound study": study,
    "4 KB deflated to 4 MB of zeros in a sequence": lambda folder: deflated_zeros(folder, 4),
    "1 MB deflated to 1 GB": lambda folder: deflated_zeros(folder, 1000),
    "eight of 18 KB deflated to 12 MB of empty items": lambda folder: deflated_zeros(folder, 12, _ITEM, 8),
    "4 MB of zeros, undefined length, UN": lambda folder: undefined_length(folder, b"UN"),
    "4 MB of zeros, undefined length, OB": lambda folder: undefined_length(folder, b"OB"),
    "4 MB of zeros, undefined length, SQ": lambda folder: undefined_length(folder, b"SQ"),
    "Modality as a sequence with an unknown type": sequence_as_modality,
    "pixel spacing .0101 mm": lambda folder: study(folder, PixelSpacing=[0.0101, 0.0101]),
    "pixel spacing .0501 mm, 256 x 256": lambda folder: study(
        folder, shape=(256, 256), PixelSpacing=[0.0501] * 2
    ),
    "no spacing, 8192 x 16, field of 51 mm": lambda folder: study(
        folder, 1, (8192, 16), PixelSpacing=None, ReconstructionDiameter=51
    ),
    "constant 32-bit image, slope 9e8": lambda folder: study(
        folder, pixels=np.full((64, 72), 4e9, np.uint32), RescaleSlope="9e8", RescaleIntercept="0"
    ),
    "float image without numbers": not_a_number,
    "1 x 1 images": lambda folder: study(folder, shape=(1, 1)),
    "1,000 slices of 1024 x 1024 at one place": lambda folder: many_slices(
        folder, 1000, (1024, 1024), 0.0, True
    ),
    "20,000 slices in one series": lambda folder: many_slices(folder, 20000, (32, 36), 0.5, False),
    "odd names of files": odd_names,
    "an odd name of a series": layout_with_odd_series,
    "a ZIP bomb beside a study": zip_bomb,
}
