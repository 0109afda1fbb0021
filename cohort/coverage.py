"""Which part of the patient series cover, along the axis from foot to head."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lsdc.cohort.study import Series


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
