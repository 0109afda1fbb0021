"""Where pixels are in the patient: mapping to millimeters and back, for single slices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class SlicePlane:
    """The plane of one slice in patient space (LPS: mm towards the patient's left, posterior, head).

    Parameters
    ----------
    origin : (3,) float
        Center of the first pixel (ImagePositionPatient), mm.
    row_direction, column_direction : (3,) float
        Unit vectors along which the column index and the row index grow (ImageOrientationPatient).
    spacing : (2,) float
        mm between rows, mm between columns (PixelSpacing).

    References
    ----------
    DICOM PS3.3 C.7.6.2.1.1, equation C.7.6.2.1-1.
    """

    origin: tuple[float, float, float]
    row_direction: tuple[float, float, float]
    column_direction: tuple[float, float, float]
    spacing: tuple[float, float]

    @property
    def normal(self) -> Array:
        """Unit normal of the slice: row direction x column direction."""
        normal = np.cross(self.row_direction, self.column_direction)
        return normal / np.linalg.norm(normal)

    @property
    def position(self) -> float:
        """Position of the slice along its normal, mm."""
        return float(self.normal @ np.asarray(self.origin))

    def to_patient(self, points: ArrayLike) -> Array:
        """Map pixel positions of this slice to patient space.

        Parameters
        ----------
        points : (n, 2) float
            Column and row, in pixels; (0, 0) is the center of the first pixel.

        Returns
        -------
        (n, 3) float
            mm along the patient's left, posterior and head directions.

        >>> plane = SlicePlane((-120., -140., 32.), (1., 0., 0.), (0., 1., 0.), (0.5, 0.5))
        >>> plane.to_patient([[10, 0]]).tolist()
        [[-115.0, -140.0, 32.0]]
        """
        points = np.asarray(points, float).reshape(-1, 2)
        row, column = np.asarray(self.row_direction), np.asarray(self.column_direction)
        steps = points * (self.spacing[1], self.spacing[0])
        return np.asarray(self.origin) + steps[:, :1] * row + steps[:, 1:] * column

    def to_pixel(self, points: ArrayLike) -> Array:
        """Project patient positions onto this slice, along its normal.

        Parameters
        ----------
        points : (n, 3) float
            mm in patient space.

        Returns
        -------
        (n, 2) float
            Column and row, in pixels; may lie outside the image.
        """
        offset = np.asarray(points, float).reshape(-1, 3) - np.asarray(self.origin)
        axes = np.stack([self.row_direction, self.column_direction], axis=1)
        return offset @ axes / (self.spacing[1], self.spacing[0])

    def distance(self, points: ArrayLike) -> Array:
        """Signed distance of patient positions from the plane, mm along the normal; shape (n,)."""
        offset = np.asarray(points, float).reshape(-1, 3) - np.asarray(self.origin)
        return offset @ self.normal

    @property
    def left_is_right_of_image(self) -> bool:
        """Whether the patient's left lies at high column indices (the radiological convention)."""
        return self.row_direction[0] > 0


def orientation_view(row_direction: Sequence[float], column_direction: Sequence[float]) -> str:
    """Name the anatomical plane of a slice by the axis closest to its normal.

    >>> orientation_view((0, 1, 0), (0, 0, -1))
    'sagittal'
    """
    normal = np.abs(np.cross(row_direction, column_direction))
    return ("sagittal", "coronal", "axial")[int(np.argmax(normal))]
