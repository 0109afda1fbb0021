"""A slice as it is shown: turned upright, with its edges named and its corners known in the patient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lsdc.cohort.cropping import Reorientation, reorientation_of
from lsdc.cohort.geometry import Floats, SlicePlane
from lsdc.cohort.study import Slice
from lsdc.cohort.vocabulary import View

_LETTERS = ("RL", "AP", "FH")
"""Letters at the negative and the positive end of the patient's axes."""


class Edges(NamedTuple):
    """Which side of the patient lies at each edge of an upright image.

    Parameters
    ----------
    left, right, top, bottom : str
        `R`, `L`, `A`, `P`, `H` or `F`.
    """

    left: str
    right: str
    top: str
    bottom: str


@dataclass(frozen=True)
class UprightImage:
    """How one slice stands when it is shown; build it with `of`.

    Parameters
    ----------
    plane : SlicePlane
        The slice's plane.
    shape : (int, int)
        Rows and columns of the slice as it was stored.
    turn : Reorientation
        What turns its pixels upright.
    """

    plane: SlicePlane
    shape: tuple[int, int]
    turn: Reorientation

    @classmethod
    def of(cls, item: Slice, view: View) -> UprightImage:
        """Turn a slice by the directions of its plane, never mirrored.

        Parameters
        ----------
        item : Slice
            The slice.
        view : View
            Decides what upright is.

        Returns
        -------
        UprightImage
            How it stands.

        Examples
        --------
        >>> plane = SlicePlane((0.0, 0.0, 0.0), (-1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.5, 0.5))
        >>> item = Slice(np.zeros((200, 100), np.float32), plane, 1, "made")
        >>> image = UprightImage.of(item, View.AXIAL_T2)
        >>> image.turn.flip_columns, image.edges.left, image.size_mm
        (True, 'R', (50.0, 100.0))
        """
        rows, columns = item.pixels.shape
        return cls(item.plane, (rows, columns), reorientation_of(item.plane, view))

    @property
    def size_mm(self) -> tuple[float, float]:
        """Width and height of the upright image, mm."""
        height, width = (self.shape[k] * self.plane.spacing[k] for k in range(2))
        return (height, width) if self.turn.transpose else (width, height)

    @property
    def axes(self) -> tuple[Floats, Floats]:
        """Unit vectors in the patient (LPS) to the right and down in the upright image; shape (3,) each."""
        row, column = np.asarray(self.plane.row_direction), np.asarray(self.plane.column_direction)
        turned = (self.turn.inverse(*step) for step in ((1.0, 0.0), (0.0, 1.0)))
        across, down = (columns * row + rows * column for columns, rows in turned)
        return across, down

    @property
    def corner(self) -> Floats:
        """Position in the patient of the upper left corner, the outer edge of its pixel, mm; shape (3,), LPS."""
        rows, columns = self.shape
        center = self.plane.to_patient([[(columns - 1) / 2, (rows - 1) / 2]])[0]
        (across, down), (width, height) = self.axes, self.size_mm
        return center - across * width / 2 - down * height / 2

    @property
    def edges(self) -> Edges:
        """What lies at each edge, by the patient's axis that is nearest."""
        across, down = self.axes
        return Edges(_letter(-across), _letter(across), _letter(-down), _letter(down))

    def place(self, point: tuple[float, float]) -> tuple[float, float]:
        """Say where a point of the slice is in the upright image.

        Parameters
        ----------
        point : (float, float)
            Column and row of the slice as it was stored, px.

        Returns
        -------
        (float, float)
            Fractions of width and height: 0 at the left or upper edge, 1 at the right or lower one.
        """
        rows, columns = self.shape
        across, down = self.turn.offset(
            (point[0] - (columns - 1) / 2) * self.plane.spacing[1],
            (point[1] - (rows - 1) / 2) * self.plane.spacing[0],
        )
        width, height = self.size_mm
        return 0.5 + across / width, 0.5 + down / height

    def pixels(self, item: Slice, window: tuple[float, float], most: int) -> NDArray[np.uint8]:
        """Make the upright picture, with the slice's own pixels where these are few enough.

        Parameters
        ----------
        item : Slice
            The slice that this was built of.
        window : (float, float)
            The values that become black and white.
        most : int
            Pixels along the longer edge, to which larger slices are reduced.

        Returns
        -------
        (rows, columns) uint8
            The picture. Its pixels are as wide and high as those of the slice; show it in the shape of `size_mm`.
        """
        low, high = window
        gray = ((item.pixels - low) * (255.0 / (high - low))).clip(0, 255).astype(np.uint8)
        upright = self.turn.image(gray)
        scale = most / max(upright.shape)
        if scale < 1:
            size = tuple(max(1, round(edge * scale)) for edge in upright.shape[::-1])
            return np.asarray(Image.fromarray(upright).resize(size, Image.Resampling.BILINEAR))
        return upright


def _letter(direction: Floats) -> str:
    """Name the side of the patient that a direction leads to."""
    axis = int(np.argmax(np.abs(direction)))
    return _LETTERS[axis][int(direction[axis] > 0)]
