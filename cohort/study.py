"""What was read of a study: series of slices in anatomical order."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lsdc.cohort.geometry import SlicePlane
from lsdc.cohort.image_stacks import Images, PerView, stack_images
from lsdc.cohort.vocabulary import View
from lsdc.runtime import Problem
from lsdc.runtime.percentiles import percentiles

_WINDOW_SLICES, _WINDOW_STEP = 24, 4
"""The gray window is taken from so many slices at most, and from each so-manieth row and column of them."""
_LEAST_RELATIVE_WIDTH = 1e-6


_REMADE = 3
"""So many series with a frame of reference each are no chance: a patient who lies still has one."""


@dataclass(frozen=True, repr=False)
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
        The file that it was read from, with `#frame` for multi-frame files.
    series_id : str, optional
        The id of the series that it was stored in, where that was joined with others; see `Series.stored_in`.
    """

    pixels: NDArray[np.float32]
    plane: SlicePlane
    instance_number: int
    source: str
    series_id: str = ""

    def __repr__(self) -> str:
        """Give number, size and spacing in one line, never pixels."""
        rows, columns = self.pixels.shape
        row_mm, column_mm = self.plane.spacing
        return f"Slice({self.instance_number}, {rows} x {columns} px of {row_mm:.3g} x {column_mm:.3g} mm)"

    def contains(self, column: float, row: float) -> bool:
        """Tell whether a point lies in the image.

        Parameters
        ----------
        column, row : float
            px; (0, 0) is the center of the first pixel.

        Returns
        -------
        bool
            True up to the outer edges of the pixels at the border.
        """
        rows, columns = self.pixels.shape
        return -0.5 <= column <= columns - 0.5 and -0.5 <= row <= rows - 0.5


