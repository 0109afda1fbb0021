"""Reading one series: files to images, images to stacks of slices in anatomical order."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lsdc.cohort.dicom.files import natural
from lsdc.cohort.dicom.frames import Frame, read_file
from lsdc.cohort.dicom.headers import Header
from lsdc.cohort.dicom.image_planes import Oriented, Placed, known_spacings, orient, place
from lsdc.cohort.dicom.pixels import UnreadableError
from lsdc.cohort.dicom.stacks import in_order, positions, split_orientations, untangle
from lsdc.cohort.dicom.views import describe_view, guess_view, plane_of, plane_of_view
from lsdc.cohort.study import Series
from lsdc.cohort.vocabulary import View
from lsdc.runtime import Problem


@dataclass(frozen=True)
class _Stack:
    view: View | None
    slices: list[Placed]


def read_series(
    series_id: str, files: Sequence[Path], description: str | None
) -> tuple[list[Series], list[Problem]]:
    """Read a series; several stacks, orientations or echoes in it become several `Series` of the same id.

    Parameters
    ----------
    series_id : str
        Kept as it is.
    files : sequence of Path
        Any order.
    description : str or None
        The view's name from the cohort's table, which is trusted; where it names none, the headers decide.

    Returns
    -------
    series : list of Series
        The largest stack of each orientation first. Stacks that do not lie in the described plane, beside
        others that do, have no view.
    problems : list of Problem
        One per file that could not be used.
    """
    frames: list[Frame] = []
    problems: list[Problem] = []
    for path in sorted(files, key=natural):
        try:
            frames.extend(read_file(path))
        except UnreadableError as error:
            problems.append(error.problem)
    frames, copies = _without_copies(frames)
    if not frames:
        return [], problems
    described = describe_view(description)
    frames.sort(key=lambda frame: math.inf if frame.instance_number is None else frame.instance_number)
    groups = split_orientations(orient(frames, plane_of_view(described) if described else None))
    spacings = known_spacings(frames)
    stacks: list[_Stack] = []
    for group in groups:
        parts = untangle(place(group, spacings))
        view = _described_view(described, group, groups) if described else _guessed_view(group)
        best = _of_weighting(view, parts)
        stacks += [
            _Stack(view if part is best or not _other_echo(part, best) else None, part) for part in parts
        ]
    flags = frozenset() if described else frozenset({"view_guessed"})
    flags |= {"duplicates_dropped"} if copies else frozenset()
    flags |= {"split"} if len(stacks) > 1 else frozenset()
    return [_assemble(series_id, stack, flags) for stack in stacks], problems


def _without_copies(frames: list[Frame]) -> tuple[list[Frame], bool]:
    """Leave out images that were stored twice: same place, same pixels."""
    kept: list[Frame] = []
    places: dict[object, list[Frame]] = {}
    for frame in frames:
        same = places.setdefault((frame.header.position, frame.header.orientation), [])
        if frame.header.position is None or not any(np.array_equal(frame.pixels, x.pixels) for x in same):
            kept.append(frame)
            same.append(frame)
    return kept, len(kept) < len(frames)


def _described_view(described: View, group: list[Oriented], groups: list[list[Oriented]]) -> View | None:
    plane = plane_of_view(described)
    agree = [plane_of(item[0].normal) == plane for item in groups]
    return described if plane_of(group[0].normal) == plane or not any(agree) else None


def _guessed_view(group: list[Oriented]) -> View | None:
    views = Counter(
        guess_view(image.frame.header, None if "no_orientation" in image.flags else image.axes)
        for image in group
    )
    return views.most_common(1)[0][0]


def _echo(part: list[Placed]) -> float:
    echoes = [item.header.acquisition["echo_time_ms"] for item in part]
    finite = [echo for echo in echoes if math.isfinite(echo)]
    return float(np.median(finite)) if finite else math.nan


def _of_weighting(view: View | None, parts: list[list[Placed]]) -> list[Placed]:
    """Of several echoes at the same positions, that which fits the view best."""
    sign = -1 if view is View.SAGITTAL_T1 else 1
    return max(parts, key=lambda part: sign * _echo(part) if math.isfinite(_echo(part)) else -math.inf)


def _other_echo(part: list[Placed], best: list[Placed]) -> bool:
    return abs(_echo(part) - _echo(best)) > 10


def _assemble(series_id: str, stack: _Stack, flags: frozenset[str]) -> Series:
    ordered = in_order(stack.slices)
    if len(ordered) < len(stack.slices):
        flags |= {"duplicates_dropped"}
    flags = flags.union(*(item.flags for item in ordered))
    metadata = _metadata([item.header for item in ordered])
    if math.isnan(metadata["slice_thickness_mm"]):
        flags |= {"no_thickness"}
    if math.isnan(metadata["spacing_between_slices_mm"]):
        flags |= {"no_spacing_between"}
        if len(ordered) > 1:
            metadata["spacing_between_slices_mm"] = float(np.median(np.diff(positions(ordered))))
    return Series(series_id, stack.view, tuple(item.slice for item in ordered), metadata, flags)


def _metadata(headers: list[Header]) -> dict[str, float]:
    """The median of what the slices say, so that one damaged header does not count."""
    result = {}
    for name in headers[0].acquisition:
        said = [header.acquisition[name] for header in headers]
        finite = [item for item in said if math.isfinite(item)]
        result[name] = float(np.median(finite)) if finite else math.nan
    return result | {"n_slices": float(len(headers))}
