"""What compressed frames say of their own size, before a decoder believes it and allocates the memory."""

from __future__ import annotations

_JPEG, _JPEG_2000 = b"\xff\xd8", b"\xff\x4f\xff\x51"
_JP2_BOX = b"jP  "
_FRAME_STARTS = (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0), 0xF7)
_WITHOUT_LENGTH = (0x01, *range(0xD0, 0xDA))


def size_of(frame: bytes) -> tuple[int, int] | None:
    """Rows and columns that a JPEG, JPEG-LS or JPEG 2000 frame gives; None where it gives none.

    >>> size_of(bytes.fromhex("ffd8 fff7 000b 08 0020 0024 01 01 11 00"))
    (32, 36)
    """
    if frame[:2] == _JPEG:
        return _jpeg(frame)
    start = frame.find(_JPEG_2000) if frame[4:8] == _JP2_BOX else 0
    if start >= 0 and frame[start : start + 4] == _JPEG_2000 and len(frame) >= start + 24:
        right, bottom, left, top = (
            int.from_bytes(frame[start + k : start + k + 4], "big") for k in (8, 12, 16, 20)
        )
        return bottom - top, right - left
    return None


def _jpeg(frame: bytes) -> tuple[int, int] | None:
    place = 2
    while place + 9 <= len(frame) and frame[place] == 0xFF:
        marker = frame[place + 1]
        if marker in _FRAME_STARTS:
            rows, columns = frame[place + 5 : place + 7], frame[place + 7 : place + 9]
            return int.from_bytes(rows, "big"), int.from_bytes(columns, "big")
        if marker == 0xFF:
            place += 1
        elif marker in _WITHOUT_LENGTH:
            place += 2
        else:
            place += 2 + int.from_bytes(frame[place + 2 : place + 4], "big")
    return None
