"""The slices of a series as PNG or JPEG pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lsdc.cohort.export.export_settings import Bits
from lsdc.cohort.export.image_rows import image_row
from lsdc.cohort.study import Series

_JPEG_QUALITY = 95
_PNG_EFFORT, _RUN_LENGTHS = 1, 3
"""zlib's level and strategy: of images as noisy as MRI, run lengths make files as small as any, in less time."""
_TOP_8, _TOP_16 = 255, 65535


def write_pictures(
    series: Series, folder: Path, name: str, ending: str, bits: Bits, root: Path
) -> list[dict[str, Any]]:
    """Write one picture for each slice of a series, its pixels as they lie in the DICOM file.

    Parameters
    ----------
    series : Series
        The series.
    folder : Path
        The study's folder.
    name : str
        Name of the folder for the series, made in it.
    ending : str
        `png` or `jpg`.
    bits : 8 or 16
        With 8 the gray window is the series' 1st to 99th percentile; with 16 no value is cut off.
    root : Path
        The folder that is exported.

    Returns
    -------
    list of dict
        A row for each picture, whose path begins at `folder`.
    """
    (folder / name).mkdir(parents=True)
    scale, offset = _scale_8(series) if bits == 8 else _scale_16(series)
    top, dtype = (_TOP_8, np.uint8) if bits == 8 else (_TOP_16, np.uint16)
    options: dict[str, Any] = (
        {"quality": _JPEG_QUALITY}
        if ending == "jpg"
        else {"compress_level": _PNG_EFFORT, "compress_type": _RUN_LENGTHS}
    )
    digits = max(3, len(str(len(series.slices))))
    rows = []
    for index, item in enumerate(series.slices):
        path = f"{name}/{index + 1:0{digits}d}.{ending}"
        gray = (item.pixels - np.float32(offset)) * np.float32(1 / scale) + np.float32(0.5)
        Image.fromarray(gray.clip(0, top).astype(dtype)).save(folder / path, **options)
        rows.append(image_row(path, 0, series, index, scale, offset, root))
    return rows


def _scale_8(series: Series) -> tuple[float, float]:
    """Find scale and offset of the gray window."""
    low, high = series.window
    return (high - low) / _TOP_8, low


def _scale_16(series: Series) -> tuple[float, float]:
    """Find scale and offset that keep whole numbers as they are, and others as exactly as 16 bits can."""
    low = min(float(item.pixels.min()) for item in series.slices)
    high = max(float(item.pixels.max()) for item in series.slices)
    if high - min(low, 0.0) <= _TOP_16 and all(map(_is_whole, (item.pixels for item in series.slices))):
        return 1.0, min(low, 0.0)
    return max(high - low, 1e-12) / _TOP_16, low


def _is_whole(pixels: NDArray[np.float32]) -> bool:
    """Tell whether all values are whole numbers."""
    return bool((pixels == np.rint(pixels)).all())
