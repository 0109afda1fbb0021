"""Splitting a series into stacks of parallel slices, in anatomical order, one slice per position."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.dicom.image_planes import SAME_PLACE_MM, Oriented, Placed
from lsdc.cohort.geometry import anatomical_normal, plane_of

SAME_ORIENTATION_DEG = 5.0
"""Slices whose normals differ by less belong to one stack."""
SAME_ECHO_MS = 10.0
"""Images whose echo times differ by more show different contrasts."""
_BESIDE_MM = 30.0
_MOST_GROUPS = 64
"""More orientations, or more stacks at the same positions, are no series of slices: what is left joins the others."""
_OFTEN = 3
_MOST_SCOUT_SLICES = 12


def split_orientations(images: Sequence[Oriented]) -> list[list[Oriented]]:
    """Group images by their normal.

    Parameters
    ----------
    images : sequence of Oriented
        All images of a series.

    Returns
    -------
    list of list of Oriented
        The largest group first, at most `_MOST_GROUPS`; within a group the images' order is kept.
    """
    groups: list[list[Oriented]] = []
    normals = np.empty((_MOST_GROUPS, 3))
    limit = math.cos(math.radians(SAME_ORIENTATION_DEG))
    for image in images:
        normal = image.normal
        likeness = np.abs(normals[: len(groups)] @ normal)
        if len(groups) == _MOST_GROUPS or (len(likeness) and likeness.max() > limit):
            groups[int(np.argmax(likeness))].append(image)
        else:
            normals[len(groups)] = normal
            groups.append([image])
    return sorted(groups, key=len, reverse=True)


def untangle(stack: Sequence[Placed]) -> list[list[Placed]]:
    """Split parallel slices that show something else: another echo at the same positions, or a place beside.

    Parameters
    ----------
    stack : sequence of Placed
        Parallel slices in any order, at least one.

    Returns
    -------
    list of list of Placed
        The largest part first, images in the order given.
    """
    along = positions(stack)
    order = np.argsort(along, kind="stable")
    together = bool((np.diff(along[order]) < SAME_PLACE_MM).any())
    centers = [_center(item) for item in stack]
    normal = stack[0].slice.plane.normal
    across = np.array([center - normal * (normal @ center) for center in centers])
    if not together and np.ptp(across, axis=0).max() < _BESIDE_MM:
        return [list(stack)]
    groups: list[list[int]] = []
    nearest: list[int] = []  # of each group the first of those that lie farthest along, as `order` ascends
    for k in map(int, order):
        for number, group in enumerate(groups):
            beside = float(np.linalg.norm(across[nearest[number]] - across[k])) >= _BESIDE_MM
            other = together and _other_echo(stack[nearest[number]], stack[k])
            if len(groups) == _MOST_GROUPS or not (beside or other):
                group.append(k)
                if along[k] > along[nearest[number]]:
                    nearest[number] = k
                break
        else:
            groups.append([k])
            nearest.append(k)
    return sorted(([stack[k] for k in sorted(group)] for group in groups), key=len, reverse=True)


def in_order(stack: Sequence[Placed]) -> list[Placed]:
    """Order slices from right to left (sagittal) or foot to head (axial), and drop duplicate positions.

    Parameters
    ----------
    stack : sequence of Placed
        Parallel slices in any order, at least one.

    Returns
    -------
    list of Placed
        One per position: of slices at the same one that with the stack's usual image size, then that with the lowest
        instance number.
    """
    along = positions(stack)
    usual = Counter(item.slice.pixels.shape for item in stack).most_common(1)[0][0]
    groups: list[list[int]] = []
    for k in np.argsort(along, kind="stable"):
        if groups and along[k] - along[groups[-1][0]] < SAME_PLACE_MM:
            groups[-1].append(int(k))
        else:
            groups.append([int(k)])
    return [
        stack[
            min(group, key=lambda k: (stack[k].slice.pixels.shape != usual, stack[k].slice.instance_number))
        ]
        for group in groups
    ]


def positions(stack: Sequence[Placed]) -> NDArray[np.float64]:
    """Measure where slices lie along the first one's anatomical normal.

    Parameters
    ----------
    stack : sequence of Placed
        Parallel slices in any order, at least one.

    Returns
    -------
    (n,) float64
        mm, growing towards the patient's left (sagittal), head (axial) or back (coronal).
    """
    plane = stack[0].slice.plane
    normal = anatomical_normal((plane.row_direction, plane.column_direction))
    return np.array([float(normal @ np.asarray(item.slice.plane.origin)) for item in stack])


def repeats(stack: Sequence[Placed]) -> str:
    """Say whether images at the same positions were taken again and again, as in a dynamic acquisition.

    Parameters
    ----------
    stack : sequence of Placed
        Parallel slices of one echo, at least one.

    Returns
    -------
    str
        Words for it; empty where there are not three times as many images as positions.
    """
    if len(stack) < _OFTEN:
        return ""
    if any("no_position" in item.flags for item in stack):
        stated = {item.header.position for item in stack}
        return "all images at one place" if len(stated) == 1 and None not in stated else ""
    places = 1 + int((np.diff(np.sort(positions(stack))) >= SAME_PLACE_MM).sum())
    return "repeated images" if len(stack) >= _OFTEN * places else ""


def is_scout(stacks: Sequence[tuple[NDArray[np.float64], int]]) -> bool:
    """Recognize a localizer by its planes: a few slices each of all three.

    Parameters
    ----------
    stacks : sequence of ((3,) float64, int)
        Normal and number of slices of each stack of a series.

    Returns
    -------
    bool
        True where there are sagittal, axial and coronal slices, and of no plane more than 12.
    """
    counts: Counter[str] = Counter()
    for normal, slices in stacks:
        counts[plane_of(normal)] += slices
    return len(counts) == 3 and max(counts.values()) <= _MOST_SCOUT_SLICES


def _other_echo(one: Placed, other: Placed) -> bool:
    """Judge whether two parallel slices have different contrasts."""
    echoes = one.header.acquisition["echo_time_ms"], other.header.acquisition["echo_time_ms"]
    return abs(echoes[0] - echoes[1]) > SAME_ECHO_MS


def _center(item: Placed) -> NDArray[np.float64]:
    rows, columns = item.slice.pixels.shape
    return item.slice.plane.to_patient([((columns - 1) / 2, (rows - 1) / 2)])[0]