@dataclass(frozen=True, repr=False)
class Series:
    """Slices of one orientation, ordered by position along their common normal.

    Sagittal slices run from the patient's right to the left, axial ones from foot to head.

    Parameters
    ----------
    series_id : str
        The competition's series id, or the SeriesInstanceUID; the parts of a split series have the same one.
    view : View or None
        None where it could not be recognized.
    slices : tuple of Slice
        In anatomical order, at least one; images may differ in size.
    metadata : dict of str to float
        Allowlisted acquisition values (spacing, thickness, TE, TR, field strength, age, sex …); NaN where a value is
        not known. Empty by default.
    flags : frozenset of str
        What was missing and replaced (`lsdc.cohort.dicom.image_planes` says by what): `no_orientation`,
        `no_pixel_spacing`, `no_thickness`, `no_spacing_between`, `no_position`; `mended` where single slices
        took such values from the others; `odd_header` where they were written in a way the standard does not allow;
        `unrelated` where nothing says how it lies to other series; `duplicates_dropped`; `split` where one series
        became several; `joined` where several became one; `crowded` where its slices lie much closer than its header
        says, as if two series were in it, or hold several images at most places; `odd_field` where the
        pixel spacing does not fit the field of view that the header states; `view_guessed` where no table describes
        it. Empty by default.
    traits : frozenset of str
        What makes it suit its view better or worse than another series: `contrast_agent`, `fat_saturated`,
        `inversion`, `water`, `in_phase`, `derived`, and `lumbar` or `other_region` where the header names one; also
        `simulated` where `lsdc.simulate` made it. Empty by default.
    passed_over : str
        Why it is no view to grade, in words, such as `localizer`; empty for what is used, and where plane or contrast
        cannot be recognized.
    frame_of_reference : str
        FrameOfReferenceUID: places of two series compare where it is the same. Empty where it is not known.
    """

    series_id: str
    view: View | None
    slices: tuple[Slice, ...]
    metadata: dict[str, Any] = field(default_factory=dict)
    flags: frozenset[str] = frozenset()
    traits: frozenset[str] = frozenset()
    passed_over: str = ""
    frame_of_reference: str = ""

    def __repr__(self) -> str:
        """Give id, view and number of slices in one line."""
        return (
            f"Series({self.series_id!r}, {self.view or self.passed_over or 'no view'} x {len(self.slices)})"
        )

    @property
    def placed(self) -> bool:
        """Whether its place in the patient is known, so that points of other series can be found on it."""
        return not self.flags & {"no_position", "no_orientation", "unrelated"}

    def stored_in(self, index: int) -> str:
        """Name the series that a slice was stored in: of joined series, each slice has kept its own.

        Parameters
        ----------
        index : int
            Which of the slices.

        Returns
        -------
        str
            The id that its file tells, with which its instance number names one image.
        """
        return self.slices[index].series_id or self.series_id

    @cached_property
    def positions(self) -> NDArray[np.float64]:
        """Position of each slice along the first slice's normal, mm; shape (n,); read-only."""
        normal = self.slices[0].plane.normal
        positions = np.array([normal @ np.asarray(item.plane.origin) for item in self.slices])
        positions.flags.writeable = False  # it is computed once, and every caller gets the same array
        return positions

    @cached_property
    def step(self) -> float:
        """Usual distance between neighboring slices, mm: the median; 0 where there are fewer than two."""
        steps = np.abs(np.diff(self.positions))
        return float(np.median(steps)) if len(steps) else 0.0

    def nearest(self, point: ArrayLike) -> int:
        """Find the slice whose plane is nearest to a point.

        Parameters
        ----------
        point : (3,) float
            Position in mm in patient space (LPS).

        Returns
        -------
        int
            Index into `slices`.
        """
        return int(np.abs(self.distances(point)).argmin())

    def distances(self, point: ArrayLike) -> NDArray[np.float64]:
        """Measure how far a point is from the plane of each slice.

        Parameters
        ----------
        point : (3,) float
            Position in mm in patient space (LPS).

        Returns
        -------
        (n,) float64
            Signed distance in mm, positive on the side that the slice's normal points to.
        """
        origins, normals = self._planes
        return ((np.asarray(point, float) - origins) * normals).sum(axis=1)

    @cached_property
    def _planes(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Origins and normals of the slices, (n, 3) each."""
        planes = [item.plane for item in self.slices]
        return np.array([plane.origin for plane in planes], float), np.array(
            [plane.normal for plane in planes]
        )

    @cached_property
    def window(self) -> tuple[float, float]:
        """The gray window: the values, 1st and 99th percentile, that become black and white; never equal."""
        count = min(_WINDOW_SLICES, len(self.slices))
        chosen = np.unique(np.linspace(0, len(self.slices) - 1, count).round().astype(int))
        parts = [self.slices[index].pixels[::_WINDOW_STEP, ::_WINDOW_STEP].ravel() for index in chosen]
        low, high = map(float, percentiles(np.concatenate(parts), (1, 99)))
        return low, high if high > low else low + max(1.0, abs(low) * _LEAST_RELATIVE_WIDTH)


@dataclass(frozen=True, repr=False)
class Study:
    """All series of one examination that could be read.

    `lsdc.read_study` reads one from DICOM files, `from_images` makes one of arrays or PNG and JPEG files.

    Parameters
    ----------
    study_id : str
        The competition's study id (its folder), or the StudyInstanceUID.
    series : tuple of Series
        Any number, of any view.
    problems : tuple of Problem
        What was left out while reading; empty by default.
    """

    study_id: str
    series: tuple[Series, ...]
    problems: tuple[Problem, ...] = ()

    def __repr__(self) -> str:
        """Give id, views with their numbers of slices, and the number of problems in one line."""
        series = ", ".join(f"{item.view or 'no view'} x {len(item.slices)}" for item in self.series)
        return f"Study({self.study_id!r}, {series or 'no series'}; problems: {len(self.problems)})"

    def may_share_coordinates(self, one: Series, other: Series) -> bool:
        """Tell whether places of two series compare, as far as their frames of reference tell.

        Parameters
        ----------
        one, other : Series
            Of this study.

        Returns
        -------
        bool
            False where both have known frames of reference that differ. Where each of three series or more has its
            own, these UIDs were made anew, as in the competition's files, and tell nothing.
        """
        # The stacks of one series are several here.
        pairs = {(item.series_id, item.frame_of_reference) for item in self.series if item.frame_of_reference}
        remade = len(pairs) >= _REMADE and len({frame for _, frame in pairs}) == len(pairs)
        known = one.frame_of_reference and other.frame_of_reference
        return remade or not known or one.frame_of_reference == other.frame_of_reference

    @classmethod
    def from_images(
        cls,
        images: Images | PerView[Images],
        view: View | str | None = None,
        *,
        spacing: tuple[float, float] | PerView[tuple[float, float]],
        slice_distance: float | PerView[float] = 4.0,
        order: str | PerView[str] | None = None,
        study_id: str = "images",
    ) -> Self:
        """Make a study of images that are not DICOM: arrays, or PNG and JPEG files.

        The images must be upright: sagittal ones with anterior at the left and the head up, axial ones with the
        patient's left at the right and anterior up. Each view becomes a series of parallel, upright slices centered on
        the origin of patient space.

        Parameters
        ----------
        images : sequence of array or path, or path, or mapping of View or str to these
            The slices of one view: (rows, columns) arrays of any numeric dtype, paths of gray or color PNG or JPEG
            files, or a folder of such files, taken in natural order of their names. A mapping holds the slices of
            several views. All slices of a view must be of the same dtype, as their values are compared.
        view : View or str, optional
            The view of the images, such as `View.SAGITTAL_T2` or `Sagittal T2/STIR`; needed unless `images` is a
            mapping.
        spacing : (float, float), or mapping of View or str to that
            mm between rows, mm between columns; one for all views, or one for each.
        slice_distance : float, or mapping of View or str to that
            mm between the centers of neighboring slices; one for all views, or one for each. By default 4, which is
            usual in lumbar studies.
        order : str, or mapping of View or str to that, optional
            Sides between which the images given run: `right_to_left` (the default) or `left_to_right` for sagittal
            views, `foot_to_head` (the default) or `head_to_foot` for the axial one. A wrong order swaps left and
            right, or head and foot.
        study_id : str, default "images"
            Beginning of the row ids of the study.

        Returns
        -------
        Study
            One series per view, slices in anatomical order, numbered from 1 as given, with the flag `no_thickness`.
            Several series also carry the flag `unrelated`, as nothing says how they lie to each other: no point is
            projected from one to another.

        Raises
        ------
        ImagesError
            When a file is no PNG or JPEG image or cannot be read, an array is not 2-D or not numeric, dtypes differ,
            spacing or distance is not positive, or view or order is unknown.

        Examples
        --------
        >>> slices = [np.zeros((320, 300), np.uint8)] * 15
        >>> Study.from_images(slices, "Sagittal T2/STIR", spacing=(0.6, 0.6), slice_distance=4.5)
        Study('images', Sagittal T2/STIR x 15; problems: 0)
        """
        stacks = stack_images(images, view, spacing, slice_distance, order)
        flags = frozenset({"no_thickness"} | ({"unrelated"} if len(stacks) > 1 else set()))
        series = (
            Series(
                str(number),
                stack.view,
                tuple(
                    Slice(image.pixels, plane, image.number, image.source)
                    for image, plane in zip(stack.images, stack.planes)
                ),
                stack.metadata,
                flags,
            )
            for number, stack in enumerate(stacks, start=1)
        )
        return cls(study_id, tuple(series))

    def of_view(self, view: View) -> list[Series]:
        """Select the series of one view.

        Parameters
        ----------
        view : View
            The view.

        Returns
        -------
        list of Series
            In the order of `series`; may be empty.
        """
        return [item for item in self.series if item.view is view]
