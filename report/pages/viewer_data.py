"""What the viewer of a study's page must know of each series and slice."""

from __future__ import annotations

from typing import Any

from lsdc.cohort.study import Slice
from lsdc.cohort.vocabulary import View
from lsdc.features.located_study import LocatedStudy
from lsdc.report.pages.data_uris import jpeg_uri
from lsdc.report.pages.sentences import counted
from lsdc.report.pages.shown_series import ShownSeries
from lsdc.report.pages.slice_places import SlicePlaces
from lsdc.report.pages.upright_image import UprightImage

HEADROOM = 1.4
"""Up to where the pictures keep gray values, in widths of the gray window from its bottom: what is brighter than the
window can be brought back by level and window."""
_MOST_PX = 512
_QUALITY = 80


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
            "slices": [_describe_slice(item, one, window, places) for one in item.series.slices],
        }
        for item, window, places in (
            (item, item.series.window, SlicePlaces(located, item.series)) for item in shown
        )
    ]


def _describe_slice(
    shown: ShownSeries, item: Slice, window: tuple[float, float], places: SlicePlaces
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
        "where": places.of(item, shown.view.plane),
    }
