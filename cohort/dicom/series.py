"""Reading one series: files to images, images to stacks of slices in anatomical order."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lsdc.cohort.dicom.files import natural_key
from lsdc.cohort.dicom.frames import Frame, read_file
from lsdc.cohort.dicom.headers import Header
from lsdc.cohort.dicom.image_planes import Oriented, Placed, known_spacings, orient, place
from lsdc.cohort.dicom.opening import UnreadableError
from lsdc.cohort.dicom.stacks import SAME_ECHO_MS, in_order, positions, split_orientations, untangle
from lsdc.cohort.dicom.views import describe_view, guess_view
from lsdc.cohort.geometry import plane_of
from lsdc.cohort.study import Series
from lsdc.cohort.vocabulary import View
from lsdc.runtime import Problem


@dataclass(frozen=True)
class _Stack:
    """Parallel slices that become one `Series`."""

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
        Files of the series, in any order.
    description : str or None
        The view's name from the cohort's table, which is trusted; where it names none, the headers decide.

    Returns
    -------
    series : list of Series
        The largest stack of each orientation first. Stacks that do not lie in the described plane, beside
        others that do, have no view. Empty where no file gives an image.
    problems : list of Problem
        One per file that could not be used.
    """
    images, problems = _read_images(files)
    frames = _without_copies(images)
    if not frames:
        return [], problems
    described = describe_view(description)
    stacks = _split(frames, described)
    flags: frozenset[str] = frozenset()
    if not described:
        flags |= {"view_guessed"}
    if len(frames) < len(images):
        flags |= {"duplicates_dropped"}
    if len(stacks) > 1:
        flags |= {"split"}
    return [_assemble(series_id, stack, flags) for stack in stacks], problems


def _read_images(files: Sequence[Path]) -> tuple[list[Frame], list[Problem]]:
    """Read all images of the files, in natural order of their names, and record what cannot be read."""
    images: list[Frame] = []
    problems: list[Problem] = []
    for path in sorted(files, key=natural_key):
        try:
            images.extend(read_file(path))
        except UnreadableError as error:
            problems.append(error.problem(path))
    return images, problems


def _without_copies(images: list[Frame]) -> list[Frame]:
    """Drop images that were stored before: same place, same pixels."""
    kept: list[Frame] = []
    by_place: dict[object, list[Frame]] = {}
    for image in images:
        same_place = by_place.setdefault((image.header.position, image.header.orientation), [])
        if image.header.position is None or not any(
            np.array_equal(image.pixels, other.pixels) for other in same_place
        ):
            kept.append(image)
            same_place.append(image)
    return kept


def _split(frames: list[Frame], described: View | None) -> list[_Stack]:
    """Split images into stacks by orientation, then by what they show at the same positions."""
    frames = sorted(
        frames, key=lambda frame: math.inf if frame.instance_number is None else frame.instance_number
    )
    groups = split_orientations(orient(frames, described.plane if described else None))
    spacings = known_spacings(frames)
    stacks: list[_Stack] = []
    for group in groups:
        parts = untangle(place(group, spacings))
        view = _described_view(described, group, groups) if described else _guessed_view(group)
        best = _of_weighting(view, parts)
        for part in parts:
            has_view = part is best or not _other_echo(part, best)
            stacks.append(_Stack(view if has_view else None, part))
    return stacks


def _described_view(described: View, group: list[Oriented], groups: list[list[Oriented]]) -> View | None:
    """Give the described view to groups in its plane; to all groups where none is."""
    in_plane = [plane_of(other[0].normal) == described.plane for other in groups]
    return described if plane_of(group[0].normal) == described.plane or not any(in_plane) else None


def _guessed_view(group: list[Oriented]) -> View | None:
    """Guess the view that most images of a group have by their headers."""
    views = Counter(
        guess_view(image.frame.header, None if "no_orientation" in image.flags else image.axes)
        for image in group
    )
    return views.most_common(1)[0][0]


def _echo(part: list[Placed]) -> float:
    """Take the median echo time of a stack, ms; NaN where no header gives one."""
    echoes = [item.header.acquisition["echo_time_ms"] for item in part]
    finite = [echo for echo in echoes if math.isfinite(echo)]
    return float(np.median(finite)) if finite else math.nan


def _of_weighting(view: View | None, parts: list[list[Placed]]) -> list[Placed]:
    """Choose, of several echoes at the same positions, that which fits the view best."""
    sign = -1 if view is View.SAGITTAL_T1 else 1
    return max(parts, key=lambda part: sign * _echo(part) if math.isfinite(_echo(part)) else -math.inf)


def _other_echo(part: list[Placed], best: list[Placed]) -> bool:
    return abs(_echo(part) - _echo(best)) > SAME_ECHO_MS


def _assemble(series_id: str, stack: _Stack, flags: frozenset[str]) -> Series:
    """Order the slices of a stack and pool what their headers say."""
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
    """Take the median of what the slices' headers give, so that one damaged header does not count."""
    result = {}
    for name in headers[0].acquisition:
        values = [header.acquisition[name] for header in headers]
        finite = [value for value in values if math.isfinite(value)]
        result[name] = float(np.median(finite)) if finite else math.nan
    return result | {"n_slices": float(len(headers))}
