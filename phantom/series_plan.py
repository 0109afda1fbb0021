"""What is asked of a scanner: its vendor's habits, the timing of a sequence, and the slices of a series."""

from __future__ import annotations

from dataclasses import dataclass

from lsdc.cohort.geometry import SlicePlane
from lsdc.cohort.vocabulary import View


@dataclass(frozen=True)
class Vendor:
    """Habits of a manufacturer.

    Parameters
    ----------
    name : str
        The DICOM attribute Manufacturer.
    peak : float
        Stored value that the 99th percentile of a series is scaled to.
    signed : bool
        Whether pixels are stored as signed 16-bit integers.
    rescale : bool
        Whether files carry RescaleSlope and RescaleIntercept.
    uniform : bool
        Whether the coil's shading is mostly corrected.
    """

    name: str
    peak: float
    signed: bool
    rescale: bool
    uniform: bool


VENDORS = (
    Vendor("SIEMENS", 900.0, signed=False, rescale=False, uniform=False),
    Vendor("GE MEDICAL SYSTEMS", 3200.0, signed=True, rescale=False, uniform=True),
    Vendor("Philips", 1800.0, signed=False, rescale=True, uniform=True),
    Vendor("TOSHIBA", 9000.0, signed=False, rescale=False, uniform=False),
)


@dataclass(frozen=True)
class Contrast:
    """Timing of a spin echo sequence and the field it is run in.

    Parameters
    ----------
    tr, te : float
        Repetition and echo time, ms.
    ti : float or None
        Inversion time, ms; None where there is no inversion pulse.
    field : float
        Tesla.
    echo_train : int
        Echoes per excitation; written to the files' headers only.
    """

    tr: float
    te: float
    ti: float | None
    field: float
    echo_train: int


@dataclass(frozen=True)
class SeriesPlan:
    """One series to acquire.

    Parameters
    ----------
    view : View
        As the competition's table describes it.
    name : str
        SeriesDescription of the files.
    contrast : Contrast
        Timing and field.
    planes : tuple of SlicePlane
        In the order of the instance numbers; with the spacing of the reconstructed pixels, mm.
    shape : (int, int)
        Reconstructed rows and columns, px.
    acquired : (float, float)
        Acquired fraction of the reconstructed matrix along rows and columns.
    thickness, gap : float
        Thickness of a slice and distance between the edges of neighbors, mm.
    phase_axis : int
        Image axis of the phase encoding, along which ghosts and fold-over appear: 0 rows, 1 columns.
    saturated : bool
        Whether a band in front of the spine is saturated.
    """

    view: View
    name: str
    contrast: Contrast
    planes: tuple[SlicePlane, ...]
    shape: tuple[int, int]
    acquired: tuple[float, float]
    thickness: float
    gap: float
    phase_axis: int
    saturated: bool
