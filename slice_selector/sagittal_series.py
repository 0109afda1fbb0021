"""Which sagittal series of a study is searched."""

from __future__ import annotations

from lsdc.cohort.study import Series, Study
from lsdc.cohort.vocabulary import View


def fullest(study: Study, *views: View) -> int | None:
    """Choose the series on which to locate: of the first view that the study has, the best one.

    Parameters
    ----------
    study : Study
        Any number of series.
    *views : View
        In order of preference.

    Returns
    -------
    int or None
        Index of a series. One whose place in the patient is known is preferred, then one with more slices, then one
        with larger images. None where the study has none of the views.
    """
    for view in views:
        found = [k for k, series in enumerate(study.series) if series.view is view]
        if found:
            return max(found, key=lambda k: _rank(study.series[k]))
    return None


def _rank(series: Series) -> tuple[bool, int, int]:
    return series.placed, len(series.slices), series.slices[0].pixels.size
