"""A small encoder of JPEG lossless (process 14), for tests: no free package writes what scanners write."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray


def encode_lossless(
    image: NDArray,
    precision: int,
    predictor: int = 1,
    restart_rows: int = 0,
    shift: int = 0,
    wrap: bool = False,
) -> bytes:
    """Encode a gray image; every length of code is used, and differences are taken modulo 2^16.

    Parameters
    ----------
    image : (rows, columns) uint8 or uint16
        Values below 2 to the power of `precision`.
    precision : int
        Bits, 2 to 16.
    predictor : int
        Selection value, 1 to 7.
    restart_rows : int
        Rows between restart markers; 0 for none.
    shift : int
        Point transform: so many low bits are lost.
    wrap : bool
        Whether values above the prediction are reached from below, modulo 2 to the power of `precision`, as some
        ultrasound scanners write them.
    """
    values = image.astype(np.int64) >> shift
    rows, columns = values.shape
    # 16 codes of 5 bits (a code of ones only is not allowed in a full set), and one of 6 bits.
    counts, symbols = [0, 0, 0, 0, 16, 1] + [0] * 10, list(range(17))
    codes: dict[int, tuple[int, int]] = {}
    code = 0
    for length, count in enumerate(counts, start=1):
        for _ in range(count):
            codes[symbols[len(codes)]] = (code, length)
            code += 1
        code <<= 1
    out = bytearray(b"\xff\xd8")
    out += b"\xff\xc3" + struct.pack(">HBHHB3B", 11, precision, rows, columns, 1, 1, 0x11, 0)
    out += b"\xff\xc4" + struct.pack(">HB16B", 19 + 17, 0, *counts) + bytes(symbols)
    if restart_rows:
        out += b"\xff\xdd" + struct.pack(">HH", 4, restart_rows * columns)
    out += b"\xff\xda" + struct.pack(">HB2B3B", 8, 1, 1, 0, predictor, 0, shift)
    bits: list[str] = []
    for row in range(rows):
        fresh = row == 0 or (restart_rows > 0 and row % restart_rows == 0)
        if fresh and row:
            out += _packed("".join(bits)) + bytes([0xFF, 0xD0 + (row // restart_rows - 1) % 8])
            bits = []
        for column in range(columns):
            difference = int(values[row, column]) - _predicted(
                values, row, column, predictor, fresh, precision - shift
            )
            bits.append(_coded(difference - (wrap and difference > 0) * (1 << precision), codes))
    out += _packed("".join(bits)) + b"\xff\xd9"
    return bytes(out)


def _predicted(values: NDArray, row: int, column: int, predictor: int, fresh: bool, bits: int) -> int:
    if fresh:
        return int(values[row, column - 1]) if column else 1 << (bits - 1)
    above = int(values[row - 1, column])
    if column == 0:
        return above
    left, corner = int(values[row, column - 1]), int(values[row - 1, column - 1])
    return [
        left, above, corner, left + above - corner, left + ((above - corner) >> 1), above + ((left - corner) >> 1),
        (left + above) >> 1,
    ][predictor - 1]  # fmt: skip


def _coded(difference: int, codes: dict[int, tuple[int, int]]) -> str:
    """Huffman code of the number of bits, then these bits (ITU-T T.81, H.1.2.2)."""
    difference = (difference + 32767) % 65536 - 32767
    size = abs(difference).bit_length()
    code, length = codes[size]
    text = format(code, f"0{length}b")
    if 0 < size < 16:
        text += format(difference if difference > 0 else difference + (1 << size) - 1, f"0{size}b")
    return text


def _packed(bits: str) -> bytes:
    """Bytes of the bits, filled with ones; after each byte 0xFF a zero is stuffed."""
    bits += "1" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\x00") if bits else b""
