"""Which part of the patient series cover, along the axis from foot to head."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from lsdc.cohort.study import Series

SAME_PART = 0.5
"""Series that share this much of the shorter one's extent cover the same part of the patient."""
SHORTEST_MM = 80.0
"""A sagittal field lower than this shows no spine from which one could tell where it lies."""
NEAR_MM = 30.0
"""An axial stack that ends this near to a part of the patient may belong to it."""


class Extent(NamedTuple):
    """From where to where something reaches along the patient's axis, mm.

    Parameters
    ----------
    foot, head : float
        The lower and the upper end, DICOM's z; NaN where a place is not known.
    """

    foot: float
    head: float

    @property
    def length(self) -> float:
        """Length, mm."""
        return self.head - self.foot

    def shared_with(self, other: Extent) -> float:
        """Tell how much of the shorter of two extents lies in the other one.

        Parameters
        ----------
        other : Extent
            The other one.

        Returns
        -------
        float
            From 0 to 1; NaN where one of them is not known.

        Examples
        --------
        >>> Extent(0, 100).shared_with(Extent(50, 500))
        0.5
        """
        shared = min(self.head, other.head) - max(self.foot, other.foot)
        return float(np.clip(shared / max(min(self.length, other.length), 1.0), 0, 1))


UNKNOWN = Extent(float("nan"), float("nan"))


def extent_of(series: Series) -> Extent:
    """Measure from where to where the images of a series reach.

    Parameters
    ----------
    series : Series
        At least one slice.

    Returns
    -------
    Extent
        Of all corners of its images; `UNKNOWN` where its place in the patient is not known.
    """
    if not series.placed:
        return UNKNOWN
    heights = []
    for item in series.slices:
        rows, columns = item.pixels.shape
        corners = [(0, 0), (columns - 1, 0), (0, rows - 1), (columns - 1, rows - 1)]
        heights.append(item.plane.to_patient(corners)[:, 2])
    return Extent(float(np.min(heights)), float(np.max(heights)))


def parts_of(extents: Mapping[int, Extent]) -> list[list[int]]:
    """Group what covers the same part of the patient.

    Parameters
    ----------
    extents : mapping of int to Extent
        By the index of a series; all known.

    Returns
    -------
    list of list of int
        Indices of each part, short extents first, so that an image of the whole spine joins what it shares with
        others, and parts stay apart.

    Examples
    --------
    >>> parts_of({0: Extent(0, 300), 1: Extent(400, 700), 2: Extent(20, 280)})
    [[2, 0], [1]]
    """
    parts: list[list[int]] = []
    for k in sorted(extents, key=lambda k: extents[k].length):
        for part in parts:
            if any(extents[k].shared_with(extents[other]) >= SAME_PART for other in part):
                part.append(k)
                break
        else:
            parts.append([k])
    return parts
