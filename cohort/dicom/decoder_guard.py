"""The size that compressed frames claim, known before a decoder believes it and allocates the memory."""

from __future__ import annotations

_JPEG, _JPEG_2000 = b"\xff\xd8", b"\xff\x4f\xff\x51"
_JP2_BOX, _ONE_COMPONENT = b"jP  ", b"\x00\x01"
_FRAME_STARTS = (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0), 0xF7)
_WITHOUT_LENGTH = (0x01, *range(0xD0, 0xDA))
_MOST_SEGMENTS, _RLE_HEADER = 15, 64
_RUN_BYTES = (*range(2, 130), 1, *(2,) * 127)
"""Bytes from the head of a run to the next head, by the head."""
_RUN_GIVES = (*range(1, 129), 0, *range(128, 1, -1))
"""Bytes that a run gives, by its head."""


def size_of(frame: bytes) -> tuple[int, int] | None:
    """Read the image size from the header of a compressed frame, without decoding it.

    Parameters
    ----------
    frame : bytes
        A JPEG, JPEG-LS or JPEG 2000 code stream, the latter bare or in a JP2 file.

    Returns
    -------
    (int, int) or None
        Rows and columns; None where the frame gives none, has several components, or is in another format.

    References
    ----------
    ITU-T T.81, annex B (JPEG markers); ITU-T T.87, annex C (JPEG-LS); ITU-T T.800, annex A (JPEG 2000, SIZ).

    Examples
    --------
    >>> size_of(bytes.fromhex("ffd8 fff7 000b 08 0020 0024 01 01 11 00"))
    (32, 36)
    """
    if frame[:2] == _JPEG:
        return _size_in_jpeg(frame)
    start = _codestream_in_jp2(frame) if frame[4:8] == _JP2_BOX else 0
    if frame[start : start + 4] == _JPEG_2000 and frame[start + 40 : start + 42] == _ONE_COMPONENT:
        right, bottom, left, top = (
            int.from_bytes(frame[start + k : start + k + 4], "big") for k in (8, 12, 16, 20)
        )
        return bottom - top, right - left
    return None


def _codestream_in_jp2(frame: bytes) -> int:
    """Walk over the boxes of a JP2 file to the code stream, as a decoder does; the file's end where there is none."""
    offset = 0
    while offset + 8 <= len(frame):
        length, kind = int.from_bytes(frame[offset : offset + 4], "big"), frame[offset + 4 : offset + 8]
        start = offset + 8
        if length == 1:
            length, start = int.from_bytes(frame[start : start + 8], "big"), start + 8
        if kind == b"jp2c":
            return start
        if length < 8:
            break
        offset += length
    return len(frame)


def _size_in_jpeg(frame: bytes) -> tuple[int, int] | None:
    """Walk over the marker segments to the first that starts a frame, which holds the size."""
    offset = 2
    while offset + 10 <= len(frame) and frame[offset] == 0xFF:
        marker = frame[offset + 1]
        if marker in _FRAME_STARTS:
            if frame[offset + 9] != 1:
                return None
            rows, columns = frame[offset + 5 : offset + 7], frame[offset + 7 : offset + 9]
            return int.from_bytes(rows, "big"), int.from_bytes(columns, "big")
        if marker == 0xFF:
            offset += 1
        elif marker in _WITHOUT_LENGTH:
            offset += 2
        else:
            offset += 2 + int.from_bytes(frame[offset + 2 : offset + 4], "big")
    return None


def check_runs(frame: bytes, pixels: int) -> bool:
    """Walk over the runs of an RLE frame, and refuse it where they give far more than its image needs.

    Parameters
    ----------
    frame : bytes
        RLE data with its header.
    pixels : int
        Rows times columns.

    Returns
    -------
    bool
        Whether every segment gives just what the image needs, one byte of padding aside, so that any decoder can be
        trusted with it.

    Raises
    ------
    ValueError
        When a segment gives more than twice as many bytes as there are pixels.

    References
    ----------
    DICOM PS3.5, annex G.

    Examples
    --------
    >>> check_runs(bytes(64) + bytes([129, 0]) * 10, 1280)
    False
    >>> check_runs(bytes([1, 0, 0, 0, 64]) + bytes(59) + bytes([129, 0]) * 10, 1280)
    True
    """
    count = min(int.from_bytes(frame[:4], "little"), _MOST_SEGMENTS)
    starts = [int.from_bytes(frame[4 * k : 4 * k + 4], "little") for k in range(1, count + 1)]
    sound = count > 0 and starts[0] == _RLE_HEADER and starts == sorted(starts)
    sound = sound and not any(frame[4 * count + 4 : _RLE_HEADER])
    for start, stop in zip(starts, [*starts[1:], len(frame)]):
        offset, end, most, given, head = start, min(stop, len(frame)), 2 * pixels, 0, 0
        while offset < end:  # for each of many thousand runs, so it is kept short
            head = frame[offset]
            offset += _RUN_BYTES[head]
            given += _RUN_GIVES[head]
            if given > most:
                raise ValueError("runs give more than the image holds")
        # A zero of padding looks like the head of one byte, which is missing.
        sound = sound and (given - pixels, offset - end) in ((0, 0), (1, 1) if head == 0 else (0, 0))
    return sound
