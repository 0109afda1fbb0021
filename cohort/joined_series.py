"""Stacks that an export tore apart: one acquisition under several series UIDs, or one stored twice."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.geometry import anatomical_normal
from lsdc.cohort.study import Series, Slice

COPY = "an exact copy of another series"
"""Why a series that was stored twice is passed over."""
_ALIGNED_MM = 1.0
"""Slices of one stack lie over each other to within this, mm."""
_REGULAR = 1.3
"""The largest step of a whole stack, in units of its usual one."""
_TOO_CLOSE = 0.7
"""Joined slices must not lie closer than this fraction of what the header says."""
_SINGLES = 3
"""So many single slices, each a series of its own, are one stack also where their steps differ."""
_ECHO_MS, _REPETITION_MS = 1.0, 20.0


def join_series(series: Sequence[Series]) -> list[Series]:
    """Join what belongs together, and pass over what is there twice.

    Parameters
    ----------
    series : sequence of Series
        All series of a study that no table describes.

    Returns
    -------
    list of Series
        In the order given; a joined one stands where its first part stood and has its id and the flag `joined`.
    """
    result = _without_copies(series)
    groups: dict[object, list[int]] = {}
    for k, item in enumerate(result):
        if item.placed and item.passed_over != COPY:
            groups.setdefault(_signature(item), []).append(k)
    dropped: set[int] = set()
    for members in groups.values():
        parts = [result[k] for k in members]
        if len(parts) > 1 and _is_one_stack(parts):
            result[members[0]] = _joined(parts)
            dropped |= set(members[1:])
    return [item for k, item in enumerate(result) if k not in dropped]


def _without_copies(series: Sequence[Series]) -> list[Series]:
    """Take the view from series all of whose images another series holds at the same places."""
    places = [{place_of(item) for item in one.slices} for one in series]
    echoes = [_echo(one) for one in series]
    # Each may be compared with all others.
    pictures = cache(lambda k: _pictures(series[k]))

    def is_copy(k: int) -> bool:
        return series[k].placed and any(
            places[k] <= other
            and (j < k or places[k] < other)
            # A copy that is no view must not replace one that is.
            and (series[j].view, echoes[j]) == (series[k].view, echoes[k])
            and pictures(k) <= pictures(j)
            for j, other in enumerate(places)
            if j != k and series[j].placed
        )

    return [
        replace(one, view=None, passed_over=COPY) if not one.passed_over and is_copy(k) else one
        for k, one in enumerate(series)
    ]


def place_of(item: Slice) -> tuple[object, ...]:
    """Collect what two images at the same place have in common.

    Parameters
    ----------
    item : Slice
        One image.

    Returns
    -------
    tuple
        Origin and directions, rounded, and size in pixels.
    """
    plane = item.plane
    return (
        *(round(value, 2) + 0.0 for value in (*plane.origin, *plane.row_direction, *plane.column_direction)),
        item.pixels.shape,
    )


def _pictures(series: Series) -> set[bytes]:
    return {hashlib.sha256(np.ascontiguousarray(item.pixels).data).digest() for item in series.slices}


def _signature(series: Series) -> tuple[object, ...]:
    """Collect what parts of one acquisition have in common."""
    first, repetition = series.slices[0], series.metadata.get("repetition_time_ms", np.nan)
    return (
        series.view,
        series.passed_over,
        series.traits,
        first.pixels.shape,
        tuple(np.round(first.plane.spacing, 3).tolist()),
        tuple(np.round(_normal(series), 1).tolist()),
        _echo(series),
        None if np.isnan(repetition) else round(repetition / _REPETITION_MS),
    )


def _echo(series: Series) -> int | None:
    """Round the echo time, so that those of one acquisition are equal; None where it is not known."""
    echo = series.metadata.get("echo_time_ms", np.nan)
    return None if np.isnan(echo) else round(echo / _ECHO_MS)


def _normal(series: Series) -> NDArray[np.float64]:
    plane = series.slices[0].plane
    return anatomical_normal((plane.row_direction, plane.column_direction))


def _is_one_stack(parts: Sequence[Series]) -> bool:
    """Judge whether parts lie over each other, and fill each other's gaps."""
    normal = _normal(parts[0])
    origins = np.array([item.plane.origin for part in parts for item in part.slices])
    along = origins @ normal
    across = origins - along[:, None] * normal
    if np.linalg.norm(across - np.median(across, axis=0), axis=1).max() > _ALIGNED_MM:
        return _are_torn_singles(parts, along)
    steps = np.diff(np.sort(along))
    if steps.min() < _TOO_CLOSE * _stated_step(parts):
        return False
    return bool(steps.max() <= _REGULAR * np.median(steps)) or _are_torn_singles(parts, along)


def _are_torn_singles(parts: Sequence[Series], along: NDArray[np.float64]) -> bool:
    """Judge whether every slice was stored as a series of its own."""
    single = all(len(part.slices) == 1 for part in parts) and len(parts) >= _SINGLES
    return single and bool(np.diff(np.sort(along)).min() > _TOO_CLOSE * _stated_step(parts))


def _stated_step(parts: Sequence[Series]) -> float:
    """Find how far slices lie apart by the headers, mm; a small distance where these are silent."""
    stated = [
        part.metadata.get("spacing_between_slices_mm", np.nan)
        for part in parts
        if "no_spacing_between" not in part.flags
    ] or [part.metadata.get("slice_thickness_mm", np.nan) for part in parts]
    finite = [value for value in stated if np.isfinite(value)]
    return float(np.median(finite)) if finite else 0.1


def _joined(parts: Sequence[Series]) -> Series:
    """Put the slices of all parts into one series, in anatomical order."""
    normal = _normal(parts[0])
    slices = sorted(
        (replace(item, series_id=part.series_id) for part in parts for item in part.slices),
        key=lambda item: float(normal @ np.asarray(item.plane.origin)),
    )
    first = parts[0]
    metadata = {**first.metadata, "n_slices": float(len(slices))}
    flags = frozenset[str]().union(*(part.flags for part in parts)) | {"joined"}
    joined = replace(first, slices=tuple(slices), metadata=metadata, flags=flags)
    if "no_spacing_between" not in flags or len(slices) < 2:
        return joined
    # Each part was given the step of its own slices.
    return replace(joined, metadata={**metadata, "spacing_between_slices_mm": joined.step})
