"""Reading one series: files to slices, slices to stacks in anatomical order."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from lsdc.cohort.geometry import orientation_view
from lsdc.cohort.headers import (
    FALLBACK_THICKNESS,
    acquisition,
    describe_view,
    guess_view,
    numbers,
    read_plane,
)
from lsdc.cohort.pixels import UnreadableError, read_dataset, read_frames
from lsdc.cohort.study import Series, Slice
from lsdc.cohort.vocabulary import View
from lsdc.runtime import Problem

DUPLICATE_MM = 0.05
"""Slices closer than this, mm, hold the same position; the first is kept."""
_ANGLE_COSINE = 0.94
"""Slices whose normals differ by less than 20 degrees belong to one stack."""
_READ = tuple[Slice, frozenset[str], dict[str, Any], str]


def read_series(
    series_id: str, files: Sequence[Path], description: str | None
) -> tuple[list[Series], list[Problem]]:
    """Read a series; several stacks or orientations in it become several `Series` of the same id.

    Parameters
    ----------
    series_id : str
        Kept as it is.
    files : sequence of Path
        Any order.
    description : str or None
        The view's name from the cohort's table; where it names none, the headers decide.

    Returns
    -------
    series : list of Series
        Without those of other planes than the view's, when the series mixes planes.
    problems : list of Problem
        One per file that could not be used.
    """
    described = describe_view(description)
    read: list[_READ] = []
    problems: list[Problem] = []
    views: list[View | None] = []
    for path in sorted(files):
        try:
            dataset = read_dataset(path)
            if dataset.get("Modality") not in (None, "", "MR"):
                reason = f"not an MR image (modality {dataset.get('Modality')})"
                raise UnreadableError(Problem(str(path), reason, "nothing to do; it is left out"))
            view = described or describe_view(str(dataset.get("SeriesDescription") or ""))
            read.extend(_slices(dataset, path, view))
            views.append(view or guess_view(_frame_header(dataset, 0)))
        except UnreadableError as error:
            problems.append(error.problem)
    if not read:
        return [], problems or [Problem(series_id, "the series holds no file", "copy the series again")]
    view = described or max(set(views), key=views.count)
    guessed = frozenset() if described else frozenset({"view_guessed"})
    stacks = _stacks(read)
    extra = guessed | (frozenset({"split"}) if len(stacks) > 1 else frozenset())
    series = [_assemble(series_id, view, stack, extra) for stack in stacks]
    return [_drop_other_planes(item, described) for item in series], problems


def _drop_other_planes(series: Series, described: View | None) -> Series:
    # A described series is trusted whatever its header says; a guessed one must lie in the plane of its view.
    if described or series.view is None or "no_orientation" in series.flags:
        return series
    plane = series.slices[0].plane
    found = orientation_view(plane.row_direction, plane.column_direction)
    return series if series.view.value.lower().startswith(found) else replace(series, view=None)


def _slices(dataset: Dataset, path: Path, view: View | None) -> Iterator[_READ]:
    frames = read_frames(dataset, path)
    for k, pixels in enumerate(frames):
        header = _frame_header(dataset, k) if len(frames) > 1 or _groups(dataset) else dataset
        plane, flags = read_plane(header, view)
        number = numbers(dataset, "InstanceNumber")
        instance = int(number[0]) if number else int(path.stem) if path.stem.isdigit() else 0
        if len(frames) > 1:
            instance = k + 1
        source = f"{path}#{k + 1}" if len(frames) > 1 else str(path)
        yield Slice(pixels, plane, instance, source), flags, acquisition(header), source


def _groups(dataset: Dataset) -> bool:
    return dataset.get("PerFrameFunctionalGroupsSequence") is not None


def _frame_header(dataset: Dataset, k: int) -> Dataset:
    """The attributes of one frame of an enhanced file, flattened; the dataset itself when it is not one."""
    if not _groups(dataset):
        return dataset
    flat = Dataset()
    for name in ("PatientAge", "PatientSex", "MagneticFieldStrength", "Rows", "Columns", "SeriesDescription"):
        if name in dataset:
            setattr(flat, name, dataset.get(name))
    shared = dataset.get("SharedFunctionalGroupsSequence") or []
    own = dataset.PerFrameFunctionalGroupsSequence
    for group in [*shared[:1], *([own[k]] if k < len(own) else [])]:
        for element in group:
            if element.VR == "SQ" and element.value:
                flat.update(element.value[0])
    if "EffectiveEchoTime" in flat and "EchoTime" not in flat:
        flat.EchoTime = flat.EffectiveEchoTime
    return flat


def _stacks(read: list[_READ]) -> list[list[_READ]]:
    """Group slices whose normals agree; a stack per disc block of an axial series stays one while it does."""
    stacks: list[list[_READ]] = []
    normals: list[np.ndarray] = []
    for item in read:
        normal = item[0].plane.normal
        for stack, other in zip(stacks, normals):
            if abs(float(normal @ other)) > _ANGLE_COSINE:
                stack.append(item)
                break
        else:
            stacks.append([item])
            normals.append(normal)
    return sorted(stacks, key=len, reverse=True)


def _assemble(series_id: str, view: View | None, stack: list[_READ], flags: frozenset[str]) -> Series:
    found = flags.union(*(item[1] for item in stack))
    slices = [item[0] for item in stack]
    metadata = dict(stack[0][2])
    if any("no_position" in item[1] for item in stack):
        slices = _spread(slices, metadata)
    normal = _anatomical(slices[0].plane.normal)
    place = np.array([normal @ np.asarray(item.plane.origin) for item in slices])
    order = np.argsort(place, kind="stable")
    kept = [int(order[0])]
    for k in order[1:]:
        if _same_place(slices[kept[-1]], slices[int(k)]):
            found |= {"duplicates_dropped"}
        else:
            kept.append(int(k))
    ordered = tuple(slices[k] for k in kept)
    metadata["n_slices"] = float(len(ordered))
    if math.isnan(metadata["slice_thickness_mm"]):
        found |= {"no_thickness"}
    if math.isnan(metadata["spacing_between_slices_mm"]):
        found |= {"no_spacing_between"}
        steps = np.diff(place[kept])
        if len(steps):
            metadata["spacing_between_slices_mm"] = float(np.median(steps))
    return Series(series_id, view, ordered, metadata, found)


def _anatomical(normal: np.ndarray) -> np.ndarray:
    axis = int(np.argmax(np.abs(normal)))
    return normal * np.sign(normal[axis])


def _same_place(one: Slice, other: Slice) -> bool:
    if one.pixels.shape != other.pixels.shape:
        return False
    apart = np.abs(np.subtract(one.plane.origin, other.plane.origin)).max()
    tilt = np.abs(np.subtract(one.plane.row_direction, other.plane.row_direction)).max()
    return bool(apart < DUPLICATE_MM and tilt < 0.01)


def _spread(slices: list[Slice], metadata: dict[str, Any]) -> list[Slice]:
    """Give slices without position a place along their normal by instance number."""
    step = metadata["spacing_between_slices_mm"]
    if math.isnan(step):
        step = metadata["slice_thickness_mm"]
    if math.isnan(step):
        step = FALLBACK_THICKNESS
    ordered = sorted(range(len(slices)), key=lambda k: slices[k].instance_number)
    result = list(slices)
    for rank, k in enumerate(ordered):
        plane = slices[k].plane
        origin = plane.normal * rank * step
        result[k] = replace(slices[k], plane=replace(plane, origin=(origin[0], origin[1], origin[2])))
    return result
