"""Where on a tall sagittal image the lumbar spine is: images of the whole spine show it far from their middle."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.coverage import extent_of
from lsdc.cohort.study import Study
from lsdc.slice_selector.heatmap_decoding import STRIDE, ordered_levels
from lsdc.slice_selector.localizer import Localizer
from lsdc.slice_selector.square_images import N_LEVELS, SAGITTAL_MM, SAGITTAL_PX, SquareImages

TALL_MM = 360.0
"""On lower images the window around the middle shows the lumbar spine."""
_STEP_MM = 50.0
_SLICES = 3
"""So many middle slices are looked at."""
_SPREAD_MM = 60.0
"""How far the middles of a study's views lie apart."""
_CELL_MM = SAGITTAL_MM * STRIDE / SAGITTAL_PX


def find_window(study: Study, index: int, localizer: Localizer | None) -> SquareImages:
    """Choose what part of a sagittal series is searched: all of it, unless its images are tall.

    Windows of the usual size are tried from foot to head. That is taken in which the localizer is surest of the canal
    at five levels, near the height at which the other views lie, where these are known.

    Parameters
    ----------
    study : Study
        Where the series is.
    index : int
        Index of the series in the study.
    localizer : Localizer or None
        With None, the middle is taken.

    Returns
    -------
    SquareImages
        Cuts the images of the window.
    """
    series = study.series[index]
    extent = extent_of(series)
    if localizer is None or not extent.length > TALL_MM:
        return SquareImages.sagittal(series)
    reach = (extent.length - SAGITTAL_MM) / 2 + _STEP_MM / 2
    offsets = np.arange(-reach, reach + 1, 2 * reach / max(1, round(2 * reach / _STEP_MM)))
    windows = [SquareImages.sagittal(series, float(up)) for up in offsets]
    sure = np.array([certainty(window, localizer) for window in windows])
    elsewhere = _height_of_others(study, index)
    if np.isfinite(elsewhere):
        middle = (extent.foot + extent.head) / 2
        sure = sure * np.exp(-0.5 * ((middle + offsets - elsewhere) / _SPREAD_MM) ** 2)
    return windows[int(sure.argmax())]


def certainty(window: SquareImages, localizer: Localizer) -> float:
    """Tell how sure the localizer is of the canal at five levels.

    Parameters
    ----------
    window : SquareImages
        Of a sagittal series; its middle slices are looked at.
    localizer : Localizer
        The sagittal one.

    Returns
    -------
    float
        Mean probability around the five points, 0 to 1.
    """
    count = len(window.series.slices)
    first = max(0, (count - _SLICES) // 2)
    images = np.array([window.cut(k) for k in range(first, min(count, first + _SLICES))])
    maps: NDArray[np.float32] = localizer.predict(images)[0][:, :N_LEVELS].mean(axis=0)
    return float(ordered_levels(maps, _CELL_MM)[:, 2].mean())


def _height_of_others(study: Study, index: int) -> float:
    """Find the height of the middle of the other views, mm along the patient's axis; NaN where it is not known."""
    extents = [
        extent_of(other)
        for k, other in enumerate(study.series)
        if k != index and other.view is not None and other.view is not study.series[index].view
    ]
    middles = [(item.foot + item.head) / 2 for item in extents if item.length <= TALL_MM]
    return float(np.mean(middles)) if middles else float("nan")
