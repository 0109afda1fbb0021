"""Files to be damaged, and the ways in which hostile.py damages them."""

from __future__ import annotations

import random
import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
)
from support.dicom import COMPRESSED, NATIVE, make_enhanced, make_slice, picture, save

STUDY_UIDS = tuple(f"1.2.{k}" for k in range(4, 9))
"""Studies of the simulated files, as long as that which the files are made with."""
_MADE_WITH = b"1.2.3\0"
_TYPES = (
    b"AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN UR US UT UV ZZ"
).split()
_LONG = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_WORDS = (
    b"nan", b"inf", b"1e308", b"-1e308", b"1e-300", b"0", b"-0", b"", b"\\", b"\\\\\\", b"1,5", b"0,5\\0,5", b"MR\\CT",
    b"\x1b[31m", b"\xff\xfe", b"=1+1", b"99999999999999999999", b"-1", b"A" * 200, b"../../etc", b"%s%n", b"\0\0",
    b"ISO 2022 IR 87", b"ISO_IR 192", b"GB18030",
)  # fmt: skip
_LENGTHS = (0, 1, 2, 3, 7, 8, 0x7FFF, 0xFFFE, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF)


def simulated(folder: Path) -> list[bytes]:
    """One file in each encoding that can be written: single images, bare ones, enhanced ones."""
    path = folder / "original"
    found = [
        save(path, make_slice(picture(1, (64, 72))), syntax).read_bytes() for syntax in (*NATIVE, *COMPRESSED)
    ]
    for syntax in (ImplicitVRLittleEndian, ExplicitVRBigEndian):
        found.append(save(path, make_slice(), syntax, bare=True).read_bytes())
    for syntax in (*NATIVE[:2], *COMPRESSED):
        found.append(save(path, make_enhanced([0, 4, 8], slopes=[1, 2, 3]), syntax).read_bytes())
    for plane, contrast in (("sagittal", "t1"), ("axial", "t2")):
        found.append(
            save(path, make_slice(picture(2, (48, 40)), plane=plane, contrast=contrast)).read_bytes()
        )
    found.append(save(path, make_slice(PhotometricInterpretation="MONOCHROME1")).read_bytes())
    path.unlink()
    return found


def real(folder: Path, largest: int = 2**20) -> list[bytes]:
    """Files below a folder that are not too large."""
    files = sorted(item for item in folder.rglob("*") if item.is_file() and item.stat().st_size <= largest)
    return [item.read_bytes() for item in files]


def damaged(originals: list[bytes], count: int, rng: random.Random) -> Iterator[bytes]:
    """Endlessly many would be possible: so many damaged files."""
    for _ in range(count):
        content = bytearray(rng.choice(originals))
        study = rng.choice(STUDY_UIDS).encode() + b"\0"
        content = bytearray(bytes(content).replace(_MADE_WITH, study, 1))
        if _is_deflated(content) and rng.random() < 0.7:
            yield _damaged_inside(content, rng)
            continue
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            rng.choice(_WAYS)(content, rng, originals)
        yield bytes(content)


def _flip(content: bytearray, rng: random.Random, _: list[bytes]) -> None:
    reach = min(len(content), 1500) if rng.random() < 0.7 else len(content)
    for _k in range(rng.choice((1, 2, 4, 16, 64))):
        if reach:
            content[rng.randrange(reach)] = rng.randrange(256)


def _cut(content: bytearray, rng: random.Random, _: list[bytes]) -> None:
    del content[rng.randrange(len(content) + 1) :]


def _remove(content: bytearray, rng: random.Random, _: list[bytes]) -> None:
    start = rng.randrange(len(content) + 1)
    del content[start : start + rng.choice((1, 2, 8, 100, 1000))]


