"""Reading one series: files to images, images to stacks of slices in anatomical order."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lsdc.cohort.dicom.files import natural_key
from lsdc.cohort.dicom.frames import Frame, read_file
from lsdc.cohort.dicom.headers import Header
from lsdc.cohort.dicom.image_planes import Oriented, Placed, known_spacings, orient, place
from lsdc.cohort.dicom.kinds import shown_by, traits_of
from lsdc.cohort.dicom.opening import UnreadableError
from lsdc.cohort.dicom.pixel_budget import MAX_SERIES_PIXELS, PixelBudget, TooManyPixelsError
from lsdc.cohort.dicom.stacks import (
    SAME_ECHO_MS,
    in_order,
    is_scout,
    positions,
    repeats,
    split_orientations,
    untangle,
)
from lsdc.cohort.dicom.views import describe_view, guess_view
from lsdc.cohort.geometry import plane_of
from lsdc.cohort.study import Series
from lsdc.cohort.vocabulary import View
from lsdc.runtime import Problem

_CROWD, _CROWDED = 6, 0.6
_FIELD_TOLERANCE = math.log(1.15)
"""Images are cut or filled up by a few rows; a wrong spacing is farther off."""
_RIVALS = 1.5
"""From so many different images per place on, which no echo, kind or number tells apart, two series are in one."""


@dataclass(frozen=True)
class _Stack:
    """Parallel slices that become one `Series`."""

    view: View | None
    passed_over: str
    slices: list[Placed]


def read_series(
    series_id: str, files: Sequence[Path], description: str | None, budget: PixelBudget | None = None
) -> tuple[list[Series], list[Problem]]:
    """Read a series; several stacks, orientations, echoes or kinds in it become several `Series` of the same id.

    Parameters
    ----------
    series_id : str
        Kept as it is.
    files : sequence of Path
        Files of the series, in any order.
    description : str or None
        The view's name from the cohort's table, which is trusted; where it names none, the headers decide.
    budget : PixelBudget, optional
        Of the study; by default the series' own size is the only limit.

    Returns
    -------
    series : list of Series
        The largest stack of each orientation first. Stacks that do not lie in the described plane, beside
        others that do, have no view. Empty where no file gives an image.
    problems : list of Problem
        One per file that could not be used; one in all where the series has too many pixels and is left out.
    """
    images, problems = _read_images(files, PixelBudget(MAX_SERIES_PIXELS, "series", budget))
    frames = _without_copies(images)
    dropped = {"duplicates_dropped"} if len(frames) < len(images) else set()
    return series_of(series_id, frames, description, frozenset(dropped)), problems


def series_of(
    series_id: str, frames: list[Frame], description: str | None, flags: frozenset[str] = frozenset()
) -> list[Series]:
    """Sort the images of a series into stacks, whether their pixels were read or not.

    Parameters
    ----------
    series_id : str
        Kept as it is.
    frames : list of Frame
        Images, none twice.
    description : str or None
        The view's name from the cohort's table, which is trusted; where it names none, the headers decide.
    flags : frozenset of str
        What is known of all of them; empty by default.

    Returns
    -------
    list of Series
        As `read_series` gives them; empty where there is no image.
    """
    if not frames:
        return []
    described = describe_view(description)
    stacks = _described(frames, described) if described else _by_headers(frames)
    if not described:
        flags |= {"view_guessed"}
    if len(stacks) > 1:
        flags |= {"split"}
    return [_assemble(series_id, stack, flags) for stack in stacks]


def _read_images(files: Sequence[Path], budget: PixelBudget) -> tuple[list[Frame], list[Problem]]:
    """Read all images of the files, in natural order of their names, and record what cannot be read."""
    images: list[Frame] = []
    problems: list[Problem] = []
    for path in sorted(files, key=natural_key):
        try:
            images.extend(read_file(path, budget))
        except TooManyPixelsError as error:
            budget.give_back()
            return [], [*problems, error.problem(path.parent)]
        except UnreadableError as error:
            problems.append(error.problem(path))
    return images, problems


def _without_copies(images: list[Frame]) -> list[Frame]:
    """Drop images that were stored before: same place, same pixels; in the order of their instance numbers."""
    places: dict[object, list[int]] = {}
    for k, image in enumerate(images):
        header = image.header
        place = (header.position, header.orientation, image.pixels.shape)
        places.setdefault(k if header.position is None else place, []).append(k)
    kept: list[int] = []
    for together in places.values():
        first = (
            {_digest(images[k]): k for k in reversed(together)} if len(together) > 1 else {b"": together[0]}
        )
        kept += first.values()
    return sorted(
        (images[k] for k in sorted(kept)),
        key=lambda frame: math.inf if frame.instance_number is None else frame.instance_number,
    )


def _digest(image: Frame) -> bytes:
    return hashlib.sha256(np.ascontiguousarray(image.pixels).data).digest()


def _described(frames: list[Frame], view: View) -> list[_Stack]:
    """Split the images of a series that a table describes; the table is trusted."""
    groups = split_orientations(orient(frames, view.plane))
    spacings = known_spacings(frames)
    stacks: list[_Stack] = []
    for group in groups:
        parts = untangle(place(group, spacings))
        stacks += _best_echo([_Stack(_described_view(view, group, groups), "", part) for part in parts])
    return stacks


def _by_headers(frames: list[Frame]) -> list[_Stack]:
    """Split the images of a series by what they show and how they lie; the headers decide on each part's view."""
    spacings = known_spacings(frames)
    stacks: list[_Stack] = []
    for kind, images in shown_by([(frame.header, frame) for frame in frames]):
        for group in split_orientations(orient(images, None)):
            parts = [(part, repeats(part)) for part in untangle(place(group, spacings))]
            stacks += _best_echo(
                [
                    _Stack(None if kind or again else _guessed_view(part), kind or again, part)
                    for part, again in parts
                ]
            )
    if is_scout([(stack.slices[0].slice.plane.normal, len(stack.slices)) for stack in stacks]):
        return [replace(stack, view=None, passed_over=stack.passed_over or "localizer") for stack in stacks]
    return stacks


