"""Which crops show something: a view that does not show a target is zero in a store."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def shown(crops: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Tell which views show a target.

    Parameters
    ----------
    crops : (n, views, 3, P, P) uint8
        As a store holds them.

    Returns
    -------
    (n, views) bool
        False where the crop is all zero.

    Examples
    --------
    >>> crops = np.zeros((2, 3, 3, 8, 8), np.uint8)
    >>> crops[0, 1, 2, 3, 4] = 1
    >>> shown(crops).tolist()
    [[False, True, False], [False, False, False]]
    """
    flat = crops.reshape(*crops.shape[:2], math.prod(crops.shape[2:]))
    whole = (
        flat.view(np.uint64) if flat.shape[2] % 8 == 0 else flat
    )  # eight pixels at once, where that comes out even
    return np.asarray(whole.any(axis=2))