def _insert(content: bytearray, rng: random.Random, _: list[bytes]) -> None:
    start, size = rng.randrange(len(content) + 1), rng.choice((1, 2, 8, 100, 5000))
    content[start:start] = rng.choice((bytes(size), rng.randbytes(size), b"\xfe\xff\x00\xe0" * (size // 4)))


def _double(content: bytearray, rng: random.Random, _: list[bytes]) -> None:
    start = rng.randrange(len(content) + 1)
    content[start:start] = content[start : start + rng.choice((8, 100, 1000))] * rng.choice((1, 3, 50))


def _splice(content: bytearray, rng: random.Random, originals: list[bytes]) -> None:
    other = rng.choice(originals)
    start = rng.randrange(len(content) + 1)
    content[start:] = other[rng.randrange(len(other)) :]


def _elements(content: bytearray) -> list[tuple[int, bytes]]:
    """Offsets of what looks like explicit elements, and their types."""
    found: list[tuple[int, bytes]] = []
    start = 132 if content[128:132] == b"DICM" else 0
    while start + 12 <= len(content) and len(found) < 400:
        kind = bytes(content[start + 4 : start + 6])
        if kind not in _TYPES:
            break
        found.append((start, kind))
        if kind in _LONG:
            length = struct.unpack("<I", content[start + 8 : start + 12])[0] + 12
        else:
            length = struct.unpack("<H", content[start + 6 : start + 8])[0] + 8
        start += length if length < 2**31 else 12
    return found


def _lie_about_length(content: bytearray, rng: random.Random, _: list[bytes]) -> None:
    for start, kind in rng.sample(found := _elements(content), min(1, len(found))):
        length = rng.choice(_LENGTHS)
        if kind in _LONG:
            content[start + 8 : start + 12] = struct.pack("<I", length)
        else:
            content[start + 6 : start + 8] = struct.pack("<H", length & 0xFFFF)


def _change_type(content: bytearray, rng: random.Random, _: list[bytes]) -> None:
    for start, _kind in rng.sample(found := _elements(content), min(1, len(found))):
        content[start + 4 : start + 6] = rng.choice(_TYPES)


def _change_value(content: bytearray, rng: random.Random, _: list[bytes]) -> None:
    """Another value of another length, with the right length written."""
    for start, kind in rng.sample(found := _elements(content), min(1, len(found))):
        if kind in _LONG:
            continue
        size = struct.unpack("<H", content[start + 6 : start + 8])[0]
        value = rng.choice(_WORDS) if kind != b"US" else struct.pack("<H", rng.choice((0, 1, 7, 8192, 65535)))
        value += b" " * (len(value) % 2)
        content[start + 6 : start + 8 + size] = struct.pack("<H", len(value)) + value


def _become_sequence(content: bytearray, rng: random.Random, _: list[bytes]) -> None:
    """An attribute as a sequence of odd items."""
    for start, kind in rng.sample(found := _elements(content), min(1, len(found))):
        if kind in _LONG:
            continue
        size = struct.unpack("<H", content[start + 6 : start + 8])[0]
        inner = struct.pack("<HH2sH", 0x28, 0x10, rng.choice(_TYPES), 2) + b"ab"
        item = struct.pack("<HHI", 0xFFFE, 0xE000, rng.choice((len(inner), 0xFFFFFFFF, 0))) + inner
        value = item * rng.choice((1, 1, 2, 100))
        length = rng.choice((len(value), 0xFFFFFFFF))
        content[start + 4 : start + 8 + size] = b"SQ\0\0" + struct.pack("<I", length) + value


_WAYS: tuple[Callable[[bytearray, random.Random, list[bytes]], None], ...] = (
    _flip, _flip, _cut, _remove, _insert, _double, _splice, _lie_about_length, _change_type, _change_value,
    _change_value, _become_sequence,
)  # fmt: skip


def _is_deflated(content: bytearray) -> bool:
    return DeflatedExplicitVRLittleEndian.encode() in content[:400]


def _damaged_inside(content: bytearray, rng: random.Random) -> bytes:
    """Damage what was deflated, and deflate it again."""
    front = deflated_front(bytes(content))
    inner = bytearray(zlib.decompress(content[len(front) :], -zlib.MAX_WBITS))
    rng.choice((_flip, _cut, _remove, _insert, _double))(inner, rng, [])
    return front + deflate(bytes(inner))


def deflated_front(content: bytes) -> bytes:
    """Preamble and meta header."""
    return content[: 144 + int.from_bytes(content[140:144], "little")]


def deflate(content: bytes) -> bytes:
    """As the transfer syntax wants it."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return deflater.compress(content) + deflater.flush()


assert UID(DeflatedExplicitVRLittleEndian).is_deflated
