"""Which part of the patient is searched, where series of a study show several and no header tells them apart."""

from __future__ import annotations

from dataclasses import replace

from lsdc.cohort.coverage import NEAR_MM, SHORTEST_MM, extent_of, parts_of
from lsdc.cohort.series_choice import ELSEWHERE
from lsdc.cohort.study import Study
from lsdc.slice_selector.localizer import Localizer
from lsdc.slice_selector.search_window import certainty, find_window
from lsdc.slice_selector.square_images import SAGITTAL_VIEWS

_ALIKE = 0.1
"""Parts of which the localizer is as sure as this are told apart by their number of views."""


def of_one_part(study: Study, localizer: Localizer | None) -> Study:
    """Leave their views to the series of the part that shows the lumbar spine.

    Parameters
    ----------
    study : Study
        Any number of series.
    localizer : Localizer or None
        Tells which part shows the lumbar spine; with None, that with most views is taken.

    Returns
    -------
    Study
        The same where all series cover one part; else series elsewhere have no view.
    """
    extents = {k: extent_of(item) for k, item in enumerate(study.series) if item.view in SAGITTAL_VIEWS}
    # Those without a place belong to no part.
    parts = parts_of({k: extent for k, extent in extents.items() if extent.length >= SHORTEST_MM})
    if len(parts) < 2:
        return study
    views = [len({study.series[k].view for k in part}) for part in parts]
    if localizer is None:
        sure = [0.0] * len(parts)
    else:
        sure = [max(certainty(find_window(study, k, localizer), localizer) for k in part) for part in parts]
    best = max(range(len(parts)), key=lambda n: (sure[n] >= max(sure) - _ALIKE, views[n], sure[n]))
    kept = set(parts[best])
    low, high = min(extents[k].foot for k in kept) - NEAR_MM, max(extents[k].head for k in kept) + NEAR_MM
    others = {k for part in parts for k in part} - kept
    for k, series in enumerate(study.series):
        extent = extent_of(series)
        if (
            series.view is not None
            and series.view not in SAGITTAL_VIEWS
            and (extent.head < low or extent.foot > high)
        ):
            others.add(k)
    changed = (
        replace(item, view=None, passed_over=ELSEWHERE) if k in others else item
        for k, item in enumerate(study.series)
    )
    return replace(study, series=tuple(changed))
