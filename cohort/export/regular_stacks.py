"""Splitting a series into what a volume can hold: parallel slices of one size, at equal steps."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from lsdc.cohort.geometry import Floats
from lsdc.cohort.study import Series, Slice

_SAME_DIRECTION = 1e-3
"""Unit vectors that differ by no more are parallel."""
_SAME_SPACING = 1e-3
_STEP_MM, _STEP_PART = 0.02, 0.005
"""Steps between slices are equal within so many mm, or that part of the step."""
_LEAST = 2


def regular_stacks(series: Series) -> tuple[list[list[int]], list[int]]:
    """Split a series into regular stacks.

    Parameters
    ----------
    series : Series
        Slices in anatomical order.

    Returns
    -------
    stacks : list of list of int
        Indices of slices that a volume can hold, in the order of the volume: along row direction x column direction.
        A series of a single slice is a stack.
    left : list of int
        Indices of slices that lie at no equal step from another.
    """
    slices = series.slices
    stacks: list[list[int]] = []
    for group in _alike(slices):
        stacks += _runs(slices, group)
    if len(slices) == 1:
        return stacks, []
    left = sorted(index for stack in stacks if len(stack) < _LEAST for index in stack)
    return [stack for stack in stacks if len(stack) >= _LEAST], left


def affine_of(slices: Sequence[Slice], thickness: float = math.nan, *, by_place: bool = False) -> Floats:
    """Compute where the voxels of a volume lie, as dcm2niix does: rows from the lowest up, in RAS.

    It takes origin and step of the slice with the lowest instance number and that beside it; of a stack whose steps
    are not quite equal, the other end is therefore less exact.

    Parameters
    ----------
    slices : sequence of Slice
        A regular stack, in the order of the volume.
    thickness : float
        The third side of the voxels of a single slice, mm; 1 where it is not known.
    by_place : bool
        Take origin and step of the first slice of the stack whatever the instance numbers are, as dcm2niix does for
        images of Philips.

    Returns
    -------
    (4, 4) float64
        From voxel (column, row from below, slice) to mm towards the patient's right, front and head.
    """
    first = slices[0].plane
    rows, steps = slices[0].pixels.shape[0], len(slices) - 1
    across = np.asarray(first.row_direction) * first.spacing[1]
    down = np.asarray(first.column_direction) * first.spacing[0]
    origins = np.array([item.plane.origin for item in slices])
    backwards = not by_place and slices[0].instance_number > slices[-1].instance_number
    pair = origins[-2:] if backwards else origins[:2]
    # In single precision, as dcm2niix computes it: far from the isocenter that makes a difference of 1e-5 mm a slice.
    step = float(np.linalg.norm(np.diff(pair.astype(np.float32), axis=0))) if steps else thickness
    through = first.normal * (step if step > 0 else 1.0)
    origin = origins[-1] - steps * through if backwards else origins[0]
    affine = np.eye(4)
    affine[:3] = np.stack([across, -down, through, origin + (rows - 1) * down], axis=1)
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine


def _alike(slices: tuple[Slice, ...]) -> list[list[int]]:
    """Group slices of one size, spacing and orientation, each group along its normal."""
    groups: list[list[int]] = []
    for index, item in enumerate(slices):
        for group in groups:
            if _is_alike(slices[group[0]], item):
                group.append(index)
                break
        else:
            groups.append([index])
    for group in groups:
        normal = slices[group[0]].plane.normal
        group.sort(key=lambda index: float(normal @ np.asarray(slices[index].plane.origin)))
    return groups


def _is_alike(one: Slice, other: Slice) -> bool:
    """Tell whether two slices can lie in one volume."""
    first, second = one.plane, other.plane
    axes = np.abs(
        np.subtract(
            (first.row_direction, first.column_direction), (second.row_direction, second.column_direction)
        )
    )
    spacing = np.abs(np.subtract(first.spacing, second.spacing))
    return (
        one.pixels.shape == other.pixels.shape
        and axes.max() <= _SAME_DIRECTION
        and spacing.max() <= _SAME_SPACING * min(first.spacing)
    )


def _runs(slices: tuple[Slice, ...], group: list[int]) -> list[list[int]]:
    """Cut a group where the step from slice to slice changes."""
    origins = np.array([slices[index].plane.origin for index in group])
    runs, start = [], 0
    for end in range(1, len(group) + 1):
        if end - start >= _LEAST and end < len(group):
            step, usual = origins[end] - origins[end - 1], origins[start + 1] - origins[start]
            allowed = max(_STEP_MM, _STEP_PART * float(np.linalg.norm(usual)))
            if float(np.linalg.norm(step - usual)) <= allowed:
                continue
        elif end < len(group):
            continue
        runs.append(group[start:end])
        start = end
    return runs
