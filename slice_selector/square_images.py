"""The square images that the localizer sees: their size, how they are cut, and where their pixels are in a slice."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.cropping import Cutter
from lsdc.cohort.study import Series
from lsdc.cohort.vocabulary import View
from lsdc.slice_selector.heatmap_decoding import STRIDE

SAGITTAL_PX, SAGITTAL_MM = 192, 300.0
"""Side of a sagittal image, px and mm."""
AXIAL_PX, AXIAL_MM = 128, 160.0
"""Side of an axial image, px and mm."""
SAGITTAL_VIEWS = (View.SAGITTAL_T2, View.SAGITTAL_T1)
N_LEVELS = 5
UNKNOWN, PRESENT, ABSENT = 0, 1, 2
"""State of a point on an image: nobody knows, it is shown, it is certainly not shown."""


def image_center(series: Series, index: int) -> tuple[float, float]:
    """Find the middle of a slice's image.

    Parameters
    ----------
    series : Series
        Of any view.
    index : int
        Which of its slices.

    Returns
    -------
    (column, row) : float
        In px; (0, 0) is the center of the first pixel.
    """
    rows, columns = series.slices[index].pixels.shape
    return (columns - 1) / 2, (rows - 1) / 2


class SquareImages:
    """Cuts images for the localizer around the middles of a series' slices, and maps points to them and back.

    Parameters
    ----------
    series : Series
        Of any view; its gray window is measured once.
    view : View
        Decides how images are turned upright.
    mm : float
        Side of an image in the patient.
    px : int
        Side of an image; a multiple of 32.
    up : float, default 0
        mm towards the patient's head by which images are cut above the middles of the slices.

    Attributes
    ----------
    cutter : Cutter
        Cuts other crops of the series in the same gray window.
    """

    def __init__(self, series: Series, view: View, mm: float, px: int, up: float = 0.0) -> None:
        self.series, self.mm, self.px, self.up = series, mm, px, up
        self.cutter = Cutter(series, view)

    @classmethod
    def sagittal(cls, series: Series, up: float = 0.0) -> Self:
        """Cut as the sagittal localizer wants it: 192 px over 300 mm, anterior at the left, head up.

        Parameters
        ----------
        series : Series
            A sagittal one.
        up : float, default 0
            mm towards the head by which images are cut above the middles of the slices.

        Returns
        -------
        SquareImages
            Of that series.
        """
        return cls(series, series.view or View.SAGITTAL_T2, SAGITTAL_MM, SAGITTAL_PX, up)

    @classmethod
    def axial(cls, series: Series) -> Self:
        """Cut as the axial localizer wants it: 128 px over 160 mm, the patient's left at the right, anterior up.

        Parameters
        ----------
        series : Series
            An axial one.

        Returns
        -------
        SquareImages
            Of that series.
        """
        return cls(series, View.AXIAL_T2, AXIAL_MM, AXIAL_PX)

    def center(self, index: int) -> tuple[float, float]:
        """Find around which point of a slice its image is cut.

        Parameters
        ----------
        index : int
            Which slice of the series.

        Returns
        -------
        (column, row) : float
            In px of the slice.
        """
        middle = image_center(self.series, index)
        if not self.up:
            return middle
        plane = self.series.slices[index].plane
        column, row = plane.to_pixel(plane.to_patient([middle])[0] + (0.0, 0.0, self.up))[0]
        return float(column), float(row)

    def cut(self, index: int) -> NDArray[np.uint8]:
        """Cut the image of a slice.

        Parameters
        ----------
        index : int
            Which slice of the series.

        Returns
        -------
        (px, px) uint8
            Upright; 0 outside the slice.
        """
        return self.cutter.cut(index, self.center(index), self.mm, self.px)

    def to_image(self, index: int, point: NDArray[np.float64]) -> tuple[float, float]:
        """Map a point of a slice to its image.

        Parameters
        ----------
        index : int
            Which slice of the series.
        point : (2,) float
            Column and row in the slice, px.

        Returns
        -------
        (column, row) : float
            In the image, px; outside 0 to px - 1 where the image does not show the point.
        """
        center = self.center(index)
        return self.cutter.place(index, center, (point[0], point[1]), self.mm, self.px)

    def to_slice(self, index: int, point: NDArray[np.float64]) -> tuple[float, float]:
        """Map a point of an image back to the slice; the inverse of `to_image`.

        Parameters
        ----------
        index : int
            Which slice of the series.
        point : (2,) float
            Column and row in the image, px.

        Returns
        -------
        (column, row) : float
            In the slice, px.
        """
        center = self.center(index)
        return self.cutter.unplace(index, center, (point[0], point[1]), self.mm, self.px)

    def closeness(self, index: int, point: NDArray[np.float64], spread_mm: float) -> NDArray[np.float64]:
        """Weigh the cells of a heatmap by how close they are to a point, to prefer peaks in its neighborhood.

        Parameters
        ----------
        index : int
            Which slice of the series.
        point : (2,) float
            Column and row in the slice, px.
        spread_mm : float
            Standard deviation of the Gaussian, mm.

        Returns
        -------
        (px / STRIDE, px / STRIDE) float64
            1 at the point, exp(-1/2) at `spread_mm` from it.
        """
        return self.closeness_to(*self.to_image(index, point), spread_mm)

    def closeness_to(self, x: float, y: float, spread_mm: float) -> NDArray[np.float64]:
        """Weigh the cells of a heatmap by how close they are to a point of the image.

        Parameters
        ----------
        x, y : float
            Column and row in the image, px.
        spread_mm : float
            Standard deviation of the Gaussian, mm.

        Returns
        -------
        (px / STRIDE, px / STRIDE) float64
            1 at the point, exp(-1/2) at `spread_mm` from it.
        """
        cells = np.arange(self.px // STRIDE) * STRIDE + (STRIDE - 1) / 2
        squared_mm = ((cells[None] - x) ** 2 + (cells[:, None] - y) ** 2) * (self.mm / self.px) ** 2
        return np.exp(-0.5 * squared_mm / spread_mm**2)
