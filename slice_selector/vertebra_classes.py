"""Which vertebra or disc a cell shows, and what that says of points behind the discs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lsdc.slice_selector.square_images import N_LEVELS

N_CLASSES = 24
"""0 for neither; then head to foot from T10 and T10/T11 in turns, vertebrae odd and discs even."""
_FIRST_LUMBAR_DISC = 3
_LEAST_CELLS, _MOST_CELLS = 5, 150
"""Cells of 6 mm that a vertebra covers."""
_APART_MM = (18.0, 60.0)
"""Distance of the middles of neighboring vertebrae."""
_FLOOR = 0.01
"""Support of a point with nothing in front of it."""
_COLUMNS, _ROWS = 5, 3
"""How many columns of cells in front count, 6 to 31 mm, and how many rows each of vertebra, disc and vertebra."""
_REACH = 4
"""By how many cells the front of the steepest disc may lie lower or higher."""
_TILT = np.deg2rad([-13.0, -8.0, 0.0, 10.0, 30.0])
"""Mean tilt of the discs L1/L2 to L5/S1 on sagittal images; the front of those above 0 lies lower than the back."""


def class_of_disc(k: int) -> int:
    """Find the class of a disc.

    Parameters
    ----------
    k : int
        Discs counted from T10/T11, which is 0; L1/L2 is 3.

    Returns
    -------
    int
        Index into the `N_CLASSES` classes; the vertebra above has the index before, the one below the index after.

    Examples
    --------
    >>> class_of_disc(0), class_of_disc(7)
    (2, 16)
    """
    return 2 + 2 * k


def chained_vertebrae(classes: NDArray[np.float32], mm: float) -> int:
    """Count the neighbors among L1 to S1 that lie below each other as vertebrae do.

    What looks like a canal may be anything; a chain of vertebrae, each below the one before, is a spine.

    Parameters
    ----------
    classes : (N_CLASSES, cells, cells) float32
        Probability of each class on an upright sagittal image.
    mm : float
        Side of a cell, mm.

    Returns
    -------
    int
        0 to 5: pairs of neighbors that are both seen, at a plausible distance, head to foot.
    """
    best = classes.argmax(axis=0)
    centers = []
    for k in range(N_LEVELS + 1):
        rows, columns = np.nonzero(best == class_of_disc(_FIRST_LUMBAR_DISC) - 1 + 2 * k)
        seen = _LEAST_CELLS <= len(rows) <= _MOST_CELLS
        centers.append((rows.mean() * mm, columns.mean() * mm) if seen else (np.nan, np.nan))
    steps = np.diff(centers, axis=0)
    distance = np.hypot(steps[:, 0], steps[:, 1])
    return int(((steps[:, 0] > 0) & (distance > _APART_MM[0]) & (distance < _APART_MM[1])).sum())


def weigh_by_disc(maps: NDArray[np.float32], classes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Weigh where the canal's points may be by whether the level's disc, between its vertebrae, is seen in front.

    This is what keeps a point from the disc above or below, whose canal looks the same.

    Parameters
    ----------
    maps : (n, 5, cells, cells) float32
        Probability of each cell, by level.
    classes : (n, N_CLASSES, cells, cells) float32
        Probability of each class, by cell.

    Returns
    -------
    (n, 5, cells, cells) float32
        The sum of each map is as before.
    """
    weighed = np.empty_like(maps)
    for level in range(N_LEVELS):
        disc = class_of_disc(_FIRST_LUMBAR_DISC + level)
        weighed[:, level] = maps[:, level] * (_support(classes[:, disc - 1 : disc + 2], level) + _FLOOR)
    scale = maps.sum((2, 3), keepdims=True) / np.maximum(weighed.sum((2, 3), keepdims=True), 1e-12)
    return weighed * scale


def _support(parts: NDArray[np.float32], level: int) -> NDArray[np.float32]:
    """Average the cells in front where the vertebra above, the disc and the one below are due: (n, cells, cells)."""
    cells = parts.shape[-1]
    # Sums of three rows, beyond the edges of zeros: the middle row of sums[..., k, :] is row k - pad of the image.
    pad = _ROWS + _REACH
    rows = np.pad(parts, ((0, 0), (0, 0), (pad + 1, pad + 1), (_COLUMNS, 0)))
    sums = rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]
    total = np.zeros((len(parts), cells, cells), np.float32)
    for ahead in range(1, _COLUMNS + 1):
        lower = round(float(np.tan(_TILT[level])) * ahead)
        columns = slice(_COLUMNS - ahead, _COLUMNS - ahead + cells)
        for part, below in enumerate((-_ROWS, 0, _ROWS)):
            top = pad + lower + below
            total += sums[:, part, top : top + cells, columns]
    return total / np.float32(3 * _ROWS * _COLUMNS)