def _described_view(described: View, group: list[Oriented], groups: list[list[Oriented]]) -> View | None:
    """Give the described view to groups in its plane; to all groups where none is."""
    in_plane = [plane_of(other[0].normal) == described.plane for other in groups]
    return described if plane_of(group[0].normal) == described.plane or not any(in_plane) else None


def _guessed_view(part: list[Placed]) -> View | None:
    """Guess the view that most images of a stack have by their headers."""
    views = Counter(
        guess_view(
            item.header,
            None
            if "no_orientation" in item.flags
            else (item.slice.plane.row_direction, item.slice.plane.column_direction),
        )
        for item in part
    )
    return views.most_common(1)[0][0]


def _echo(part: list[Placed]) -> float:
    """Take the median echo time of a stack, ms; NaN where no header gives one."""
    echoes = [item.header.acquisition["echo_time_ms"] for item in part]
    finite = [echo for echo in echoes if math.isfinite(echo)]
    return float(np.median(finite)) if finite else math.nan


def _best_echo(stacks: list[_Stack]) -> list[_Stack]:
    """Leave the view, of several echoes at the same positions, to that which fits it best."""
    result = []
    for stack in stacks:
        rivals = [_echo(other.slices) for other in stacks if stack.view and other.view is stack.view]
        known = [echo for echo in rivals if math.isfinite(echo)] or [math.nan]
        best = min(known) if stack.view is View.SAGITTAL_T1 else max(known)
        other = abs(_echo(stack.slices) - best) > SAME_ECHO_MS
        result.append(replace(stack, view=None, passed_over="another echo") if other else stack)
    return result


def _assemble(series_id: str, stack: _Stack, flags: frozenset[str]) -> Series:
    """Order the slices of a stack and pool what their headers say."""
    ordered = in_order(stack.slices)
    if len(ordered) < len(stack.slices):
        flags |= {"duplicates_dropped"}
    flags = flags.union(*(item.flags for item in ordered))
    if any(item.header.odd for item in ordered):
        flags |= {"odd_header"}
    metadata = _metadata([item.header for item in ordered])
    if math.isnan(metadata["slice_thickness_mm"]):
        flags |= {"no_thickness"}
    if math.isnan(metadata["spacing_between_slices_mm"]):
        flags |= {"no_spacing_between"}
        if len(ordered) > 1:
            metadata["spacing_between_slices_mm"] = float(np.median(np.diff(positions(ordered))))
    rivals = len(stack.slices) >= _CROWD and len(stack.slices) > _RIVALS * len(ordered)
    if rivals or _is_crowded(ordered, metadata["spacing_between_slices_mm"]):
        flags |= {"crowded"}
    if _field_contradicts(ordered):
        flags |= {"odd_field"}
    first, slices = ordered[0].header, tuple(item.slice for item in ordered)
    known = traits_of(first), stack.passed_over, first.frame_of_reference
    return Series(series_id, stack.view, slices, metadata, flags, *known)


def _is_crowded(ordered: list[Placed], stated_mm: float) -> bool:
    """Tell whether slices lie much closer than the header says: two series, or two patients, in one."""
    return len(ordered) >= _CROWD and float(np.median(np.diff(positions(ordered)))) < _CROWDED * stated_mm


def _field_contradicts(ordered: list[Placed]) -> bool:
    """Tell whether the field of view that headers state fits neither side of most images as their spacing has it."""
    contradictions = []
    for item in ordered:
        field, spacing = item.header.field_of_view_mm, item.header.spacing
        if spacing is not None and math.isfinite(field):
            sides = np.array(item.slice.pixels.shape) * spacing
            contradictions.append(bool((np.abs(np.log(sides / field)) > _FIELD_TOLERANCE).all()))
    return len(contradictions) > len(ordered) / 2 and sum(contradictions) > len(contradictions) / 2


def _metadata(headers: list[Header]) -> dict[str, float]:
    """Take the median of what the slices' headers give, so that one damaged header does not count."""
    result = {}
    for name in headers[0].acquisition:
        values = [header.acquisition[name] for header in headers]
        finite = [value for value in values if math.isfinite(value)]
        result[name] = float(np.median(finite)) if finite else math.nan
    return result | {"n_slices": float(len(headers))}
