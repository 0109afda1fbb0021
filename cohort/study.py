"""What was read of a study: series of slices in anatomical order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.geometry import Array, SlicePlane
from lsdc.cohort.vocabulary import View
from lsdc.runtime import Problem

Pixels = NDArray[np.float32]


@dataclass(frozen=True)
class Slice:
    """One image with its plane.

    Parameters
    ----------
    pixels : (rows, columns) float32
        Rescaled values; larger is brighter (MONOCHROME1 is inverted).
    plane : SlicePlane
        Its place in the patient.
    instance_number : int
        The file's InstanceNumber: a label, not geometry.
    source : str
        File it came from, with `#frame` for multi-frame files.
    """

    pixels: Pixels
    plane: SlicePlane
    instance_number: int
    source: str


@dataclass(frozen=True)
class Series:
    """Slices of one orientation, ordered by position along their common normal.

    Sagittal slices run from the patient's right to the left, axial ones from foot to head.

    Parameters
    ----------
    series_id : str
        The competition's series id, or the SeriesInstanceUID; the parts of a split series share it.
    view : View or None
        None where it could not be told.
    slices : tuple of Slice
        In anatomical order; images may differ in size.
    metadata : dict
        Allowlisted acquisition values (spacing, thickness, TE, TR, field strength, age, sex …).
    flags : frozenset of str
        What was missing and replaced (`lsdc.cohort.dicom.image_planes` says by what): `no_orientation`,
        `no_pixel_spacing`, `no_thickness`, `no_spacing_between`, `no_position`; `mended` where single slices
        took such values from the others; `duplicates_dropped`; `split` where one series became several;
        `view_guessed` where no table describes it.
    """

    series_id: str
    view: View | None
    slices: tuple[Slice, ...]
    metadata: dict[str, Any] = field(default_factory=dict)
    flags: frozenset[str] = frozenset()

    @property
    def placed(self) -> bool:
        """Whether its place in the patient is known, so that points of other series can be found on it."""
        return not self.flags & {"no_position", "no_orientation"}

    @property
    def positions(self) -> Array:
        """Position of each slice along the first slice's normal, mm; shape (n,)."""
        normal = self.slices[0].plane.normal
        return np.array([normal @ np.asarray(item.plane.origin) for item in self.slices])

    def nearest(self, point: Array) -> int:
        """Index of the slice whose plane is nearest to a patient position (3,), mm."""
        return int(np.argmin([abs(item.plane.distance(point)[0]) for item in self.slices]))


@dataclass(frozen=True)
class Study:
    """All series of one examination that could be read.

    Parameters
    ----------
    study_id : str
        The competition's study id (its folder), or the StudyInstanceUID.
    series : tuple of Series
        Any number, of any view.
    problems : tuple of Problem
        What was left out while reading.
    """

    study_id: str
    series: tuple[Series, ...]
    problems: tuple[Problem, ...] = ()

    def of_view(self, view: View) -> list[Series]:
        """The series of one view, in the order found; may be empty."""
        return [item for item in self.series if item.view is view]
