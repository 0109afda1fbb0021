"""What a drawn mask says of the canal's points and of the class of every pixel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import Level
from lsdc.phantom.spine import FIRST_LUMBAR_DISC
from lsdc.slice_selector.vertebra_classes import class_of_disc

DISC, VERTEBRA, CANAL = 29, 76, 150
"""Gray values of a mask."""
NO_CLASS = 255
"""Nobody knows which vertebra or disc a pixel shows."""
_BEHIND_MM = 5.0
"""The simulator marks the canal so far behind the disc's posterior edge; so are these points."""
_BACK = 0.9
"""The rear tenth of a disc's pixels is its posterior edge."""
_SAME_DISC_MM = 3.0
"""A disc may be drawn in pieces that are nearer than twice this; neighboring discs are farther apart."""
_LEAST_PX = 60
"""A part of fewer pixels is none."""
_LAST_DISC = FIRST_LUMBAR_DISC + len(Level) - 1


def canal_behind_discs(mask: NDArray[np.uint8], spacing: tuple[float, float]) -> NDArray[np.float64] | None:
    """Find the canal's points behind the five lowest discs of a mask, the lowest of which is L5/S1.

    Parameters
    ----------
    mask : (rows, columns) uint8
        29 disc, 76 vertebra, 150 canal, 0 other; anterior at the left, head up.
    spacing : (float, float)
        mm between rows, mm between columns.

    Returns
    -------
    (5, 2) float64 or None
        Column and row of the canal at L1/L2 to L5/S1, px, 5 mm behind the posterior edge of the disc, where the
        simulator marks it; None where fewer than five discs are drawn.
    """
    discs = _discs(mask, spacing)[-len(Level) :]
    if len(discs) < len(Level):
        return None
    edges = []
    for disc in discs:
        behind = disc[disc[:, 1] >= np.quantile(disc[:, 1], _BACK)]
        edges.append((behind[:, 1].mean(), behind[:, 0].mean()))
    mm = np.array(edges) * spacing[::-1]
    along = np.gradient(mm, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    # Head to foot is down, so this is to the right, where the back is.
    backward = np.stack([along[:, 1], -along[:, 0]], axis=1)
    return np.asarray((mm + _BEHIND_MM * backward) / spacing[::-1], np.float64)


def pixel_classes(mask: NDArray[np.uint8], spacing: tuple[float, float]) -> NDArray[np.uint8]:
    """Tell which vertebra or disc each pixel of a mask shows.

    Parameters
    ----------
    mask : (rows, columns) uint8
        See `canal_behind_discs`.
    spacing : (float, float)
        mm between rows, mm between columns.

    Returns
    -------
    (rows, columns) uint8
        See `vertebra_classes`; `NO_CLASS` beyond the topmost and below the lowest disc, where masks end, and for discs
        above T10/T11.
    """
    from scipy.ndimage import label

    discs = _discs(mask, spacing)
    classes = np.full(mask.shape, NO_CLASS, np.uint8)
    if not discs:
        return classes
    middles = np.array([disc.mean(axis=0) for disc in discs])
    first = _LAST_DISC - len(discs) + 1
    top, bottom = discs[0][:, 0].min(), discs[-1][:, 0].min()
    classes[top:bottom] = 0
    for number, disc in enumerate(discs, start=first):
        classes[disc[:, 0], disc[:, 1]] = class_of_disc(number) if number >= 0 else NO_CLASS
    parts, count = label(mask == VERTEBRA)
    canal = np.argwhere(mask == CANAL)
    for part in range(1, count + 1):
        where = np.argwhere(parts == part)
        row, column = where.mean(axis=0)
        beside = canal[np.abs(canal[:, 0] - row) < _LEAST_PX, 1]
        if len(where) < _LEAST_PX or not len(beside) or column > beside.mean():
            continue  # a crumb, or a spinous process
        above = first + int((middles[:, 0] < row).sum())
        known = above >= 0 and first < above <= _LAST_DISC
        classes[where[:, 0], where[:, 1]] = 2 * above + 1 if known else NO_CLASS
    return classes


def _discs(mask: NDArray[np.uint8], spacing: tuple[float, float]) -> list[NDArray[np.intp]]:
    """Row and column of the pixels of each drawn disc, head to foot."""
    from scipy.ndimage import distance_transform_edt, label

    parts, _ = label(mask == DISC)
    near = distance_transform_edt(parts == 0) <= _SAME_DISC_MM / spacing[0]
    wholes, _ = label(near)
    discs = [np.argwhere((wholes == k) & (parts > 0)) for k in np.unique(wholes[parts > 0])]
    return sorted(
        (disc for disc in discs if len(disc) > _LEAST_PX), key=lambda disc: float(disc[:, 0].mean())
    )
