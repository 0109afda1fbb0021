"""The slices of a series as NIfTI volumes, as dcm2niix makes them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.export.image_rows import image_row
from lsdc.cohort.export.regular_stacks import affine_of, regular_stacks
from lsdc.cohort.study import Series
from lsdc.runtime.errors import Problem

_SCANNER = 1
"""The code for coordinates of the scanner."""
_REMEDY = "export it as pictures, which need no regular stack"
_LEAST_SLICES = 3
"""A series whose volumes would have fewer slices than this on average is no stack."""


def write_volumes(
    series: Series, folder: Path, name: str, root: Path, by_place: bool
) -> tuple[list[dict[str, Any]], list[Problem]]:
    """Write a series as one NIfTI volume, or several where its slices are no regular stack.

    Voxels, their order and the affine are those of dcm2niix: rows from below, slices along row direction x column
    direction, millimeters towards right, anterior and head. Values are rescaled; whole numbers are stored as such.

    Parameters
    ----------
    series : Series
        The series.
    folder : Path
        The study's folder.
    name : str
        Name of the file, to which `.nii.gz` is added, and a number where there are several.
    root : Path
        The folder that is exported.
    by_place : bool
        Whether dcm2niix orders such slices by their place, as those of Philips, and not by their instance numbers.

    Returns
    -------
    rows : list of dict
        A row for each slice, whose path begins at `folder`.
    problems : list of Problem
        Why the series, or slices of it, are left out.
    """
    place = series.slices[0].source
    if series.flags & {"no_position", "no_orientation"}:
        reason = f"series {series.series_id}: its headers do not say where its slices lie; there is no volume of it"
        return [], [Problem(place, reason, _REMEDY)]
    stacks, left = regular_stacks(series)
    problems = []
    count, pieces = len(series.slices), len(stacks)
    if count > 1 and (not stacks or (pieces > 1 and count < _LEAST_SLICES * pieces)):
        reason = (
            f"series {series.series_id}: its {count} slices lie at unequal steps; there is no volume of it"
        )
        return [], [Problem(place, reason, _REMEDY)]
    if left:
        reason = f"series {series.series_id}: {len(left)} of its slices belong to no regular stack, and to no volume"
        problems.append(Problem(place, reason, _REMEDY))
    rows = []
    for number, stack in enumerate(sorted(stacks, key=min), start=1):
        path = f"{name}{f'_{number}' if len(stacks) > 1 else ''}.nii.gz"
        slices = [series.slices[index] for index in stack]
        voxels = np.stack([item.pixels[::-1].T for item in slices], axis=2)
        volume = nibabel.Nifti1Image(
            _stored(voxels), affine_of(slices, _thickness(series), by_place=by_place)
        )
        volume.header.set_xyzt_units("mm", "sec")
        volume.set_qform(volume.affine, _SCANNER)
        volume.set_sform(volume.affine, _SCANNER)
        nibabel.save(volume, folder / path)
        rows += [image_row(path, k, series, index, 1.0, 0.0, root) for k, index in enumerate(stack)]
    return rows, problems


def _thickness(series: Series) -> float:
    """Find how thick a single slice is, mm; NaN where no header says so."""
    names = ("spacing_between_slices_mm", "slice_thickness_mm")
    found = [float(series.metadata.get(name, math.nan)) for name in names]
    return next((value for value in found if value > 0), math.nan)


def _stored(voxels: NDArray[np.float32]) -> NDArray[Any]:
    """Store whole numbers in 16 bits where they fit; other values stay as they are."""
    low, high = float(voxels.min()), float(voxels.max())
    if (voxels == np.rint(voxels)).all():
        for dtype in (np.int16, np.uint16, np.int32):
            limits = np.iinfo(dtype)
            if limits.min <= low and high <= limits.max:
                return voxels.astype(dtype)
    return voxels
