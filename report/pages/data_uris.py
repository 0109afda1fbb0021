"""Pictures inside of a page: gray or colored arrays as data URIs."""

from __future__ import annotations

import base64
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def png_uri(pixels: NDArray[np.uint8]) -> str:
    """Write an array as a PNG file in a data URI; without loss, for small pictures and drawings.

    Parameters
    ----------
    pixels : (rows, columns) or (rows, columns, 3) uint8
        Gray values or RGB.

    Returns
    -------
    str
        `data:image/png;base64,…`, for the `src` of an image.

    Examples
    --------
    >>> png_uri(np.zeros((2, 2), np.uint8))[:22]
    'data:image/png;base64,'
    """
    return _uri(pixels, "png", optimize=True)


def jpeg_uri(pixels: NDArray[np.uint8], quality: int = 85) -> str:
    """Write an array as a JPEG file in a data URI; for slices and other photographs.

    Parameters
    ----------
    pixels : (rows, columns) or (rows, columns, 3) uint8
        Gray values or RGB.
    quality : int, default 85
        1 to 95; less makes smaller files with more visible blocks.

    Returns
    -------
    str
        `data:image/jpeg;base64,…`, for the `src` of an image.

    Examples
    --------
    >>> jpeg_uri(np.zeros((2, 2), np.uint8))[:23]
    'data:image/jpeg;base64,'
    """
    return _uri(pixels, "jpeg", quality=quality, optimize=True)


def _uri(pixels: NDArray[np.uint8], form: str, **options: int | bool) -> str:
    """Encode an array with Pillow."""
    file = BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, form, **options)
    return f"data:image/{form};base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
