"""What the viewer of a study's page must know of each series and slice."""

from __future__ import annotations

from typing import Any

import numpy as np

from lsdc.cohort.cropping import window_of
from lsdc.cohort.geometry import Floats
from lsdc.cohort.location import Status
from lsdc.cohort.study import Slice
from lsdc.cohort.vocabulary import Condition, View
from lsdc.features.located_study import LocatedStudy
from lsdc.report.pages.data_uris import jpeg_uri
from lsdc.report.pages.sentences import counted
from lsdc.report.pages.shown_series import ShownSeries
from lsdc.report.pages.upright_image import UprightImage

HEADROOM = 1.4
"""Up to where the pictures keep gray values, in widths of the gray window from its bottom: what is brighter than the
window can be brought back by level and window."""
_MOST_PX = 512
_QUALITY = 80
_THROUGH_MM = 1.0


def describe_series(located: LocatedStudy, shown: list[ShownSeries]) -> list[dict[str, Any]]:
    """Collect what the viewer draws: each slice's picture, its size, its letters and its place in the patient.

    Parameters
    ----------
    located : LocatedStudy
        The study with its located targets.
    shown : list of ShownSeries
        The series to show.

    Returns
    -------
    list of dict
        One per series, as JSON holds it. `frame` numbers the frames of reference, 0 where it is not known; `o`, `u`
        and `v` of a slice are its upper left corner in the patient and the vectors along its width and its height, mm.
    """
    frames = sorted({item.series.frame_of_reference for item in shown} - {""})
    middle = _middle_of_canal(located)
    return [
        {
            "view": list(View).index(item.view),
            "label": f"{item.name}, {counted(len(item.series.slices), 'slice')}",
            "placed": item.series.placed,
            "frame": frames.index(item.series.frame_of_reference) + 1
            if item.series.frame_of_reference
            else 0,
            "oriented": not item.series.flags & {"no_orientation", "no_position"},
            "measured": "no_pixel_spacing" not in item.series.flags,
            "slices": [_describe_slice(item, one, window, middle) for one in item.series.slices],
        }
        for item, window in ((item, window_of(item.series)) for item in shown)
    ]


def _describe_slice(
    shown: ShownSeries, item: Slice, window: tuple[float, float], middle: Floats | None
) -> dict[str, Any]:
    """Describe one slice."""
    image = UprightImage.of(item, shown.view)
    low, high = window
    (width, height), (across, down) = image.size_mm, image.axes
    return {
        "src": jpeg_uri(image.pixels(item, (low, low + HEADROOM * (high - low)), _MOST_PX), _QUALITY),
        "mm": [round(width, 2), round(height, 2)],
        "o": image.corner.round(2).tolist(),
        "u": (across * width).round(2).tolist(),
        "v": (down * height).round(2).tolist(),
        "edges": list(image.edges),
        "where": _where(shown, item, image, middle),
    }


def _middle_of_canal(located: LocatedStudy) -> Floats | None:
    """Find the middle of the canal's located points in the patient, mm; None where it was not seen."""
    points = [
        item.patient
        for item in located.locations
        if item.target.condition is Condition.SPINAL_CANAL_STENOSIS
        and item.status is not Status.NOT_SEEN
        and np.isfinite(item.patient).all()
    ]
    return np.median(np.array(points, float), axis=0) if points else None


def _where(shown: ShownSeries, item: Slice, image: UprightImage, middle: Floats | None) -> str:
    """Say in words where a slice lies: beside the canal, or on the scanner's axis; nothing where it is not known."""
    if not shown.series.placed:
        return ""
    axis = 0 if shown.view.plane == "sagittal" else 2
    if axis == 0 and middle is not None:
        normal = item.plane.normal
        left = -float(item.plane.distance(middle)[0]) * (1.0 if normal[0] > 0 else -1.0)
        if abs(left) < _THROUGH_MM:
            return "through the canal"
        return f"{abs(left):.0f} mm {'left' if left > 0 else 'right'} of the canal"
    across, down = image.axes
    center = image.corner + (across * image.size_mm[0] + down * image.size_mm[1]) / 2
    letter = ("RL" if axis == 0 else "FH")[int(center[axis] > 0)]
    return f"{letter} {abs(center[axis]):.0f} mm"
