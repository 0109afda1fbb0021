"""Where pixels are in the patient: mapping to millimeters and back, for single slices.

Patient space is DICOM's: x towards the patient's left, y towards the back (posterior), z towards the head, in
millimeters (LPS).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]
"""An array of any dtype, for code that states shape and dtype in its docstrings."""
Floats = NDArray[np.float64]
"""Positions, directions or distances."""
Vector = tuple[float, float, float]
"""A position in mm, or a direction of length 1, in patient space (LPS)."""
Axes = tuple[Vector, Vector]
"""Directions along which the column index and the row index of an image grow; unit vectors, LPS."""

CANONICAL_AXES: dict[str, Axes] = {
    "sagittal": ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0)),
    "axial": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
    "coronal": ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0)),
}
"""How an upright image of each plane lies in the patient.

Sagittal: anterior at the left, head up. Axial, as radiologists view it: the patient's left at the right, anterior up.
"""
_STEEPEST_AXIAL = 0.5


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

    Examples
    --------
    >>> axial = SlicePlane((-120.0, -140.0, 32.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.5, 0.5))
    >>> axial.normal.tolist(), axial.position
    ([0.0, 0.0, 1.0], 32.0)
    """

    origin: Vector
    row_direction: Vector
    column_direction: Vector
    spacing: tuple[float, float]

    @cached_property
    def normal(self) -> Floats:
        """Unit normal of the slice, row direction x column direction; shape (3,), LPS; read-only."""
        return _normals(tuple(self.row_direction), tuple(self.column_direction))[0]

    @cached_property
    def _origin(self) -> Floats:
        """The origin as an array, (3,) mm."""
        return np.asarray(self.origin, float)

    @cached_property
    def _axes(self) -> Floats:
        """The directions as columns, (3, 2)."""
        return np.stack([self.row_direction, self.column_direction], axis=1).astype(float)

    @cached_property
    def _pixel(self) -> Floats:
        """Width and height of a pixel, (2,) mm."""
        return np.array((self.spacing[1], self.spacing[0]), float)

    @property
    def position(self) -> float:
        """Position of the slice along its normal, mm."""
        return float(self.normal @ np.asarray(self.origin))

    def to_patient(self, points: ArrayLike) -> Floats:
        """Map pixel positions of this slice to patient space.

        Parameters
        ----------
        points : (n, 2) float
            Column and row, in pixels; (0, 0) is the center of the first pixel.

        Returns
        -------
        (n, 3) float
            Position in mm along the patient's left, posterior and head directions.

        Examples
        --------
        >>> plane = SlicePlane((-120., -140., 32.), (1., 0., 0.), (0., 1., 0.), (0.5, 0.5))
        >>> plane.to_patient([[10, 0]]).tolist()
        [[-115.0, -140.0, 32.0]]
        """
        points = np.asarray(points, float).reshape(-1, 2)
        return (points * self._pixel) @ self._axes.T + self._origin

    def to_pixel(self, points: ArrayLike) -> Floats:
        """Project patient positions onto this slice, along its normal.

        Parameters
        ----------
        points : (n, 3) float
            Position in mm in patient space (LPS); it need not lie in the plane.

        Returns
        -------
        (n, 2) float
            Column and row, in pixels; may lie outside the image.

        Examples
        --------
        >>> plane = SlicePlane((-120., -140., 32.), (1., 0., 0.), (0., 1., 0.), (0.5, 0.5))
        >>> plane.to_pixel([[-115.0, -140.0, 99.0]]).tolist()
        [[10.0, 0.0]]
        """
        offset = np.asarray(points, float).reshape(-1, 3) - self._origin
        return offset @ self._axes / self._pixel

    def distance(self, points: ArrayLike) -> Floats:
        """Measure how far patient positions are from the plane of this slice.

        Parameters
        ----------
        points : (n, 3) float
            Position in mm in patient space (LPS).

        Returns
        -------
        (n,) float
            Signed distance in mm, positive on the side that the normal points to.
        """
        offset = np.asarray(points, float).reshape(-1, 3) - self._origin
        return offset @ self.normal

    @property
    def left_is_right_of_image(self) -> bool:
        """Whether the patient's left lies at high column indices (the radiological convention)."""
        return self.row_direction[0] > 0


def plane_of(normal: ArrayLike) -> str:
    """Name the anatomical plane with a normal.

    Slices tilted by up to 60 degrees are still axial: lumbosacral discs can be tilted by more than 45.

    Parameters
    ----------
    normal : (3,) float
        Unit normal of the plane, LPS; either of its two directions.

    Returns
    -------
    str
        `sagittal`, `axial` or `coronal`.

    Examples
    --------
    >>> plane_of((0, 0.8, 0.6))
    'axial'
    """
    left, posterior, head = np.abs(np.asarray(normal, float))
    if left >= max(posterior, head):
        return "sagittal"
    return "axial" if head >= _STEEPEST_AXIAL else "coronal"


def anatomical_normal(axes: Axes) -> Floats:
    """Compute the normal of a plane, in the direction along which slices are counted.

    Parameters
    ----------
    axes : (row direction, column direction)
        Unit vectors, LPS.

    Returns
    -------
    (3,) float
        Unit normal towards the patient's left (sagittal), head (axial) or back (coronal); read-only.

    Examples
    --------
    >>> anatomical_normal(((0, 1, 0), (0, 0, -1))).tolist()
    [1.0, 0.0, 0.0]
    """
    return _normals(tuple(axes[0]), tuple(axes[1]))[1]


@lru_cache(maxsize=256)
def _normals(row: tuple[float, ...], column: tuple[float, ...]) -> tuple[Floats, Floats]:
    """Compute the normal of a plane, row direction x column direction, and the same in its anatomical direction.

    All slices of a series have the same directions; every caller gets the same arrays.
    """
    across = np.cross(row, column)
    unit = across / np.linalg.norm(across)
    towards = across[{"sagittal": 0, "coronal": 1, "axial": 2}[plane_of(across)]]
    anatomical = unit * (1.0 if towards > 0 else -1.0) + 0.0
    unit.flags.writeable = anatomical.flags.writeable = False
    return unit, anatomical
