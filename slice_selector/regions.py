"""Which vertebra or disc a cell shows, and what that says of points behind the discs."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

REGIONS = 24
"""Neither; then head to foot from T10 and T10/T11 in turns, vertebrae odd and discs even."""
_FIRST = 8
"""Region of the disc L1/L2."""
_LEVELS = 5
_DOUBT = 0.01
"""Support of a point with nothing in front of it."""
_AHEAD, _ROWS = slice(1, 6), 3
"""Columns (of 13) of the cells in front that are looked at: 6 to 31 mm; and rows each of vertebrae and disc."""


def supported(maps: Tensor, regions: Tensor) -> Tensor:
    """Weigh where the levels' points may be by whether their disc, between its vertebrae, is seen in front.

    Parameters
    ----------
    maps : (n, 5, cells, cells) Tensor
        Probability of each cell, by level.
    regions : (n, REGIONS, cells, cells) Tensor
        Probability of each region, by cell.

    Returns
    -------
    (n, 5, cells, cells) Tensor
        The sum of each map is as before.
    """
    parts = [regions[:, _FIRST + 2 * level - 1 : _FIRST + 2 * level + 2] for level in range(_LEVELS)]
    kernel = torch.zeros((_LEVELS, 3, 3 * _ROWS, 13))
    for part in range(3):
        kernel[:, part, part * _ROWS : (part + 1) * _ROWS, _AHEAD] = 1
    seen = functional.conv2d(torch.cat(parts, 1), kernel / kernel[0].sum(), padding="same", groups=_LEVELS)
    weighed = maps * (seen + _DOUBT)
    share = maps.sum((2, 3), keepdim=True) / weighed.sum((2, 3), keepdim=True).clamp_min(1e-12)
    return weighed * share
