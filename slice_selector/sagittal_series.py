"""Which sagittal series of a study are searched."""

from __future__ import annotations

from lsdc.cohort.coverage import extent_of
from lsdc.cohort.study import Series, Study
from lsdc.cohort.vocabulary import View
from lsdc.slice_selector.localizer import Localizer
from lsdc.slice_selector.search_window import certainty, find_window

_SAME_PART = 0.5
"""Series that share this much of the shorter one's extent cover the same part of the patient."""


def sagittal_series(study: Study, localizer: Localizer | None, *views: View) -> int | None:
    """Choose the series on which to locate: of the first view that the study has, the best one.

    Parameters
    ----------
    study : Study
        Any number of series.
    localizer : Localizer or None
        Tells which of several series of one view, that cover different parts of the patient, shows the lumbar spine.
    *views : View
        In order of preference.

    Returns
    -------
    int or None
        Index of a series. Of those of one part one whose place in the patient is known is preferred, then one with
        more slices, then one with larger images. None where the study has none of the views.
    """
    for view in views:
        found = [k for k, series in enumerate(study.series) if series.view is view]
        if found:
            parts = _parts(study, found)
            if len(parts) == 1 or localizer is None:
                return max(found, key=lambda k: _rank(study.series[k]))
            best = [max(part, key=lambda k: _rank(study.series[k])) for part in parts]
            return max(best, key=lambda k: certainty(find_window(study, k, localizer), localizer))
    return None


def _parts(study: Study, found: list[int]) -> list[list[int]]:
    """Group series by the part of the patient that they cover."""
    parts: list[list[int]] = []
    for k in found:
        extent = extent_of(study.series[k])
        for part in parts:
            if not extent.shared_with(extent_of(study.series[part[0]])) < _SAME_PART:
                part.append(k)
                break
        else:
            parts.append([k])
    return parts


def _rank(series: Series) -> tuple[bool, int, int]:
    return series.placed, len(series.slices), series.slices[0].pixels.size
